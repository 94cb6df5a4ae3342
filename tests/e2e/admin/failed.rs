//! The failed cache, and webhooks that are disabled.

use super::*;
use axum::response::IntoResponse as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A target that fails until it is mended.
async fn broken() -> (Receiver, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let answer = move |_: &Received| match mended.load(Ordering::SeqCst) {
        true => StatusCode::OK.into_response(),
        false => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    (Receiver::answering(answer).await, is_mended)
}

/// Waits until the failed cache has so many pushes, and gives them.
async fn wait_for_failed(gateway: &Gateway, count: usize) -> Vec<Value> {
    wait::until(&format!("{count} pushes in the failed cache"), async || {
        let items = get(gateway, "/failed?limit=100").await["items"].clone();
        let items = items.as_array().unwrap().clone();
        (items.len() == count).then_some(items)
    })
    .await
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn gateway_that_disables_after(platform: &Platform, url: &str, limit: u32) -> Gateway {
    let mut config = plugin(url);
    config["webhooks"][0]["retry"] = json!([]);
    config["webhooks"][0]["disable_after"] = json!(limit);
    Setup::new(platform.address(), &config).workers(2).start().await
}

#[tokio::test]
async fn a_disabled_webhook_is_restarted_and_its_pushes_are_retried() {
    let platform = orders_platform().await;
    let (target, is_mended) = broken().await;
    let gateway = gateway_that_disables_after(&platform, &target.url("/"), 3).await;
    let state = async || get(&gateway, "/webhooks/crm").await["state"].clone();
    assert_eq!(state().await["status"], "active");
    create(&gateway, &platform, "a").await;
    wait_for_failed(&gateway, 1).await;
    let failing = state().await;
    assert_eq!((&failing["status"], &failing["failures"]), (&json!("failing"), &json!(1)));
    for customer in ["b", "c"] {
        create(&gateway, &platform, customer).await;
    }
    wait_for_failed(&gateway, 3).await;
    wait::until("the webhook to be disabled", async || {
        (state().await["status"] == "disabled").then_some(())
    })
    .await;
    let disabled = state().await;
    assert_eq!((&disabled["cause"], &disabled["failures"]), (&json!("HTTP 500"), &json!(3)));
    assert!(disabled["disabled_since"].as_str().unwrap().ends_with('Z'));
    create(&gateway, &platform, "d").await;
    let failed = wait_for_failed(&gateway, 4).await;
    let parked: Vec<_> = failed.iter().filter(|push| push["attempts"] == 0).collect();
    assert_eq!((parked.len(), &parked[0]["status"]), (1, &Value::Null));
    assert_eq!(get(&gateway, "/status").await["webhooks"]["disabled"], 1);

    is_mended.store(true, Ordering::SeqCst);
    let restarted = command(&gateway, "/webhooks/crm/restart").await;
    assert_eq!(restarted["was_disabled"], true);
    assert_eq!(restarted["webhook"]["state"]["status"], "active");
    assert_eq!(command(&gateway, "/webhooks/crm/restart").await["was_disabled"], false);
    let retried = post(&gateway, "/failed/retry", &json!({"webhook": "crm"})).await;
    assert_eq!(retried["count"], 4);
    let pushes = target.wait_for(7).await;
    let mut again: Vec<_> = pushes[3..].iter().map(|push| push.header("webhook-id")).collect();
    let mut expected = ids(&failed);
    again.sort_unstable();
    expected.sort_unstable();
    assert_eq!(again, expected);
    wait_for_failed(&gateway, 0).await;
    wait::until("the status to show it", async || {
        (get(&gateway, "/status").await["failed"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_push_is_retried_another_abandoned_and_the_others_stay() {
    let platform = orders_platform().await;
    let (target, is_mended) = broken().await;
    let gateway = gateway_that_disables_after(&platform, &target.url("/"), 100).await;
    for number in 0..5 {
        create(&gateway, &platform, &number.to_string()).await;
    }
    let failed = wait_for_failed(&gateway, 5).await;
    let details = get(&gateway, &format!("/failed/{}", ids(&failed)[0])).await;
    assert_eq!(details["push"], failed[0]);
    let body: Value = serde_json::from_str(details["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["op"], "data_create");
    is_mended.store(true, Ordering::SeqCst);
    let one = post(&gateway, "/failed/retry", &json!({"ids": [ids(&failed)[0]]})).await;
    assert_eq!(one["count"], 1);
    let two = post(&gateway, "/failed/abandon", &json!({"ids": &ids(&failed)[1..3]})).await;
    assert_eq!(two["count"], 2);
    assert_eq!(ids(&wait_for_failed(&gateway, 2).await), ids(&failed[3..]));
    assert_eq!(target.wait_for(6).await[5].header("webhook-id"), ids(&failed)[0]);
    wait::until("the status to show it", async || {
        (get(&gateway, "/status").await["failed"] == 2).then_some(())
    })
    .await;
    let abandoned = get(&gateway, "/history?result=failure&limit=2").await;
    assert_eq!(abandoned["items"][0]["outcome"], "abandoned");
    // What is not there is done nothing to.
    for path in ["/failed/retry", "/failed/abandon"] {
        assert_eq!(post(&gateway, path, &json!({"ids": ["gone"]})).await["count"], 0);
        assert_eq!(post(&gateway, path, &json!({"webhook": "none"})).await["count"], 0);
    }
    answered(gateway.admin(Method::GET, "/failed/gone"), 404).await;
    for body in [
        json!({"ids": []}),
        json!({"ids": [1]}),
        json!({"ids": ["a"], "webhook": "b"}),
        json!({"webhook": ""}),
        json!({"all": true}),
        json!({"ids": vec!["a"; 1001]}),
    ] {
        answered(gateway.admin(Method::POST, "/failed/abandon").json(&body), 422).await;
    }
    assert_eq!(wait_for_failed(&gateway, 2).await.len(), 2);
}

#[tokio::test]
async fn the_failed_cache_comes_in_pages_and_by_webhook() {
    let platform = orders_platform().await;
    let (target, _) = broken().await;
    let mut config = plugin(&target.url("/crm"));
    config["webhooks"][0]["retry"] = json!([]);
    config["webhooks"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "erp", "url": target.url("/erp"), "retry": []}));
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    for number in 0..12 {
        create(&gateway, &platform, &number.to_string()).await;
    }
    wait_for_failed(&gateway, 24).await;
    for (filter, expected) in [("", 24), ("&webhook=erp", 12), ("&webhook=none", 0)] {
        let mut seen = std::collections::HashSet::new();
        let mut cursor = String::new();
        loop {
            let page = get(&gateway, &format!("/failed?limit=5{filter}{cursor}")).await;
            for id in ids(page["items"].as_array().unwrap()) {
                assert!(seen.insert(id.to_owned()), "{id} twice");
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "{filter}");
    }
}
