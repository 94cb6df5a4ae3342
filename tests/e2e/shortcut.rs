//! Pushes that go past the egress listener, to an address that it judged before.

use super::support::gateway::Gateway;
use super::support::raw::{Server, Step};
use super::support::receiver::Receiver;
use super::support::tls::Authority;
use super::*;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

/// An address is known for seconds, and a busy machine may take as long for a push.
const MOST_PUSHES: usize = 50;

/// Requests that went to the listener, those about addresses included.
async fn to_listener(gateway: &Gateway) -> u64 {
    let page = gateway.stats("/stats?filter=^cluster.formhook_egress.upstream_rq_total").await;
    page.trim().rsplit_once(": ").unwrap().1.parse().unwrap()
}

/// Makes pushes until one has gone past the listener. How many.
async fn pushes(gateway: &Gateway, platform: &Platform) -> usize {
    for made in 1..=MOST_PUSHES {
        let before = to_listener(gateway).await;
        orders::create(gateway, platform, "a").await;
        gateway.wait_for_metric(PUSHED, made as f64).await;
        if to_listener(gateway).await == before {
            return made;
        }
    }
    panic!("{MOST_PUSHES} pushes went through the listener")
}

/// The same; all that have arrived.
async fn arrived(gateway: &Gateway, platform: &Platform, receiver: &Receiver) -> Vec<Received> {
    let made = pushes(gateway, platform).await;
    receiver.wait_for(made).await
}

fn names(push: &Received) -> Vec<&str> {
    let mut names: Vec<_> = push.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn assert_alike(received: &[Received]) {
    let [first, .., last] = received else { panic!("{} pushes", received.len()) };
    assert_eq!(names(first), names(last));
    let is_foreign = |name: &&str| name.starts_with("x-f") || name.starts_with("x-envoy");
    assert!(!names(last).iter().any(is_foreign), "{:?}", names(last));
    for push in received {
        assert_eq!(push.header("host"), first.header("host"));
        assert_signed(push);
    }
}

#[tokio::test]
async fn later_pushes_go_straight_to_the_address_and_look_the_same() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/hooks?a=1")).start().await;
    assert_alike(&arrived(&gateway, &platform, &receiver).await);
}

#[tokio::test]
async fn over_tls_the_certificate_is_verified_for_the_name_on_either_way() {
    let platform = orders_platform().await;
    let ca = Authority::new();
    let receiver = Receiver::over_tls(ca.server(&["localhost"])).await;
    let url = format!("https://localhost:{}/hooks", receiver.address.port());
    let gateway = gateway(&platform, &url).trusting(ca.file()).start().await;
    assert_alike(&arrived(&gateway, &platform, &receiver).await);
    let page = gateway.stats("/stats?filter=^cluster.formhook_egress_https.ssl").await;
    assert!(page.contains("ssl.fail_verify_san: 0") && page.contains("ssl.handshake: "), "{page}");
}

#[tokio::test]
async fn a_target_cannot_lead_pushes_to_another_address() {
    let platform = orders_platform().await;
    let other = Receiver::start().await;
    let address = other.address.to_string();
    let forging = Receiver::answering(move |_| {
        (StatusCode::OK, [("x-formhook-address", address.clone())]).into_response()
    })
    .await;
    let gateway = gateway(&platform, &forging.url("/")).start().await;
    let made = pushes(&gateway, &platform).await;
    orders::create(&gateway, &platform, "a").await;
    forging.wait_for(made + 1).await;
    let made = gateway.wait_for_log(&["formhook.push "]).await;
    assert!(made.contains(r#""outcome":"success""#), "{made}");
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn what_fails_on_the_straight_way_is_told_in_words_and_repeated_through_the_listener() {
    let platform = orders_platform().await;
    let closing = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let target = Server::start(vec![Step::send(closing)]).await;
    let mut config = plugin(&target.url("/"));
    config["webhooks"][0]["retry"] = json!(["10ms"]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    pushes(&gateway, &platform).await;
    drop(target);
    let before = to_listener(&gateway).await;
    orders::create(&gateway, &platform, "b").await;
    let line = gateway.wait_for_log(&["failed after 2 attempts: "]).await;
    assert!(line.ends_with(": connection refused"), "{line}");
    assert!(to_listener(&gateway).await > before);
    gateway.assert_vm_alive();
}
