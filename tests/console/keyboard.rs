//! No mouse.

use super::*;
use thirtyfour::Key;

#[tokio::test]
async fn a_webhook_is_made_tested_and_another_restarted_with_the_keyboard_only() {
    let receiver = Receiver::start().await;
    let target = Breakable::broken().await;
    let mut webhook = impatient("crm", &target.receiver.url("/"));
    webhook["disable_after"] = json!(1);
    let platform = orders::platform().await;
    let gateway = Setup::new(platform.address(), &orders::plugin(&[webhook])).start().await;
    let page = Browser::open(&address(&gateway, "/webhooks")).await;
    page.find("heading", "Sign in").await;
    page.tab_to("textbox", "Token").await;
    page.write(ADMIN_TOKEN).await;
    page.press(Key::Enter).await;

    page.tab_to("link", "New webhook").await;
    page.press(Key::Enter).await;
    page.tab_to("textbox", "Id").await;
    page.write("mine").await;
    page.tab_to("textbox", "Server address (URL)").await;
    page.write(&receiver.url("/")).await;
    page.tab_to("button", "Test connection").await;
    page.press(Key::Space).await;
    page.see("Delivered in ").await;
    page.tab_to("button", "Generate secret").await;
    page.press(Key::Space).await;
    page.tab_to("checkbox", "When data is updated").await;
    page.press(Key::Space).await;
    page.tab_to("button", "Save").await;
    page.press(Key::Enter).await;
    page.find("heading", "Webhook mine").await;
    page.see("Updated").await;
    page.tab_to("button", "Test connection").await;
    page.press(Key::Enter).await;
    page.see("Delivered in ").await;
    receiver.wait_for(2).await;

    orders::create(&gateway, &platform, "a").await;
    page.tab_to("link", "Webhooks").await;
    page.press(Key::Enter).await;
    page.tab_to("button", "Restart crm").await;
    page.press(Key::Space).await;
    page.see("crm is enabled again").await;

    // A dialog keeps the focus, and Escape closes it.
    page.find("link", "1 failed pushes of crm").await;
    page.tab_to("link", "1 failed pushes of crm").await;
    page.press(Key::Enter).await;
    page.tab_to("button", "Abandon all").await;
    page.press(Key::Enter).await;
    page.find("dialog", "Abandon all failed pushes of crm?").await;
    page.press(Key::Escape).await;
    page.tab_to("button", "Retry all").await;
    target.mend();
    page.press(Key::Enter).await;
    page.see("1 push on the way again.").await;
    page.assert_quiet(&[]).await;
}
