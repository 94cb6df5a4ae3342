//! What people are told when pushes fail.

use super::*;
use crate::support::gateway::Setup;
use crate::support::raw::refusing_address;
use crate::support::receiver::Receiver;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

#[tokio::test]
async fn people_are_told_of_failures_a_warning_and_the_end_and_not_more_often() {
    let platform = orders_platform().await;
    let failing = Receiver::answering(|_| StatusCode::BAD_GATEWAY.into_response()).await;
    let (programs, people) = (Receiver::start().await, Receiver::start().await);
    let mut config = plugin(&failing.url("/hooks?token=hidden"));
    config["webhooks"][0]["retry"] = json!([]);
    config["webhooks"][0]["disable_after"] = json!(10);
    config["notify"] = json!([
        // One that is dead itself harms nobody.
        {"url": format!("http://{}/", refusing_address().await)},
        {"url": programs.url("/programs"), "format": "json"},
        {"url": people.url("/people"), "format": "slack"},
    ]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    for number in 0..11 {
        create(&gateway, &platform, number..number + 1).await;
        Ends::wait_for(&gateway, "crm", number + 1).await;
    }
    let notices = programs.wait_for(3).await;
    let kinds: Vec<_> = notices.iter().map(|notice| notice.json()["type"].clone()).collect();
    assert_eq!(kinds, ["formhook.push_failed", "formhook.warning", "formhook.disabled"]);
    for (notice, failures) in notices.iter().zip([1, 5, 10]) {
        let notice = notice.json();
        let expected = json!(["crm", 1, failures, 10, "HTTP 502"]);
        let members = ["webhook", "count", "failure_count", "disable_after", "cause"];
        let told: Vec<_> = members.iter().map(|member| &notice[member]).collect();
        assert_eq!(json!(told), expected);
    }
    let pushes = failing.received();
    assert_eq!(notices[0].json()["push_id"], pushes[0].header("webhook-id"));

    let messages = people.wait_for(3).await;
    for (message, notice) in messages.iter().zip(&notices) {
        assert_eq!(message.header("content-type"), "application/json");
        assert_eq!(message.json(), json!({"text": notice.json()["message"]}));
        assert!(!message.json().to_string().contains("hidden"));
    }
    // A minute has to pass before the same is told again, with a count.
    assert_eq!((programs.received().len(), people.received().len()), (3, 3));
    for percent in ["50 %", "70 %", "90 %"] {
        gateway.wait_for_log(&["webhook crm: ", " pushes failed, ", percent]).await;
    }
    // What failed is told by other ways than the one that failed.
    assert_eq!(pushes.len(), 10);
    assert!(pushes.iter().all(|push| push.json()["op"] == "data_create"));
    gateway.assert_vm_alive();
}
