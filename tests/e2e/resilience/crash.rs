//! A VM that crashes while pushes are under way. Those of its worker are taken over by another VM,
//! which is sure after ten seconds that it is gone.

use super::configurations::taking_the_second;
use super::*;
use crate::support::gateway::Setup;
use crate::support::receiver::Receiver;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::Mutex;
use std::time::Duration;

const PUSHES: usize = 20;

/// The shipped pause between the last start of a VM and the next, with Envoy's jitter.
const RELOAD_PAUSE: Duration = Duration::from_millis(150);

async fn crashing_gateway(platform: &Platform, receiver: &Receiver, workers: usize) -> Gateway {
    let mut config = plugin(&receiver.url("/"));
    config["webhooks"][0]["retry"] = json!(["2s", "1s"]);
    config["webhooks"][0]["timeout"] = json!("60s");
    let setup = Setup::new(platform.address(), &config).workers(workers);
    let gateway = setup.module("formhook-crash.wasm").start().await;
    let begin = Instant::now();
    wait::until("the VMs to be of age", async || (begin.elapsed() > RELOAD_PAUSE).then_some(()))
        .await;
    gateway
}

/// Ends the VM of the worker that serves this client's connection.
async fn crash(client: &reqwest::Client, gateway: &Gateway) {
    let call = client.post(gateway.url(CREATE)).header("x-formhook-crash", "request");
    assert_eq!(call.send().await.unwrap().status(), 503);
    gateway.wait_for_log(&["a test asked for it"]).await;
}

#[tokio::test]
async fn after_a_crash_only_the_call_that_crashed_fails_and_waiting_pushes_arrive() {
    let platform = orders_platform().await;
    let receiver = taking_the_second().await;
    let gateway = crashing_gateway(&platform, &receiver, 2).await;
    let client = one_connection();
    create_over(&client, &gateway, &platform, 0..PUSHES).await;
    receiver.wait_for(PUSHES).await;
    crash(&client, &gateway).await;
    // The same worker, with a fresh VM.
    create_over(&client, &gateway, &platform, PUSHES..2 * PUSHES).await;
    Ends::wait_for(&gateway, "crm", 2 * PUSHES).await;
    let arrivals = Arrivals::of(&receiver.received());
    let lost = arrivals.lost(0..2 * PUSHES);
    tried("a VM that crashes, with traffic after it", 2 * PUSHES, lost, arrivals.duplicates);
    wait_for_gauge(&gateway, &of_webhook("pending", "crm"), 0.0).await;
}

#[tokio::test]
async fn after_a_crash_waiting_pushes_arrive_even_if_nobody_calls_any_more() {
    let platform = orders_platform().await;
    let receiver = taking_the_second().await;
    // The only other VM is that of Envoy's main thread.
    let gateway = crashing_gateway(&platform, &receiver, 1).await;
    let client = one_connection();
    create_over(&client, &gateway, &platform, 0..PUSHES).await;
    receiver.wait_for(PUSHES).await;
    crash(&client, &gateway).await;
    let begin = Instant::now();
    Ends::wait_for(&gateway, "crm", PUSHES).await;
    println!("taken over and delivered after {:?}", begin.elapsed());
    let arrivals = Arrivals::of(&receiver.received());
    let lost = arrivals.lost(0..PUSHES);
    tried("a VM that crashes, without traffic after it", PUSHES, lost, arrivals.duplicates);
}

#[tokio::test]
async fn pushes_in_flight_when_a_vm_crashes_arrive_again_with_their_ids() {
    let platform = orders_platform().await;
    let seen = Mutex::new(HashSet::new());
    let receiver = Receiver::answering(move |push| {
        match seen.lock().unwrap().insert(push.header("webhook-id").to_owned()) {
            // It takes the push, and its answer never ends.
            true => Body::from_stream(futures_util::stream::pending::<Result<String, String>>())
                .into_response(),
            false => StatusCode::OK.into_response(),
        }
    })
    .await;
    let gateway = crashing_gateway(&platform, &receiver, 2).await;
    let client = one_connection();
    create_over(&client, &gateway, &platform, 0..PUSHES).await;
    receiver.wait_for(PUSHES).await;
    crash(&client, &gateway).await;
    Ends::wait_for(&gateway, "crm", PUSHES).await;
    let arrivals = Arrivals::of(&receiver.received());
    let lost = arrivals.lost(0..PUSHES);
    tried("a VM that crashes with pushes in flight", PUSHES, lost, arrivals.duplicates);
    assert_eq!(arrivals.duplicates, PUSHES);
}
