//! Who may call what, and what the tests get to see of it.

use super::*;
use reqwest::{Client, Method, StatusCode};

#[tokio::test]
async fn a_call_without_the_key_is_refused() {
    let platform = orders().await;
    let url = format!("http://{}/api/v5/app/list", platform.address());
    for header in [None, Some("Bearer wrong"), Some(platform.api_key()), Some("")] {
        let mut request = client().post(&url).json(&json!({}));
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["code"], 8301, "{header:?}");
    }
}

#[tokio::test]
async fn only_post_is_taken() {
    let platform = orders().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let url = format!("http://{}/api/v5/app/list", platform.address());
        let request = client().request(method, url).bearer_auth(platform.api_key());
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["code"], 1);
    }
}

#[tokio::test]
async fn paths_that_the_platform_does_not_have_are_refused() {
    let platform = orders().await;
    for path in [
        "/v5/app/entry/data/recover",
        "/v6/app/entry/data/create",
        "/v5/app/entry/data",
        "/v5/app/a/entry/e/data_create",
        "/v3/app/a/entry/e/data_retrieve",
        "/v3/app/a/entry/e/data",
        "/v2/app/a/entry/e/data_delete",
        "/v2/app/a/entry/e/data_batch_create",
        "/v4/app/a/entry/e/widgets",
        "/v0/app/a/entry/e/data_create",
    ] {
        assert_eq!(refused(&platform, path, &json!({})).await, 1, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_refused() {
    let platform = orders().await;
    for body in ["{", "[]", "7", "\"a\"", "{\"app_id\":}"] {
        let request = client()
            .post(format!("http://{}/api/v5/app/entry/data/create", platform.address()))
            .bearer_auth(platform.api_key())
            .header("content-type", "application/json;charset=utf-8")
            .body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["code"], 17017, "{body}");
    }
}

#[tokio::test]
async fn an_app_or_form_that_does_not_exist_is_an_error_of_every_call() {
    let platform = orders().await;
    let form = |app: &str, entry: &str| json!({"app_id": app, "entry_id": entry});
    for tail in [
        "data/create",
        "data/batch_create",
        "data/update",
        "data/batch_update",
        "data/delete",
        "data/batch_delete",
        "data/get",
        "data/list",
        "widget/list",
        "file/get_upload_token",
    ] {
        let path = format!("/v5/app/entry/{tail}");
        assert_eq!(refused(&platform, &path, &form("none", ENTRY)).await, 2004, "{tail}");
        assert_eq!(refused(&platform, &path, &form(APP, "none")).await, 3000, "{tail}");
        assert_eq!(refused(&platform, &path, &json!({"entry_id": ENTRY})).await, 17017, "{tail}");
        assert_eq!(refused(&platform, &path, &json!({"app_id": APP})).await, 17017, "{tail}");
        assert_eq!(refused(&platform, &path, &json!({"app_id": APP, "entry_id": 7})).await, 17017);
    }
    assert_eq!(refused(&platform, "/v5/app/entry/list", &json!({"app_id": "none"})).await, 2004);
    assert_eq!(refused(&platform, "/v1/app/none/entry_retrieve", &json!({})).await, 2004);
    assert_eq!(refused(&platform, "/v1/app/none/entry/e/data_create", &json!({})).await, 2004);
    let path = format!("/v4/app/{APP}/entry/none/data_create");
    assert_eq!(refused(&platform, &path, &json!({})).await, 3000);
}

#[tokio::test]
async fn while_the_rate_is_limited_every_call_is_refused() {
    let platform = orders().await;
    platform.limit_rate(true);
    assert_eq!(data_refused(&platform, "create", json!({"data": {}})).await, 8303);
    platform.limit_rate(false);
    create(&platform, json!({})).await;
    assert_eq!(platform.records(APP, ENTRY).len(), 1);
}

#[tokio::test]
async fn calls_are_kept_as_they_arrived_whether_answered_or_not() {
    let platform = orders().await;
    create(&platform, json!({CUSTOMER: {"value": "简道云"}})).await;
    refused(&platform, "/v5/nothing?a=b", &json!({})).await;
    let calls = platform.calls();
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["/api/v5/app/entry/data/create", "/api/v5/nothing?a=b"]);
    assert_eq!(calls[0].method, "POST");
    assert_eq!(calls[0].headers["content-type"], "application/json");
    assert_eq!(calls[0].json()["data"][CUSTOMER]["value"], "简道云");
    assert_eq!(calls[1].body, "{}");
}

#[tokio::test]
async fn http_2_is_spoken_too() {
    let platform = orders().await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/api/v5/app/list", platform.address());
    let request = client.post(url).bearer_auth(platform.api_key()).json(&json!({}));
    let response = request.send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
}

#[tokio::test]
async fn a_dropped_platform_listens_no_more() {
    let platform = orders().await;
    let address = platform.address();
    create(&platform, json!({})).await;
    drop(platform);
    wait::until("it to listen no more", async || {
        tokio::net::TcpStream::connect(address).await.err()
    })
    .await;
}
