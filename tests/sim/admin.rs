//! The admin API over the shared map, without Envoy: whatever is asked, it answers, and what it
//! answers is what the API's description allows.

use super::host::{Process, SimHost};
use super::redis::SimRedis;
use formhook::admin::{Admin, Answer, Handled, Request};
use formhook::config::{Config, Plugin, parse_webhook};
use formhook::host::{self, QueueId, Reply};
use formhook::metrics::{MAX_IDS, Metrics};
use formhook::pipeline::Pipeline;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::rc::Rc;

const TOKEN: &str = "0123456789abcdef";
const CONFIG: &[u8] = br#"{"platform":"jodoo",
    "forms":[{"app_id":"a","entry_id":"e","fields":[{"id":"_widget_1","alias":"x"}]}],
    "webhooks":[{"id":"crm","url":"https://crm.example/","secret":"s","headers":{"x-a":"b"}}]}"#;

/// A gateway with one worker that watches, and an admin.
struct Gateway {
    host: Rc<SimHost>,
    admin: Admin,
    redis: Option<Rc<SimRedis>>,
}

fn gateway() -> Gateway {
    gateway_of(1, CONFIG, None)
}

/// A gateway that has its state in this Redis.
fn gateway_at(redis: &Rc<SimRedis>, seed: u64) -> Gateway {
    let config = json!({"platform": "jodoo", "webhooks": [],
        "store": {"redis": {"cluster": "webdis", "namespace": "sim"}}});
    gateway_of(seed, config.to_string().as_bytes(), Some(Rc::clone(redis)))
}

fn gateway_of(seed: u64, config: &[u8], redis: Option<Rc<SimRedis>>) -> Gateway {
    let process = Process::new(seed);
    let host = Rc::new(SimHost::new(&process));
    let watched = Rc::new(Config::parse(config, &|_| None).unwrap());
    let mut pipeline = Pipeline::new(watched, &*host, "formhook", Some(QueueId(1)));
    pipeline.publish(&*host, config);
    let env = |_: &str| Some(TOKEN.to_owned());
    let config =
        Plugin::parse(br#"{"role":"admin","token_env":"TOKEN","clusters":["c"]}"#, &env).unwrap();
    let Plugin::Admin(config) = config else { panic!("this is an admin's configuration") };
    Gateway { host, admin: Admin::new(config, "formhook"), redis }
}

impl Gateway {
    /// The answer to a request; to a test push there is none yet.
    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let request = Request {
            method: method.into(),
            target: format!("/api/v1{path}").into(),
            authority: "localhost:10001".into(),
            authorization: Some(format!("Bearer {TOKEN}").into_bytes()),
            source: "127.0.0.1".into(),
            body: body.into(),
        };
        if let Err(answer) = self.admin.admit(&*self.host, &request) {
            return Some(answer);
        }
        let mut handled = self.admin.handle(&*self.host, &request);
        loop {
            match handled {
                Handled::Answered(answer) => return Some(answer),
                Handled::Sent(..) => return None,
                Handled::Asked(id, pending) => {
                    let redis = self.redis.as_ref().expect("memory answers at once");
                    let sent = self.host.sent.take();
                    let sent = sent.iter().find(|sent| sent.id == id).unwrap();
                    let (method, path) = (&sent.headers[":method"], &sent.headers[":path"]);
                    let now = 1_800_000_000_000;
                    let (status, body) = redis.http(method, path, &sent.body, now);
                    self.host.body.replace(body);
                    let reply = Reply::Answer(host::Answer { status, ..Default::default() });
                    handled = self.admin.told(&*self.host, &request, pending, &reply);
                }
            }
        }
    }
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", ""])
}

/// Paths that are there, that nearly are, and any others.
fn path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "status",
        "export",
        "secret",
        "test",
        "webhooks",
        "failed",
        "history",
        "forms",
        "retry",
        "abandon",
        "restart",
        "rotate-secret",
        "previous-secret",
        "comparison",
        "example",
        "crm",
        "new",
        "a",
        "e",
        "0",
        "",
        "%2F",
        "%ff",
        "18446744073709551616",
    ]);
    let query = prop_oneof![
        Just(String::new()),
        "\\?(limit|cursor|op|format|webhook|result|from)=[0-9a-z.%-]{0,24}",
        "\\?[ -~]{0,20}",
    ];
    let parts = prop::collection::vec(part, 0..5);
    (parts, query).prop_map(|(parts, query)| format!("/{}{query}", parts.join("/")))
}

/// A body that is good, and then changed at one place; or any bytes.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let good = prop::sample::select(vec![
        json!({"id": "new", "url": "https://x.example/", "secret": "s", "headers": {"a": "b"},
            "retry": ["1s"], "forms": [{"app_id": "a", "entry_id": "e"}], "events": []}),
        json!({"name": "F", "fields": [{"id": "_widget_2", "alias": "y", "type": "subform",
            "label": "L", "items": [{"id": "_widget_3", "alias": null}]}]}),
        json!({"ids": ["a", "b"]}),
        json!({"webhook": "crm"}),
    ]);
    let changed = (good, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(good, at, byte)| {
        let mut text = good.to_string().into_bytes();
        let at = at.index(text.len());
        if byte < 200 {
            text[at] = byte;
        }
        text
    });
    prop_oneof![4 => changed, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_asked_is_answered(
        requests in prop::collection::vec((method(), path(), body()), 1..12),
    ) {
        let mut gateway = gateway();
        for (method, path, body) in requests {
            let Some(answer) = gateway.ask(method, &path, &body) else { continue };
            let kind = answer.headers.iter().find(|(name, _)| *name == "content-type");
            prop_assert!((200..500).contains(&answer.status), "{method} {path}: {answer:?}");
            if answer.status >= 400 {
                prop_assert_eq!(&*kind.unwrap().1, "application/problem+json");
                let problem: Value = serde_json::from_slice(&answer.body).unwrap();
                prop_assert_eq!(&problem["status"], &json!(answer.status));
            } else if kind.is_some_and(|(_, kind)| kind == "application/json") {
                serde_json::from_slice::<Value>(&answer.body).unwrap();
            }
        }
        // Whatever that was, it can still be read, and the configuration's webhook is there.
        let answer = gateway.ask("GET", "/webhooks", b"").unwrap();
        let webhooks: Value = serde_json::from_slice(&answer.body).unwrap();
        prop_assert_eq!(&webhooks["items"][0]["source"], &json!("config"));
    }
}

#[test]
fn what_is_read_of_a_webhook_can_be_written_again() {
    let mut gateway = gateway();
    let body = json!({"id": "new", "url": "https://x.example/?k=1", "secret": "old", "enabled": false,
        "headers": {"X-Key": "hidden"}, "retry": ["1m 30s"], "timeout": "90s", "cluster": "c"});
    // A timeout has its bound.
    assert_eq!(gateway.ask("POST", "/webhooks", body.to_string().as_bytes()).unwrap().status, 422);
    let mut body = body;
    body["timeout"] = json!("1500ms");
    assert_eq!(gateway.ask("POST", "/webhooks", body.to_string().as_bytes()).unwrap().status, 201);
    let read = |gateway: &mut Gateway| -> Value {
        let answer = gateway.ask("GET", "/webhooks/new", b"").unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    };
    let before = read(&mut gateway);
    assert_eq!(before["settings"]["headers"], json!({"x-key": null}));
    let settings = before["settings"].to_string();
    let answer = gateway.ask("PUT", "/webhooks/new", settings.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(read(&mut gateway), before);
    // The header's value, and the secret, are still there.
    gateway.ask("POST", "/webhooks/new/test", b"");
    let sent = gateway.host.sent.take().remove(0);
    assert_eq!(sent.headers["x-key"], "hidden");
    assert!(sent.headers.contains_key("webhook-signature"));
}

#[test]
fn who_creates_a_webhook_that_another_gateway_has_leaves_it_as_it_is() {
    let redis = Rc::new(SimRedis::new());
    let [mut first, mut second] = [1, 2].map(|seed| gateway_at(&redis, seed));
    let body = json!({"id": "crm", "url": "https://crm.example/"}).to_string();
    assert_eq!(first.ask("POST", "/webhooks", body.as_bytes()).unwrap().status, 201);
    // A restart, which would enable it, gives it another version.
    let before = redis.hash("{sim}:webhook:crm");
    assert!(!before.is_empty(), "a new one begins without failures");
    let answer = second.ask("POST", "/webhooks", body.as_bytes()).unwrap();
    assert_eq!(answer.status, 409, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(redis.hash("{sim}:webhook:crm"), before);
}

/// A webhook that was made here, with all that is kept of one.
fn with_secrets() -> Gateway {
    let mut gateway = gateway();
    let body = json!({"id": "new", "url": "https://a.example/x", "secret": "new-one",
        "previous_secret": "old-one", "headers": {"authorization": "hidden"}});
    let answer = gateway.ask("POST", "/webhooks", body.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 201);
    gateway
}

fn refused_fields(answer: Option<Answer>) -> Vec<String> {
    let answer = answer.expect("a refusal, and no request to the target");
    assert_eq!(answer.status, 422, "{}", String::from_utf8_lossy(&answer.body));
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| {
            let detail = error["detail"].as_str().unwrap();
            assert!(detail.contains("https://a.example"), "{detail}");
            assert!(!detail.contains("hidden") && !detail.contains("-one"), "{detail}");
            error["field"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn nothing_that_is_kept_of_a_webhook_goes_to_another_origin() {
    for (url, cluster) in [
        ("http://a.example/x", None),
        ("https://a.example:8443/x", None),
        ("https://b.example/x", None),
        ("https://a.example.b.example/x", None),
        ("https://a.example/x", Some("c")),
    ] {
        let mut gateway = with_secrets();
        let mut body = json!({"id": "new", "url": url, "headers": {"Authorization": null}});
        if let Some(cluster) = cluster {
            body["cluster"] = json!(cluster);
        }
        for (method, path) in [("PUT", "/webhooks/new"), ("POST", "/test")] {
            let answer = gateway.ask(method, path, body.to_string().as_bytes());
            let expected = ["headers.Authorization", "secret", "previous_secret"];
            assert_eq!(refused_fields(answer), expected, "{method} {url}");
        }
        assert!(gateway.host.sent.take().is_empty());
        // What is dropped, or given anew, is not what was kept.
        body["secret"] = json!("another");
        body["previous_secret"] = Value::Null;
        let answer = gateway.ask("PUT", "/webhooks/new", body.to_string().as_bytes());
        assert_eq!(refused_fields(answer), ["headers.Authorization"]);
        body["headers"] = json!({"authorization": "given"});
        assert!(gateway.ask("POST", "/test", body.to_string().as_bytes()).is_none());
        let answer = gateway.ask("PUT", "/webhooks/new", body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        gateway.ask("POST", "/webhooks/new/test", b"");
        let sent = gateway.host.sent.take();
        assert!(sent.iter().all(|sent| sent.headers["authorization"] == "given"), "{url}");
        assert_eq!(sent.len(), 2);
    }
}

#[test]
fn what_is_kept_goes_on_to_the_same_origin_however_that_is_written() {
    for url in ["https://a.example/y?z", "HTTPS://A.Example:443/", "https://a.example./"] {
        let mut gateway = with_secrets();
        let body = json!({"id": "new", "url": url, "headers": {"AUTHORIZATION": null}});
        assert!(gateway.ask("POST", "/test", body.to_string().as_bytes()).is_none(), "{url}");
        let answer = gateway.ask("PUT", "/webhooks/new", body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{url}: {}", String::from_utf8_lossy(&answer.body));
        gateway.ask("POST", "/webhooks/new/test", b"");
        for sent in gateway.host.sent.take() {
            assert_eq!(sent.headers["authorization"], "hidden");
            assert_eq!(sent.headers["webhook-signature"].split(' ').count(), 2);
        }
    }
}

#[test]
fn a_webhook_that_was_deleted_leaves_nothing_to_one_of_its_name() {
    let mut gateway = with_secrets();
    assert_eq!(gateway.ask("DELETE", "/webhooks/new", b"").unwrap().status, 204);
    let body =
        json!({"id": "new", "url": "https://b.example/", "headers": {"authorization": null}});
    for path in ["/webhooks", "/test"] {
        let answer = gateway.ask("POST", path, body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 422);
    }
    let body = json!({"id": "new", "url": "https://b.example/"});
    let answer = gateway.ask("POST", "/webhooks", body.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 201);
    gateway.ask("POST", "/webhooks/new/test", b"");
    let sent = gateway.host.sent.take().remove(0);
    assert!(!sent.headers.contains_key("authorization"), "{:?}", sent.headers);
    assert!(!sent.headers.contains_key("webhook-signature"), "{:?}", sent.headers);
}

#[test]
fn of_webhooks_that_other_gateways_make_no_more_metrics_are_kept_than_of_those_that_are_made_here()
{
    let process = Process::new(1);
    let host = SimHost::new(&process);
    let one = |number: usize| {
        let text = json!({"id": format!("w{number}"), "url": "https://x.example/"}).to_string();
        Rc::new(parse_webhook(text.as_bytes(), &|_| None).unwrap())
    };
    let mut metrics = Metrics::new(&host, &[]);
    metrics = metrics.with_webhooks(&host, &[one(0)]);
    let of_one = process.metrics_of_webhooks();
    assert!(of_one >= 12, "{of_one}");
    for number in 1..MAX_IDS + 100 {
        metrics = metrics.with_webhooks(&host, &[one(number)]);
    }
    assert_eq!(process.metrics_of_webhooks(), MAX_IDS * of_one);
    // One of the first has them still, and on another worker, too.
    let _ = metrics.with_webhooks(&host, &[one(7)]);
    let _ = Metrics::new(&SimHost::new(&process), &[]).with_webhooks(&host, &[one(8)]);
    assert_eq!(process.metrics_of_webhooks(), MAX_IDS * of_one);
}
