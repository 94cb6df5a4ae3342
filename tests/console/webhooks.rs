//! Making a webhook, and testing its connection.

use super::support::raw::refusing_address;
use super::support::receiver::Receiver;
use super::support::tls::Authority;
use super::support::verify;
use super::*;
use reqwest::Method;

#[tokio::test]
async fn a_webhook_that_is_made_in_the_form_gets_pushes_signed_with_its_generated_secret() {
    let others = Receiver::start().await;
    let receiver = Receiver::start().await;
    let console = Console::with(&[impatient("crm", &others.url("/"))]).await;
    let page = &console.page;
    page.click("link", "New webhook").await;
    page.fill("Id", "orders").await;
    page.fill("Server address (URL)", &receiver.url("/hooks")).await;
    page.click("button", "Generate secret").await;
    let secret = page.wait_for("a secret", async || {
        let value = page.value("Secret").await;
        value.starts_with("whsec_").then_some(value)
    });
    let secret = secret.await;
    page.click("button", "Save").await;
    page.see("orders is saved.").await;
    page.find("heading", "Webhook orders").await;
    // How to keep it for good, with the secret's place and not the secret.
    let kept = console.shown_yaml().await;
    assert_eq!(kept["webhooks"][0]["url"], receiver.url("/hooks"));
    assert!(kept["webhooks"][0]["secret_env"].is_string());
    assert!(!page.text().await.contains(&secret));

    let push = console.push("a push", &receiver, |_| true).await;
    assert_eq!(push.path_and_query.split('?').next(), Some("/hooks"));
    assert_eq!(push.json()["op"], "data_create");
    assert_eq!(verify::standard(&secret, &push), Ok(()));
    assert_eq!(verify::jodoo(&secret, &push), Ok(()));

    page.click("link", "Webhooks").await;
    page.find("link", "orders").await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_old_one_until_the_rotation_ends() {
    let receiver = Receiver::start().await;
    let console = Console::with(&[]).await;
    let page = &console.page;
    let old = "the old secret";
    let webhook = json!({"id": "crm", "url": receiver.url("/"), "secret": old});
    let made = console.gateway.admin(Method::POST, "/webhooks").json(&webhook).send().await;
    assert_eq!(made.unwrap().status(), 201);
    console.visit("webhooks/crm").await;
    page.click("button", "New secret").await;
    page.find("heading", "New secret").await;
    let new = page.find("group", "Secret").await.text().await.unwrap();
    assert!(new.starts_with("whsec_"), "{new}");
    let is_signed_by = |secret: &str, push: &Received| verify::standard(secret, push).is_ok();
    let both = |push: &Received| is_signed_by(old, push) && is_signed_by(&new, push);
    console.push("a push that is signed with both", &receiver, both).await;

    page.click("button", "End rotation").await;
    page.click("button", "End the rotation").await;
    page.see("Only the new secret signs now.").await;
    let new_only = |push: &Received| !is_signed_by(old, push) && is_signed_by(&new, push);
    console.push("a push that is signed with the new one", &receiver, new_only).await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn a_field_that_is_wrong_says_so_beside_itself() {
    let receiver = Receiver::start().await;
    let console = Console::with(&[impatient("crm", &receiver.url("/"))]).await;
    let page = &console.page;
    console.visit("webhooks/new").await;
    page.fill("Id", "crm").await;
    page.fill("Server address (URL)", "ftp://example.com").await;
    page.click("button", "Save").await;
    page.see("It must begin with http:// or https://.").await;
    page.fill("Server address (URL)", "https://example.com").await;
    page.see_no_more("It must begin with http:// or https://.").await;
    // Only the gateway knows that there is one already, and what was typed is still there.
    page.click("button", "Save").await;
    page.see("already").await;
    assert_eq!(page.value("Server address (URL)").await, "https://example.com");
    page.assert_quiet(&[409]).await;
}

#[tokio::test]
async fn a_test_of_the_connection_says_in_words_what_came_of_it() {
    let receiver = Receiver::start().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let unknown = Receiver::over_tls(stranger.server(&["localhost"])).await;
    let config = orders::plugin(&[
        impatient("good", &receiver.url("/")),
        impatient("refused", &format!("http://{}/", refusing_address().await)),
        impatient("tls", &format!("https://localhost:{}/", unknown.address.port())),
    ]);
    let console = Console::of(config, |setup| setup.trusting(authority.file())).await;
    let page = &console.page;
    for (webhook, result) in [
        ("good", "Delivered in "),
        ("refused", "Not delivered: connection refused"),
        // Envoy 1.36 does not say what exactly is wrong with it.
        ("tls", "Not delivered: TLS: the certificate "),
    ] {
        console.visit(&format!("webhooks/{webhook}")).await;
        page.find("heading", &format!("Webhook {webhook}")).await;
        page.click("button", "Test connection").await;
        page.see(result).await;
    }
    let push = receiver.wait_for(1).await.remove(0);
    assert_eq!(push.json()["op"], "data_test");
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn settings_are_tested_before_they_are_saved() {
    let others = Receiver::start().await;
    let receiver = Receiver::start().await;
    let console = Console::with(&[impatient("crm", &others.url("/"))]).await;
    let page = &console.page;
    console.visit("webhooks/new").await;
    page.fill("Id", "orders").await;
    page.fill("Server address (URL)", &receiver.url("/")).await;
    page.click("button", "Test connection").await;
    page.see("Delivered in ").await;
    assert_eq!(receiver.wait_for(1).await.remove(0).json()["op"], "data_test");
    page.click("link", "Cancel").await;
    // The browser asks before what was typed is lost.
    page.accept_question().await;
    page.find("heading", "Webhooks").await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn a_webhook_that_moves_to_another_address_needs_its_secrets_anew() {
    let (before, after) = (Receiver::start().await, Receiver::start().await);
    let console = Console::with(&[]).await;
    let page = &console.page;
    let webhook = json!({"id": "crm", "url": before.url("/"), "secret": "before",
        "headers": {"authorization": "Bearer before"}});
    let made = console.gateway.admin(Method::POST, "/webhooks").json(&webhook).send().await;
    assert_eq!(made.unwrap().status(), 201);
    console.visit("webhooks/crm/edit").await;
    page.find("textbox", "Server address (URL)").await;
    page.fill("Server address (URL)", &after.url("/")).await;
    for button in ["Test connection", "Save"] {
        page.click("button", button).await;
        page.see("is not sent to another. Enter it anew, or remove the secret.").await;
        page.see("is not sent to another. Enter it anew, or remove the header.").await;
    }
    page.fill("Secret", "after").await;
    page.fill("Value", "Bearer after").await;
    page.click("button", "Save").await;
    page.see("crm is saved.").await;
    let push = console.push("a push", &after, |_| true).await;
    assert_eq!(push.header("authorization"), "Bearer after");
    assert_eq!(verify::standard("after", &push), Ok(()));
    assert!(before.received().is_empty());
    page.assert_quiet(&[]).await;
}
