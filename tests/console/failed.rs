//! When pushes fail: what is seen of it, and what can be done.

use super::support::receiver::Receiver;
use super::*;

#[tokio::test]
async fn a_target_that_fails_is_counted_warned_of_and_disabled_until_it_is_restarted() {
    let target = Breakable::broken().await;
    let mut webhook = impatient("crm", &target.receiver.url("/"));
    webhook["disable_after"] = json!(3);
    let console = Console::with(&[webhook]).await;
    let page = &console.page;
    page.see("0 of 3").await;
    console.create_order("a").await;
    page.see("1 of 3").await;
    page.see("Failing").await;
    console.create_order("b").await;
    page.see("2 of 3").await;
    console.create_order("c").await;
    page.see("Disabled").await;
    page.see("HTTP 500").await;

    // While it is disabled, nothing is sent to it.
    console.create_order("d").await;
    page.find("link", "4 failed pushes of crm").await;
    assert_eq!(target.receiver.received().len(), 3);

    target.mend();
    page.click("button", "Restart crm").await;
    page.see("crm is enabled again").await;
    page.see("0 of 3").await;
    page.see("Active").await;
    console.push("a push that is taken", &target.receiver, |push| push.status.is_success()).await;
    page.find("link", "4 failed pushes of crm").await;
    page.assert_quiet(&[]).await;
}

/// A console with so many failed pushes of the webhook "crm", which are shown.
async fn with_failed_pushes(target: &Breakable, count: usize) -> Console {
    let console = Console::with(&[impatient("crm", &target.receiver.url("/"))]).await;
    for number in 0..count {
        console.create_order(&format!("customer {number}")).await;
    }
    target.receiver.wait_for(count).await;
    console.visit("failed").await;
    console.page.see(&format!("{count} shown")).await;
    console
}

/// The ids of pushes, sorted.
fn ids(pushes: &[Received]) -> Vec<&str> {
    let mut ids: Vec<_> = pushes.iter().map(|push| push.header("webhook-id")).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn failed_pushes_are_retried_one_or_all_and_keep_their_ids() {
    let target = Breakable::broken().await;
    let console = with_failed_pushes(&target, 3).await;
    let page = &console.page;
    let failed = target.receiver.received();
    target.mend();
    let chosen = failed[1].header("webhook-id");
    page.click("checkbox", &format!("Select {chosen}")).await;
    page.see("1 selected").await;
    page.click("button", "Retry selected").await;
    page.see("1 push on the way again.").await;
    let pushes = target.receiver.wait_for(4).await;
    assert_eq!(pushes[3].header("webhook-id"), chosen);
    assert_eq!(pushes[3].body, failed[1].body);

    page.see("2 shown").await;
    page.choose("Webhook", "crm").await;
    page.click("button", "Retry all").await;
    page.see("2 pushes on the way again.").await;
    let pushes = target.receiver.wait_for(6).await;
    assert_eq!(ids(&pushes[3..]), ids(&failed));
    page.see("No failed pushes").await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn pushes_that_are_abandoned_are_never_sent_and_said_to_be_so() {
    let target = Breakable::broken().await;
    let console = with_failed_pushes(&target, 3).await;
    let page = &console.page;
    let one = target.receiver.received()[0].header("webhook-id").to_owned();
    page.click("button", &format!("View details of {one}")).await;
    page.find("dialog", "Failed push").await;
    page.see("HTTP 500").await;
    page.click("button", "Abandon").await;
    page.find("dialog", "Abandon 1 push?").await;
    page.click("button", "Cancel").await;
    page.find("dialog", "Failed push").await;
    page.click("button", "Abandon").await;
    page.find("dialog", "Abandon 1 push?").await;
    page.click("button", "Abandon").await;
    page.see("1 push abandoned.").await;

    page.see("2 shown").await;
    page.click("checkbox", "Select all shown").await;
    page.see("2 selected").await;
    page.click("button", "Abandon selected").await;
    page.find("dialog", "Abandon 2 pushes?").await;
    page.click("button", "Abandon").await;
    page.see("2 pushes abandoned.").await;
    page.see("No failed pushes").await;

    target.mend();
    console.create_order("later").await;
    let pushes = target.receiver.wait_for(4).await;
    assert_eq!(pushes[3].json()["data"]["customer"], "later");
    console.visit("history").await;
    page.see("Abandoned").await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn a_gateway_that_answers_no_more_is_told_of_and_what_was_shown_stays() {
    let receiver = Receiver::start().await;
    let console = Console::with(&[impatient("crm", &receiver.url("/"))]).await;
    let Console { page, gateway, platform: _platform } = console;
    page.find("link", "crm").await;
    drop(gateway);
    page.see("The gateway does not answer.").await;
    page.find("link", "crm").await;
}

/// A console whose only failed push is shown in a dialog.
async fn with_a_failed_push_shown(target: &Breakable) -> Console {
    let console = with_failed_pushes(target, 1).await;
    let id = target.receiver.received()[0].header("webhook-id").to_owned();
    console.page.click("button", &format!("View details of {id}")).await;
    console.page.find("dialog", "Failed push").await;
    console
}

#[tokio::test]
async fn who_goes_back_leaves_no_question_behind_that_still_abandons() {
    let target = Breakable::broken().await;
    let console = with_a_failed_push_shown(&target).await;
    let page = &console.page;
    page.click("button", "Abandon").await;
    page.find("dialog", "Abandon 1 push?").await;
    page.back().await;
    page.find("heading", "Webhooks").await;
    assert_eq!(page.count("dialog").await, 0);
    page.find("link", "1 failed pushes of crm").await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn who_has_to_sign_in_again_is_kept_from_it_by_no_dialog() {
    let target = Breakable::broken().await;
    let console = with_a_failed_push_shown(&target).await;
    let page = &console.page;
    page.run("sessionStorage.setItem('formhook.token', 'another')").await;
    page.click("button", "Retry").await;
    page.find("heading", "Sign in").await;
    page.fill("Token", ADMIN_TOKEN).await;
    page.click("button", "Sign in").await;
    page.see("1 shown").await;
    page.assert_quiet(&[401]).await;
}

#[tokio::test]
async fn what_goes_wrong_in_a_dialog_is_said_in_it() {
    let target = Breakable::broken().await;
    let console = with_a_failed_push_shown(&target).await;
    let Console { page, gateway, platform: _platform } = console;
    drop(gateway);
    page.click("button", "Retry").await;
    page.click("button", "Dismiss").await;
    page.click("button", "Close").await;
    page.see("The gateway does not answer.").await;
}
