//! Who may come in.

use super::*;

/// The console, where nobody has signed in.
async fn signed_out() -> (Browser, Gateway, Platform) {
    let receiver = Receiver::start().await;
    let platform = orders::platform().await;
    let config = orders::plugin(&[impatient("crm", &receiver.url("/"))]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    let page = Browser::open(&address(&gateway, "/webhooks")).await;
    page.find("heading", "Sign in").await;
    (page, gateway, platform)
}

#[tokio::test]
async fn only_the_right_token_signs_in_and_it_stays_nowhere() {
    let (page, gateway, _platform) = signed_out().await;
    page.fill("Token", "wrong").await;
    page.click("button", "Sign in").await;
    page.see("This token is wrong.").await;
    // A zero-width space, as some pages have it in what is copied from them.
    page.fill("Token", &format!("{ADMIN_TOKEN}\u{200b}")).await;
    page.click("button", "Sign in").await;
    page.see("The token has characters that cannot be in one.").await;
    page.fill("Token", ADMIN_TOKEN).await;
    page.click("button", "Sign in").await;
    page.find("link", "crm").await;
    assert!(!page.address().await.contains(ADMIN_TOKEN));

    page.click("button", "Sign out").await;
    page.find("heading", "Sign in").await;
    assert_eq!(page.value("Token").await, "");
    page.go(&address(&gateway, "/history")).await;
    page.reload().await;
    page.find("heading", "Sign in").await;
    page.assert_quiet(&[401]).await;
}

#[tokio::test]
async fn who_signs_out_is_asked_before_what_was_typed_is_lost() {
    let (page, gateway, _platform) = signed_out().await;
    page.go(&address(&gateway, &format!("token={ADMIN_TOKEN}"))).await;
    page.click("link", "New webhook").await;
    page.fill("Id", "orders").await;
    page.click("button", "Sign out").await;
    page.accept_question().await;
    page.find("heading", "Sign in").await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn a_link_with_the_token_signs_in_and_does_not_keep_it_in_the_address() {
    let (page, gateway, _platform) = signed_out().await;
    page.go(&address(&gateway, &format!("token={ADMIN_TOKEN}"))).await;
    page.find("link", "crm").await;
    assert!(!page.address().await.contains(ADMIN_TOKEN));
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn after_too_many_wrong_tokens_the_page_says_when_to_try_again() {
    let (page, _gateway, _platform) = signed_out().await;
    page.wait_for("an end of trying", async || {
        page.fill("Token", "wrong").await;
        page.click("button", "Sign in").await;
        page.see("Sign in").await;
        page.text().await.contains("Too many wrong tokens").then_some(())
    })
    .await;
    let text = page.text().await.to_lowercase();
    assert_eq!(text.matches("try again in").count(), 1, "{text}");
    page.assert_quiet(&[401, 429]).await;
}
