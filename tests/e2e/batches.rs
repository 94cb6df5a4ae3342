//! Calls that change many records, for webhooks that ask for them.

use super::support::gateway::Gateway;
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;

const BATCH_CREATE: &str = "/api/v5/app/entry/data/batch_create";
const BATCH_UPDATE: &str = "/api/v5/app/entry/data/batch_update";
const BATCH_DELETE: &str = "/api/v5/app/entry/data/batch_delete";

/// A webhook that wants batches, and one that does not.
fn config(url: &str, other: &str) -> Value {
    let mut config = plugin(url);
    config["webhooks"][0]["batch"] = json!(true);
    config["webhooks"].as_array_mut().unwrap().push(webhook("other", other));
    config["actor"] = json!({"header": "x-user-name"});
    config
}

/// A gateway that may ask the platform, and both receivers.
async fn asking(platform: &Platform, module: &str) -> (Gateway, Receiver, Receiver) {
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let mut config = config(&receiver.url("/"), &other.url("/"));
    config["platform_api"] = platform_api();
    let setup = Setup::new(platform.address(), &config).with_platform_key();
    (setup.module(module).start().await, receiver, other)
}

async fn call(gateway: &Gateway, platform: &Platform, path: &str, more: Value) -> Value {
    let mut body = json!({"app_id": APP, "entry_id": ORDERS});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let call = gateway.post(path, platform.api_key()).header("x-user-name", "ada");
    let answer: Value = call.json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["status"], "success", "{answer}");
    answer
}

/// The ids of two records more.
async fn two_more(gateway: &Gateway, platform: &Platform) -> Vec<Value> {
    let rows = json!([{CUSTOMER: {"value": "a"}}, {CUSTOMER: {"value": "b"}}]);
    let answer = call(gateway, platform, BATCH_CREATE, json!({"data_list": rows})).await;
    answer["success_ids"].as_array().unwrap().clone()
}

/// The same, while the platform refuses to tell of them, and was asked to.
async fn two_refused(gateway: &Gateway, platform: &Platform) -> Vec<Value> {
    platform.limit_rate_of("/data/get");
    let ids = two_more(gateway, platform).await;
    wait::until("a refused call", async || {
        let calls = platform.calls();
        calls.iter().any(|call| call.path.ends_with("/data/get")).then_some(())
    })
    .await;
    ids
}

/// What a receiver got: op, id and customer of each push, in the order of ids.
fn told(receiver: &Receiver, from: usize) -> Vec<(String, Value, Value)> {
    let pushes = receiver.received();
    let mut told: Vec<_> = pushes[from..]
        .iter()
        .map(|push| push.json())
        .map(|push| {
            let data = &push["data"];
            (push["op"].as_str().unwrap().to_owned(), data["_id"].clone(), data["customer"].clone())
        })
        .collect();
    told.sort_by_key(|(op, id, _)| (op.clone(), id.to_string()));
    told
}

#[tokio::test]
async fn each_record_of_a_batch_is_pushed_as_the_platform_has_it() {
    let platform = orders_platform().await;
    let (gateway, receiver, other) = asking(&platform, "formhook.wasm").await;
    let ids = two_more(&gateway, &platform).await;
    receiver.wait_for(2).await;
    let created = |at: usize, name: &str| ("data_create".into(), ids[at].clone(), json!(name));
    assert_eq!(told(&receiver, 0), [created(0, "a"), created(1, "b")]);
    // All that the platform knows of it is there.
    let push = receiver.received()[0].json();
    assert!(
        push["data"]["creator"]["username"].is_string() && push["data"]["createTime"].is_string()
    );
    assert_eq!(push["data"]["formName"], "Orders");

    let data = json!({CUSTOMER: {"value": "c"}});
    call(&gateway, &platform, BATCH_UPDATE, json!({"data_ids": ids, "data": data})).await;
    receiver.wait_for(4).await;
    let updated = |at: usize| ("data_update".into(), ids[at].clone(), json!("c"));
    assert_eq!(told(&receiver, 2), [updated(0), updated(1)]);

    call(&gateway, &platform, BATCH_DELETE, json!({"data_ids": ids})).await;
    receiver.wait_for(6).await;
    let removed = |at: usize| ("data_remove".into(), ids[at].clone(), Value::Null);
    assert_eq!(told(&receiver, 4), [removed(0), removed(1)]);
    assert_eq!(receiver.received()[5].json()["data"]["deleter"]["username"], "ada");
    assert!(other.received().is_empty());
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn where_counts_do_not_match_only_what_is_certain_is_pushed() {
    let platform = orders_platform().await;
    let (gateway, receiver, _other) = asking(&platform, "formhook.wasm").await;
    let ids = two_more(&gateway, &platform).await;
    receiver.wait_for(2).await;
    let unknown = json!("0".repeat(24));
    // One of the three does not exist, and the platform says that it changed two.
    let mixed = json!([ids[0], unknown, ids[1]]);
    let data = json!({CUSTOMER: {"value": "c"}});
    let answer =
        call(&gateway, &platform, BATCH_UPDATE, json!({"data_ids": mixed, "data": data})).await;
    assert_eq!(answer["success_count"], 2);
    receiver.wait_for(4).await;
    let updated = |at: usize| ("data_update".into(), ids[at].clone(), json!("c"));
    assert_eq!(told(&receiver, 2), [updated(0), updated(1)]);
    // Two are not there afterwards, and one was deleted: which, nobody can say.
    let mixed = json!([ids[0], unknown]);
    let answer = call(&gateway, &platform, BATCH_DELETE, json!({"data_ids": mixed})).await;
    assert_eq!(answer["success_count"], 1);
    gateway.wait_for_metric(&misses("inexact"), 1.0).await;
    gateway.wait_for_log(&["formhook.push {", "which records of the batch it changed"]).await;
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn without_the_platforms_key_what_was_deleted_is_pushed_and_no_guess_is_made() {
    let platform = orders_platform().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let config = config(&receiver.url("/"), &other.url("/"));
    let gateway = Setup::new(platform.address(), &config).start().await;
    let ids = two_more(&gateway, &platform).await;
    gateway.wait_for_metric(&misses("unfetched"), 2.0).await;
    gateway.wait_for_log(&["formhook.push {", "not to be had from the platform"]).await;
    call(&gateway, &platform, BATCH_DELETE, json!({"data_ids": ids})).await;
    receiver.wait_for(2).await;
    let removed = |at: usize| ("data_remove".into(), ids[at].clone(), Value::Null);
    assert_eq!(told(&receiver, 0), [removed(0), removed(1)]);
}

#[tokio::test]
async fn a_platform_that_refuses_for_a_while_is_asked_again() {
    let platform = orders_platform().await;
    let (gateway, receiver, _other) = asking(&platform, "formhook.wasm").await;
    let ids = two_refused(&gateway, &platform).await;
    assert!(receiver.received().is_empty());
    platform.limit_rate(false);
    receiver.wait_for(2).await;
    let created = |at: usize, name: &str| ("data_create".into(), ids[at].clone(), json!(name));
    assert_eq!(told(&receiver, 0), [created(0, "a"), created(1, "b")]);
}

#[tokio::test]
async fn a_question_to_the_platform_outlasts_the_vm_that_asked() {
    let platform = orders_platform().await;
    let (gateway, receiver, _other) = asking(&platform, "formhook-crash.wasm").await;
    let ids = two_refused(&gateway, &platform).await;
    let crash = gateway.post(CREATE, platform.api_key()).header("x-formhook-crash", "request");
    let _ = crash.json(&order("x")).send().await;
    platform.limit_rate(false);
    // The next call brings a new VM, which finds what the old one left.
    wait::until("pushes of both records", async || {
        gateway.call(CREATE, "no key", &order("x")).await;
        (receiver.received().len() >= 2).then_some(())
    })
    .await;
    let created = |at: usize, name: &str| ("data_create".into(), ids[at].clone(), json!(name));
    assert_eq!(told(&receiver, 0), [created(0, "a"), created(1, "b")]);
}

#[tokio::test]
async fn questions_for_which_there_is_no_room_are_told() {
    let platform = orders_platform().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let mut config = config(&receiver.url("/"), &other.url("/"));
    config["platform_api"] = platform_api();
    config["limits"] = json!({"memory_bytes": 1_048_576});
    let gateway = Setup::new(platform.address(), &config).with_platform_key().start().await;
    platform.limit_rate_of("/data/get");
    let rows: Value = (0..100).map(|row| json!({CUSTOMER: {"value": row.to_string()}})).collect();
    for _ in 0..20 {
        call(&gateway, &platform, BATCH_CREATE, json!({"data_list": rows})).await;
    }
    wait::until("questions that are dropped", async || {
        (gateway.metric(&misses("overload")).await > 0.0).then_some(())
    })
    .await;
    gateway.wait_for_log(&["formhook.push {", "limits.memory_bytes is used up"]).await;
    gateway.assert_vm_alive();
}
