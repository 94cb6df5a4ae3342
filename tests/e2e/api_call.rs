//! The API call that passes is sacred: whatever the platform answers, the client gets it as it
//! is, and Formhook gets by.

use super::support::gateway::{Gateway, Setup, client};
use super::support::raw::{Server, Step, exchange, exchange_bytes, refusing_address};
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;
use std::io::Write as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const CREATED: &str = r#"{"data":{"_id":"1","appId":"a","entryId":"e"}}"#;

const ROUTES: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config";

/// A platform that answers so, a gateway before it, and who is pushed to.
async fn peers(steps: Vec<Step>) -> (Server, Receiver, Gateway) {
    let platform = Server::start(steps).await;
    let receiver = Receiver::start().await;
    let setup = Setup::new(platform.address, &plugin(&receiver.url("/")));
    (platform, receiver, setup.start().await)
}

fn answer(body: &str) -> Step {
    answer_with("", body.as_bytes())
}

fn answer_with(headers: &str, body: &[u8]) -> Step {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n"
    );
    Step::Send([head.as_bytes(), body].concat())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Calls the API, expects the body to come back as the platform sent it, and one miss.
async fn passes_and_misses(step: Step, body: &[u8], reason: &str) {
    let (_platform, receiver, gateway) = peers(vec![step]).await;
    let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.bytes().await.unwrap(), body, "{reason}");
    gateway.wait_for_metric(&misses(reason), 1.0).await;
    let line = [r#""op":"data_create""#, r#""outcome":"not_captured""#];
    gateway.wait_for_log(&["formhook.push {", line[0], line[1]]).await;
    gateway.assert_vm_alive();
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_call_can_be_led_past_the_filter_by_its_route() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let setup = gateway(&platform, &receiver.url("/")).leading_past(UPDATE);
    let gateway = setup.start().await;
    let key = platform.api_key();
    let created: Value = gateway.call(CREATE, key, &order("first")).await.json().await.unwrap();
    let mut update = order("second");
    update["data_id"] = created["data"]["_id"].clone();
    let updated: Value = gateway.call(UPDATE, key, &update).await.json().await.unwrap();
    assert_eq!(updated["data"][CUSTOMER], "second");
    assert_eq!(gateway.call(CREATE, key, &order("third")).await.status(), 200);
    let mut pushed: Vec<Value> = receiver
        .wait_for(2)
        .await
        .iter()
        .map(|push| push.json()["data"]["customer"].take())
        .collect();
    pushed.sort_by_key(ToString::to_string);
    assert_eq!(pushed, ["first", "third"]);
    assert_eq!(gateway.metric(&events("data_update")).await, 0.0);
}

#[tokio::test]
async fn garbage_is_passed_on_and_counted() {
    let page = "<html>502 from some proxy</html>";
    passes_and_misses(answer(page), page.as_bytes(), "malformed").await;
    let half = r#"{"data":{"_id":"1","#;
    passes_and_misses(answer(half), half.as_bytes(), "malformed").await;
    let deep = format!("{{\"data\":{}", "[".repeat(100_000));
    passes_and_misses(answer(&deep), deep.as_bytes(), "too_deep").await;
    let binary = b"{\"data\":{\"_id\":\"\xff\xfe\"}}";
    passes_and_misses(answer_with("", binary), binary, "malformed").await;
}

/// A record whose field is nested so deep, its members in an order that has to be changed.
fn nested(levels: usize) -> String {
    let field = format!("{}1{}", r#"{"b":["#.repeat(levels / 2), r#"],"a":2}"#.repeat(levels / 2));
    format!(r#"{{"data":{{"x":{field},"_id":"1","appId":"a","entryId":"e"}}}}"#)
}

#[tokio::test]
async fn a_record_may_be_nested_512_levels_deep() {
    let body = nested(510);
    let (_platform, receiver, gateway) = peers(vec![answer(&body)]).await;
    let passed = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
    assert_eq!(passed.text().await.unwrap(), body);
    let push = String::from_utf8(receiver.wait_for(1).await[0].body.clone()).unwrap();
    let inner = format!("{}1{}", r#"{"a":2,"b":["#.repeat(255), "]}".repeat(255));
    assert!(push.contains(&inner), "{push}");
    gateway.assert_vm_alive();
    let deeper = nested(512);
    passes_and_misses(answer(&deeper), deeper.as_bytes(), "too_deep").await;
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_is_skipped_and_passed_on() {
    let platform = Server::start(vec![answer("\u{feff}{\"status\":\"success\"}")]).await;
    let receiver = Receiver::start().await;
    let gateway = Setup::new(platform.address, &plugin(&receiver.url("/"))).start().await;
    let body = json!({"app_id": APP, "entry_id": ORDERS, "data_id": "d1"});
    let call = gateway.post(DELETE, "key").body(format!("\u{feff}{body}"));
    let passed = call.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(passed, "\u{feff}{\"status\":\"success\"}".as_bytes());
    assert_eq!(receiver.wait_for(1).await[0].json()["data"]["_id"], "d1");
}

#[tokio::test]
async fn a_time_that_is_none_is_named_in_the_log_once() {
    let body = |time: &str| {
        format!(r#"{{"data":{{"_id":"1","appId":"a","entryId":"e","updateTime":"{time}"}}}}"#)
    };
    let (_platform, receiver, gateway) = peers(vec![answer(&body("12 May"))]).await;
    for count in 1..=3 {
        gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
        assert!(receiver.wait_for(count).await[count - 1].json()["opTime"].is_u64());
    }
    gateway.wait_for_log(&["\"12 May\"", "form a/e", "is no time"]).await;
    assert_eq!(gateway.log().matches("is no time").count(), 1);

    let (_platform, receiver, _gateway) = {
        let peers = peers(vec![answer(&body("2026-05-12T00:45:09.018-08:00"))]).await;
        peers.2.post(CREATE, "key").json(&order("a")).send().await.unwrap();
        peers
    };
    assert_eq!(receiver.wait_for(1).await[0].json()["opTime"], 1_778_575_509_018_u64);
}

#[tokio::test]
async fn an_answer_without_the_record_is_counted() {
    let no_id = r#"{"data":{"name":"x"}}"#;
    passes_and_misses(answer(no_id), no_id.as_bytes(), "incomplete").await;
}

#[tokio::test]
async fn a_compressed_body_that_does_not_say_so_is_counted() {
    let body = gzip(CREATED.as_bytes());
    passes_and_misses(answer_with("", &body), &body, "malformed").await;
}

#[tokio::test]
async fn a_coding_that_nobody_undoes_is_counted() {
    let step = answer_with("content-encoding: br\r\n", b"\x0b\x02\x80{}\x03");
    passes_and_misses(step, b"\x0b\x02\x80{}\x03", "encoded").await;
}

#[tokio::test]
async fn a_compressed_answer_is_read_and_the_client_gets_what_it_asked_for() {
    // A platform that compresses although nobody asked it to.
    let step = answer_with("content-encoding: gzip\r\n", &gzip(CREATED.as_bytes()));
    let (_platform, receiver, gateway) = peers(vec![step]).await;
    let plain = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(plain.text().await.unwrap(), CREATED);
    assert_eq!(receiver.wait_for(1).await[0].json()["data"]["_id"], "1");

    let body = format!(
        "{{\"data\":{{\"_id\":\"2\",\"appId\":\"a\",\"entryId\":\"e\",\"text\":\"{}\"}}}}",
        "x".repeat(500)
    );
    let step = answer_with("content-encoding: gzip\r\n", &gzip(body.as_bytes()));
    let (_platform, receiver, gateway) = peers(vec![step]).await;
    let call = gateway.post(CREATE, "key").header("accept-encoding", "gzip").json(&order("a"));
    let answer = call.send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let mut undone = String::new();
    let bytes = answer.bytes().await.unwrap();
    let mut decoder = flate2::read::GzDecoder::new(&bytes[..]);
    std::io::Read::read_to_string(&mut decoder, &mut undone).unwrap();
    assert_eq!(undone, body);
    assert_eq!(receiver.wait_for(1).await[0].json()["data"]["_id"], "2");
}

#[tokio::test]
async fn headers_that_are_no_text_and_odd_content_types_pass() {
    let headers = "x-odd: \u{e9}\r\ncontent-language: de\r\n";
    let odd = answer_with(headers, CREATED.as_bytes());
    let Step::Send(mut bytes) = odd else { unreachable!() };
    // One byte of Latin-1 in place of the two of UTF-8.
    let at = bytes.windows(2).position(|pair| pair == "\u{e9}".as_bytes()).unwrap();
    bytes.splice(at..at + 2, [0xe9]);
    let (_platform, receiver, gateway) = peers(vec![Step::Send(bytes)]).await;
    let body = order("a").to_string();
    let mut request = format!(
        "POST {CREATE} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain;charset=\"odd\r\ncontent-length: {}\r\nconnection: close\r\nx-request-id: ",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(b"\xe9\xff\r\ntraceparent: \xfe\r\nx-user: \xfd\r\n\r\n");
    request.extend_from_slice(body.as_bytes());
    let answer = exchange_bytes(gateway.address, &[request]).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(answer.ends_with(CREATED.as_bytes()));
    assert!(answer.windows(8).any(|bytes| bytes == b"x-odd: \xe9"));
    let push = receiver.wait_for(1).await.remove(0);
    assert!(!push.headers.contains_key("traceparent"));
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn every_way_to_end_a_body_makes_one_push() {
    let length = CREATED.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let (first, second) = CREATED.split_at(length / 2);
    for (name, text) in [
        ("length", format!("{head}content-length: {length}\r\n\r\n{CREATED}")),
        ("close", format!("{head}connection: close\r\n\r\n{CREATED}")),
        (
            "chunks",
            format!(
                "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                first.len(),
                second.len()
            ),
        ),
        (
            "trailers",
            format!(
                "{head}transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n{length:x}\r\n{CREATED}\r\n0\r\nx-sum: 1\r\n\r\n"
            ),
        ),
        (
            "informational",
            format!(
                "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n{head}content-length: {length}\r\n\r\n{CREATED}"
            ),
        ),
    ] {
        let (_platform, receiver, gateway) = peers(vec![Step::send(&text)]).await;
        let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), CREATED, "{name}");
        receiver.wait_for(1).await;
        gateway.wait_for_metric(PUSHED, 1.0).await;
        assert_eq!(receiver.received().len(), 1, "{name}");
        gateway.assert_vm_alive();
    }
}

/// Expects one miss for want of an answer, which the history tells of.
async fn is_unanswered(gateway: &Gateway, receiver: &Receiver) {
    gateway.wait_for_metric(&misses("unanswered"), 1.0).await;
    let texts = [r#""op":"data_create""#, r#""outcome":"not_captured""#, "may have happened"];
    gateway.wait_for_log(&["formhook.push {", texts[0], texts[1], texts[2], APP, ORDERS]).await;
    gateway.assert_vm_alive();
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_counted_as_unanswered() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    let (_platform, receiver, gateway) = peers(vec![Step::send(&format!("{head}{CREATED}"))]).await;
    let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
    answer.bytes().await.unwrap_err();
    is_unanswered(&gateway, &receiver).await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_is_counted_as_unanswered() {
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for client in [client(), http2] {
        let (_platform, receiver, gateway) = peers(vec![Step::Hang]).await;
        let call = client.post(gateway.url(CREATE)).json(&order("a"));
        // It waits until the platform has the request.
        let call = tokio::spawn(call.send());
        let sent = "cluster.form_platform.upstream_cx_tx_bytes_total";
        wait::until("the request to be with the platform", async || {
            let text = gateway.stats(&format!("/stats?filter=^{sent}$")).await;
            let bytes =
                text.trim().rsplit_once(' ').map(|(_, bytes)| bytes.parse::<u64>().unwrap());
            bytes.filter(|bytes| *bytes > 0)
        })
        .await;
        call.abort();
        is_unanswered(&gateway, &receiver).await;
    }
}

#[tokio::test]
async fn a_platform_that_reads_a_call_and_closes_may_have_carried_it_out() {
    let (_platform, receiver, gateway) = peers(Vec::new()).await;
    let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    is_unanswered(&gateway, &receiver).await;
}

#[tokio::test]
async fn a_platform_that_never_answers_may_have_carried_a_call_out() {
    let platform = Server::start(vec![Step::Hang]).await;
    let receiver = Receiver::start().await;
    let setup = Setup::new(platform.address, &plugin(&receiver.url("/"))).edited(|setup| {
        setup.routes().iter_mut().for_each(|route| route["route"]["timeout"] = json!("0.3s"));
    });
    let gateway = setup.start().await;
    let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
    assert_eq!(answer.status(), 504);
    is_unanswered(&gateway, &receiver).await;
}

#[tokio::test]
async fn another_gateway_that_got_no_answer_says_no_more_than_this_one() {
    for status in ["502 Bad Gateway", "504 Gateway Timeout"] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno");
        let (_platform, receiver, gateway) = peers(vec![Step::send(&answer)]).await;
        let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
        assert!(status.starts_with(answer.status().as_str()));
        is_unanswered(&gateway, &receiver).await;
    }
}

/// Has one call end without an answer, behind others that were no misses: so none is to come.
async fn is_the_first_miss(gateway: &Gateway, receiver: &Receiver) {
    let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    is_unanswered(gateway, receiver).await;
}

#[tokio::test]
async fn a_request_that_never_was_whole_changed_nothing() {
    let (_platform, receiver, gateway) = peers(Vec::new()).await;
    for path in [CREATE, UPDATE, DELETE] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{{");
        for _ in 0..20 {
            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    }
    wait::until("all streams to be over", async || {
        let text =
            gateway.stats("/stats?filter=http.gateway.downstream_(rq_total|rq_active)$").await;
        let is_over = text.contains("rq_active: 0") && text.contains("rq_total: 60");
        is_over.then_some(())
    })
    .await;
    is_the_first_miss(&gateway, &receiver).await;
}

#[tokio::test]
async fn a_call_that_the_gateway_did_not_send_on_changed_nothing() {
    let platform = Server::start(Vec::new()).await;
    let receiver = Receiver::start().await;
    let refusing = refusing_address().await;
    let setup = Setup::new(platform.address, &plugin(&receiver.url("/"))).edited(|setup| {
        let to = |cluster: &str| json!({"match": {"prefix": "/", "headers": [{"name": "x-to", "string_match": {"exact": cluster}}]},
                                         "route": {"cluster": cluster}});
        let mut direct = to("direct");
        direct.as_object_mut().unwrap().remove("route");
        direct["direct_response"] = json!({"status": 503});
        for route in [direct, to("refusing"), to("empty"), to("unknown")] {
            setup.routes().insert(0, route);
        }
        setup.at(ROUTES)["validate_clusters"] = json!(false);
        let cluster = |name: &str, hosts: Value| json!({"name": name, "type": "STATIC", "load_assignment": {
            "cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}});
        let host = json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": refusing.port()}}}});
        let clusters = setup.at("/static_resources/clusters").as_array_mut().unwrap();
        clusters.extend([cluster("refusing", json!([host])), cluster("empty", json!([]))]);
        // Behind the filter, one call is too many and another is forbidden.
        let filters = setup.http_filters().as_array_mut().unwrap();
        let deny = json!({"permissions": [{"header": {"name": "x-forbidden", "present_match": true}}], "principals": [{"any": true}]});
        let rbac = json!({"name": "rbac", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": {"forbidden": deny}}}});
        let fault = json!({"name": "fault", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "headers": [{"name": "x-fault", "present_match": true}],
            "abort": {"http_status": 504, "percentage": {"numerator": 100}}}});
        let at = filters.len() - 1;
        filters.splice(at..at, [rbac, fault]);
    });
    let gateway = setup.start().await;
    for (header, value, status) in [
        ("x-to", "direct", 503),
        ("x-to", "refusing", 503),
        ("x-to", "empty", 503),
        ("x-to", "unknown", 503),
        ("x-forbidden", "1", 403),
        ("x-fault", "1", 504),
    ] {
        let call = gateway.post(CREATE, "key").header(header, value).json(&order("a"));
        assert_eq!(call.send().await.unwrap().status(), status, "{header}: {value}");
    }
    is_the_first_miss(&gateway, &receiver).await;
}

#[tokio::test]
async fn an_answer_of_the_gateway_itself_is_no_event() {
    let receiver = Receiver::start().await;
    let config = json!({
        "operations": [{"method": "POST", "path": "/write", "op": "data_create",
                        "app_id": "literal:a", "entry_id": "literal:e",
                        "record_id": "literal:1", "record": "request:"}],
        "webhooks": [webhook("crm", &receiver.url("/"))],
    });
    // Nobody listens behind it; and a route that answers 200 by itself.
    let setup = Setup::new(refusing_address().await, &config).edited(|setup| {
        setup.routes().insert(
            0,
            json!({"match": {"prefix": "/", "headers": [{"name": "x-direct", "present_match": true}]},
                   "direct_response": {"status": 200, "body": {"inline_string": CREATED}}}),
        );
    });
    let gateway = setup.start().await;
    let failed = gateway.call("/write", "key", &json!({})).await;
    assert_eq!(failed.status(), 503);
    let direct = gateway.post("/write", "key").header("x-direct", "1").json(&json!({}));
    assert_eq!(direct.send().await.unwrap().status(), 200);
    let text = gateway.stats("/stats?filter=http.gateway.downstream_rq_completed").await;
    assert!(text.contains("downstream_rq_completed: 2"), "{text}");
    assert_eq!(gateway.metric(&events("data_create")).await, 0.0);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn answers_without_a_body_harm_nobody() {
    for head in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]
    {
        let (_platform, _receiver, gateway) = peers(vec![Step::send(head)]).await;
        let answer = gateway.post(CREATE, "key").json(&order("a")).send().await.unwrap();
        assert!(answer.status().is_success());
        gateway.wait_for_metric(&misses("malformed"), 1.0).await;
        let head = client().head(gateway.url(CREATE)).send().await.unwrap();
        assert!(head.status().is_success());
        gateway.assert_vm_alive();
    }
}

#[tokio::test]
async fn one_connection_may_carry_many_calls_at_once() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    // HTTP/1.1, pipelined: the second request is there before the first is answered.
    let key = platform.api_key();
    let request = |customer: &str, connection: &str| {
        let body = order(customer).to_string();
        format!(
            "POST {CREATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\nconnection: {connection}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let both = [request("a", "keep-alive"), request("b", "close")].concat();
    let answers = exchange(gateway.address, &[both]).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    receiver.wait_for(2).await;

    // HTTP/2, interleaved.
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let call = client.post(gateway.url(CREATE)).bearer_auth(key).json(&order("c"));
        calls.spawn(async { call.send().await.unwrap().status() });
    }
    assert!(calls.join_all().await.iter().all(|status| *status == 200));
    receiver.wait_for(22).await;
    gateway.wait_for_metric(PUSHED, 22.0).await;
}
