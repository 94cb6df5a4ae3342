//! A secret is changed at the gateway and at the receiver, in whatever order, and no push is lost.

use super::admin::{answered, command};
use super::support::gateway::{Gateway, SECRET, Setup};
use super::support::receiver::Receiver;
use super::support::verify;
use super::*;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use reqwest::Method;
use std::sync::{Arc, Mutex};

const OLD: &str = "the old one";

/// A receiver that verifies the platform's signature by one secret.
struct Verifying {
    receiver: Receiver,
    secret: Arc<Mutex<String>>,
}

impl Verifying {
    /// It answers this if the signature is another.
    async fn start(secret: &str, refusal: StatusCode) -> Self {
        let secret = Arc::new(Mutex::new(secret.to_owned()));
        let known = Arc::clone(&secret);
        let receiver =
            Receiver::answering(move |push| match verify::jodoo(&known.lock().unwrap(), push) {
                Ok(()) => StatusCode::OK.into_response(),
                Err(_) => refusal.into_response(),
            });
        Verifying { receiver: receiver.await, secret }
    }

    fn change_to(&self, secret: &str) {
        secret.clone_into(&mut self.secret.lock().unwrap());
    }

    /// The requests of the push that comes next, until it is accepted.
    async fn requests(&self, gateway: &Gateway, platform: &Platform) -> usize {
        let before = self.receiver.received().len();
        let delivered = gateway.metric(PUSHED).await;
        orders::create(gateway, platform, "a").await;
        gateway.wait_for_metric(PUSHED, delivered + 1.0).await;
        self.receiver.received().len() - before
    }
}

fn rotating(url: &str, signing: &Value, retry: &Value) -> Value {
    let mut config = plugin(url);
    config["webhooks"][0]["previous_secret"] = json!(OLD);
    config["webhooks"][0]["signing"] = signing.clone();
    config["webhooks"][0]["retry"] = retry.clone();
    config
}

#[tokio::test]
async fn a_receiver_may_know_either_secret_and_change_at_any_time() {
    let platform = orders_platform().await;
    for (signing, retry, refusal) in [
        (json!(["jodoo"]), json!([]), StatusCode::UNAUTHORIZED),
        (json!(["jodoo"]), json!([]), StatusCode::INTERNAL_SERVER_ERROR),
        (json!(["standard", "jodoo"]), json!(["10ms"]), StatusCode::FORBIDDEN),
        (json!(["jodoo"]), json!(["10ms", "10ms"]), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let target = Verifying::start(OLD, refusal).await;
        let config = rotating(&target.receiver.url("/"), &signing, &retry);
        let gateway = Setup::new(platform.address(), &config).start().await;
        for secret in [OLD, SECRET, OLD, SECRET] {
            target.change_to(secret);
            // The first finds the secret out, and the next begins with it.
            let first = target.requests(&gateway, &platform).await;
            let is_known = secret == OLD && gateway.metric(PUSHED).await < 2.0;
            assert_eq!(first, if is_known { 1 } else { 2 }, "{signing} {retry} {refusal}");
            assert_eq!(target.requests(&gateway, &platform).await, 1);
        }
        assert_eq!(gateway.metric(FAILED).await, 0.0);
        assert!(!gateway.log().contains(OLD));
    }
}

#[tokio::test]
async fn attempts_take_the_secrets_in_turns_and_the_standard_signature_has_both() {
    let platform = orders_platform().await;
    let target = Verifying::start("another", StatusCode::UNAUTHORIZED).await;
    let config =
        rotating(&target.receiver.url("/"), &json!(["standard", "jodoo"]), &json!(["10ms"]));
    let gateway = Setup::new(platform.address(), &config).start().await;
    orders::create(&gateway, &platform, "a").await;
    gateway.wait_for_metric(FAILED, 1.0).await;
    let line = gateway.wait_for_log(&["failed after"]).await;
    assert!(line.ends_with("failed after 2 attempts: HTTP 401"), "{line}");
    let requests = target.receiver.received();
    let signers: Vec<_> = (requests.iter())
        .map(|push| [OLD, SECRET].into_iter().find(|by| verify::jodoo(by, push).is_ok()).unwrap())
        .collect();
    assert_eq!(signers, [OLD, SECRET, OLD, SECRET]);
    for push in &requests {
        for secret in [OLD, SECRET] {
            verify::standard(secret, push).unwrap();
        }
        assert!(verify::standard("another", push).is_err());
    }
}

#[tokio::test]
async fn the_receiver_may_change_before_the_gateway() {
    let platform = orders_platform().await;
    let target = Verifying::start("s-1", StatusCode::UNAUTHORIZED).await;
    let crm = Receiver::start().await;
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    let settings = json!({"id": "erp", "url": target.receiver.url("/"), "secret": "s-1",
        "signing": ["jodoo"], "retry": ["10s"]});
    let created = gateway.admin(Method::POST, "/webhooks").json(&settings);
    answered(created, 201).await;
    orders::create(&gateway, &platform, "a").await;
    target.receiver.wait_for(1).await;
    target.change_to("s-2");
    orders::create(&gateway, &platform, "b").await;
    target.receiver.wait_for(2).await;
    let mut settings = settings;
    settings["secret"] = json!("s-2");
    settings["previous_secret"] = json!("s-1");
    answered(gateway.admin(Method::PUT, "/webhooks/erp").json(&settings), 200).await;
    // The one that was refused waits for its retry.
    let delivered = r#"formhook_pushes_total{result="success",webhook="erp"}"#;
    gateway.wait_for_metric(delivered, 2.0).await;
    let request = gateway.admin(Method::DELETE, "/webhooks/erp/previous-secret");
    answered(request, 200).await;
    orders::create(&gateway, &platform, "c").await;
    gateway.wait_for_metric(delivered, 3.0).await;
}

#[tokio::test]
async fn a_second_rotation_before_the_first_has_ended_is_refused() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    let settings = json!({"id": "erp", "url": crm.url("/"), "secret": "s-1"});
    answered(gateway.admin(Method::POST, "/webhooks").json(&settings), 201).await;
    command(&gateway, "/webhooks/erp/rotate-secret").await;
    let rotate = || gateway.admin(Method::POST, "/webhooks/erp/rotate-secret");
    let refused = answered(rotate(), 409).await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("End that rotation first"), "{detail}");
    let put = |secret: &str, previous: Value| {
        let mut settings = settings.clone();
        settings["secret"] = json!(secret);
        if previous != json!("kept") {
            settings["previous_secret"] = previous;
        }
        gateway.admin(Method::PUT, "/webhooks/erp").json(&settings)
    };
    answered(put("s-3", json!("kept")), 409).await;
    answered(put("s-3", json!("s-1")), 409).await;
    // The same two, the other way round, are the same rotation.
    answered(put("s-1", Value::Null), 200).await;
    answered(put("s-2", json!("s-1")), 200).await;
    answered(put("s-1", json!("s-2")), 200).await;
    let end = gateway.admin(Method::DELETE, "/webhooks/erp/previous-secret");
    answered(end, 200).await;
    answered(rotate(), 200).await;
}

#[tokio::test]
async fn a_test_of_the_connection_tries_both_secrets() {
    let platform = orders_platform().await;
    let target = Verifying::start(OLD, StatusCode::UNAUTHORIZED).await;
    let config = rotating(&target.receiver.url("/"), &json!(["jodoo"]), &json!([]));
    let gateway = Setup::new(platform.address(), &config).start().await;
    for secret in [OLD, SECRET] {
        target.change_to(secret);
        let tested = command(&gateway, "/webhooks/crm/test").await;
        assert_eq!(tested["delivered"], true, "{tested}");
    }
    target.change_to("another");
    let tested = command(&gateway, "/webhooks/crm/test").await;
    assert_eq!((&tested["delivered"], &tested["cause"]), (&json!(false), &json!("HTTP 401")));
    assert_eq!(target.receiver.received().len(), 5);
}
