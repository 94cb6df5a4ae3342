//! Targets that fail harm neither each other nor the API.

use super::*;
use crate::support::gateway::Setup;
use crate::support::raw::{Server, Step, refusing_address};
use crate::support::receiver::Receiver;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const CALLS: usize = 200;

#[tokio::test]
async fn a_healthy_target_gets_every_push_at_once_whatever_others_do() {
    let platform = orders_platform().await;
    let healthy = Receiver::start().await;
    let slow = Server::start(vec![Step::Hang]).await;
    let count = AtomicUsize::new(0);
    let flapping = Receiver::answering(move |_| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let begin = OnceLock::new();
    let flooded = Receiver::answering(move |_| {
        if begin.get_or_init(Instant::now).elapsed() < Duration::from_secs(2) {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response()
        } else {
            StatusCode::OK.into_response()
        }
    })
    .await;
    let urls = [
        ("healthy", healthy.url("/")),
        ("dead", format!("http://{}/", refusing_address().await)),
        ("slow", slow.url("/")),
        ("flapping", flapping.url("/")),
        ("flooded", flooded.url("/")),
    ];
    let webhooks = urls.iter().map(|(id, url)| {
        // All but one answer as soon as this machine lets them.
        let timeout = if *id == "slow" { "500ms" } else { "20s" };
        json!({"id": id, "url": url, "timeout": timeout, "disable_after": 1000,
               "retry": ["10ms", "20ms", "40ms", "80ms"]})
    });
    let mut config = plugin("http://unused.invalid/");
    config["webhooks"] = webhooks.collect();
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;

    let answered = create(&gateway, &platform, 0..CALLS).await;
    let pushes = healthy.wait_for(CALLS).await;
    let mut lags: Vec<_> = pushes
        .iter()
        .map(|push| push.at.saturating_duration_since(answered[&customer(push)]))
        .collect();
    lags.sort_unstable();
    println!("healthy: median {:?}, longest {:?}", lags[CALLS / 2], lags[CALLS - 1]);
    // It did not wait for the slow one, which takes seconds.
    assert!(Ends::of(&gateway, "slow").await.kept_or_delivered() < CALLS, "{lags:?}");

    let mut all = HashMap::new();
    for (id, _) in urls {
        let ends = Ends::wait_for(&gateway, id, CALLS).await;
        wait_for_gauge(&gateway, &of_webhook("failed_cache_entries", id), ends.failure as f64)
            .await;
        wait_for_gauge(&gateway, &of_webhook("pending", id), 0.0).await;
        let fault = match id {
            "healthy" => "beside these four, a healthy target".into(),
            _ => format!("a {id} target"),
        };
        tried(&fault, CALLS, CALLS - ends.kept_or_delivered(), 0);
        all.insert(id, ends);
    }
    assert_eq!(all["healthy"].success, CALLS);
    assert_eq!((all["dead"].failure, all["slow"].failure), (CALLS, CALLS));
    for (id, receiver) in [("healthy", &healthy), ("flapping", &flapping), ("flooded", &flooded)] {
        let arrivals = Arrivals::of(&receiver.received());
        assert_eq!((arrivals.taken.len(), arrivals.duplicates), (all[id].success, 0), "{id}");
    }
    assert_all_alive(&gateway);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_events_at_once_are_delivered_past_the_shipped_circuit_breakers() {
    const EVENTS: usize = 2000;
    for in_flight in [32, EVENTS] {
        let platform = orders_platform().await;
        let receiver = Receiver::start().await;
        let mut config = plugin(&receiver.url("/"));
        config["webhooks"][0]["max_in_flight"] = json!(in_flight);
        // What a machine that is busy with other tests cannot take at once, it takes later.
        config["webhooks"][0]["retry"] = json!(["200ms", "1s", "2s", "4s"]);
        let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
        let begin = Instant::now();
        let clients: Vec<_> = (0..8).map(|_| one_connection()).collect();
        let share = EVENTS / clients.len();
        let calls = clients.iter().enumerate().map(|(number, client)| {
            create_over(client, &gateway, &platform, number * share..(number + 1) * share)
        });
        futures_util::future::join_all(calls).await;
        println!("{EVENTS} calls in {:?}", begin.elapsed());
        Ends::wait_for(&gateway, "crm", EVENTS).await;
        println!("{EVENTS} pushes, {in_flight} in flight, in {:?}", begin.elapsed());
        let arrivals = Arrivals::of(&receiver.received());
        let fault = format!("{EVENTS} events at once, up to {in_flight} pushes in flight");
        tried(&fault, EVENTS, arrivals.lost(0..EVENTS), arrivals.duplicates);
        assert_all_alive(&gateway);
    }
}

/// A target that answers the first push so, and takes the second.
async fn asking(
    status: StatusCode,
    retry_after: impl Fn() -> String + Send + Sync + 'static,
) -> Receiver {
    let count = AtomicUsize::new(0);
    Receiver::answering(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => (status, [("retry-after", retry_after())]).into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await
}

/// A gateway whose webhooks `w0`, `w1` and so on push to these targets, with one early retry.
async fn gateway_to(platform: &Platform, receivers: &[Receiver]) -> Gateway {
    let webhooks = receivers.iter().enumerate().map(|(number, receiver)| {
        json!({"id": format!("w{number}"), "url": receiver.url("/"), "retry": ["10ms"]})
    });
    let config = json!({"platform": "jodoo", "webhooks": webhooks.collect::<Value>()});
    Setup::new(platform.address(), &config).start().await
}

#[tokio::test]
async fn a_target_that_asks_for_time_gets_it() {
    let platform = orders_platform().await;
    let seconds = || "2".to_owned();
    // A date has no fractions of a second: it is more than two seconds away.
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    let receivers = [
        asking(StatusCode::SERVICE_UNAVAILABLE, seconds).await,
        asking(StatusCode::TOO_MANY_REQUESTS, seconds).await,
        asking(StatusCode::INTERNAL_SERVER_ERROR, seconds).await,
        asking(StatusCode::SERVICE_UNAVAILABLE, date).await,
        asking(StatusCode::INTERNAL_SERVER_ERROR, date).await,
    ];
    let gateway = gateway_to(&platform, &receivers).await;
    create(&gateway, &platform, 0..1).await;
    for (number, receiver) in receivers.iter().enumerate() {
        let ends = Ends::wait_for(&gateway, &format!("w{number}"), 1).await;
        let pushes = receiver.received();
        assert_eq!((ends.success, pushes.len()), (1, 2), "w{number}");
        let waited = pushes[1].at - pushes[0].at;
        // Envoy's timers may be a few milliseconds early.
        assert!(waited >= Duration::from_millis(1950), "w{number}: {waited:?}");
    }
    tried("a target that asks for time", receivers.len(), 0, 0);
}

#[tokio::test]
async fn an_absurd_wish_for_time_breaks_nothing() {
    // The first ones ask for nothing that could be understood, or for no time at all.
    let pointless = [
        "-1",
        "-99999999999999999999",
        "soon",
        "1.5",
        "+5",
        "0x10",
        "1e9",
        "\u{7d}{\"a\":1",
        "",
        "0",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Mon, 99 Foo 2026 99:99:99 GMT",
    ];
    // These ask for more than they get, an hour.
    let endless = [
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "1000000000000000000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "4294967296",
    ];
    let platform = orders_platform().await;
    let mut receivers = Vec::new();
    for (number, value) in pointless.iter().chain(&endless).enumerate() {
        let status = match number % 2 {
            0 => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::TOO_MANY_REQUESTS,
        };
        let value = (*value).to_owned();
        receivers.push(asking(status, move || value.clone()).await);
    }
    let gateway = gateway_to(&platform, &receivers).await;
    create(&gateway, &platform, 0..1).await;
    for (number, value) in pointless.iter().enumerate() {
        let ends = Ends::wait_for(&gateway, &format!("w{number}"), 1).await;
        assert_eq!(ends.success, 1, "{value:?}");
    }
    for (number, receiver) in receivers.iter().enumerate().skip(pointless.len()) {
        wait_for_gauge(&gateway, &of_webhook("pending", &format!("w{number}")), 1.0).await;
        assert_eq!(receiver.received().len(), 1);
    }
    tried("a target that asks for absurd times", receivers.len(), 0, 0);
    gateway.assert_vm_alive();
}

/// How often Envoy has let a VM of this gateway tick, since that is logged.
fn ticks(gateway: &Gateway) -> usize {
    gateway.log().matches("proxy_on_tick").count()
}

/// Has each call of a VM written into the log.
async fn log_calls(gateway: &Gateway) {
    gateway.command("/logging?wasm=trace").await;
}

#[tokio::test]
async fn a_gateway_with_nothing_to_do_takes_no_ticks() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let failing = Receiver::answering(|_| StatusCode::BAD_GATEWAY.into_response()).await;
    let mut config = plugin(&receiver.url("/"));
    let dead = json!({"id": "dead", "url": failing.url("/"), "retry": ["10ms"]});
    config["webhooks"].as_array_mut().unwrap().push(dead);
    let idle = Setup::new(platform.address(), &config).workers(2).start().await;
    config["webhooks"][1]["retry"] = json!(["1h"]);
    let busy = Setup::new(platform.address(), &config).workers(2).start().await;
    for gateway in [&idle, &busy] {
        log_calls(gateway).await;
        create(gateway, &platform, 0..20).await;
    }
    Ends::wait_for(&idle, "crm", 20).await;
    Ends::wait_for(&idle, "dead", 20).await;
    wait::until("a while without a tick", async || {
        let (before, clock) = (ticks(&idle), ticks(&busy));
        // Each of its three VMs looks after what waits once a second.
        wait::until("ticks of the other", async || (ticks(&busy) >= clock + 9).then_some(())).await;
        (ticks(&idle) == before).then_some(())
    })
    .await;
    assert!(ticks(&idle) > 0, "ticks are logged");
    // It is there all the same.
    create(&idle, &platform, 20..21).await;
    Ends::wait_for(&idle, "crm", 21).await;
}
