//! From a push to the target's answer, and again if need be.

use super::support::gateway::Setup;
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn a_retried_push_keeps_its_id_and_is_signed_anew() {
    let platform = orders_platform().await;
    let attempts = AtomicUsize::new(0);
    let receiver = Receiver::answering(move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        1 => StatusCode::TOO_MANY_REQUESTS.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    let mut config = plugin(&receiver.url("/"));
    // Longer than a second, so that each attempt has a timestamp of its own.
    config["webhooks"][0]["retry"] = json!(["1100ms", "1100ms"]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    gateway.call(CREATE, platform.api_key(), &order("a")).await;
    let pushes = receiver.wait_for(3).await;
    for push in &pushes {
        assert_eq!(push.header("webhook-id"), pushes[0].header("webhook-id"));
        assert_eq!(push.body, pushes[0].body);
        assert_signed(push);
    }
    for pair in pushes.windows(2) {
        assert_ne!(pair[0].header("webhook-timestamp"), pair[1].header("webhook-timestamp"));
        assert_ne!(pair[0].query("nonce"), pair[1].query("nonce"));
        assert_ne!(pair[0].header("x-jdy-signature"), pair[1].header("x-jdy-signature"));
    }
    gateway.wait_for_metric(PUSHED, 1.0).await;
    assert_eq!(gateway.metric(FAILED).await, 0.0);
}

#[tokio::test]
async fn a_target_may_name_its_own_cluster_scheme_and_headers() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = plugin("http://crm.internal/hooks");
    let webhook = &mut config["webhooks"][0];
    webhook["cluster"] = json!("crm");
    webhook["signing"] = json!(["jodoo"]);
    webhook["headers"] = json!({"X-Team": "sales"});
    let address = json!({"address": "127.0.0.1", "port_value": receiver.address.port()});
    let setup = Setup::new(platform.address(), &config).edited(|setup| {
        let endpoint = json!({"endpoint": {"address": {"socket_address": address}}});
        let endpoints = json!([{"lb_endpoints": [endpoint]}]);
        setup.at("/static_resources/clusters").as_array_mut().unwrap().push(json!({
            "name": "crm", "type": "STATIC",
            "load_assignment": {"cluster_name": "crm", "endpoints": endpoints},
        }));
    });
    let gateway = setup.start().await;
    gateway.call(CREATE, platform.api_key(), &order("a")).await;
    let push = receiver.wait_for(1).await.remove(0);
    assert_eq!(push.header("host"), "crm.internal");
    assert_eq!(push.header("x-team"), "sales");
    assert!(push.path_and_query.starts_with("/hooks?nonce="));
    assert_eq!(verify::jodoo(SECRET, &push), Ok(()));
    for absent in ["webhook-id", "webhook-signature", "webhook-timestamp", "x-formhook-scheme"] {
        assert!(!push.headers.contains_key(absent), "{absent}");
    }
    gateway.wait_for_metric(PUSHED, 1.0).await;
}

#[tokio::test]
async fn a_push_has_only_the_headers_that_formhook_gave_it() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    gateway.call(CREATE, platform.api_key(), &order("a")).await;
    let push = receiver.wait_for(1).await.remove(0);
    let mut names: Vec<_> = push.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    // `x-request-id` is the API call's, which Envoy gave one.
    assert_eq!(
        names,
        [
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
            "x-jdy-deliverid",
            "x-jdy-signature",
            "x-request-id",
        ]
    );
}

/// The bytes of a request before its body.
fn head_bytes(push: &Received) -> usize {
    let headers = push.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    "POST  HTTP/1.1\r\n\r\n".len() + push.path_and_query.len() + headers.sum::<usize>()
}

#[tokio::test]
async fn no_header_of_a_call_makes_a_receiver_refuse_the_push() {
    let platform = orders_platform().await;
    // Many servers take 8 KiB of headers and no more, and read those that they know.
    let receiver = Receiver::answering(|push| {
        let is_trace = |name: &&str| push.header(name).len() <= 512;
        match head_bytes(push) <= 8 * 1024 && ["traceparent", "tracestate"].iter().all(is_trace) {
            true => StatusCode::OK.into_response(),
            false => StatusCode::BAD_REQUEST.into_response(),
        }
    })
    .await;
    let url = receiver.url("/?");
    let mut config = plugin(&(url.clone() + &"x".repeat(2048 - url.len())));
    config["webhooks"][0]["headers"] = json!({"x-long": "x".repeat(3072 - "x-long: \r\n".len())});
    config["webhooks"][0]["retry"] = json!([]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let later = format!("cc-{}-{}", &parent[3..], "x".repeat(4000));
    let state = format!("a={},b={}", "x".repeat(255), "y".repeat(252));
    let calls = [
        [parent.to_owned(), state.clone(), "x".repeat(128)],
        [later.clone(), state + "z", "x".repeat(129)],
        ["0".repeat(4000), "a=b".to_owned(), "request 1".to_owned()],
        [parent.to_uppercase(), "a=b".to_owned(), "1".to_owned()],
    ];
    for [parent, state, id] in &calls {
        let call = gateway.post(CREATE, platform.api_key()).header("traceparent", parent);
        let call = call.header("tracestate", state).header("x-request-id", id).json(&order("a"));
        assert_eq!(call.send().await.unwrap().status(), 200);
    }
    gateway.wait_for_metric(PUSHED, 4.0).await;
    let pushes = receiver.received();
    let has = |name: &str| {
        let mut sent: Vec<_> = pushes.iter().map(|push| push.header(name).len()).collect();
        sent.sort_unstable();
        sent
    };
    assert_eq!(has("traceparent"), [0, 0, 55, 55]);
    assert_eq!(has("tracestate"), [0, 0, 0, 512]);
    assert_eq!(has("x-request-id"), [0, 0, 1, 128]);
    let largest = pushes.iter().map(head_bytes).max().unwrap();
    assert!(largest < 6 * 1024 + 512, "{largest}");
}

#[tokio::test]
async fn a_burst_is_delivered_whole_and_never_with_more_in_flight_than_allowed() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = plugin(&receiver.url("/"));
    config["webhooks"][0]["max_in_flight"] = json!(4);
    let gateway = Setup::new(platform.address(), &config).start().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let call = gateway.post(CREATE, platform.api_key()).json(&order(&number.to_string()));
        calls.spawn(async { call.send().await.unwrap().status() });
    }
    assert!(calls.join_all().await.iter().all(|status| *status == 200));
    let pushes = receiver.wait_for(200).await;
    gateway.wait_for_metric(PUSHED, 200.0).await;
    let ids: std::collections::HashSet<_> =
        pushes.iter().map(|push| push.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 200);
    let cluster = "cluster.formhook_egress.upstream_rq_active";
    let text = gateway.stats(&format!("/stats?filter={cluster}$")).await;
    assert!(text.contains(": 0"), "{text}");
}

#[tokio::test]
async fn waiting_pushes_outlast_a_change_of_configuration() {
    let platform = orders_platform().await;
    let first = AtomicUsize::new(0);
    let receiver = Receiver::answering(move |_| match first.fetch_add(1, Ordering::SeqCst) {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let mut config = plugin(&receiver.url("/"));
    // Longer than Envoy keeps a replaced listener.
    config["webhooks"][0]["retry"] = json!(["3s"]);
    let gateway = Setup::new(platform.address(), &config).dynamic().start().await;
    gateway.call(CREATE, platform.api_key(), &order("before")).await;
    receiver.wait_for(1).await;

    config["webhooks"][0]["headers"] = json!({"x-config": "new"});
    gateway.change_to(Setup::new(platform.address(), &config)).await;
    wait::until("a call under the new configuration", async || {
        gateway.call(CREATE, platform.api_key(), &order("after")).await;
        let pushes = receiver.received();
        pushes.iter().any(|push| push.header("x-config") == "new").then_some(())
    })
    .await;

    // The retry of the push that was accepted under the old one.
    let retried = wait::until("the retry", async || {
        let mut pushes = receiver.received().into_iter().skip(1);
        pushes.find(|push| push.json()["data"]["customer"] == "before")
    })
    .await;
    assert_eq!(retried.header("webhook-id"), receiver.received()[0].header("webhook-id"));
    // By the new one, which is what the operator wants by now.
    assert_eq!(retried.header("x-config"), "new");
    gateway.assert_vm_alive();
}
