//! How many failures disable a webhook, exactly.

use super::*;
use crate::support::gateway::Setup;
use crate::support::receiver::Receiver;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// A target that answers whatever it is told at the time.
async fn obeying(first: u16) -> (Receiver, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(first));
    let told = Arc::clone(&status);
    let answer = move |_: &Received| {
        StatusCode::from_u16(told.load(Ordering::SeqCst)).unwrap().into_response()
    };
    (Receiver::answering(answer).await, status)
}

/// A gateway of two workers whose webhook `crm` is disabled after 100 failures, without retries.
async fn impatient_gateway(platform: &Platform, receiver: &Receiver) -> Gateway {
    let mut config = plugin(&receiver.url("/"));
    config["webhooks"][0]["retry"] = json!([]);
    config["webhooks"][0]["disable_after"] = json!(100);
    Setup::new(platform.address(), &config).workers(2).start().await
}

async fn is_disabled(gateway: &Gateway) -> bool {
    gateway.metric(&of_webhook("webhook_disabled", "crm")).await == 1.0
}

async fn wait_for_failures(gateway: &Gateway, failures: f64) {
    wait_for_gauge(gateway, &of_webhook("webhook_failures", "crm"), failures).await;
}

#[tokio::test]
async fn the_hundredth_failure_disables_and_the_next_event_is_kept_without_an_attempt() {
    let platform = orders_platform().await;
    let (receiver, _) = obeying(500).await;
    let gateway = impatient_gateway(&platform, &receiver).await;
    create(&gateway, &platform, 0..99).await;
    Ends::wait_for(&gateway, "crm", 99).await;
    wait_for_failures(&gateway, 99.0).await;
    assert!(!is_disabled(&gateway).await);
    create(&gateway, &platform, 99..100).await;
    wait_for_failures(&gateway, 100.0).await;
    gateway.wait_for_log(&["webhook crm is disabled (HTTP 500)"]).await;
    assert!(is_disabled(&gateway).await);
    create(&gateway, &platform, 100..101).await;
    let ends = Ends::wait_for(&gateway, "crm", 101).await;
    assert_eq!((ends.failure, ends.not_attempted), (100, 1));
    wait_for_gauge(&gateway, &of_webhook("failed_cache_entries", "crm"), 101.0).await;
    assert_eq!(receiver.received().len(), 100);
    assert_eq!(gateway.log().matches("webhook crm is disabled").count(), 1);
    assert_all_alive(&gateway);
    tried("a webhook that is disabled", 101, 101 - ends.kept_or_delivered(), 0);
}

#[tokio::test]
async fn a_success_lets_the_count_begin_anew() {
    let platform = orders_platform().await;
    let (receiver, status) = obeying(500).await;
    let gateway = impatient_gateway(&platform, &receiver).await;
    create(&gateway, &platform, 0..99).await;
    wait_for_failures(&gateway, 99.0).await;
    Ends::wait_for(&gateway, "crm", 99).await;
    status.store(200, Ordering::SeqCst);
    create(&gateway, &platform, 99..100).await;
    let ends = Ends::wait_for(&gateway, "crm", 100).await;
    assert_eq!(ends.success, 1);
    wait_for_failures(&gateway, 0.0).await;
    status.store(500, Ordering::SeqCst);
    create(&gateway, &platform, 100..199).await;
    wait_for_failures(&gateway, 99.0).await;
    Ends::wait_for(&gateway, "crm", 199).await;
    assert!(!is_disabled(&gateway).await);
    create(&gateway, &platform, 199..200).await;
    wait_for_failures(&gateway, 100.0).await;
    gateway.wait_for_log(&["webhook crm is disabled"]).await;
    assert_eq!(receiver.received().len(), 200);
}

#[tokio::test]
async fn a_target_that_is_gone_is_disabled_at_once() {
    let platform = orders_platform().await;
    let (receiver, status) = obeying(410).await;
    let mut config = plugin(&receiver.url("/"));
    config["webhooks"][0]["retry"] = json!(["10ms", "10ms"]);
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    create(&gateway, &platform, 0..1).await;
    gateway.wait_for_metric(&of_webhook("webhook_disabled", "crm"), 1.0).await;
    gateway.wait_for_log(&["webhook crm is disabled (HTTP 410)"]).await;
    // Only a restart enables it again, not the target.
    status.store(200, Ordering::SeqCst);
    create(&gateway, &platform, 1..21).await;
    let ends = Ends::wait_for(&gateway, "crm", 21).await;
    assert_eq!((ends.failure, ends.not_attempted), (1, 20));
    assert_eq!(receiver.received().len(), 1);
    tried("a target that is gone (410)", 21, 21 - ends.kept_or_delivered(), 0);
}

#[tokio::test]
async fn a_disabled_webhook_may_drop_what_it_cannot_push() {
    let platform = orders_platform().await;
    let (receiver, _) = obeying(410).await;
    let healthy = Receiver::start().await;
    let mut config = plugin(&receiver.url("/"));
    config["webhooks"][0]["while_disabled"] = json!("drop");
    config["webhooks"].as_array_mut().unwrap().push(webhook("healthy", &healthy.url("/")));
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    create(&gateway, &platform, 0..1).await;
    gateway.wait_for_log(&["webhook crm is disabled"]).await;
    create(&gateway, &platform, 1..4).await;
    let dropped = r#"formhook_pushes_total{result="dropped",webhook="crm"}"#;
    gateway.wait_for_metric(dropped, 3.0).await;
    healthy.wait_for(4).await;
    assert_eq!(Ends::of(&gateway, "crm").await, Ends { failure: 1, dropped: 3, ..Ends::default() });
    wait_for_gauge(&gateway, &of_webhook("failed_cache_entries", "crm"), 1.0).await;
    let said = "was dropped: the webhook is disabled, and configured to drop events";
    assert_eq!(gateway.wait_for_log_lines(&[said], 3).await.len(), 3);
    let records = records(&gateway, 8).await;
    assert_eq!(records.iter().filter(|record| record["outcome"] == "dropped").count(), 3);
    assert_eq!(receiver.received().len(), 1);
}
