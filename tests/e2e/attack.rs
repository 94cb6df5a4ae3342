//! Somebody without a key, who does whatever HTTP allows, beside others who work: what these change is pushed as if
//! he were not there.
//!
//! `ATTACK=n` lets it go on for n seconds.

use super::support::gateway::{Gateway, Setup};
use super::support::receiver::Receiver;
use super::*;
use reqwest::Method;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const MIB: usize = 1 << 20;

/// What Envoy may take more while it is attacked: what its two workers may hold, and as much again for its own
/// buffers of connections.
const MOST_MEMORY: u64 = 4 * 64 * MIB as u64;

fn seconds() -> u64 {
    std::env::var("ATTACK").map_or(6, |seconds| seconds.parse().unwrap())
}

/// Opens a connection and writes as long as it may; then waits for its end, or for a while.
async fn send(to: SocketAddr, bytes: &[u8], stays: Duration) {
    let Ok(mut stream) = TcpStream::connect(to).await else { return };
    if stream.write_all(bytes).await.is_ok() {
        let _ = tokio::time::timeout(stays, stream.read_to_end(&mut Vec::new())).await;
    }
}

/// Bodies that are nearly there, and never end: many at once, each for as long as it is let.
async fn begins_bodies(to: SocketAddr, path: &'static str, until: Instant) {
    let mut bytes =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {MIB}\r\n\r\n").into_bytes();
    bytes.extend(format!(r#"{{"app_id":"{APP}","entry_id":"{ORDERS}","data":{{"x":""#).bytes());
    bytes.resize(1_000_000, b'x');
    while Instant::now() < until {
        send(to, &bytes, Duration::from_secs(5)).await;
    }
}

async fn floods_headers(to: SocketAddr, until: Instant) {
    let mut request = format!(
        "POST {CREATE} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntraceparent: {0}\r\ntracestate: {0}\r\nx-request-id: {0}\r\n",
        "x".repeat(4096)
    );
    for number in 0..80 {
        request.push_str(&format!("x-flood-{number}: {}\r\n", "y".repeat(500)));
    }
    request.push_str("content-length: 2\r\n\r\n{}");
    while Instant::now() < until {
        send(to, request.as_bytes(), Duration::from_secs(1)).await;
    }
}

async fn calls_odd_paths(to: SocketAddr, until: Instant) {
    let long = "z".repeat(40_000);
    let paths = [
        format!("/api/v1/app/{long}/entry/{long}/data_create").chars().take(55_000).collect(),
        format!("/api/v4/app/%00%ff{}/entry/e/data_update", "%2F".repeat(10_000)),
        format!("/api/{}v5/app/entry/data/create", "./".repeat(20_000)),
        format!("/api/{}v5/app/entry/data/create", "x/../".repeat(10_000)),
        format!("{CREATE};{}", "a=b;".repeat(10_000)),
        format!("/{}", "/".repeat(50_000)),
    ];
    while Instant::now() < until {
        for path in &paths {
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            send(to, request.as_bytes(), Duration::from_secs(1)).await;
        }
    }
}

/// Requests that never end, and are given up.
async fn aborts_calls(to: SocketAddr, until: Instant) {
    let request = format!(
        "POST {DELETE} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{{\"app_id\":\"0000\",\r\n"
    );
    while Instant::now() < until {
        send(to, request.as_bytes(), Duration::from_millis(2)).await;
    }
}

/// Requests that are whole and large, and get what the platform has for who has no key.
async fn sends_large_requests(to: SocketAddr, until: Instant) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    while Instant::now() < until {
        let call = client.post(format!("http://{to}{UPDATE}")).body("[".repeat(3 * MIB));
        let _ = call.timeout(Duration::from_secs(5)).send().await;
    }
}

/// Records of successful pushes in the history, by the records that they are of.
async fn successes(gateway: &Gateway) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/history?result=success&limit=100{cursor}");
        let page: Value =
            gateway.admin(Method::GET, &path).send().await.unwrap().json().await.unwrap();
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| item["record_id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

async fn is_attacked(has_aliases: bool) {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = plugin(&receiver.url("/"));
    config["forms"][0]["aliases_in_api"] = json!(has_aliases);
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    let name = if has_aliases { "customer" } else { CUSTOMER };
    let honest = |number: usize| json!({"app_id": APP, "entry_id": ORDERS, "data": {name: {"value": format!("{number}")}}});
    // What is there without an attack.
    gateway.call(CREATE, platform.api_key(), &honest(0)).await.bytes().await.unwrap();
    receiver.wait_for(1).await;
    let before = gateway.resident_bytes();

    let until = Instant::now() + Duration::from_secs(seconds());
    let to = gateway.address;
    let mut attackers = JoinSet::new();
    for _ in 0..85 {
        attackers.spawn(begins_bodies(to, CREATE, until));
        attackers.spawn(begins_bodies(to, UPDATE, until));
    }
    for _ in 0..4 {
        attackers.spawn(floods_headers(to, until));
        attackers.spawn(calls_odd_paths(to, until));
        attackers.spawn(aborts_calls(to, until));
        attackers.spawn(sends_large_requests(to, until));
    }
    let mut calls = 1;
    let mut most = before;
    while Instant::now() < until {
        let call = gateway.post(CREATE, platform.api_key()).json(&honest(calls));
        let answer = call.timeout(Duration::from_secs(30)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["data"][name], calls.to_string(), "{answer}");
        calls += 1;
        most = most.max(gateway.resident_bytes());
    }
    attackers.join_all().await;
    let pushes = receiver.wait_for(calls).await;
    let pushed: BTreeSet<_> =
        pushes.iter().map(|push| push.json()["data"]["_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(pushed.len(), calls);
    assert_eq!(platform.records(APP, ORDERS).len(), calls);
    support::wait::until("the history of all pushes", async || {
        (successes(&gateway).await == pushed).then_some(())
    })
    .await;
    // Calls of the attacker that the platform got whole, and whose answers he did not wait for, may have changed
    // something for all that anybody knows.
    let own = misses("unanswered");
    let metrics = gateway.metrics().await;
    let misses: Vec<_> = metrics
        .iter()
        .filter(|(name, count)| {
            name.starts_with("formhook_capture_misses_total") && **name != own && **count > 0.0
        })
        .collect();
    assert!(misses.is_empty(), "{misses:?}");
    let webhook: Value =
        gateway.admin(Method::GET, "/webhooks/crm").send().await.unwrap().json().await.unwrap();
    assert_eq!(webhook["state"]["status"], "active", "{webhook}");
    gateway.assert_vm_alive();
    let grown = most - before;
    println!("{calls} calls beside an attack of {} s: memory +{} MiB", seconds(), grown >> 20);
    assert!(grown < MOST_MEMORY, "{grown} bytes");
}

#[tokio::test]
async fn an_attacker_without_a_key_keeps_no_change_from_being_pushed() {
    is_attacked(false).await;
}

#[tokio::test]
async fn an_attacker_without_a_key_keeps_no_call_from_being_translated() {
    is_attacked(true).await;
}

#[tokio::test]
async fn the_heads_of_calls_that_never_come_take_no_room_from_others() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = plugin(&receiver.url("/"));
    config["limits"] = json!({"memory_bytes": MIB, "max_body_bytes": 64 * 1024});
    let gateway = Setup::new(platform.address(), &config).start().await;
    let head = format!(
        "POST /api/v1/app/{}/entry/e/data_create HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n",
        "x".repeat(50_000)
    );
    let mut heads = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        heads.push(stream);
    }
    support::wait::until("the calls to be under way", async || {
        let active = gateway.stats("/stats?filter=http.gateway.downstream_rq_active").await;
        (active.trim().rsplit_once(' ')?.1.parse::<u32>().ok()? >= 40).then_some(())
    })
    .await;
    for number in 1..=3 {
        let answer = gateway.call(CREATE, platform.api_key(), &order("honest")).await;
        assert_eq!(answer.status(), 200);
        receiver.wait_for(number).await;
    }
    assert_eq!(gateway.metric(&misses("overload")).await, 0.0);
    gateway.assert_vm_alive();
}
