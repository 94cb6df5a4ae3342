//! Webhooks that are set while the gateway runs.

use super::*;
use crate::support::raw::refusing_address;
use crate::support::tls::Authority;
use crate::support::verify;
use axum::response::IntoResponse as _;

/// How many connections each of the gateway's workers has taken, as Envoy counts them. It counts
/// those of its own, by which pushes go out, elsewhere.
async fn connections(gateway: &Gateway) -> Vec<u64> {
    let text = gateway.stats("/stats?filter=^listener.127.*worker_.*downstream_cx_total").await;
    let count = |line: &str| line.rsplit_once(' ').unwrap().1.parse().unwrap();
    text.lines().map(count).collect()
}

/// Creates orders until each worker has had one. How many there were.
async fn create_on_all_workers(gateway: &Gateway, platform: &Platform) -> usize {
    let before = connections(gateway).await;
    assert_eq!(before.len(), WORKERS);
    let mut made = 0;
    wait::until("an order on each worker", async || {
        create(gateway, platform, &made.to_string()).await;
        made += 1;
        let now = connections(gateway).await;
        now.iter().zip(&before).all(|(now, before)| now > before).then_some(made)
    })
    .await
}

const WORKERS: usize = 4;

#[tokio::test]
async fn a_webhook_counts_on_all_workers_as_soon_as_it_is_created() {
    let platform = orders_platform().await;
    let (crm, erp, moved) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let gateway = gateway(&platform, &crm.url("/")).workers(WORKERS).start().await;
    let body = json!({"id": "erp", "url": erp.url("/hooks"), "secret": "old", "events": []});
    let request = gateway.admin(Method::POST, "/webhooks").json(&body);
    let answer = answered(request, 201).await;
    assert_eq!(answer["webhook"]["source"], "api");
    assert_eq!(answer["webhook"]["settings"]["events"], json!(["data_create"]));
    let yaml = answer["keep"]["yaml"].as_str().unwrap();
    assert!(yaml.contains("secret_env: ERP_WEBHOOK_SECRET"), "{yaml}");
    assert!(!answer.to_string().contains("\"old\""));
    // No waiting: whichever worker has the next call, it knows.
    let first = create_on_all_workers(&gateway, &platform).await;
    erp.wait_for(first).await;
    verify::standard("old", &erp.received()[0]).unwrap();

    let body = json!({"id": "erp", "url": moved.url("/hooks"), "timeout": "1s", "secret": "new"});
    let request = gateway.admin(Method::PUT, "/webhooks/erp").json(&body);
    let answer = answered(request, 200).await;
    assert_eq!(answer["webhook"]["has_secret"], true);
    let second = create_on_all_workers(&gateway, &platform).await;
    moved.wait_for(second).await;
    assert_eq!(erp.received().len(), first);
    verify::standard("new", &moved.received()[0]).unwrap();

    delete(&gateway, "/webhooks/erp").await;
    answered(gateway.admin(Method::GET, "/webhooks/erp"), 404).await;
    let third = create_on_all_workers(&gateway, &platform).await;
    crm.wait_for(first + second + third).await;
    assert_eq!(moved.received().len(), second);
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn what_was_set_outlasts_a_vm_and_counts_beside_a_new_configuration() {
    let platform = orders_platform().await;
    let (crm, erp) = (Receiver::start().await, Receiver::start().await);
    let setup = || gateway(&platform, &crm.url("/")).module("formhook-crash.wasm").dynamic();
    let gateway = setup().start().await;
    let body = json!({"id": "erp", "url": erp.url("/")});
    answered(gateway.admin(Method::POST, "/webhooks").json(&body), 201).await;
    let crash = gateway.post(CREATE, platform.api_key()).header("x-formhook-crash", "request");
    let _ = crash.json(&order("crash")).send().await;
    let pushed = async |customer: &str| {
        // Until the new VM is there the API may answer 503.
        wait::until("the gateway to serve again", async || {
            let answer = gateway.call(CREATE, platform.api_key(), &order(customer)).await;
            answer.status().is_success().then_some(())
        })
        .await;
        wait::until("the push of an order", async || {
            let all = erp.received();
            all.iter().any(|push| push.json()["data"]["customer"] == customer).then_some(())
        })
        .await;
    };
    pushed("after a crash").await;
    let mut config = plugin(&crm.url("/"));
    config["webhooks"][0]["max_in_flight"] = json!(3);
    let changed = Setup::new(platform.address(), &config).module("formhook-crash.wasm").dynamic();
    gateway.change_to(changed).await;
    pushed("after a change").await;
    assert_eq!(get(&gateway, "/webhooks/crm").await["settings"]["max_in_flight"], 3);
    assert_eq!(get(&gateway, "/webhooks/erp").await["source"], "api");
}

#[tokio::test]
async fn a_webhook_with_faults_is_refused_and_each_is_named() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    let long = format!("https://x.example/{}", "x".repeat(10_000));
    for (field, value, expected) in [
        ("url", json!("https://user:pw@x.example/"), "credentials"),
        ("url", json!("https://x.example/#top"), "leave out the `#`"),
        ("url", json!(long), "at most 2048 bytes"),
        ("url", json!("ftp://x.example/"), "http or https"),
        ("url", json!("x.example"), "write a full URL"),
        ("url", json!(7), "must be a string"),
        ("id", json!("a b"), "1 to 64 letters"),
        ("id", json!("x".repeat(65)), "1 to 64 letters"),
        ("timeout", json!("2 parsecs"), "duration"),
        ("secret", json!("whsec_!"), "Base64"),
        ("secret_env", json!("UNSET"), "not set"),
        ("events[0]", json!(["form"]), "must be one of"),
        ("colour", json!("red"), "unknown key"),
        ("headers.content-length", json!({"content-length": "1"}), "set by Formhook"),
        ("headers.x-new", json!({"x-new": null}), "must be a string"),
    ] {
        let mut body = json!({"id": "erp", "url": "https://x.example/"});
        body[field.split(['.', '[']).next().unwrap()] = value;
        let request = gateway.admin(Method::POST, "/webhooks").json(&body);
        let problem = answered(request, 422).await;
        let (fields, detail) = faults(&problem);
        assert_eq!(fields, [field], "{problem}");
        assert!(detail.contains(expected), "{problem}");
        assert!(!problem.to_string().contains("user:pw"), "{problem}");
    }
    let body = json!({"url": "no", "timeout": 1, "retry": ["1s", "x"]});
    let problem = answered(gateway.admin(Method::POST, "/webhooks").json(&body), 422).await;
    assert_eq!(faults(&problem).0, ["id", "url", "timeout", "retry[1]"]);
    // Nothing of all this was kept.
    assert_eq!(get(&gateway, "/webhooks").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_configurations_webhooks_are_shown_and_cannot_be_changed() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let mut config = plugin(&crm.url("/hooks?key=1"));
    config["webhooks"][0]["headers"] = json!({"x-api-key": "hidden"});
    config["webhooks"][0]["forms"] = json!([{"app_id": APP, "entry_id": ORDERS}]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    let webhook = get(&gateway, "/webhooks/crm").await;
    assert_eq!((&webhook["source"], &webhook["has_secret"]), (&json!("config"), &json!(true)));
    assert_eq!(webhook["settings"]["url"], crm.url("/hooks?key=1"));
    assert_eq!(webhook["settings"]["headers"], json!({"x-api-key": null}));
    assert_eq!(webhook["settings"]["forms"][0]["entry_id"], ORDERS);
    assert!(!webhook.to_string().contains("hidden"));
    let body = json!({"id": "crm", "url": "https://x.example/"});
    for request in [
        gateway.admin(Method::POST, "/webhooks").json(&body),
        gateway.admin(Method::PUT, "/webhooks/crm").json(&body),
        gateway.admin(Method::DELETE, "/webhooks/crm"),
        gateway.admin(Method::POST, "/webhooks/crm/rotate-secret"),
    ] {
        answered(request, 409).await;
    }
    for (method, path) in [
        (Method::GET, "/webhooks/none"),
        (Method::DELETE, "/webhooks/none"),
        (Method::POST, "/webhooks/none/test"),
        (Method::POST, "/webhooks/none/restart"),
        (Method::POST, "/webhooks/none/rotate-secret"),
        (Method::DELETE, "/webhooks/none/previous-secret"),
    ] {
        answered(gateway.admin(method, path), 404).await;
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_its_rotation_signs_with_both() {
    let platform = orders_platform().await;
    let (crm, erp) = (Receiver::start().await, Receiver::start().await);
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    let made = command(&gateway, "/secret").await;
    let first = made["secret"].as_str().unwrap();
    assert!(first.starts_with("whsec_") && first.len() == 38, "{first}");
    assert_ne!(command(&gateway, "/secret").await["secret"], first);
    let body = json!({"id": "erp", "url": erp.url("/"), "secret": first});
    answered(gateway.admin(Method::POST, "/webhooks").json(&body), 201).await;
    let rotated = command(&gateway, "/webhooks/erp/rotate-secret").await;
    let second = rotated["secret"].as_str().unwrap();
    assert_eq!(rotated["webhook"]["has_previous_secret"], true);
    create(&gateway, &platform, "a").await;
    let push = &erp.wait_for(1).await[0];
    for secret in [first, second] {
        verify::standard(secret, push).unwrap();
    }
    // There is room for one, and the receiver has not accepted the new one yet.
    verify::jodoo(first, push).unwrap();
    let request = gateway.admin(Method::DELETE, "/webhooks/erp/previous-secret");
    assert_eq!(answered(request, 200).await["webhook"]["has_previous_secret"], false);
    create(&gateway, &platform, "b").await;
    let push = &erp.wait_for(2).await[1];
    verify::standard(second, push).unwrap();
    verify::jodoo(second, push).unwrap();
    verify::standard(first, push).unwrap_err();
    for path in ["/webhooks", "/webhooks/erp", "/history"] {
        let shown = get(&gateway, path).await.to_string();
        assert!(!shown.contains(first) && !shown.contains(second), "{path}: {shown}");
    }
    let export = gateway.admin(Method::GET, "/export").send().await.unwrap();
    let export = export.text().await.unwrap();
    assert!(export.contains("secret_env: ERP_WEBHOOK_SECRET") && !export.contains("whsec_"));
    let log = gateway.log();
    assert!(!log.contains(first) && !log.contains(second));
    // Without its secret it is pushed to unsigned.
    let body = json!({"id": "erp", "url": erp.url("/"), "secret": null});
    answered(gateway.admin(Method::PUT, "/webhooks/erp").json(&body), 200).await;
    create(&gateway, &platform, "c").await;
    let push = &erp.wait_for(3).await[2];
    assert!(!push.headers.contains_key("webhook-signature"));
}

#[tokio::test]
async fn a_test_says_in_words_what_came_of_it() {
    let platform = orders_platform().await;
    let authority = Authority::new();
    let good = Receiver::answering(|_| "taken".into_response()).await;
    let failing =
        Receiver::answering(|_| (StatusCode::INTERNAL_SERVER_ERROR, "<b>no</b>").into_response());
    let failing = failing.await;
    let expired = Receiver::over_tls(authority.expired_server(&["localhost"])).await;
    let setup = gateway(&platform, &good.url("/")).trusting(authority.file());
    let setup = setup.edited(|setup| allow_clusters(setup, &["nowhere"]));
    let gateway = setup.start().await;
    let tested = command(&gateway, "/webhooks/crm/test").await;
    assert_eq!((&tested["delivered"], &tested["status"]), (&json!(true), &json!(200)));
    assert_eq!((&tested["cause"], &tested["answer"]), (&json!(""), &json!("taken")));
    let push = &good.wait_for(1).await[0];
    assert_eq!(push.body, br#"{"data":{},"op":"data_test"}"#);
    assert_eq!(push.header("webhook-id"), tested["id"]);
    verify::standard(crate::support::gateway::SECRET, push).unwrap();
    let test = async |url: String, cluster: Option<&str>| {
        let mut body = json!({"id": "new", "url": url, "timeout": "2s"});
        if let Some(cluster) = cluster {
            body["cluster"] = json!(cluster);
        }
        let tested = post(&gateway, "/test", &body).await;
        assert_eq!(tested["delivered"], false);
        (tested["cause"].as_str().unwrap().to_owned(), tested)
    };
    let (cause, tested) = test(failing.url("/"), None).await;
    assert_eq!((cause.as_str(), &tested["answer"]), ("HTTP 500", &json!("<b>no</b>")));
    let refused = refusing_address().await;
    let (cause, tested) = test(format!("http://{refused}/"), None).await;
    assert_eq!((cause.as_str(), &tested["status"]), ("connection refused", &Value::Null));
    assert_eq!(tested["answer"], "");
    let (cause, _) = test(format!("https://localhost:{}/", expired.address.port()), None).await;
    assert!(cause.starts_with("TLS: the certificate"), "{cause}");
    let (cause, _) = test("https://does-not-exist.invalid/".into(), None).await;
    assert!(cause.starts_with("DNS failure"), "{cause}");
    let (cause, _) = test(good.url("/"), Some("nowhere")).await;
    assert!(cause.contains("no such cluster (cluster \"nowhere\")"), "{cause}");
    // It counts for nothing, and is in the history.
    assert_eq!(gateway.metric(PUSHED).await + gateway.metric(FAILED).await, 0.0);
    let history = get(&gateway, "/history?op=data_test&webhook=crm").await;
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn a_target_that_answers_with_the_request_has_its_secrets_shown_nowhere() {
    let platform = orders_platform().await;
    let echo = Receiver::answering(|request| {
        format!("{} {:?}", request.path_and_query, request.headers).into_response()
    })
    .await;
    let gateway = gateway(&platform, &echo.url("/")).start().await;
    let body = json!({
        "id": "new",
        "url": echo.url("/?key=in-the-query&plain"),
        "headers": {"authorization": "Bearer in-a-header", "x-route": "in-another"},
    });
    let tested = post(&gateway, "/test", &body).await;
    let sent = &echo.wait_for(1).await[0];
    assert_eq!(sent.header("authorization"), "Bearer in-a-header");
    assert!(tested["answer"].as_str().unwrap().contains("[redacted]"), "{tested}");
    let history = get(&gateway, "/history?op=data_test").await;
    let reference = history["items"][0]["ref"].as_str().unwrap();
    let record = get(&gateway, &format!("/history/{reference}")).await;
    for shown in [tested.to_string(), history.to_string(), record.to_string()] {
        for hidden in ["in-a-header", "in-another", "in-the-query"] {
            assert!(!shown.contains(hidden), "{hidden}: {shown}");
        }
    }
}

/// Lets webhooks that are made through the API name these clusters.
fn allow_clusters(setup: &mut Setup, clusters: &[&str]) {
    setup.admin_plugin()["configuration"]["value"]["clusters"] = json!(clusters);
}

#[tokio::test]
async fn who_has_the_token_names_no_cluster_but_those_that_the_configuration_allows() {
    let platform = orders_platform().await;
    let inside = Receiver::start().await;
    let setup = gateway(&platform, "http://127.0.0.1:1/");
    let gateway =
        setup.edited(|setup| allow_clusters(setup, &["partner_a", "partner_b"])).start().await;
    let body = json!({"id": "new", "url": inside.url("/"), "cluster": "form_platform"});
    for path in ["/webhooks", "/test"] {
        let problem = answered(gateway.admin(Method::POST, path).json(&body), 422).await;
        let (fields, detail) = faults(&problem);
        assert_eq!(fields, ["cluster"], "{problem}");
        assert!(detail.contains("form_platform"), "{detail}");
        assert!(detail.contains("filter: partner_a, partner_b"), "{detail}");
    }
    assert_eq!(platform.calls().len(), 0);
    let allowed = json!({"id": "new", "url": inside.url("/"), "cluster": "partner_a"});
    answered(gateway.admin(Method::POST, "/webhooks").json(&allowed), 201).await;
    let moved = json!({"id": "new", "url": inside.url("/"), "cluster": "form_platform"});
    answered(gateway.admin(Method::PUT, "/webhooks/new").json(&moved), 422).await;
}

#[tokio::test]
async fn a_private_address_is_forbidden_by_the_egress_policy() {
    let platform = orders_platform().await;
    let private = Receiver::start().await;
    let gateway = gateway(&platform, &private.url("/")).denying_loopback().start().await;
    let tested = command(&gateway, "/webhooks/crm/test").await;
    assert_eq!(tested["cause"], "the egress policy forbids this address");
    assert!(private.received().is_empty());
}

#[tokio::test]
async fn a_webhook_that_moves_takes_no_secret_along_and_leaves_none_behind() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let refuse = |_: &_| StatusCode::INTERNAL_SERVER_ERROR.into_response();
    let (before, after) = (Receiver::answering(refuse).await, Receiver::start().await);
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    let body = |to: &Receiver, secret: &str, header: Value| {
        json!({"id": "erp", "url": to.url("/"), "secret": secret, "retry": ["300ms", "1s"],
            "headers": {"authorization": header}})
    };
    let made = body(&before, "before", json!("Bearer before"));
    answered(gateway.admin(Method::POST, "/webhooks").json(&made), 201).await;
    create(&gateway, &platform, "a").await;
    before.wait_for(1).await;
    // Now the push waits for its next attempt.
    let mut moved = body(&after, "after", Value::Null);
    let problem = answered(gateway.admin(Method::PUT, "/webhooks/erp").json(&moved), 422).await;
    let (fields, detail) = faults(&problem);
    assert_eq!(fields, ["headers.authorization"]);
    assert!(detail.contains(before.url("").trim_end_matches('/')), "{detail}");
    assert!(detail.contains("give it anew, or leave the header out"), "{detail}");
    // Nor by the name of a variable: `crm` signs with it for another address.
    moved["headers"]["authorization"] = json!("Bearer after");
    moved.as_object_mut().unwrap().remove("secret");
    moved["secret_env"] = json!(SECRET_ENV);
    for (method, path) in [(Method::PUT, "/webhooks/erp"), (Method::POST, "/test")] {
        let problem = answered(gateway.admin(method, path).json(&moved), 422).await;
        let (fields, detail) = faults(&problem);
        assert_eq!(fields, ["secret_env"]);
        assert!(detail.contains("the webhook crm signs for"), "{detail}");
    }
    let moved = body(&after, "after", json!("Bearer after"));
    answered(gateway.admin(Method::PUT, "/webhooks/erp").json(&moved), 200).await;
    let push = &after.wait_for(1).await[0];
    assert_eq!(push.header("authorization"), "Bearer after");
    verify::standard("after", push).unwrap();
    verify::standard("before", push).unwrap_err();
    for push in before.received() {
        assert_eq!(push.header("authorization"), "Bearer before");
        verify::standard("before", &push).unwrap();
    }
    gateway.assert_vm_alive();
}

/// Every metric that Envoy has of Formhook, by name with its value. A histogram that nothing was counted in has none.
async fn metrics_of_webhooks(gateway: &Gateway) -> Vec<(String, String)> {
    let text = gateway.stats("/stats?filter=formhook_.*webhook").await;
    let parts = text.lines().filter_map(|line| line.split_once(": "));
    parts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn ids_that_are_used_once_fill_no_memory_for_ever() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    let make = |id: &str| {
        let body = json!({"id": id, "url": "https://x.example/"});
        gateway.admin(Method::POST, "/webhooks").json(&body)
    };
    for number in 0..500 {
        let id = format!("w{number}");
        answered(make(&id), 201).await;
        delete(&gateway, &format!("/webhooks/{id}")).await;
    }
    let full = metrics_of_webhooks(&gateway).await;
    for id in ["another", "w500", "W0"] {
        let problem = answered(make(id), 409).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("500 ids were used here since Envoy started"), "{detail}");
        assert!(detail.contains("restart the gateway"), "{detail}");
    }
    // One that has its metrics already needs no more.
    answered(make("w7"), 201).await;
    create(&gateway, &platform, "a").await;
    crm.wait_for(1).await;
    gateway.wait_for_metric(r#"formhook_attempts_total{webhook="w7"}"#, 1.0).await;
    delete(&gateway, "/webhooks/w7").await;
    create(&gateway, &platform, "b").await;
    crm.wait_for(2).await;
    let names = |metrics: &[(String, String)]| metrics.len();
    let now = metrics_of_webhooks(&gateway).await;
    assert!(names(&now) <= names(&full) + 4, "{} {}", full.len(), now.len());
    assert!(full.len() < 14 * 501 + 100, "{}", full.len());
    let gauges = ["_pending", "_failed_cache_entries", "_webhook_disabled", "_webhook_failures"];
    let is_gauge =
        |name: &str| gauges.iter().any(|gauge| name.contains(&format!("formhook{gauge}")));
    wait::until("the gauges of webhooks that are gone to be zero", async || {
        let metrics = metrics_of_webhooks(&gateway).await;
        let mut gauges = metrics.iter().filter(|(name, _)| is_gauge(name) && name.contains(".w"));
        gauges.all(|(_, value)| value == "0").then_some(())
    })
    .await;
    gateway.assert_vm_alive();
}
