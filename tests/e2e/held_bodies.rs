//! Bodies that the filter takes out and puts back: whatever their size, and whatever Envoy's buffers hold at most,
//! they arrive whole and translated, or as they came, and Envoy lives.

use super::support::gateway::{Gateway, STORE_AUTH_ENV, Setup};
use super::support::raw::{Server, Step};
use super::support::receiver::Receiver;
use super::support::store::{Fsync, RedisServer, Webdis};
use super::*;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LIST: &str = "/api/v5/app/entry/data/list";

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// An alias that is longer than the id of its field.
const LONG_ALIAS: &str = "an_alias_that_is_longer_than_the_id_of_its_field";

/// How a body says where it ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunks,
    /// In chunks, compressed.
    Gzip,
}

/// A platform that keeps the last request's body, and answers with the body that it was given.
struct Echo {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    answer: Arc<Mutex<(Vec<u8>, Framing)>>,
}

impl Echo {
    async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new((b"{}".to_vec(), Framing::Length)));
        let (keeps, answers) = (Arc::clone(&seen), Arc::clone(&answer));
        let handle = move |request: Request| {
            let (keeps, answers) = (Arc::clone(&keeps), Arc::clone(&answers));
            async move {
                let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
                *keeps.lock().unwrap() = body.to_vec();
                let (body, framing) = answers.lock().unwrap().clone();
                answer_of(body, framing)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(handle);
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Echo { address, seen, answer }
    }

    fn answer_with(&self, body: &str, framing: Framing) {
        *self.answer.lock().unwrap() = (body.as_bytes().to_vec(), framing);
    }

    fn seen(&self) -> String {
        String::from_utf8(self.seen.lock().unwrap().clone()).unwrap()
    }
}

fn answer_of(body: Vec<u8>, framing: Framing) -> Response {
    let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
    let chunks = |body: Vec<u8>| {
        let chunks: Vec<_> =
            body.chunks(50_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
        Body::from_stream(futures_util::stream::iter(chunks))
    };
    match framing {
        Framing::Length => answer.body(body.into()),
        Framing::Chunks => answer.body(chunks(body)),
        Framing::Gzip => {
            let mut packer = GzEncoder::new(Vec::new(), Compression::default());
            packer.write_all(&body).unwrap();
            let packed = packer.finish().unwrap();
            answer.header(header::CONTENT_ENCODING, "gzip").body(chunks(packed))
        }
    }
    .unwrap()
}

/// A gateway with aliases in the API, whose bodies may have 16 MiB, and whose buffers hold so much.
async fn gateway_with(limit: usize, alias: &str, platform: SocketAddr) -> Gateway {
    let mut config = plugin("http://unused.invalid/");
    config["forms"][0]["aliases_in_api"] = json!(true);
    config["forms"][0]["fields"] = json!([{"id": CUSTOMER, "alias": alias, "type": "text"}]);
    config["limits"] = json!({"max_body_bytes": 16 * MIB});
    let setup = Setup::new(platform, &config).edited(|setup| {
        setup.listener("gateway")["per_connection_buffer_limit_bytes"] = json!(limit);
    });
    setup.start().await
}

/// A page of records with so many bytes by ids.
fn page(name: &str, bytes: usize) -> String {
    let record = format!(r#"{{"{CUSTOMER}":"Ada"}},"#);
    let records = format!(r#"{{"{name}":"Ada"}},"#).repeat(bytes / record.len());
    format!(r#"{{"data":[{}]}}"#, records.trim_end_matches(','))
}

/// A request with so many bytes.
fn update(name: &str, bytes: usize) -> String {
    let value = "x".repeat(bytes);
    format!(
        r#"{{"data":{{"{name}":{{"value":"{value}"}}}},"data_id":"1","app_id":"{APP}","entry_id":"{ORDERS}"}}"#
    )
}

async fn try_all_sizes(limit: usize) {
    let platform = Echo::start().await;
    let clients = [reqwest::Client::builder(), reqwest::Client::builder().http2_prior_knowledge()];
    let clients = clients.map(|client| client.no_proxy().build().unwrap());
    for alias in ["c", LONG_ALIAS] {
        let gateway = gateway_with(limit, alias, platform.address).await;
        for size in [100, limit / 2, limit - 300, limit, limit + 300, 2 * limit, MIB + MIB / 8] {
            let framings = [Framing::Length, Framing::Chunks, Framing::Gzip];
            for (framing, client) in
                framings.iter().flat_map(|f| clients.iter().map(move |c| (*f, c)))
            {
                let what =
                    format!("{framing:?} of {size} bytes, buffers of {limit}, alias {alias}");
                let post = |path: &str| client.post(gateway.url(path)).bearer_auth("key");

                platform.answer_with(&page(CUSTOMER, size), framing);
                let query = json!({"app_id": APP, "entry_id": ORDERS, "limit": 100});
                let answer = post(LIST).json(&query).send().await.expect(&what);
                assert_eq!(answer.status(), 200, "{what}");
                assert!(answer.text().await.expect(&what) == page(alias, size), "answer: {what}");

                platform.answer_with(r#"{"data":{}}"#, Framing::Length);
                let text = update(alias, size);
                let body = match framing {
                    Framing::Length => reqwest::Body::from(text),
                    Framing::Chunks | Framing::Gzip => {
                        let chunks: Vec<_> = text
                            .as_bytes()
                            .chunks(50_000)
                            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
                            .collect();
                        reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
                    }
                };
                let answer = post(UPDATE).body(body).send().await.expect(&what);
                assert_eq!(answer.status(), 200, "{what}");
                assert!(platform.seen() == update(CUSTOMER, size), "request: {what}");
            }
        }
        gateway.assert_vm_alive();
    }
}

#[tokio::test]
async fn bodies_of_any_size_are_translated_in_buffers_of_16_kib() {
    try_all_sizes(16 * KIB).await;
}

#[tokio::test]
async fn bodies_of_any_size_are_translated_in_buffers_of_32_kib() {
    try_all_sizes(32 * KIB).await;
}

#[tokio::test]
async fn bodies_of_any_size_are_translated_in_buffers_of_1_mib() {
    try_all_sizes(MIB).await;
}

#[tokio::test]
async fn bodies_of_any_size_are_translated_in_buffers_of_4_mib() {
    try_all_sizes(4 * MIB).await;
}

/// A filter that has Envoy hold a body until it is whole.
fn holding_filter(callback: &str) -> Value {
    let code = format!("function {callback}(handle) handle:body() end");
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": code},
        },
    })
}

/// Another filter has Envoy hold the bodies; such a buffer has a limit, and what goes beyond ends the call from
/// within the filter's callback.
#[tokio::test]
async fn what_another_filter_held_is_never_made_too_large_for_its_buffer() {
    let platform = Echo::start().await;
    let mut config = plugin("http://unused.invalid/");
    config["forms"][0]["aliases_in_api"] = json!(true);
    let fields = [(CUSTOMER, "c"), (AMOUNT, LONG_ALIAS)];
    config["forms"][0]["fields"] =
        fields.map(|(id, alias)| json!({"id": id, "alias": alias, "type": "text"})).into();
    let setup = Setup::new(platform.address, &config).edited(|setup| {
        setup.listener("gateway")["per_connection_buffer_limit_bytes"] = json!(64 * KIB);
        let filters = setup.http_filters().as_array_mut().unwrap();
        filters.insert(0, holding_filter("envoy_on_request"));
        filters.insert(filters.len() - 1, holding_filter("envoy_on_response"));
    });
    let gateway = setup.start().await;
    let too_large = r#"formhook_untranslated_total{reason="too_large"}"#;
    // Bodies of 60 KB, which grow by a half or more.
    let grows = |name: &str| {
        let members = format!(r#""{name}":{{"value":1}},"#).repeat(60_000 / (name.len() + 15));
        format!(
            r#"{{"app_id":"{APP}","entry_id":"{ORDERS}","data":{{{}}}}}"#,
            members.trim_end_matches(',')
        )
    };
    platform.answer_with(r#"{"data":{}}"#, Framing::Length);
    let sent = grows("c");
    let answer = gateway.post(UPDATE, "key").body(sent.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(platform.seen() == sent, "it passes as it came");
    gateway.wait_for_metric(too_large, 1.0).await;

    let page = page(AMOUNT, 60_000);
    for framing in [Framing::Length, Framing::Chunks] {
        platform.answer_with(&page, framing);
        let query = json!({"app_id": APP, "entry_id": ORDERS});
        let answer = gateway.call(LIST, "key", &query).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap() == page, "it passes as it came");
    }
    gateway.wait_for_metric(too_large, 3.0).await;
    // What fits is translated.
    let sent = grows("c").len();
    platform.answer_with(&page.replace(AMOUNT, CUSTOMER), Framing::Length);
    let answer = gateway.call(LIST, "key", &json!({"app_id": APP, "entry_id": ORDERS})).await;
    assert!(answer.text().await.unwrap() == page.replace(AMOUNT, "c") && sent > 0);
    gateway.assert_vm_alive();
}

/// A document that is cut off, tells no length, and ends by trailers all the same: nothing can be put in the place
/// of its last chunk, and half of it must not pass for the whole.
#[tokio::test]
async fn a_body_that_is_cut_off_before_trailers_ends_its_call_and_no_other() {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntrailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n";
    let end = "0\r\nx-end: 1\r\n\r\n";
    let cut = format!(r#"{{"data":[{{"{CUSTOMER}":"Ada"}},"#);
    let server = Server::start(vec![Step::send(&format!("{head}{}{end}", chunk(&cut)))]).await;
    let mut config = plugin("http://unused.invalid/");
    config["forms"][0]["aliases_in_api"] = json!(true);
    let gateway = Setup::new(server.address, &config).start().await;
    let query = json!({"app_id": APP, "entry_id": ORDERS}).to_string();
    for path in [LIST, UPDATE] {
        let (body, end) = if path == LIST { (&query, "0\r\n\r\n") } else { (&cut, end) };
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntrailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n{}{end}",
            chunk(body)
        );
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // It may be a reset of the connection.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("0\r\n\r\n"), "it must not end well: {answer}");
        gateway
            .wait_for_metric(
                r#"formhook_untranslated_total{reason="malformed"}"#,
                if path == LIST { 1.0 } else { 2.0 },
            )
            .await;
    }
    gateway.assert_vm_alive();
}

/// The record of an answer that waits for its push to be stored, with a text of so many bytes.
fn created(number: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!(
        r#"{{"data":{{"_id":"{number}","appId":"{APP}","entryId":"{ORDERS}","{CUSTOMER}":"{text}"}}}}"#
    )
}

#[tokio::test]
async fn an_answer_of_any_size_waits_for_its_push_to_be_stored() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    for (limit, has_aliases) in [(32 * KIB, false), (32 * KIB, true), (MIB, false)] {
        let platform = Echo::start().await;
        let receiver = Receiver::start().await;
        let mut config = plugin(&receiver.url("/"));
        config["forms"][0]["aliases_in_api"] = json!(has_aliases);
        config["store"] = json!({"redis": {
            "cluster": "webdis", "auth_env": STORE_AUTH_ENV, "ack": "before_response", "ack_timeout": "10s",
            "namespace": format!("of-{limit}-{has_aliases}"),
        }});
        let setup =
            Setup::new(platform.address, &config).with_webdis(webdis.port()).edited(|setup| {
                setup.listener("gateway")["per_connection_buffer_limit_bytes"] = json!(limit);
            });
        let gateway = setup.start().await;
        let sizes = [0, 16 * KIB, 32 * KIB - 200, 32 * KIB, 40 * KIB, 200 * KIB, MIB - 2 * KIB];
        let framings = [Framing::Length, Framing::Chunks, Framing::Gzip];
        let cases: Vec<_> =
            sizes.iter().flat_map(|size| framings.map(|framing| (*size, framing))).collect();
        for (number, (size, framing)) in cases.iter().enumerate() {
            let answer = created(number, *size);
            platform.answer_with(&answer, *framing);
            let called = gateway.call(CREATE, "key", &order("Ada")).await;
            assert_eq!(called.status(), 200);
            let expected = if has_aliases { answer.replace(CUSTOMER, "customer") } else { answer };
            let got = called.text().await.unwrap();
            assert!(
                got == expected,
                "{framing:?} of {size} bytes, buffers of {limit}, aliases {has_aliases}"
            );
        }
        receiver.wait_for(cases.len()).await;
        // Each was held until it was stored.
        assert_eq!(gateway.metric("formhook_ack_timeouts_total{}").await, 0.0);
        gateway.assert_vm_alive();
    }
}

/// The admin's side holds bodies, too.
#[tokio::test]
async fn a_request_to_the_admin_may_be_larger_than_a_buffer() {
    let platform = orders_platform().await;
    let setup = gateway(&platform, "http://unused.invalid/").edited(|setup| {
        setup.listener("formhook_admin")["per_connection_buffer_limit_bytes"] = json!(16 * KIB);
    });
    let gateway = setup.start().await;
    let webhook = json!({"id": "large", "url": "http://unused.invalid/", "headers": {"x-large": "x".repeat(100 * KIB)}});
    let call = gateway.admin(reqwest::Method::POST, "/webhooks").json(&webhook);
    let answer = call.send().await.unwrap();
    // It was read as a whole.
    assert!([201, 400, 422].contains(&answer.status().as_u16()), "{}", answer.status());
    let call = gateway.admin(reqwest::Method::POST, "/webhooks").body("x".repeat(300 * KIB));
    assert_eq!(call.send().await.unwrap().status(), 413);
    gateway.assert_vm_alive();
}
