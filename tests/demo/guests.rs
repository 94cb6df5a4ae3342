//! Webhooks in every state, so that the console has something to show.

use super::support::gateway::Gateway;
use super::support::platform::Platform;
use super::support::receiver::{Received, Receiver};
use super::support::wait;
use super::{CUSTOMER, Trouble, play};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

/// The target servers of these webhooks. They serve as long as this lives.
pub struct Guests {
    _failing: Receiver,
    _gone: Receiver,
}

/// Changes that all of them are to hear of.
const CUSTOMERS: [&str; 3] = ["Grace", "Edsger", "Barbara"];

impl Guests {
    /// Sets one webhook that fails, one that is disabled and one that is off, by the admin API, and
    /// changes records until they are so.
    pub async fn invite(
        platform: &Platform,
        gateway: &Gateway,
        pushes: &mut UnboundedReceiver<Received>,
    ) -> Result<Self, Trouble> {
        let answers = |status: StatusCode, text: &'static str| {
            Receiver::answering(move |_| (status, text).into_response())
        };
        let failing = answers(StatusCode::INTERNAL_SERVER_ERROR, "disk full").await;
        let gone = answers(StatusCode::GONE, "moved away").await;
        for webhook in [
            json!({"id": "billing", "url": failing.url("/in"), "retry": ["100ms"]}),
            json!({"id": "old-erp", "url": gone.url("/hooks")}),
            json!({"id": "archive", "url": "https://archive.example.com/", "enabled": false}),
        ] {
            let request = gateway.admin(Method::POST, "/webhooks").json(&webhook);
            request.send().await?.error_for_status()?;
        }
        for customer in CUSTOMERS {
            let data = json!({"data": {CUSTOMER: {"value": customer}}});
            let order = play::concerning_orders(data);
            let answer = gateway.call(play::CREATE, platform.api_key(), &order).await;
            answer.error_for_status()?;
            pushes.recv().await;
        }
        let expected = json!(["failing", "disabled", "off", CUSTOMERS.len(), CUSTOMERS.len()]);
        wait::attempt("the webhooks' states", async || {
            let answer = gateway.admin(Method::GET, "/webhooks").send().await.ok()?;
            let answer: Value = answer.json().await.ok()?;
            let state = |id: &str| {
                let mut items = answer["items"].as_array()?.iter();
                Some(items.find(|item| item["id"] == id)?["state"].clone())
            };
            let (billing, erp) = (state("billing")?, state("old-erp")?);
            let archive = state("archive")?["status"].clone();
            let states = json!([
                billing["status"],
                erp["status"],
                archive,
                billing["failed"],
                erp["failed"]
            ]);
            (states == expected).then_some(())
        })
        .await?;
        Ok(Guests { _failing: failing, _gone: gone })
    }
}
