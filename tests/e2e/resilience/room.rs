//! When there is no more room, the oldest failed pushes go.

use super::*;
use crate::support::gateway::Setup;
use crate::support::raw::refusing_address;
use crate::support::receiver::Receiver;

#[tokio::test]
async fn when_the_room_is_used_up_the_oldest_failed_pushes_go_and_people_are_told() {
    const CALLS: usize = 20;
    let platform = orders_platform().await;
    let people = Receiver::start().await;
    let healthy = Receiver::start().await;
    let mut config = plugin(&format!("http://{}/", refusing_address().await));
    config["webhooks"][0]["retry"] = json!([]);
    config["webhooks"].as_array_mut().unwrap().push(webhook("healthy", &healthy.url("/")));
    config["notify"] = json!([{"url": people.url("/")}]);
    config["limits"] = json!({"memory_bytes": 1024 * 1024});
    let gateway = Setup::new(platform.address(), &config).start().await;
    for number in 0..CALLS {
        let large = format!("{number}-{}", "x".repeat(100_000));
        let answer = gateway.call(CREATE, platform.api_key(), &order(&large)).await;
        assert_eq!(answer.status(), 200);
        wait::until("the push to end", async || {
            (Ends::of(&gateway, "crm").await.failure > number).then_some(())
        })
        .await;
    }
    healthy.wait_for(CALLS).await;
    let ends = Ends::of(&gateway, "crm").await;
    assert_eq!(ends.failure, CALLS);
    // Ten of them are about as much as the room.
    assert!((10..15).contains(&ends.dropped), "{ends:?}");
    let kept = CALLS - ends.dropped;
    wait_for_gauge(&gateway, &of_webhook("failed_cache_entries", "crm"), kept as f64).await;
    let bytes = gateway.metric("formhook_failed_cache_bytes{}").await;
    println!("{kept} kept, {bytes} bytes");
    // The oldest went, in their order.
    let records = records(&gateway, 2 * CALLS + ends.dropped).await;
    let ids = |outcome: &str| -> Vec<_> {
        let ended = records.iter().filter(|record| record["outcome"] == outcome);
        ended
            .filter(|record| record["webhook"] == "crm")
            .map(|record| record["id"].clone())
            .collect()
    };
    assert_eq!(ids("dropped"), ids("failure")[..ends.dropped]);
    let said = "was dropped: limits.memory_bytes is used up";
    assert_eq!(gateway.wait_for_log_lines(&[said], ends.dropped).await.len(), ends.dropped);
    let told = wait::until("a notice", async || {
        people.received().into_iter().find(|notice| notice.json()["type"] == "formhook.cache_full")
    })
    .await;
    assert_eq!(told.json()["webhook"], "crm");
    gateway.assert_vm_alive();
}
