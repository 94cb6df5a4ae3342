//! Each push that ended is told in one line of the log.

use super::*;
use crate::support::gateway::{SECRET, Setup};
use crate::support::raw::refusing_address;
use crate::support::receiver::Receiver;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn each_push_ends_in_one_line_of_the_log_that_tells_no_secret() {
    let platform = orders_platform().await;
    let count = AtomicUsize::new(0);
    let taking = Receiver::answering(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => (StatusCode::SERVICE_UNAVAILABLE, "answer-of-the-target").into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let failing =
        Receiver::answering(|_| (StatusCode::NOT_FOUND, "answer-of-the-target").into_response())
            .await;
    let gone = Receiver::answering(|_| StatusCode::GONE.into_response()).await;
    let urls = [
        ("crm", taking.url("/a/path?token=in-the-query")),
        ("failing", failing.url("/?token=in-the-query")),
        ("refused", format!("http://{}/", refusing_address().await)),
        ("gone", gone.url("/")),
    ];
    let webhooks = urls.iter().map(|(id, url)| {
        let mut webhook = webhook(id, url);
        webhook["previous_secret"] = json!("the-one-before");
        webhook["headers"] = json!({"x-api-key": "in-a-header", "x-plain": "in-another"});
        webhook
    });
    let mut config = plugin("http://unused.invalid/");
    config["webhooks"] = webhooks.collect();
    let gateway = Setup::new(platform.address(), &config).start().await;
    let answer = gateway.call(CREATE, platform.api_key(), &order("in-the-body")).await;
    let record: Value = answer.json().await.unwrap();
    for (id, _) in &urls {
        Ends::wait_for(&gateway, id, 1).await;
    }
    gateway.call(CREATE, platform.api_key(), &order("in-the-body")).await;
    for (id, _) in &urls {
        Ends::wait_for(&gateway, id, 2).await;
    }

    let records = records(&gateway, 2 * urls.len()).await;
    let ended = |webhook: &str, number: usize| -> Vec<Value> {
        let mut of = records.iter().filter(|record| record["webhook"] == webhook);
        let record = of.nth(number).unwrap();
        let members = ["outcome", "attempts", "status", "cause"];
        members.iter().map(|member| record[member].clone()).collect()
    };
    for (webhook, number, expected) in [
        ("crm", 0, json!(["success", 2, 200, ""])),
        ("crm", 1, json!(["success", 1, 200, ""])),
        ("failing", 0, json!(["failure", 4, 404, "HTTP 404"])),
        ("refused", 1, json!(["failure", 4, null, "connection refused"])),
        ("gone", 0, json!(["failure", 1, 410, "HTTP 410"])),
        ("gone", 1, json!(["not_attempted", 0, null, "the webhook is disabled"])),
    ] {
        assert_eq!(json!(ended(webhook, number)), expected, "{webhook}");
    }
    let first = records.iter().find(|record| record["webhook"] == "crm").unwrap();
    assert_eq!(first["id"], taking.received()[0].header("webhook-id"));
    assert_eq!(first["op"], "data_create");
    assert_eq!((&first["app_id"], &first["entry_id"]), (&json!(APP), &json!(ORDERS)));
    assert_eq!(first["record_id"], record["data"]["_id"]);
    assert_eq!(first["url"], taking.url("/a/path?…"));
    for time in ["accepted", "ended"] {
        humantime::parse_rfc3339(first[time].as_str().unwrap()).unwrap();
    }

    let log = gateway.log();
    for hidden in [
        SECRET,
        SECRET.trim_start_matches("whsec_"),
        "the-one-before",
        "in-the-query",
        "in-a-header",
        "in-another",
        "in-the-body",
        "answer-of-the-target",
        platform.api_key(),
        "v1,",
    ] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}
