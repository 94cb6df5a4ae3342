//! The admin API in real Envoy.

mod access;
mod failed;
mod forms;
mod reading;
mod webhooks;

use super::support::gateway::{Gateway, Setup};
use super::support::platform::Platform;
use super::support::receiver::{Received, Receiver};
use super::support::wait;
use super::*;
use reqwest::{Method, StatusCode};

/// What the API answers, which has to be this status.
pub(super) async fn answered(request: reqwest::RequestBuilder, status: u16) -> Value {
    let answer = request.send().await.unwrap();
    let (actual, kind) = (answer.status(), answer.headers()["content-type"].clone());
    let text = answer.text().await.unwrap();
    assert_eq!(actual.as_u16(), status, "{text}");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    if status >= 400 {
        assert_eq!(kind, "application/problem+json");
        assert_eq!(body["status"], status);
        assert!(!body["detail"].as_str().unwrap().is_empty() && body["title"].is_string());
    }
    body
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    answered(gateway.admin(Method::GET, path), 200).await
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Value {
    answered(gateway.admin(Method::POST, path).json(body), 200).await
}

pub(super) async fn command(gateway: &Gateway, path: &str) -> Value {
    answered(gateway.admin(Method::POST, path), 200).await
}

async fn delete(gateway: &Gateway, path: &str) {
    let answer = gateway.admin(Method::DELETE, path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
}

/// The wrong members of a body, and what is said of the first.
fn faults(problem: &Value) -> (Vec<&str>, &str) {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    let fields = errors.iter().map(|error| error["field"].as_str().unwrap());
    (fields.collect(), errors[0]["detail"].as_str().unwrap())
}

/// Creates an order over a connection of its own, so that any worker may have it.
async fn create(gateway: &Gateway, platform: &Platform, customer: &str) {
    let answer = gateway.call(CREATE, platform.api_key(), &order(customer)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}
