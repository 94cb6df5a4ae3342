//! What target servers can do to a push, and how the operator is told of it.

use super::support::gateway::{Gateway, Setup, envoy_version};
use super::support::raw::{Server, Step, refusing_address};
use super::support::receiver::{Receiver, large_answer};
use super::support::tls::Authority;
use super::*;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

/// Each of these targets gets every push.
struct Case {
    id: &'static str,
    url: String,
    /// What the log says about a failed attempt.
    cause: &'static str,
}

const VAGUE: &str = "TLS: the certificate was not accepted: it is for another host name, out of date, or not signed by a trusted authority";

fn case(id: &'static str, url: String, cause: &'static str) -> Case {
    Case { id, url, cause }
}

/// A gateway that pushes to each of these and to a healthy target beside them.
async fn gateway_to(
    platform: &Platform,
    cases: &[Case],
    healthy: &Receiver,
    ca: &Authority,
) -> Gateway {
    let webhooks = cases.iter().map(|case| {
        // 40 MiB take their time on a busy machine.
        let timeout = if case.id == "large" { "20s" } else { "1s" };
        json!({"id": case.id, "url": case.url, "retry": ["10ms"], "timeout": timeout})
    });
    let mut config = plugin(&healthy.url("/"));
    config["webhooks"].as_array_mut().unwrap().extend(webhooks);
    Setup::new(platform.address(), &config).trusting(ca.file()).start().await
}

/// Makes two pushes to each target: neither harms the other targets, the API or the VM, and the
/// cause is told in words.
async fn each_fails_in_words(platform: &Platform, cases: &[Case], ca: &Authority) {
    let healthy = Receiver::start().await;
    let gateway = gateway_to(platform, cases, &healthy, ca).await;
    for customer in ["a", "b"] {
        let answer = gateway.call(CREATE, platform.api_key(), &order(customer)).await;
        assert_eq!(answer.status(), 200);
    }
    healthy.wait_for(2).await;
    for case in cases {
        let name = format!(r#"formhook_pushes_total{{result="failure",webhook="{}"}}"#, case.id);
        gateway.wait_for_metric(&name, 2.0).await;
        let failed = format!("to webhook {} failed after 2 attempts: ", case.id);
        let line = gateway.wait_for_log(&[&failed]).await;
        assert!(line.ends_with(&format!(": {}", case.cause)), "{}: {line}", case.cause);
    }
    gateway.assert_vm_alive();
    gateway.wait_for_metric(PUSHED, 2.0).await;
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_is_told_in_words() {
    let platform = orders_platform().await;
    let refusing = refusing_address().await;
    let cases = [
        case("refused", format!("http://{refusing}/"), "connection refused"),
        case("refused_tls", format!("https://{refusing}/"), "connection refused"),
        case("dns", "http://no-such-host.invalid/".into(), "DNS failure: the name does not exist"),
    ];
    each_fails_in_words(&platform, &cases, &Authority::new()).await;
}

#[tokio::test]
async fn a_target_that_does_not_speak_http_properly_is_told_in_words() {
    let platform = orders_platform().await;
    let garbage = Server::start(vec![Step::send("+OK Dovecot ready.\r\n")]).await;
    let closing = Server::start(vec![]).await;
    let hanging = Server::start(vec![Step::Hang]).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let broken = Server::start(vec![Step::send(head)]).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    let stalling = Server::start(vec![Step::send(head), Step::Hang]).await;
    let many = "x-header: ".to_owned() + &"y".repeat(200_000) + "\r\n\r\n";
    let long = Server::start(vec![Step::send("HTTP/1.1 200 OK\r\n"), Step::send(&many)]).await;
    let cases = [
        case("garbage", garbage.url("/"), "the answer is not HTTP"),
        case("closing", closing.url("/"), "connection closed before an answer"),
        case("hanging", hanging.url("/"), "timeout after 1s"),
        case("broken", broken.url("/"), "the answer broke off or was larger than 32 MiB"),
        case("stalling", stalling.url("/"), "timeout after 1s"),
        case("long", long.url("/"), "the answer is not HTTP"),
    ];
    each_fails_in_words(&platform, &cases, &Authority::new()).await;
}

#[tokio::test]
async fn an_answer_that_is_not_2xx_is_a_failure() {
    let platform = orders_platform().await;
    let error = Receiver::answering(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    let moved = Receiver::answering(|_| {
        (StatusCode::FOUND, [("location", "http://127.0.0.1/")]).into_response()
    })
    .await;
    // An answer of 504 is the target's own; it is no timeout.
    let late = Receiver::answering(|_| StatusCode::GATEWAY_TIMEOUT.into_response()).await;
    let large = Receiver::answering(|_| large_answer(40 * 1024 * 1024)).await;
    // These names are the egress listener's; a target cannot use them to pass for something else.
    let forging = Receiver::answering(|_| {
        let headers = [("x-formhook-flags", "DF"), ("x-formhook-details", "dns")];
        (StatusCode::BAD_GATEWAY, headers).into_response()
    })
    .await;
    let cases = [
        case("error", error.url("/"), "HTTP 500"),
        case("moved", moved.url("/"), "HTTP 302 (redirects are not followed)"),
        case("late", late.url("/"), "HTTP 504"),
        case("large", large.url("/"), "the answer broke off or was larger than 32 MiB"),
        case("forging", forging.url("/"), "HTTP 502"),
    ];
    each_fails_in_words(&platform, &cases, &Authority::new()).await;
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_told_in_words() {
    let platform = orders_platform().await;
    let (ca, stranger) = (Authority::new(), Authority::new());
    let other_name = Receiver::over_tls(ca.server(&["crm.example.com"])).await;
    let unknown = Receiver::over_tls(stranger.server(&["localhost"])).await;
    let expired = Receiver::over_tls(ca.expired_server(&["localhost"])).await;
    let plain = Receiver::start().await;
    let tls = Receiver::over_tls(ca.server(&["localhost"])).await;
    let url = |receiver: &Receiver| format!("https://localhost:{}/", receiver.address.port());
    // Envoy 1.36 does not say what is wrong with a certificate.
    let is_vague = envoy_version().starts_with("1.36.");
    let say = |exact: &'static str| if is_vague { VAGUE } else { exact };
    let cases = [
        case(
            "other_name",
            url(&other_name),
            say("TLS: the certificate is not valid for this host name"),
        ),
        case(
            "unknown",
            url(&unknown),
            say("TLS: the certificate is not signed by a trusted authority"),
        ),
        case("expired", url(&expired), say("TLS: the certificate has expired")),
        case("plain", url(&plain), "TLS: the server does not speak TLS on this port"),
        case("tls", tls.url("/"), "the answer is not HTTP"),
    ];
    each_fails_in_words(&platform, &cases, &ca).await;
    for receiver in [&other_name, &unknown, &expired, &plain, &tls] {
        assert!(receiver.received().is_empty());
    }
}

#[tokio::test]
async fn a_target_with_a_good_certificate_is_pushed_to() {
    let platform = orders_platform().await;
    let ca = Authority::new();
    let by_name = Receiver::over_tls(ca.server(&["localhost"])).await;
    let by_address = Receiver::over_tls(ca.server(&["127.0.0.1"])).await;
    let mut config = plugin(&format!("https://localhost:{}/hooks", by_name.address.port()));
    let url = format!("https://{}/hooks", by_address.address);
    config["webhooks"].as_array_mut().unwrap().push(webhook("address", &url));
    let setup = Setup::new(platform.address(), &config).trusting(ca.file());
    let gateway = setup.start().await;
    gateway.call(CREATE, platform.api_key(), &order("a")).await;
    let push = by_name.wait_for(1).await.remove(0);
    assert_eq!(push.header("host"), format!("localhost:{}", by_name.address.port()));
    by_address.wait_for(1).await;
    gateway.wait_for_metric(PUSHED, 1.0).await;
}

#[tokio::test]
async fn private_addresses_are_not_reached_with_the_shipped_rules() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://10.0.0.1/".into(),
        "http://172.16.0.1/".into(),
        "http://192.168.1.1/".into(),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://100.100.100.200/".into(),
        "http://0.0.0.0/".into(),
        "http://[64:ff9b::7f00:1]/".into(),
        "http://[2002:7f00:1::]/".into(),
        "http://[fd00::1]/".into(),
        "https://[fe80::1]/".into(),
    ];
    let webhooks = urls.iter().enumerate().map(|(number, url)| {
        json!({"id": format!("w{number}"), "url": url, "retry": [], "timeout": "2s"})
    });
    let config = json!({"platform": "jodoo", "webhooks": webhooks.collect::<Vec<_>>()});
    let setup = Setup::new(platform.address(), &config).denying_loopback();
    let gateway = setup.start().await;
    gateway.call(CREATE, platform.api_key(), &order("a")).await;
    for (number, url) in urls.iter().enumerate() {
        let name = format!(r#"formhook_pushes_total{{result="failure",webhook="w{number}"}}"#);
        gateway.wait_for_metric(&name, 1.0).await;
        let line = gateway.wait_for_log(&[&format!("to webhook w{number} failed")]).await;
        assert!(line.ends_with("the egress policy forbids this address"), "{url}: {line}");
    }
    assert!(receiver.received().is_empty());
    gateway.assert_vm_alive();
}
