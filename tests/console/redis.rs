//! When the state is in Redis.

use super::support::gateway::STORE_AUTH_ENV;
use super::support::store::{Fsync, RedisServer, Webdis};
use super::*;
use reqwest::Method;

/// One command of the admin API is for a thousand.
const FAILED: usize = 1_100;

#[tokio::test]
async fn all_failed_pushes_are_retried_at_once_and_a_store_that_is_away_is_told() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let mut webdis = Webdis::start(&redis).await;
    let target = Breakable::broken().await;
    let mut webhook = impatient("crm", &target.receiver.url("/"));
    webhook["disable_after"] = json!(FAILED + 1);
    let mut plugin = orders::plugin(&[webhook]);
    plugin["store"] = json!({"redis": {"cluster": "webdis", "auth_env": STORE_AUTH_ENV}});
    let console = Console::of(plugin, |setup| setup.with_webdis(webdis.port())).await;
    let page = &console.page;
    for _ in 0..FAILED {
        console.create_order("a").await;
    }
    wait::until("all to be in the failed cache", async || {
        let status = console.gateway.admin(Method::GET, "/status").send().await.unwrap();
        let status: Value = status.json().await.unwrap();
        (status["failed"] == FAILED).then_some(())
    })
    .await;
    target.mend();
    console.visit("failed?webhook=crm").await;
    page.see("50 shown").await;
    page.click("button", "Retry all").await;
    page.see("1,100 pushes on the way again.").await;
    page.see("No failed pushes").await;
    wait::until("all to be taken", async || {
        let received = target.receiver.received();
        (received.iter().filter(|push| push.status.is_success()).count() == FAILED).then_some(())
    })
    .await;

    webdis.kill();
    console.visit("history").await;
    page.see("The store does not answer").await;
    page.screenshot("store-away").await;
    page.click("button", "Try again").await;
    // Whoever is first when it is back, the person or the page.
    webdis.start_again().await;
    page.find("table", "Push history").await;
    page.assert_quiet(&[503]).await;
}
