//! The history and the status.

use super::*;
use axum::response::IntoResponse as _;

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

#[tokio::test]
async fn log_and_status_say_what_was_built() {
    let platform = orders_platform().await;
    let gateway = gateway(&platform, "http://127.0.0.1:1/").start().await;
    let status = get(&gateway, "/status").await;
    let (version, commit) = (&status["version"], status["commit"].as_str().unwrap());
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let hash = commit.trim_end_matches("-dirty");
    let is_hash = hash.len() >= 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || hash == "unknown", "{commit}");
    let line = format!("formhook {} ({commit}) started", env!("CARGO_PKG_VERSION"));
    assert!(gateway.log().contains(&line), "{}", gateway.log());
}

#[tokio::test]
async fn the_history_is_filtered_paged_and_shown_in_detail() {
    let platform = orders_platform().await;
    let crm = Receiver::answering(|_| (StatusCode::OK, "got it").into_response()).await;
    let erp = Receiver::answering(|_| (StatusCode::BAD_GATEWAY, "oh no").into_response()).await;
    let mut config = plugin(&crm.url("/hooks?key=hidden"));
    config["webhooks"].as_array_mut().unwrap().push(json!({
        "id": "erp", "url": erp.url("/"), "retry": [], "headers": {"x-api-key": "hidden"},
        "secret": "s",
    }));
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    for number in 0..6 {
        create(&gateway, &platform, &number.to_string()).await;
    }
    wait::until("the history of all pushes", async || {
        (items(&get(&gateway, "/history").await).len() == 12).then_some(())
    })
    .await;
    let count = async |query: &str| items(&get(&gateway, &format!("/history?{query}")).await).len();
    for (query, expected) in [
        ("result=all", 12),
        ("result=success", 6),
        ("result=failure", 6),
        ("webhook=erp", 6),
        ("webhook=crm&result=failure", 0),
        ("op=data_create", 12),
        ("op=data_update", 0),
        ("to=2020-01-01T00:00:00Z", 0),
        ("from=2020-01-01T00:00:00Z", 12),
        ("record_id=none", 0),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
    let entry = format!("app_id={APP}&entry_id={ORDERS}");
    assert_eq!(count(&entry).await, 12);
    let all = get(&gateway, "/history").await;
    let record_id = items(&all)[0]["record_id"].as_str().unwrap();
    assert_eq!(count(&format!("record_id={record_id}")).await, 2);

    let (mut refs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&gateway, &format!("/history?limit=5{cursor}")).await;
        assert!(items(&page).len() <= 5);
        refs.extend(items(&page).iter().map(|item| item["ref"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = items(&all).iter().map(|item| item["ref"].as_str().unwrap()).collect();
    assert_eq!(refs, expected);

    let failed = get(&gateway, "/history?webhook=erp&limit=1").await;
    let reference = items(&failed)[0]["ref"].as_str().unwrap();
    let details = get(&gateway, &format!("/history/{reference}")).await;
    assert_eq!((&details["outcome"], &details["status"]), (&json!("failure"), &json!(502)));
    assert_eq!((&details["cause"], &details["answer"]), (&json!("HTTP 502"), &json!("oh no")));
    let body: Value = serde_json::from_str(details["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["op"], "data_create");
    let header = |name: &str| {
        let headers = details["headers"].as_array().unwrap();
        headers.iter().find(|header| header["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!(header("webhook-id"), details["id"]);
    for name in ["webhook-signature", "x-jdy-signature", "x-api-key"] {
        assert_eq!(header(name), "[redacted]");
    }
    assert!(!get(&gateway, "/history?webhook=crm").await.to_string().contains("hidden"));
    for number in ["999999", "18446744073709551615", "x", "-1"] {
        answered(gateway.admin(Method::GET, &format!("/history/{number}")), 404).await;
    }
}
