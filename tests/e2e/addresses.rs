//! A target's name with several addresses: it is reached if any of them answers, and only those that the egress
//! policy allows are connected to.

use super::support::dns::NameServer;
use super::support::gateway::{Gateway, Setup};
use super::support::receiver::Receiver;
use super::*;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// So many webhooks begin with each of the addresses of a name.
const WEBHOOKS: usize = 6;

/// Webhooks that push to this host, with one attempt for each push.
fn config(host: &str, port: u16) -> Value {
    let mut config = plugin("http://unused.invalid/");
    let webhooks = (0..WEBHOOKS).map(|number| {
        let mut webhook = webhook(&format!("w{number}"), &format!("http://{host}:{port}/"));
        webhook["retry"] = json!([]);
        webhook["timeout"] = json!("10s");
        webhook
    });
    config["webhooks"] = webhooks.collect();
    config
}

/// Makes pushes to all webhooks, each of which is delivered by its only attempt.
async fn all_arrive(gateway: &Gateway, platform: &Platform, receiver: &Receiver) {
    for round in 1..=3 {
        orders::create(gateway, platform, "a").await;
        receiver.wait_for(round * WEBHOOKS).await;
    }
    for number in 0..WEBHOOKS {
        let of =
            |result| format!(r#"formhook_pushes_total{{result="{result}",webhook="w{number}"}}"#);
        gateway.wait_for_metric(&of("success"), 3.0).await;
        assert_eq!(gateway.metric(&of("failure")).await, 0.0);
    }
    for push in receiver.received() {
        assert_signed(&push);
    }
    gateway.assert_vm_alive();
}

/// Counts the connections to an address, and says nothing.
async fn counting(address: &str, port: u16) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    count
}

/// An address whose connections stay half open: those that it takes nobody accepts, and it takes no more.
async fn silent(address: &str, port: u16) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(address.parse().unwrap(), port)).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut taken = Vec::new();
    let patience = std::time::Duration::from_millis(300);
    let address = listener.local_addr().unwrap();
    while let Ok(Ok(stream)) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        taken.push(stream);
    }
    (listener, taken)
}

#[tokio::test]
async fn a_name_is_reached_if_any_of_its_addresses_answers() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let names = NameServer::start(&[("crm.test", &["127.0.0.2", "127.0.0.3", "127.0.0.1"])]).await;
    let config = config("crm.test", receiver.address.port());
    let setup = Setup::new(platform.address(), &config).resolving_by(names.address);
    let gateway = setup.start().await;
    all_arrive(&gateway, &platform, &receiver).await;
    let tested = admin::command(&gateway, "/webhooks/w0/test").await;
    assert_eq!(tested["delivered"], true, "{tested}");
}

#[tokio::test]
async fn an_ipv6_address_is_reached_beside_a_dead_ipv4_address() {
    let platform = orders_platform().await;
    let receiver = Receiver::at("[::1]:0".parse().unwrap()).await;
    let names = NameServer::start(&[("crm.test", &["127.0.0.2", "::1"])]).await;
    let config = config("crm.test", receiver.address.port());
    let setup = Setup::new(platform.address(), &config).allow("::1", 128);
    let gateway = setup.resolving_by(names.address).start().await;
    all_arrive(&gateway, &platform, &receiver).await;
}

#[tokio::test]
async fn an_address_that_does_not_answer_at_all_leaves_time_for_the_next() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let _silent = silent("127.0.0.2", port).await;
    let names = NameServer::start(&[("crm.test", &["127.0.0.2", "127.0.0.1"])]).await;
    let setup = Setup::new(platform.address(), &config("crm.test", port));
    let gateway = setup.resolving_by(names.address).start().await;
    all_arrive(&gateway, &platform, &receiver).await;
}

#[tokio::test]
async fn after_a_timeout_the_next_attempt_takes_the_next_address() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let _silent = silent("127.0.0.2", port).await;
    let names = NameServer::start(&[("crm.test", &["127.0.0.2", "127.0.0.1"])]).await;
    let mut config = config("crm.test", port);
    for webhook in config["webhooks"].as_array_mut().unwrap() {
        // Less than Envoy takes to give a connection up.
        webhook["timeout"] = json!("1s");
        webhook["retry"] = json!(["10ms", "10ms", "10ms"]);
    }
    let setup = Setup::new(platform.address(), &config);
    let gateway = setup.resolving_by(names.address).start().await;
    all_arrive(&gateway, &platform, &receiver).await;
}

#[tokio::test]
async fn all_addresses_of_a_dead_target_are_tried_and_the_failure_is_one() {
    let platform = orders_platform().await;
    let port = support::raw::refusing_address().await.port();
    let names = NameServer::start(&[("crm.test", &["127.0.0.2", "127.0.0.3"])]).await;
    let setup = Setup::new(platform.address(), &config("crm.test", port));
    let gateway = setup.resolving_by(names.address).start().await;
    orders::create(&gateway, &platform, "a").await;
    let line = gateway.wait_for_log(&["webhook w0 failed after"]).await;
    assert!(line.ends_with("failed after 1 attempt: connection refused"), "{line}");
    let attempts = gateway.metric(r#"formhook_attempts_total{webhook="w0"}"#).await;
    assert_eq!(attempts, 2.0);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_allowed_are_connected_to() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let forbidden = [counting("127.0.0.2", port).await, counting("127.0.0.3", port).await];
    let [some, none]: [&[&str]; 2] =
        [&["127.0.0.2", "127.0.0.1", "127.0.0.3"], &["127.0.0.3", "127.0.0.2"]];
    let names = NameServer::start(&[("crm.test", some), ("bad.test", none)]).await;
    let mut config = config("crm.test", port);
    let mut bad = webhook("bad", &format!("http://bad.test:{port}/"));
    bad["retry"] = json!([]);
    config["webhooks"].as_array_mut().unwrap().push(bad);
    let setup = Setup::new(platform.address(), &config).denying_loopback();
    let gateway = setup.allow("127.0.0.1", 32).resolving_by(names.address).start().await;
    all_arrive(&gateway, &platform, &receiver).await;
    let line = gateway.wait_for_log(&["webhook bad failed after"]).await;
    assert!(line.ends_with(": the egress policy forbids this address"), "{line}");
    assert_eq!(forbidden.map(|count| count.load(Ordering::SeqCst)), [0, 0]);
}

#[tokio::test]
async fn a_name_that_changes_its_address_all_the_time_leads_to_no_forbidden_one() {
    let platform = orders_platform().await;
    // It answers no push with success, so that none takes the straight way for long.
    let receiver = Receiver::answering(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    let port = receiver.address.port();
    let forbidden = counting("127.0.0.2", port).await;
    let turns: Vec<&[&str]> = vec![&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1", "127.0.0.2"]];
    let names = NameServer::taking_turns(&[("crm.test", turns)]).await;
    let mut config = config("crm.test", port);
    for webhook in config["webhooks"].as_array_mut().unwrap() {
        webhook["retry"] = json!(["1s", "1s", "1s", "1s", "1s", "1s", "1s"]);
    }
    let setup = Setup::new(platform.address(), &config).denying_loopback();
    let gateway = setup.allow("127.0.0.1", 32).resolving_by(names.address).start().await;
    orders::create(&gateway, &platform, "a").await;
    for number in 0..WEBHOOKS {
        let failed = format!(r#"formhook_pushes_total{{result="failure",webhook="w{number}"}}"#);
        gateway.wait_for_metric(&failed, 1.0).await;
    }
    assert!(!receiver.received().is_empty());
    assert_eq!(forbidden.load(Ordering::SeqCst), 0);
    gateway.assert_vm_alive();
}
