//! The stand-in platform against the platform's documents.

#[path = "../support/platform.rs"]
mod platform;
#[path = "../support/wait.rs"]
mod wait;

mod access;
mod batches;
mod lists;
mod old_versions;
mod records;
mod values;
mod workflow;

use platform::{Form, Platform};
use serde_json::{Value, json};

const APP: &str = "59264073a2a60c0c08e20bfb";
const ENTRY: &str = "59264073a2a60c0c08e20bfd";
const CUSTOMER: &str = "_widget_1432728651402";
const AMOUNT: &str = "_widget_1432728651403";
const ITEMS: &str = "_widget_1528854613291";
const SKU: &str = "_widget_1528854614409";
const QUANTITY: &str = "_widget_1528854615499";

/// A client for what is on this machine.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn orders() -> Platform {
    Platform::start(vec![Form::orders()]).await
}

/// Calls with the platform's key: `(status, body)`.
async fn call(platform: &Platform, path: &str, body: &Value) -> (u16, Value) {
    let response = client()
        .post(format!("http://{}/api{path}", platform.address()))
        .bearer_auth(platform.api_key())
        .json(body)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Calls and wants the call to be taken.
async fn done(platform: &Platform, path: &str, body: &Value) -> Value {
    let (status, answer) = call(platform, path, body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Calls and wants the call to be refused; the error's code.
async fn refused(platform: &Platform, path: &str, body: &Value) -> u64 {
    let (status, answer) = call(platform, path, body).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer["msg"].is_string(), "{answer}");
    answer["code"].as_u64().unwrap()
}

/// A body of version 5 for the orders.
fn with_ids(rest: Value) -> Value {
    let mut body = json!({"app_id": APP, "entry_id": ENTRY});
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    body
}

async fn data(platform: &Platform, operation: &str, rest: Value) -> Value {
    done(platform, &format!("/v5/app/entry/data/{operation}"), &with_ids(rest)).await
}

async fn data_refused(platform: &Platform, operation: &str, rest: Value) -> u64 {
    refused(platform, &format!("/v5/app/entry/data/{operation}"), &with_ids(rest)).await
}

/// Creates an order; its record.
async fn create(platform: &Platform, values: Value) -> Value {
    data(platform, "create", json!({"data": values})).await["data"].take()
}

async fn create_for(platform: &Platform, customer: &str) -> String {
    let record = create(platform, json!({CUSTOMER: {"value": customer}})).await;
    record["_id"].as_str().unwrap().to_owned()
}
