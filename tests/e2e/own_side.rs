//! What Envoy answers in place of a target is told from what the target answers, and what fails on the
//! gateway's own side is charged to nobody.

use super::admin::answered;
use super::support::gateway::{Gateway, Setup, cluster, envoy_version};
use super::support::raw::{Server, Step, refusing_address};
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use reqwest::Method;
use std::net::SocketAddr;

/// A webhook that is reached by the cluster of its name.
fn by_cluster(id: &str) -> Value {
    json!({"id": id, "url": "http://target.internal/", "cluster": id, "timeout": "1s",
        "retry": ["10ms"]})
}

fn of_webhook(name: &str, id: &str) -> String {
    format!(r#"formhook_{name}{{webhook="{id}"}}"#)
}

fn ended(id: &str, result: &str) -> String {
    format!(r#"formhook_pushes_total{{result="{result}",webhook="{id}"}}"#)
}

async fn state(gateway: &Gateway, id: &str) -> Value {
    let path = format!("/webhooks/{id}");
    answered(gateway.admin(Method::GET, &path), 200).await["state"].clone()
}

/// What the failed cache says of the only push of a webhook: attempts, status, cause.
async fn failed(gateway: &Gateway, id: &str) -> Value {
    let page = answered(gateway.admin(Method::GET, &format!("/failed?webhook={id}")), 200).await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{page}");
    ["attempts", "status", "cause"].iter().map(|name| items[0][name].clone()).collect()
}

/// A server that answers so, in its own name.
async fn answering(status: u16, body: &'static str) -> Receiver {
    let status = StatusCode::from_u16(status).unwrap();
    Receiver::answering(move |_| {
        // A server that knows Envoy well may send its headers, too, or leave some out.
        let headers = [("server", "envoy"), ("x-envoy-upstream-service-time", "")];
        (status, headers, body).into_response()
    })
    .await
}

#[tokio::test]
async fn by_a_cluster_what_envoy_answers_is_told_from_what_the_target_answers() {
    const REFUSED: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused";
    let platform = orders_platform().await;
    let closing = Server::start(vec![]).await;
    let hanging = Server::start(vec![Step::Hang]).await;
    let garbage = Server::start(vec![Step::send("+OK Dovecot ready.\r\n")]).await;
    let forging = [
        answering(503, REFUSED).await,
        answering(503, "no healthy upstream").await,
        answering(504, "upstream request timeout").await,
        answering(429, "").await,
    ];
    let forged = |number: usize| forging[number].address;
    // Later versions do not say in an answer of their own why they did not connect.
    let refused = match envoy_version().starts_with("1.36.") {
        true => "connection refused",
        false => "connection failed: it was refused, or closed while it was being opened",
    };
    let cases: [(&str, SocketAddr, &str); 8] = [
        ("refused", refusing_address().await, refused),
        ("closing", closing.address, "connection closed before an answer"),
        ("hanging", hanging.address, "timeout after 1s"),
        ("garbage", garbage.address, "the answer is not HTTP"),
        ("forged_refusal", forged(0), "HTTP 503"),
        ("forged_no_host", forged(1), "HTTP 503"),
        ("forged_timeout", forged(2), "HTTP 504"),
        ("busy", forged(3), "HTTP 429"),
    ];
    let healthy = Receiver::start().await;
    let mut config = plugin(&healthy.url("/"));
    config["webhooks"].as_array_mut().unwrap().extend(cases.iter().map(|case| by_cluster(case.0)));
    let setup = Setup::new(platform.address(), &config);
    let setup = cases.iter().fold(setup, |setup, case| setup.with_cluster(case.0, case.1));
    let gateway = setup.start().await;
    orders::create(&gateway, &platform, "a").await;
    for (id, _, cause) in cases {
        gateway.wait_for_metric(&ended(id, "failure"), 1.0).await;
        let line = gateway.wait_for_log(&[&format!("webhook {id} failed after")]).await;
        assert!(line.ends_with(&format!("after 2 attempts: {cause}")), "{id}: {line}");
        // All of that is the target's, whoever told of it.
        let state = state(&gateway, id).await;
        assert_eq!((&state["status"], &state["failures"]), (&json!("failing"), &json!(1)), "{id}");
        assert_eq!(gateway.metric(&of_webhook("gateway_failures_total", id)).await, 0.0);
    }
    healthy.wait_for(1).await;
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn what_fails_on_the_own_side_ends_in_the_failed_cache_and_is_charged_to_nobody() {
    let platform = orders_platform().await;
    let people = Receiver::start().await;
    let target = Receiver::start().await;
    let mut config = plugin(&target.url("/"));
    config["webhooks"][0]["retry"] = json!(["10ms"]);
    config["webhooks"][0]["disable_after"] = json!(1);
    config["notify"] = json!([{"url": "http://people.internal/", "cluster": "people"}]);
    let webhooks = config["webhooks"].as_array_mut().unwrap();
    webhooks.extend(["unknown", "no_host", "limited"].map(by_cluster));
    let setup = Setup::new(platform.address(), &config)
        .with_cluster("people", people.address)
        .with_cluster("no_host", target.address)
        .with_cluster("limited", target.address)
        .edited(|setup| {
            setup.cluster("no_host")["load_assignment"]["endpoints"] = json!([]);
            setup.cluster("limited")["circuit_breakers"] =
                json!({"thresholds": [{"max_requests": 0, "max_connections": 0, "max_pending_requests": 0}]});
            // The listener that carries the pushes of the first webhook.
            let listeners = setup.at("/static_resources/listeners").as_array_mut().unwrap();
            listeners.retain(|listener| listener["name"] != "formhook_egress");
        });
    let gateway = setup.start().await;
    orders::create(&gateway, &platform, "a").await;
    let not_taken =
        "the gateway's cluster has no healthy host, or its connection limits are reached";
    for (id, cause, cluster) in [
        ("crm", "the gateway's egress listener is out of reach", "formhook_egress"),
        ("unknown", "the gateway has no such cluster", "unknown"),
        ("no_host", not_taken, "no_host"),
        ("limited", not_taken, "limited"),
    ] {
        gateway.wait_for_metric(&ended(id, "failure"), 1.0).await;
        assert_eq!(failed(&gateway, id).await, json!([2, null, cause]), "{id}");
        let state = state(&gateway, id).await;
        assert_eq!((&state["status"], &state["failures"]), (&json!("blocked"), &json!(0)), "{id}");
        assert_eq!(state["cause"], format!("{cause} (cluster \"{cluster}\")"));
        assert!(state["blocked_since"].is_string() && state["disabled_since"].is_null());
        let count = |name| of_webhook(name, id);
        assert_eq!(gateway.metric(&count("gateway_failures_total")).await, 2.0, "{id}");
        assert_eq!(gateway.metric(&count("webhook_blocked")).await, 1.0, "{id}");
        assert_eq!(gateway.metric(&count("webhook_disabled")).await, 0.0, "{id}");
        // It is said once a minute and no more.
        let said = format!("webhook {id}: a push did not get out of the gateway: {cause}");
        assert_eq!(gateway.wait_for_log_lines(&[&said], 1).await.len(), 1, "{id}");
    }
    // Each is told, and that a cluster is not there at once.
    let told = |kind: &str, id: &str| {
        people.received().iter().any(|notice| {
            let notice = notice.json();
            notice["type"] == format!("formhook.{kind}") && notice["webhook"] == id
        })
    };
    wait::until("the notices", async || {
        let all = ["crm", "unknown", "no_host", "limited"];
        let is_told = told("blocked", "unknown") && all.iter().all(|id| told("push_failed", id));
        is_told.then_some(())
    })
    .await;
    assert!(target.received().is_empty());
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn a_cluster_that_comes_later_is_pushed_to_and_the_webhook_is_blocked_no_more() {
    let platform = orders_platform().await;
    let target = Receiver::start().await;
    let mut config = plugin("http://target.internal/");
    config["webhooks"][0]["cluster"] = json!("late");
    // As long as Envoy may take to hear of a cluster on a busy machine.
    config["webhooks"][0]["retry"] = json!(vec!["500ms"; 20]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clusters.json");
    std::fs::write(&file, json!({"resources": []}).to_string()).unwrap();
    let setup = Setup::new(platform.address(), &config).edited(|setup| {
        *setup.at("") = {
            let mut config = setup.at("").clone();
            config["node"] = json!({"id": "gateway", "cluster": "gateway"});
            config["dynamic_resources"] =
                json!({"cds_config": {"path_config_source": {"path": file}}});
            config
        };
    });
    let gateway = setup.start().await;
    orders::create(&gateway, &platform, "a").await;
    wait::until("the webhook to be blocked", async || {
        (state(&gateway, "crm").await["status"] == "blocked").then_some(())
    })
    .await;
    let mut late = cluster("late", target.address);
    late["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
    let new = file.with_extension("new");
    std::fs::write(&new, json!({"resources": [late]}).to_string()).unwrap();
    std::fs::rename(new, &file).unwrap();
    target.wait_for(1).await;
    gateway.wait_for_metric(PUSHED, 1.0).await;
    wait::until("the webhook to be blocked no more", async || {
        let state = state(&gateway, "crm").await;
        (state["status"] == "active" && state["cause"].is_null()).then_some(())
    })
    .await;
    assert_eq!(gateway.metric(&of_webhook("webhook_blocked", "crm")).await, 0.0);
}
