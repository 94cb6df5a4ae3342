//! Gateways that share a Redis.

use super::{gateway, refusing};
use crate::orders::create;
use crate::orders_platform;
use crate::support::gateway::Gateway;
use crate::support::receiver::Receiver;
use crate::support::store::{Fsync, RedisServer, Webdis};
use crate::support::wait;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashSet;

/// What the admin API of a gateway says.
async fn admin(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.admin(Method::GET, path).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, StatusCode::OK, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

fn ids(list: &Value) -> HashSet<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_push_is_stored_before_the_response_ends_and_its_record_is_seen_by_every_gateway() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    // It takes nothing, so the push stays where it is stored.
    let receiver = Receiver::answering(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let held = json!({"redis": {"ack": "before_response"}, "webhook": {"retry": ["10m"]}});
    let first = gateway(&platform, &webdis, &receiver.url("/"), held).await;
    for _ in 0..3 {
        create(&first, &platform, "Ada").await;
        let count = "return #redis.call('KEYS', ARGV[1])";
        let stored = redis.command(&["EVAL", count, "0", "{formhook}:waiting:*"]).await.text();
        assert_eq!(stored, "1", "the response ended before the push was stored");
    }
    assert_eq!(first.metric("formhook_ack_timeouts_total{}").await, 0.0);
    let other = Receiver::start().await;
    let second = gateway(&platform, &webdis, &other.url("/"), json!({})).await;
    create(&second, &platform, "Bob").await;
    let id = other.wait_for(1).await[0].header("webhook-id").to_owned();
    wait::until("the record at the other gateway", async || {
        ids(&admin(&first, "/history").await).contains(&id).then_some(())
    })
    .await;
    assert_eq!(admin(&first, "/status").await["store"], "redis");
    first.assert_vm_alive();
    second.assert_vm_alive();
}

#[tokio::test]
async fn the_pushes_of_a_killed_gateway_are_sent_by_another_with_their_ids() {
    let redis = RedisServer::start(Fsync::Always).await;
    let webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let down = Receiver::answering(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let held = json!({"redis": {"ack": "before_response"}, "webhook": {"retry": ["10m"]}});
    let first = gateway(&platform, &webdis, &down.url("/"), held).await;
    for _ in 0..5 {
        create(&first, &platform, "Ada").await;
    }
    let receiver = Receiver::start().await;
    let second = gateway(&platform, &webdis, &receiver.url("/"), json!({})).await;
    // SIGKILL.
    drop(first);
    let took = receiver.wait_for(5).await;
    let took: HashSet<_> = took.iter().map(|push| push.header("webhook-id").to_owned()).collect();
    assert_eq!(took.len(), 5);
    let tried: HashSet<_> =
        down.received().iter().map(|push| push.header("webhook-id").to_owned()).collect();
    assert!(tried.is_subset(&took), "a push changed its id");
    second.assert_vm_alive();
}

#[tokio::test]
async fn while_the_store_is_away_pushes_go_on_and_what_failed_is_written_back() {
    let mut redis = RedisServer::start(Fsync::EverySecond).await;
    let mut webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = refusing("Eve").await;
    webdis.kill();
    redis.kill();
    let more = json!({"webhook": {"retry": []}});
    let gateway = gateway(&platform, &webdis, &receiver.url("/"), more).await;
    for customer in ["Ada", "Eve", "Eve", "Bob"] {
        create(&gateway, &platform, customer).await;
    }
    receiver.wait_for(4).await;
    gateway.wait_for_log(&["the store does not answer"]).await;
    let refused = gateway.admin(Method::GET, "/failed").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    redis.start_again().await;
    webdis.start_again().await;
    wait::until("the failed pushes in Redis", async || {
        let answer = gateway.admin(Method::GET, "/failed").send().await.unwrap();
        let failed: Value = answer.json().await.unwrap();
        (failed["items"].as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    wait::until("the count of the failed", async || {
        let state = admin(&gateway, "/webhooks/crm").await["state"].clone();
        (state["failed"] == 2 && state["failures"] == 0).then_some(())
    })
    .await;
    wait::until("the records of all four", async || {
        let history = admin(&gateway, "/history").await;
        (history["items"].as_array().map(Vec::len) == Some(4)).then_some(())
    })
    .await;
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn a_webhook_that_is_disabled_or_set_at_one_gateway_is_so_at_all() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = Receiver::answering(|_| StatusCode::BAD_REQUEST.into_response()).await;
    let more = || json!({"webhook": {"retry": [], "disable_after": 4}});
    let first = gateway(&platform, &webdis, &receiver.url("/"), more()).await;
    let second = gateway(&platform, &webdis, &receiver.url("/"), more()).await;
    for _ in 0..2 {
        create(&first, &platform, "Ada").await;
        create(&second, &platform, "Bob").await;
    }
    for gateway in [&first, &second] {
        wait::until("the webhook to be disabled", async || {
            let state = admin(gateway, "/webhooks/crm").await["state"].clone();
            (state["status"] == "disabled" && state["failures"] == 4).then_some(())
        })
        .await;
    }
    let retried = second
        .admin(Method::POST, "/failed/retry")
        .json(&json!({"webhook": "crm"}))
        .send()
        .await
        .unwrap();
    assert_eq!(retried.json::<Value>().await.unwrap()["count"], 4);
    let new = json!({"id": "new", "url": "https://new.example/"});
    let set = first.admin(Method::POST, "/webhooks").json(&new).send().await.unwrap();
    assert_eq!(set.status(), StatusCode::CREATED);
    wait::until("the new webhook at the other gateway", async || {
        ids(&admin(&second, "/webhooks").await).contains("new").then_some(())
    })
    .await;
    first.assert_vm_alive();
    second.assert_vm_alive();
}
