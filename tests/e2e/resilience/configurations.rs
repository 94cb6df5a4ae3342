//! A configuration that changes while pushes are under way.

use super::*;
use crate::support::gateway::Setup;
use crate::support::receiver::Receiver;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::Mutex;

/// A target that takes each push when it comes the second time.
pub(super) async fn taking_the_second() -> Receiver {
    let seen = Mutex::new(HashSet::new());
    Receiver::answering(move |push| {
        match seen.lock().unwrap().insert(push.header("webhook-id").to_owned()) {
            true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            false => StatusCode::OK.into_response(),
        }
    })
    .await
}

#[tokio::test]
async fn no_push_is_lost_or_sent_twice_when_the_configuration_changes_again_and_again() {
    const PART: usize = 20;
    const CHANGES: usize = 3;
    let platform = orders_platform().await;
    let receiver = taking_the_second().await;
    let mut config = plugin(&receiver.url("/"));
    // Longer than Envoy keeps a replaced listener.
    config["webhooks"][0]["retry"] = json!(["3s", "1s"]);
    let gateway = Setup::new(platform.address(), &config).workers(2).dynamic().start().await;
    create(&gateway, &platform, 0..PART).await;
    receiver.wait_for(PART).await;
    for change in 1..=CHANGES {
        config["webhooks"][0]["headers"] = json!({"x-config": change.to_string()});
        let setup = Setup::new(platform.address(), &config).workers(2);
        let calls = create(&gateway, &platform, change * PART..(change + 1) * PART);
        tokio::join!(gateway.change_to(setup), calls);
    }
    let pushes = (CHANGES + 1) * PART;
    Ends::wait_for(&gateway, "crm", pushes).await;
    let received = receiver.received();
    let arrivals = Arrivals::of(&received);
    let fault = format!("{CHANGES} changes of the configuration");
    tried(&fault, pushes, arrivals.lost(0..pushes), arrivals.duplicates);
    assert_eq!(arrivals.duplicates, 0);
    // Neither while it waited was any of them sent.
    assert_eq!(received.len(), 2 * pushes);
    let newest = received.iter().filter(|push| push.header("x-config") == CHANGES.to_string());
    println!("{} attempts by the newest configuration", newest.count());
    assert_all_alive(&gateway);
}
