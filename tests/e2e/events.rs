//! Which calls make which pushes, and what is in them.

use super::support::gateway::{Setup, Wrapping};
use super::support::raw::{Server, Step, exchange};
use super::support::receiver::Receiver;
use super::*;

/// `updateTime` of a record in milliseconds since 1970, as `opTime` has it.
fn millis(time: &Value) -> u64 {
    let time = humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// What the platform's own webhook would carry for a record of its API.
fn webhook_record(record: &Value) -> Value {
    let mut data = record.as_object().unwrap().clone();
    for (id, alias) in [(CUSTOMER, "customer"), (ITEMS, "items")] {
        let value = data.remove(id).unwrap();
        data.insert(alias.into(), value);
    }
    for row in data["items"].as_array_mut().unwrap() {
        let row = row.as_object_mut().unwrap();
        let sku = row.remove(SKU).unwrap();
        row.insert("sku".into(), sku);
    }
    data.insert("formName".into(), json!("Orders"));
    for absent in ["deleter", "deleteTime", "flowState"] {
        data.insert(absent.into(), Value::Null);
    }
    Value::Object(data)
}

#[tokio::test]
async fn a_record_is_pushed_through_its_whole_life() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/hooks?dpt=7")).start().await;
    let key = platform.api_key();

    let created = gateway
        .post(CREATE, key)
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("tracestate", "congo=t61rcWkgMzE")
        .header("x-request-id", "request-1")
        .json(&json!({"app_id": APP, "entry_id": ORDERS, "data": {
            CUSTOMER: {"value": "简道云 \"&<>\u{7f}😀"},
            AMOUNT: {"value": 12.50},
            ITEMS: {"value": [{SKU: {"value": "A-1"}}, {SKU: {"value": "A-2"}}]},
        }}))
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 200);
    let created: Value = created.json().await.unwrap();
    let record = &created["data"];
    let push = receiver.wait_for(1).await.remove(0);
    let expected = pushed("data_create", millis(&record["updateTime"]), &webhook_record(record));
    assert_eq!(String::from_utf8(push.body.clone()).unwrap(), expected);
    assert_signed(&push);
    assert_eq!(push.header("content-type"), "application/json");
    assert_eq!(push.header("x-jdy-deliverid"), push.header("webhook-id"));
    assert!(push.path_and_query.starts_with("/hooks?dpt=7&nonce="), "{}", push.path_and_query);
    assert_eq!(push.query("timestamp"), Some(push.header("webhook-timestamp")));
    assert_eq!(push.header("tracestate"), "congo=t61rcWkgMzE");
    assert_eq!(push.header("x-request-id"), "request-1");
    assert!(push.header("traceparent").starts_with("00-0af7651916cd43dd8448eb211c80319c-"));

    let id = record["_id"].clone();
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": id, "data": {
        ITEMS: {"value": [{SKU: {"value": "B-1"}}]},
    }});
    let updated: Value = gateway.call(UPDATE, key, &body).await.json().await.unwrap();
    let push = receiver.wait_for(2).await.remove(1);
    let time = millis(&updated["data"]["updateTime"]);
    let expected = pushed("data_update", time, &webhook_record(&updated["data"]));
    assert_eq!(String::from_utf8(push.body.clone()).unwrap(), expected);
    assert_signed(&push);

    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": id});
    let deleted: Value = gateway.call(DELETE, key, &body).await.json().await.unwrap();
    assert_eq!(deleted, json!({"status": "success"}));
    let push = receiver.wait_for(3).await.remove(2);
    let seen = push.json();
    let time = &seen["data"]["deleteTime"];
    let expected = json!({
        "_id": id, "appId": APP, "entryId": ORDERS, "formName": "Orders",
        "deleter": null, "deleteTime": time,
    });
    let expected = pushed("data_remove", millis(time), &expected);
    assert_eq!(String::from_utf8(push.body.clone()).unwrap(), expected);
    assert_signed(&push);

    gateway.wait_for_metric(PUSHED, 3.0).await;
    for op in ["data_create", "data_update", "data_remove"] {
        assert_eq!(gateway.metric(&events(op)).await, 1.0);
    }
}

#[tokio::test]
async fn who_removes_a_record_is_named_by_a_header() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = plugin(&receiver.url("/"));
    config["actor"] = json!({"header": "X-User-Name"});
    let gateway = Setup::new(platform.address(), &config).start().await;
    let key = platform.api_key();
    let created: Value = gateway.call(CREATE, key, &order("a")).await.json().await.unwrap();
    let id = created["data"]["_id"].clone();
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": id});
    let call = gateway.post(DELETE, key).header("x-user-name", "Ada").json(&body);
    assert_eq!(call.send().await.unwrap().status(), 200);
    let deleter = receiver.wait_for(2).await[1].json()["data"]["deleter"].clone();
    assert_eq!(deleter, json!({"name": "Ada", "username": "Ada"}));
}

#[tokio::test]
async fn a_call_is_recognised_as_the_platforms_server_recognises_it() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    let old = format!("/Api/V1/App/{APP}/Entry/{ORDERS}/Data_Create/");
    let spellings = [
        "/api/v5/app/entry/data/create/",
        "/API/V5/App/Entry/Data/Create",
        "/api/v5/app/entry/data/CREATE/?a=/b",
        &old,
    ];
    for (count, path) in spellings.into_iter().enumerate() {
        let customer = count.to_string();
        let answer = gateway.call(path, platform.api_key(), &order(&customer)).await;
        assert_eq!(answer.status(), 200, "{path}");
        let push = receiver.wait_for(count + 1).await.remove(count).json();
        assert_eq!(push["data"]["customer"], *customer, "{path}");
        // What reached the platform is as it was sent.
        assert_eq!(platform.calls().last().unwrap().path, path);
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_hides_a_call_from_the_gateway() {
    let answer = format!(r#"{{"data":{{"_id":"1","appId":"{APP}","entryId":"{ORDERS}"}}}}"#);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let platform = Server::start(vec![Step::send(&answer)]).await;
    let receiver = Receiver::start().await;
    let gateway = Setup::new(platform.address, &plugin(&receiver.url("/"))).start().await;
    let body = order("a").to_string();
    let mut pushes = 0;
    for (request_line, more) in [
        ("POST /api//v5/app/entry/data/create", ""),
        ("POST /api/v5/app/./entry/data/create", ""),
        ("POST /api/v5/app/x/../entry/data/create", ""),
        ("POST /api/v5/app/entry/data/%63reate", ""),
        ("POST /api/v5/app/entry/data/create;a=b", ""),
        ("POST /api;x/v5/%61PP;/x;a/%2E%2e;b/entry//data/%43reate/?x=/../y", ""),
        ("POST /api%2fv5/app/entry/data%2Fcreate", ""),
        ("POST http://api.example.com/api/v5/app/entry/data/Create/", ""),
        ("GET /api/v5/app/entry/data/create", "x-http-method-override: POST\r\n"),
        ("PUT /api/v5/app/entry/data/create/", "X-HTTP-Method: post\r\n"),
        ("PATCH /api/v5/app/entry/data/create", "x-method-override: POST\r\n"),
    ] {
        let request = format!(
            "{request_line} HTTP/1.1\r\nhost: x\r\n{more}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(gateway.address, &[request]).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{request_line}: {answer}");
        pushes += 1;
        receiver.wait_for(pushes).await;
    }
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn the_older_versions_of_the_api_are_watched_too() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    let key = platform.api_key();
    let data = json!({"data": {CUSTOMER: {"value": "v"}}});
    let path =
        |version: &str, tail: &str| format!("/api/{version}/app/{APP}/entry/{ORDERS}/{tail}");
    let mut id = Value::Null;
    for version in ["v1", "v2", "v3", "v4"] {
        let created = gateway.call(&path(version, "data_create"), key, &data).await;
        let created: Value = created.json().await.unwrap();
        id = created["data"]["_id"].clone();
        let body = json!({"data_id": id, "data": data["data"]});
        assert_eq!(gateway.call(&path(version, "data_update"), key, &body).await.status(), 200);
    }
    let deleted = gateway.call(&path("v1", "data_delete"), key, &json!({"data_id": id})).await;
    assert_eq!(deleted.status(), 200);
    let pushes = receiver.wait_for(9).await;
    let removed = pushes.iter().find(|push| push.json()["op"] == "data_remove").unwrap().json();
    assert_eq!(removed["data"]["_id"], id);
    assert_eq!(removed["data"]["entryId"], ORDERS);
    gateway.wait_for_metric(PUSHED, 9.0).await;
    assert_eq!(gateway.metric(&events("data_create")).await, 4.0);
    assert_eq!(gateway.metric(&events("data_update")).await, 4.0);
}

#[tokio::test]
async fn a_call_that_changed_nothing_makes_no_push() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    let key = platform.api_key();
    let unknown = json!({"app_id": APP, "entry_id": ORDERS, "data_id": "0".repeat(24)});
    assert_eq!(gateway.call(DELETE, key, &unknown).await.status(), 400);
    assert_eq!(gateway.call(CREATE, "wrong key", &order("a")).await.status(), 400);
    platform.limit_rate(true);
    assert_eq!(gateway.call(CREATE, key, &order("a")).await.status(), 400);
    platform.limit_rate(false);
    let read = json!({"app_id": APP, "entry_id": ORDERS});
    assert_eq!(gateway.call("/api/v5/app/entry/data/list", key, &read).await.status(), 200);
    let get = reqwest::get(gateway.url(CREATE)).await.unwrap();
    assert!(!get.status().is_success(), "{}", get.status());

    // What comes after all of these arrives first, so none of them made a push.
    gateway.call(CREATE, key, &order("real")).await;
    assert_eq!(receiver.wait_for(1).await[0].json()["data"]["customer"], "real");
    gateway.wait_for_metric(PUSHED, 1.0).await;
    assert_eq!(receiver.received().len(), 1);
    let metrics = gateway.metrics().await;
    let counted = metrics.iter().filter(|(name, value)| name.contains("misses") && **value > 0.0);
    assert_eq!(counted.count(), 0, "{metrics:?}");
}

#[tokio::test]
async fn a_batch_is_not_pushed_and_counted() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    let key = platform.api_key();
    let rows = [json!({CUSTOMER: {"value": "a"}}), json!({CUSTOMER: {"value": "b"}})];
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_list": rows});
    let path = "/api/v5/app/entry/data/batch_create";
    let answer: Value = gateway.call(path, key, &body).await.json().await.unwrap();
    assert_eq!(answer["success_count"], 2);
    gateway.wait_for_metric(&misses("batch"), 1.0).await;
    gateway.wait_for_log(&["formhook.push {", r#""outcome":"not_captured""#, "many records"]).await;
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_webhook_gets_only_the_events_and_forms_it_asked_for() {
    let platform = orders_platform().await;
    let all = Receiver::start().await;
    let created_only = Receiver::start().await;
    let other_form = Receiver::start().await;
    let mut config = plugin(&all.url("/"));
    config["webhooks"].as_array_mut().unwrap().extend([
        json!({"id": "created", "url": created_only.url("/")}),
        json!({"id": "other", "url": other_form.url("/"),
               "forms": [{"app_id": APP, "entry_id": "0"}]}),
        json!({"id": "off", "url": other_form.url("/"), "enabled": false}),
    ]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    let key = platform.api_key();
    let created: Value = gateway.call(CREATE, key, &order("a")).await.json().await.unwrap();
    let id = &created["data"]["_id"];
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": id});
    gateway.call(DELETE, key, &body).await;
    all.wait_for(2).await;
    let push = created_only.wait_for(1).await.remove(0);
    assert_eq!(push.json()["op"], "data_create");
    // A webhook with no secret: everything of a push but the signatures.
    assert!(!push.headers.contains_key("webhook-signature"));
    assert!(!push.headers.contains_key("x-jdy-signature"));
    assert_eq!(push.header("x-jdy-deliverid"), push.header("webhook-id"));
    assert_eq!(push.query("nonce").unwrap().len(), 6);
    gateway.wait_for_metric(PUSHED, 2.0).await;
    assert_eq!((created_only.received().len(), other_form.received().len()), (1, 0));
}

#[tokio::test]
async fn any_other_api_is_watched_by_configuration() {
    // A platform that can put a deleted record back, which the preset's cannot.
    use axum::{Json, Router, routing::put};
    let restore = |Json(body): Json<Value>| async move {
        if body["id"] == "gone" {
            return Json(json!({"ok": false, "record": {}}));
        }
        Json(json!({"ok": true, "record": {"_id": body["id"], "field_1": 1.0, "n": [1, {}]}}))
    };
    let router = Router::new().route("/v2/{app}/{form}/restore", put(restore));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });

    let receiver = Receiver::start().await;
    let config = json!({
        "operations": [{
            "method": "PUT", "path": "/v2/{app}/{form}/restore", "op": "data_recover",
            "app_id": "path:app", "entry_id": "path:form",
            "record_id": "request:/id", "record": "response:/record",
            "actor": "header:x-user", "time": "header:x-time",
            "success": [{"at": "response:/ok", "equals": true}],
        }],
        "forms": [{"app_id": "a b", "entry_id": "f", "name": "Files",
                   "fields": [{"id": "field_1", "alias": "size"}]}],
        "webhooks": [webhook("crm", &receiver.url("/"))],
    });
    let gateway = Setup::new(address, &config).start().await;
    let client = super::support::gateway::client();
    for id in ["gone", "r1"] {
        let answer = client
            .put(gateway.url("/v2/a%20b/f/restore?x=1"))
            .header("x-user", "ada")
            .header("x-time", "2026-05-12T08:45:09.018Z")
            .json(&json!({"id": id}));
        assert_eq!(answer.send().await.unwrap().status(), 200);
    }
    let push = receiver.wait_for(1).await.remove(0);
    assert_eq!(
        String::from_utf8(push.body).unwrap(),
        r#"{"data":{"_id":"r1","appId":"a b","deleteTime":null,"deleter":null,"entryId":"f","flowState":null,"formName":"Files","n":[1,{}],"size":1},"op":"data_recover","opTime":1778575509018}"#
    );
    gateway.wait_for_metric(&events("data_recover"), 1.0).await;
}

#[tokio::test]
async fn the_configuration_may_be_a_struct() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = plugin(&receiver.url("/"));
    // A Struct has doubles for numbers, and no order of keys.
    config["limits"] = json!({"max_body_bytes": 2048, "memory_bytes": 4_194_304});
    config["webhooks"][0]["max_in_flight"] = json!(3);
    let setup = Setup::new(platform.address(), &config).wrapped(Wrapping::Struct);
    let gateway = setup.start().await;
    gateway.call(CREATE, platform.api_key(), &order("a")).await;
    assert_signed(&receiver.wait_for(1).await[0]);
    gateway.call(CREATE, platform.api_key(), &order(&"x".repeat(3000))).await;
    gateway.wait_for_metric(&misses("too_large"), 1.0).await;
}

#[tokio::test]
async fn workers_share_their_counters() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).workers(2).start().await;
    let key = platform.api_key();
    // Each call is a connection of its own, so that both workers get some.
    for _ in 0..20 {
        assert_eq!(gateway.call(CREATE, key, &order("a")).await.status(), 200);
    }
    receiver.wait_for(20).await;
    gateway.wait_for_metric(PUSHED, 20.0).await;
    gateway.wait_for_metric(&events("data_create"), 20.0).await;
}

#[tokio::test]
async fn the_gateways_access_log_names_the_push_that_a_call_caused() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).edited(|setup| {
        let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        setup.at(manager)["access_log"] = json!([{
            "name": "envoy.access_loggers.stdout",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": {"text_format_source": {"inline_string":
                    "ACCESS %REQ(:PATH)% op=%FILTER_STATE(wasm.formhook_op:PLAIN)% push=%FILTER_STATE(wasm.formhook_push_id:PLAIN)%\n"}},
            },
        }]);
    });
    let gateway = gateway.start().await;
    gateway.call(CREATE, platform.api_key(), &order("a")).await;
    let push = receiver.wait_for(1).await.remove(0);
    let line = gateway.wait_for_log(&["ACCESS", CREATE]).await;
    assert!(line.contains("op=data_create"), "{line}");
    assert!(line.ends_with(&format!("push={}", push.header("webhook-id"))), "{line}");
    let list = json!({"app_id": APP, "entry_id": ORDERS});
    gateway.call("/api/v5/app/entry/data/list", platform.api_key(), &list).await;
    let line = gateway.wait_for_log(&["ACCESS", "data/list"]).await;
    assert!(line.ends_with("op=- push=-"), "{line}");
}

#[tokio::test]
async fn what_a_record_was_before_is_pushed_to_whom_asks_for_it() {
    let platform = orders_platform().await;
    let (asking, plain) = (Receiver::start().await, Receiver::start().await);
    let mut config = plugin(&asking.url("/"));
    config["webhooks"][0]["changes"] = json!(true);
    config["webhooks"][0]["remove_with_record"] = json!(true);
    config["webhooks"].as_array_mut().unwrap().push(webhook("plain", &plain.url("/")));
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    let key = platform.api_key();
    let created: Value = gateway.call(CREATE, key, &order("Ada")).await.json().await.unwrap();
    asking.wait_for(1).await;
    let id = &created["data"]["_id"];
    let named = |more: Value| {
        let mut body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let data = json!({CUSTOMER: {"value": "Bob"}, AMOUNT: {"value": 7}});
    let update = named(json!({"data": data}));
    assert_eq!(gateway.call(UPDATE, key, &update).await.status(), 200);
    let push = asking.wait_for(2).await[1].json();
    assert_eq!(push["changes"]["since"], created["data"]["updateTime"]);
    let fields = &push["changes"]["fields"];
    assert_eq!(fields["customer"], json!({"after": "Bob", "before": "Ada"}));
    assert_eq!(fields[AMOUNT]["after"], 7);
    assert_eq!(fields.as_object().unwrap().len(), 2, "{fields}");
    gateway.call(DELETE, key, &named(json!({}))).await;
    let push = asking.wait_for(3).await[2].json();
    assert_eq!((&push["op"], &push["data"]["customer"]), (&json!("data_remove"), &json!("Bob")));
    assert!(push["data"]["deleteTime"].is_string());
    // Who did not ask for it gets what the platform itself would push.
    let pushes = plain.wait_for(3).await;
    assert!(pushes.iter().all(|push| push.json().get("changes").is_none()));
    assert!(pushes[2].json()["data"].get("customer").is_none());
    // Of a record that was not seen nothing is said.
    let unseen = json!({"app_id": APP, "entry_id": ORDERS, "data": data});
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    let direct = direct.post(format!("http://{}{CREATE}", platform.address())).bearer_auth(key);
    let unseen: Value = direct.json(&unseen).send().await.unwrap().json().await.unwrap();
    let id = &unseen["data"]["_id"];
    let update = json!({"app_id": APP, "entry_id": ORDERS, "data_id": id, "data": data});
    gateway.call(UPDATE, key, &update).await;
    assert!(asking.wait_for(4).await[3].json().get("changes").is_none());
    gateway.assert_vm_alive();
}
