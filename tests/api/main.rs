//! The admin API in real Envoy against its description, `src/admin/openapi.json`.
//!
//! Needs `build/formhook.wasm` (`make wasm`), schemathesis (`.ci/get-schemathesis`), and Redis and Webdis
//! (`.ci/get-store`).

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/orders.rs"]
mod orders;

use orders::{AMOUNT, APP, ORDERS};
use reqwest::Method;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use support::gateway::{ADMIN_TOKEN, Gateway, STORE_AUTH_ENV, Setup, root};
use support::raw::refusing_address;
use support::receiver::Receiver;
use support::store::{Fsync, RedisServer, Webdis};
use support::wait;

fn description() -> Value {
    serde_json::from_slice(&std::fs::read(root().join("src/admin/openapi.json")).unwrap()).unwrap()
}

/// The same with an example of each large body. Schemathesis varies it member by member, and only so
/// is each refusal one for the member that is wrong.
fn description_with_examples(target: &str) -> Value {
    let mut description = description();
    let schemas = &mut description["components"]["schemas"];
    schemas["WebhookInput"]["examples"] = json!([{
        "id": "fuzzed",
        "url": target,
        "forms": "all",
        "events": ["data_update"],
        "signing": ["standard", "jodoo"],
        "timeout": "2s",
        "retry": ["1s", "1m 30s"],
        "headers": {"x-team": "sales"},
        "secret": "a secret",
        "secret_env": null,
        "previous_secret": "an old one",
        "previous_secret_env": null,
    }]);
    schemas["FormInput"]["examples"] = json!([{
        "name": "Orders",
        "fields": [{"id": AMOUNT, "alias": "total", "type": "number", "label": "Total"}],
    }]);
    description
}

fn base(gateway: &Gateway) -> String {
    format!("http://{}/api/v1", gateway.admin_api)
}

/// The first item of a list that has one in time.
async fn first_item(gateway: &Gateway, path: &str) -> Value {
    wait::until(&format!("an item in {path}"), async || {
        let answer = gateway.admin(Method::GET, path).send().await.unwrap();
        let list: Value = answer.json().await.unwrap();
        list["items"].get(0).cloned()
    })
    .await
}

/// The schema of an operation's parameter.
fn parameter_schema(path: &str, name: &str) -> Value {
    let path = &description()["paths"][path];
    let all = [&path["parameters"], &path["get"]["parameters"]];
    let mut all = all.into_iter().flat_map(|list| list.as_array().into_iter().flatten());
    let found = all.find(|parameter| parameter["name"] == name);
    found.unwrap_or_else(|| panic!("no parameter {name}"))["schema"].clone()
}

/// What a gateway says has to be sent to it, and may be.
fn assert_may_be_sent(value: &Value, path: &str, name: &str) {
    let schema = parameter_schema(path, name);
    let is_valid = jsonschema::is_valid(&schema, value);
    assert!(is_valid, "{value} is no {name} of {path}, which has to be {schema}");
}

#[tokio::test]
async fn each_answer_is_as_the_description_says() {
    each_answer_of_a_gateway_is(|_| {}, |setup| setup).await;
}

#[tokio::test]
async fn each_answer_is_so_with_redis_and_for_a_form_that_was_learned() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let mut webdis = Webdis::start(&redis).await;
    let at_redis = |plugin: &mut Value| {
        plugin["store"] = json!({"redis": {"cluster": "webdis", "auth_env": STORE_AUTH_ENV}});
        plugin["forms"] = json!([]);
    };
    let gateway =
        each_answer_of_a_gateway_is(at_redis, |setup| setup.with_webdis(webdis.port())).await;
    webdis.kill();
    for path in ["/failed", "/history"] {
        let answer = gateway.admin(Method::GET, path).send().await.unwrap();
        let status = answer.status().as_u16();
        assert_eq!(status, 503);
        let declared = &description()["paths"][path]["get"]["responses"];
        assert!(declared.get(status.to_string()).is_some(), "{path} may not answer {status}");
    }
}

/// Has schemathesis judge a gateway whose plugin is configured so.
async fn each_answer_of_a_gateway_is(
    configure: impl FnOnce(&mut Value),
    edit: impl FnOnce(Setup) -> Setup,
) -> Gateway {
    let platform = orders::platform().await;
    let receiver = Receiver::start().await;
    let broken = format!("http://{}/", refusing_address().await);
    let mut config = orders::plugin(&[
        json!({"id": "crm", "url": receiver.url("/")}),
        json!({"id": "broken", "url": broken, "retry": []}),
    ]);
    configure(&mut config);
    let gateway = edit(Setup::new(platform.address(), &config)).start().await;
    let fuzzed = json!({"id": "fuzzed", "url": receiver.url("/"), "secret": "a secret"});
    let answer = gateway.admin(Method::POST, "/webhooks").json(&fuzzed).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    for customer in ["a", "b"] {
        orders::create(&gateway, &platform, customer).await;
    }
    let form = json!({"app_id": APP, "entry_id": ORDERS});
    let listed = gateway.call("/api/v5/app/entry/widget/list", platform.api_key(), &form).await;
    assert_eq!(listed.status(), 200);
    first_item(&gateway, "/forms").await;
    let failed = first_item(&gateway, "/failed").await;
    let record = first_item(&gateway, "/history").await;
    assert_may_be_sent(&record["ref"], "/history/{ref}", "ref");
    for path in ["/failed", "/history"] {
        let next = wait::until("a second page", async || {
            let answer = gateway.admin(Method::GET, &format!("{path}?limit=1")).send().await;
            let page: Value = answer.unwrap().json().await.unwrap();
            (!page["next"].is_null()).then(|| page["next"].clone())
        });
        assert_may_be_sent(&next.await, path, "cursor");
    }

    let mut settings = include_str!("schemathesis.toml").to_owned();
    for (name, value) in [
        ("TOKEN", ADMIN_TOKEN),
        ("APP_ID", APP),
        ("ENTRY_ID", ORDERS),
        ("TARGET", &receiver.url("/")),
        ("FAILED_ID", failed["id"].as_str().unwrap()),
        ("HISTORY_REF", record["ref"].as_str().unwrap()),
    ] {
        settings = settings.replace(&format!("${{{name}}}"), value);
    }
    // It reads its settings from the folder that it runs in, and leaves one of its own there.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), settings).unwrap();
    let description = description_with_examples(&receiver.url("/")).to_string();
    std::fs::write(folder.path().join("openapi.json"), description).unwrap();
    let said = tokio::process::Command::new(root().join("build/schemathesis/bin/schemathesis"))
        .args(["run", "--no-color", "--url", &base(&gateway), "openapi.json"])
        .env("NO_PROXY", "*")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("schemathesis runs; .ci/get-schemathesis installs it");
    let report = String::from_utf8_lossy(&said.stdout);
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{report}{errors}");
    let cases = report.lines().find(|line| line.contains(" generated, "));
    println!("schemathesis: {}", cases.unwrap_or_else(|| panic!("{report}")).trim());
    gateway.assert_vm_alive();
    gateway
}

#[tokio::test]
async fn every_operation_asks_for_the_token() {
    let platform = orders::platform().await;
    let receiver = Receiver::start().await;
    let config = orders::plugin(&[json!({"id": "crm", "url": receiver.url("/")})]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    let description = description();
    // Each comes from an address of its own, so that none is refused for its number.
    let mut from = u32::from(Ipv4Addr::new(127, 0, 1, 0));
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            for token in [None, Some("wrong"), Some("")] {
                from += 1;
                let client = reqwest::Client::builder()
                    .no_proxy()
                    .local_address(IpAddr::from(Ipv4Addr::from(from)))
                    .build()
                    .unwrap();
                let method: Method = method.to_uppercase().parse().unwrap();
                let mut request = client.request(method, format!("{}{path}", base(&gateway)));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 401, "{path} with the token {token:?}");
                assert_eq!(answer.headers()["content-type"], "application/problem+json");
                assert!(answer.headers().contains_key("www-authenticate"));
            }
        }
    }
}
