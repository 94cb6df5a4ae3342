//! Bodies far beyond what is copied: they pass byte for byte, and cost no memory.

use super::support::gateway::{Gateway, Setup};
use super::support::receiver::Receiver;
use super::*;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// Envoy's memory may move by this much while a body passes; the body is a multiple of it.
const FLAT: u64 = 16 * MIB as u64;

/// A machine that is busy with other tests makes and hashes few megabytes in a second.
const SLOWEST: Duration = Duration::from_secs(600);

/// A megabyte that is no repetition of itself, so that a chunk lost or sent twice is seen.
fn block(number: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + u8::try_from(state % 26).unwrap()
    };
    (0..MIB).map(|_| step()).collect()
}

/// A platform whose answer has as many megabytes as the query says, and which answers a request
/// with a body with that body's hash.
async fn platform() -> SocketAddr {
    let answer = |request: Request| async move {
        let megabytes: usize = request.uri().query().map_or(0, |query| query.parse().unwrap());
        let mut sha = Sha256::new();
        let mut body = request.into_body().into_data_stream();
        while let Some(chunk) = body.next().await {
            sha.update(chunk.unwrap());
        }
        if megabytes == 0 {
            return Body::from(hex(&sha.finalize()));
        }
        let blocks = (0..megabytes).map(|number| Ok::<_, std::io::Error>(block(number)));
        Body::from_stream(futures_util::stream::iter(blocks))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer);
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    address
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of_blocks(megabytes: usize) -> String {
    let mut sha = Sha256::new();
    (0..megabytes).for_each(|number| sha.update(block(number)));
    hex(&sha.finalize())
}

/// What passes, by hash, and how much memory Envoy took meanwhile at most.
async fn download(gateway: &Gateway, megabytes: usize) -> (String, u64) {
    let before = gateway.resident_bytes();
    let path = format!("{CREATE}?{megabytes}");
    let call = gateway.post(&path, "key").timeout(SLOWEST).json(&order("a"));
    let answer = call.send().await.unwrap();
    let mut sha = Sha256::new();
    let mut most = before;
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        sha.update(chunk.unwrap());
        most = most.max(gateway.resident_bytes());
    }
    (hex(&sha.finalize()), most - before)
}

#[tokio::test]
async fn large_answers_pass_unchanged_with_flat_memory() {
    let receiver = Receiver::start().await;
    let gateway = Setup::new(platform().await, &plugin(&receiver.url("/"))).start().await;
    // The first body warms up buffers that stay.
    for (number, megabytes) in [1, 5, 200].into_iter().enumerate() {
        let (hash, grown) = download(&gateway, megabytes).await;
        assert_eq!(hash, hash_of_blocks(megabytes), "{megabytes} MiB");
        assert!(grown < FLAT, "{megabytes} MiB took {grown} bytes of memory");
        println!("an answer of {megabytes} MiB: memory +{} KiB", grown / 1024);
        // A body of exactly 1 MiB is within the bound; it is no JSON.
        let reason = if megabytes == 1 { "malformed" } else { "too_large" };
        let count = if megabytes == 1 { 1.0 } else { number as f64 };
        gateway.wait_for_metric(&misses(reason), count).await;
    }
    gateway.assert_vm_alive();
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn large_requests_pass_unchanged_with_flat_memory() {
    let receiver = Receiver::start().await;
    let gateway = Setup::new(platform().await, &plugin(&receiver.url("/"))).start().await;
    for megabytes in [5, 200] {
        let before = gateway.resident_bytes();
        let blocks = (0..megabytes).map(|number| Ok::<_, std::io::Error>(block(number)));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(blocks));
        let call = gateway.post(CREATE, "key").timeout(SLOWEST).body(body);
        let answer = call.send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), hash_of_blocks(megabytes), "{megabytes} MiB");
        let grown = gateway.resident_bytes().saturating_sub(before);
        assert!(grown < FLAT, "{megabytes} MiB took {grown} bytes of memory");
        println!("a request of {megabytes} MiB: memory +{} KiB", grown / 1024);
    }
    gateway.assert_vm_alive();
}
