//! What became of every push.

use super::support::gateway::{SECRET, SECRET_ENV};
use super::support::raw::refusing_address;
use super::*;

/// More than a page of the history shows.
const ORDERS: u32 = 60;

#[tokio::test]
async fn the_history_is_filtered_loaded_further_and_opened() {
    let receiver = Receiver::start().await;
    let refusing = format!("http://{}/", refusing_address().await);
    let signed = json!({"id": "crm", "url": receiver.url("/in?key=1"), "secret_env": SECRET_ENV});
    let console = Console::with(&[signed, impatient("broken", &refusing)]).await;
    let page = &console.page;
    for number in 0..ORDERS {
        console.create_order(&format!("customer {number}")).await;
    }
    let pushes = receiver.wait_for(ORDERS as usize).await;
    for labels in [r#"result="success",webhook="crm""#, r#"result="failure",webhook="broken""#] {
        let ended = format!("formhook_pushes_total{{{labels}}}");
        console.gateway.wait_for_metric(&ended, f64::from(ORDERS)).await;
    }

    console.visit("history").await;
    page.see("50 shown").await;
    page.click("button", "Load more").await;
    page.see("100 shown").await;
    page.click("button", "Load more").await;
    page.see("120 shown").await;

    page.choose("Result", "Failure").await;
    page.see("50 shown").await;
    page.see("connection refused").await;
    let only_failures = async || {
        let heard = page.heard().await.ok()?;
        heard.iter().all(|heard| heard.role != "cell" || heard.name != "Success").then_some(())
    };
    page.wait_for("only failures", only_failures).await;
    page.choose("Webhook", "crm").await;
    page.see("Nothing found").await;
    page.choose("Result", "All").await;
    page.see("50 shown").await;
    page.choose("Event", "Connection test").await;
    page.see("Nothing found").await;
    page.choose("Event", "All").await;
    page.see("50 shown").await;

    let push = &pushes[7];
    let (id, record) = (push.header("webhook-id"), push.json()["data"]["_id"].clone());
    page.fill("Record id", record.as_str().unwrap()).await;
    page.click("button", "Search").await;
    page.see("1 shown").await;
    page.click("link", &format!("View details of {id}")).await;
    page.find("heading", "Push details").await;
    page.see("customer 7").await;
    page.see("[redacted]").await;
    let text = page.text().await;
    for secret in
        [SECRET, push.header("webhook-signature"), push.header("x-jdy-signature"), "key=1"]
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // The way back leads to the same filters.
    page.click("link", "Push history").await;
    page.see("1 shown").await;
    assert_eq!(page.value("Record id").await, record.as_str().unwrap());
    page.assert_quiet(&[]).await;
}
