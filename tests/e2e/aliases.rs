//! Aliases in the API itself: a client that knows nothing but aliases, before a platform that knows
//! nothing but ids.

use super::support::gateway::{Gateway, STORE_AUTH_ENV, Setup};
use super::support::raw::{Server, Step, exchange};
use super::support::receiver::Receiver;
use super::support::store::{Fsync, RedisServer, Webdis};
use super::*;
use flate2::{Compression, write::GzEncoder};
use reqwest::Response;
use std::io::Write as _;

const GET: &str = "/api/v5/app/entry/data/get";
const LIST: &str = "/api/v5/app/entry/data/list";
const BATCH_CREATE: &str = "/api/v5/app/entry/data/batch_create";
const WIDGETS: &str = "/api/v5/app/entry/widget/list";

/// The configuration, with aliases in the API.
fn speaking(url: &str) -> Value {
    let mut config = plugin(url);
    config["forms"][0]["aliases_in_api"] = json!(true);
    config
}

/// A call about the form "Orders".
async fn call(gateway: &Gateway, path: &str, key: &str, more: Value) -> Response {
    let mut body = json!({"app_id": APP, "entry_id": ORDERS});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gateway.call(path, key, &body).await
}

async fn answer(gateway: &Gateway, path: &str, key: &str, more: Value) -> Value {
    let answer = call(gateway, path, key, more).await;
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The body of the last call that the platform had.
fn last_call(platform: &Platform) -> Value {
    serde_json::from_slice(&platform.calls().last().unwrap().body).unwrap()
}

#[tokio::test]
async fn a_byte_order_mark_is_kept_before_a_translated_body() {
    let answer = format!("\u{feff}{{\"data\":{{\"_id\":\"1\",\"{CUSTOMER}\":\"Ada\"}}}}");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
    let answer = format!("{head}: {}\r\n\r\n{answer}", answer.len());
    let platform = Server::start(vec![Step::send(&answer)]).await;
    let receiver = Receiver::start().await;
    let gateway = Setup::new(platform.address, &speaking(&receiver.url("/"))).start().await;
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": "1"});
    let call = gateway.post(GET, "key").body(format!("\u{feff}{body}"));
    let text = call.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(text, "\u{feff}{\"data\":{\"_id\":\"1\",\"customer\":\"Ada\"}}".as_bytes());
}

#[tokio::test]
async fn aliases_are_understood_in_each_spelling_of_a_path() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = Setup::new(platform.address(), &speaking(&receiver.url("/"))).start().await;
    for path in ["/api/v5/app/entry/data/create/", "/API/v5/App/Entry/Data/CREATE"] {
        let data = json!({"customer": {"value": "Ada"}});
        let created = answer(&gateway, path, platform.api_key(), json!({"data": data})).await;
        assert_eq!(created["data"]["customer"], "Ada", "{path}");
        assert_eq!(last_call(&platform)["data"][CUSTOMER]["value"], "Ada", "{path}");
    }
}

#[tokio::test]
async fn a_client_that_knows_only_aliases_is_understood_and_answered_in_them() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let config = speaking(&receiver.url("/"));
    let gateway = Setup::new(platform.address(), &config).start().await;
    let key = platform.api_key();

    let items = json!({"value": [{"sku": {"value": "A-1"}}, {"sku": {"value": "A-2"}}]});
    let data = json!({"customer": {"value": "Ada"}, "items": items});
    let created = answer(&gateway, CREATE, key, json!({"data": data})).await;
    let record = &created["data"];
    assert_eq!(record["customer"], "Ada");
    assert_eq!(record["items"][1]["sku"], "A-2");
    assert!(record.get(CUSTOMER).is_none() && record["items"][0].get(SKU).is_none());
    let sent = last_call(&platform);
    assert_eq!(sent["data"][CUSTOMER]["value"], "Ada");
    assert_eq!(sent["data"][ITEMS]["value"][0][SKU]["value"], "A-1");
    let id = record["_id"].as_str().unwrap();

    let data = json!({"customer": {"value": "Bob"}});
    let updated = answer(&gateway, UPDATE, key, json!({"data_id": id, "data": data})).await;
    assert_eq!(updated["data"]["customer"], "Bob");
    let found = answer(&gateway, GET, key, json!({"data_id": id})).await;
    assert_eq!(
        (&found["data"]["customer"], &found["data"]["items"][0]["sku"]),
        (&json!("Bob"), &json!("A-1"))
    );

    let list = json!([{"customer": {"value": "Cyd"}}, {"customer": {"value": "Dan"}}]);
    let batch = answer(&gateway, BATCH_CREATE, key, json!({"data_list": list})).await;
    assert_eq!(batch["success_count"], 2);
    let condition = json!({"field": "customer", "type": "text", "method": "eq", "value": ["Dan"]});
    let filter = json!({"rel": "and", "cond": [condition]});
    let query = json!({"limit": 10, "fields": ["customer"], "filter": filter});
    let found = answer(&gateway, LIST, key, query).await;
    assert_eq!(last_call(&platform)["fields"], json!([CUSTOMER]));
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["customer"], "Dan");

    let widgets = answer(&gateway, WIDGETS, key, json!({})).await;
    let names: Vec<_> =
        widgets["widgets"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
    assert!(names.contains(&&json!("customer")) && names.contains(&&json!("items")), "{names:?}");

    // What comes of it is pushed as always.
    let pushes = receiver.wait_for(2).await;
    let mut pushed: Vec<_> = pushes
        .iter()
        .map(|push| (push.json()["op"].clone(), push.json()["data"]["customer"].clone()))
        .collect();
    pushed.sort_by_key(|(op, _)| op.to_string());
    assert_eq!(
        pushed,
        [(json!("data_create"), json!("Ada")), (json!("data_update"), json!("Bob"))]
    );
    assert_eq!(pushes[0].json()["data"]["items"][0]["sku"], "A-1");
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn a_body_is_understood_however_it_comes() {
    let platform = orders_platform().await;
    let config = speaking("http://unused.invalid/");
    let gateway = Setup::new(platform.address(), &config).start().await;
    let data = json!({"customer": {"value": "Ada"}});
    let text = json!({"app_id": APP, "entry_id": ORDERS, "data": data}).to_string();
    let client = || reqwest::Client::builder().no_proxy();
    for client in [client(), client().http2_prior_knowledge()] {
        let client = client.build().unwrap();
        for size in [1, 7, text.len()] {
            let chunks = text.as_bytes().chunks(size);
            let chunks: Vec<_> =
                chunks.map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
            let call = client.post(gateway.url(CREATE)).bearer_auth(platform.api_key());
            let call = call.header("content-type", "application/json").body(body);
            let answer: Value = call.send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["data"]["customer"], "Ada");
        }
    }
    assert_eq!(platform.records(APP, ORDERS).len(), 6);
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn old_versions_name_the_form_in_their_path() {
    let platform = orders_platform().await;
    let config = speaking("http://unused.invalid/");
    let gateway = Setup::new(platform.address(), &config).start().await;
    let path = |tail: &str| format!("/api/v4/app/{APP}/entry/{ORDERS}/{tail}");
    let key = platform.api_key();
    let data = json!({"data": {"customer": {"value": "Ada"}}});
    let created: Value = gateway.call(&path("data_create"), key, &data).await.json().await.unwrap();
    assert_eq!(created["data"]["customer"], "Ada");
    let found: Value = gateway.call(&path("data"), key, &json!({})).await.json().await.unwrap();
    assert_eq!(found["data"][0]["customer"], "Ada");
}

#[tokio::test]
async fn what_is_not_translated_passes_as_it_came() {
    let platform = orders_platform().await;
    let mut config = speaking("http://unused.invalid/");
    config["limits"] = json!({"max_body_bytes": 4096});
    let gateway = Setup::new(platform.address(), &config).start().await;
    let key = platform.api_key();
    let untranslated =
        |reason: &str| format!(r#"formhook_untranslated_total{{reason="{reason}"}}"#);

    // Too large, with its length before it and without.
    let long = "x".repeat(5000);
    let order = json!({"app_id": APP, "entry_id": ORDERS, "data": {"customer": {"value": long}}});
    let text = order.to_string();
    for round in 1..=2 {
        let call = gateway.post(CREATE, key).header("content-type", "application/json");
        let chunks =
            text.as_bytes().chunks(1000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
        let chunks: Vec<_> = chunks.collect();
        let call = match round {
            1 => call.body(text.clone()),
            _ => call.body(reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))),
        };
        assert_eq!(call.send().await.unwrap().status(), 200);
        assert_eq!(platform.calls().last().unwrap().body, text.as_bytes());
        gateway.wait_for_metric(&untranslated("too_large"), f64::from(round)).await;
    }
    // Not JSON; the platform says what it says.
    let refused = gateway.post(CREATE, key).body("{\"data\"").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(platform.calls().last().unwrap().body, "{\"data\"".as_bytes());
    gateway.wait_for_metric(&untranslated("malformed"), 1.0).await;
    // A form of which callers may not speak so, and no body at all.
    let other = json!({"app_id": APP, "entry_id": "other", "data": {"customer": {"value": 1}}});
    gateway.call(CREATE, key, &other).await;
    assert_eq!(last_call(&platform), other);
    assert_eq!(gateway.post(CREATE, key).send().await.unwrap().status(), 400);
    gateway.assert_vm_alive();
}

/// A request for a record of the form, and what is answered if the platform answers this.
async fn answered(platform: &[Step]) -> String {
    let server = Server::start(platform.to_vec()).await;
    let config = speaking("http://unused.invalid/");
    let gateway = Setup::new(server.address, &config).start().await;
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": "1"}).to_string();
    let request = format!(
        "POST {GET} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(gateway.address, &[request]).await;
    gateway.assert_vm_alive();
    answer
}

#[tokio::test]
async fn headers_fit_the_translated_body() {
    let body = format!(r#"{{"data":{{"_id":"1","{CUSTOMER}":"Ada"}}}}"#);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"1\"\r\n\
                content-md5: x\r\nx-other: y\r\nconnection: close\r\n";
    let expected = r#"{"data":{"_id":"1","customer":"Ada"}}"#;
    let whole = Step::send(&format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
    let answer = answered(&[whole]).await;
    let (head_of_it, translated) = answer.split_once("\r\n\r\n").unwrap();
    // Its headers go before it is known how long it is.
    assert_eq!(translated, format!("{:x}\r\n{expected}\r\n0\r\n\r\n", expected.len()));
    assert!(head_of_it.contains("transfer-encoding: chunked"), "{head_of_it}");
    assert!(!head_of_it.contains("content-length"), "{head_of_it}");
    assert!(!head_of_it.contains("etag") && !head_of_it.contains("content-md5"), "{head_of_it}");
    assert!(head_of_it.contains("x-other: y"));

    // In many chunks, and with trailers behind them.
    let mut steps =
        vec![Step::send(&format!("{head}trailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n"))];
    for chunk in body.as_bytes().chunks(7) {
        let chunk = std::str::from_utf8(chunk).unwrap();
        steps.push(Step::send(&format!("{:x}\r\n{chunk}\r\n", chunk.len())));
    }
    for end in ["0\r\n\r\n", "0\r\nx-end: 1\r\n\r\n"] {
        let mut steps = steps.clone();
        steps.push(Step::send(end));
        let answer = answered(&steps).await;
        assert!(answer.contains(expected), "{answer}");
        assert!(!answer.contains(CUSTOMER) && !answer.contains("etag"), "{answer}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_undone_by_envoy_and_ends_with_trailers() {
    let body = format!(r#"{{"data":{{"_id":"1","{CUSTOMER}":"Ada"}}}}"#);
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(body.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
         content-length: {}\r\n\r\n",
        packed.len()
    );
    let answer = answered(&[Step::Send([head.as_bytes(), &packed].concat())]).await;
    assert!(answer.contains(r#"{"data":{"_id":"1","customer":"Ada"}}"#), "{answer}");
}

#[tokio::test]
async fn a_request_may_end_with_trailers() {
    let platform = orders_platform().await;
    let config = speaking("http://unused.invalid/");
    let setup = Setup::new(platform.address(), &config).edited(|setup| {
        let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        setup.at(manager)["http_protocol_options"] = json!({"enable_trailers": true});
    });
    let gateway = setup.start().await;
    let data = json!({"customer": {"value": "Ada"}});
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data": data}).to_string();
    let mut pieces = vec![format!(
        "POST {CREATE} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         trailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n",
        platform.api_key()
    )];
    let (first, second) = body.split_at(body.len() / 2);
    pieces.extend([first, second].map(|part| format!("{:x}\r\n{part}\r\n", part.len())));
    pieces.push("0\r\nx-end: 1\r\n\r\n".to_owned());
    let answer = exchange(gateway.address, &pieces).await;
    assert!(answer.contains(r#""customer":"Ada""#), "{answer}");
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn a_page_of_a_hundred_records_with_two_hundred_fields_is_translated() {
    let field = |number: usize| format!("_widget_{number:013}");
    let record = |name: &dyn Fn(usize) -> String| -> Value {
        let members = (0..200).map(|number| (name(number), json!(format!("value {number}"))));
        Value::Object(members.collect())
    };
    let page =
        |name: &dyn Fn(usize) -> String| json!({"data": vec![record(name); 100]}).to_string();
    let answer = page(&field);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let answer = Step::send(&format!("{head}content-length: {}\r\n\r\n{answer}", answer.len()));
    let server = Server::start(vec![answer]).await;
    let mut config = speaking("http://unused.invalid/");
    let fields = (0..200).map(|number| json!({"id": field(number), "alias": format!("f{number}")}));
    config["forms"][0]["fields"] = fields.collect();
    let gateway = Setup::new(server.address, &config).start().await;
    let query = json!({"app_id": APP, "entry_id": ORDERS, "limit": 100});
    let found = gateway.call(LIST, "key", &query).await.text().await.unwrap();
    assert_eq!(found, page(&|number| format!("f{number}")));
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn an_answer_that_waits_for_its_push_is_translated_too() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = speaking(&receiver.url("/"));
    config["store"] = json!({"redis": {
        "cluster": "webdis", "auth_env": STORE_AUTH_ENV, "ack": "before_response", "ack_timeout": "10s",
    }});
    let setup = Setup::new(platform.address(), &config).with_webdis(webdis.port());
    let gateway = setup.start().await;
    for customer in ["Ada", "Bob"] {
        let data = json!({"data": {"customer": {"value": customer}}});
        let created = answer(&gateway, CREATE, platform.api_key(), data).await;
        assert_eq!(created["data"]["customer"], customer);
    }
    receiver.wait_for(2).await;
    assert_eq!(gateway.metric("formhook_ack_timeouts_total{}").await, 0.0);
    gateway.assert_vm_alive();
}
