//! What Envoy's log shows at which level: its own debug lines have whole requests in them.

use super::support::gateway::{ADMIN_TOKEN, Gateway, root};
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;
use reqwest::Method;
use std::collections::BTreeSet;

const HEADER: &str = "Bearer a-header-of-a-webhook";
const OWN_SECRET: &str = "whsec_c2VjcmV0LW9mLWEtd2ViaG9vaw==";

/// A gateway that was started with these arguments and has made a push, and all that no log may show.
async fn after_a_push(arguments: &'static [&'static str]) -> (Gateway, Vec<String>) {
    let platform = orders_platform().await;
    let (crm, erp) = (Receiver::start().await, Receiver::start().await);
    let setup = gateway(&platform, &crm.url("/")).arguments(arguments);
    let gateway = setup.start().await;
    let body = json!({"id": "erp", "url": erp.url("/"), "secret": OWN_SECRET,
        "headers": {"authorization": HEADER}});
    let made = gateway.admin(Method::POST, "/webhooks").json(&body).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let tested = gateway.admin(Method::POST, "/webhooks/erp/test").send().await.unwrap();
    assert_eq!(tested.status(), 200);
    // The first push to `erp` is the test.
    let answer = gateway.call(CREATE, platform.api_key(), &order("Ada")).await;
    assert_eq!(answer.status(), 200);
    let pushes = [crm.wait_for(1).await, erp.wait_for(2).await].concat();
    gateway.wait_for_metric(PUSHED, 1.0).await;
    let mut secrets: Vec<String> =
        [ADMIN_TOKEN, SECRET, OWN_SECRET, HEADER, platform.api_key()].map(str::to_owned).into();
    for push in &pushes {
        secrets.extend(
            ["webhook-signature", "x-jdy-signature"].map(|name| push.header(name).to_owned()),
        );
    }
    assert!(secrets.iter().all(|secret| secret.len() > 8), "{secrets:?}");
    (gateway, secrets)
}

/// The components of Envoy whose lines show one of these.
fn shown_by(log: &str, secrets: &[String]) -> BTreeSet<String> {
    let mut component = String::new();
    let mut found = BTreeSet::new();
    for line in log.lines() {
        // `[time][thread][level][component] ...`; a line that begins otherwise goes on with the one before.
        let parts: Vec<&str> = line.split("][").collect();
        if line.starts_with("[20") && parts.len() >= 4 {
            component = parts[3].split(']').next().unwrap().to_owned();
        }
        if secrets.iter().any(|secret| line.contains(secret.as_str())) {
            found.insert(component.clone());
        }
    }
    found
}

fn security() -> String {
    std::fs::read_to_string(root().join("docs/security.md")).unwrap()
}

#[tokio::test]
async fn with_the_debug_lines_of_formhook_alone_the_log_shows_no_secret() {
    const ARGUMENTS: &[&str] = &["--component-log-level", "wasm:debug"];
    assert!(security().contains(&format!("`{}`", ARGUMENTS.join(" "))));
    let (gateway, secrets) = after_a_push(ARGUMENTS).await;
    let log = gateway.log();
    assert!(log.contains("[debug][wasm]"), "the level has no effect: {log}");
    assert_eq!(shown_by(&log, &secrets), BTreeSet::new());
}

#[tokio::test]
async fn the_components_that_show_secrets_at_debug_are_those_that_the_document_names() {
    let said = security();
    let (_, said) = said.split_once("With `-l debug` these components of Envoy show").unwrap();
    let (said, _) = said.split_once(". ").unwrap();
    let named: BTreeSet<String> = said.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!named.is_empty());
    let (gateway, secrets) = after_a_push(&["--log-level", "debug"]).await;
    let shown = wait::until("all of them", async || {
        let shown = shown_by(&gateway.log(), &secrets);
        (shown.len() >= named.len()).then_some(shown)
    });
    assert_eq!(shown.await, named);
}
