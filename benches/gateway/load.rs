//! Calls: as many as go, or so many in a second.

use super::servers::{DIGITS, MARK, find, length};
use super::{clock, orders};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A watched call, and one that is not; both have the same bodies.
pub const WATCHED: &str = "/api/v5/app/entry/data/create";
pub const UNWATCHED: &str = "/api/v5/app/entry/data/list";

/// The number of the next call.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Connections of a closed loop.
const CLIENTS: usize = 16;

/// A call that was answered, in nanoseconds of the same clock.
pub struct Call {
    pub number: u64,
    pub began: u64,
    pub ended: u64,
}

/// A request, and where its number stands.
fn request(path: &str, bytes: usize) -> (Vec<u8>, usize) {
    let filler = "x".repeat(bytes.saturating_sub(200));
    let body = format!(
        r#"{{"app_id":"{}","entry_id":"{}","data":{{"_widget_1432728651402":{{"value":"{MARK}{}"}},"_widget_1432728651403":{{"value":"{filler}"}}}}}}"#,
        orders::APP,
        orders::ORDERS,
        "0".repeat(DIGITS),
    );
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: api.jodoo.com\r\nauthorization: Bearer key\r\n\
         content-type: application/json;charset=utf-8\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body.as_bytes()].concat();
    let at = find(&request, MARK.as_bytes()).unwrap() + MARK.len();
    (request, at)
}

/// The body of an answer.
pub async fn read_answer(stream: &mut TcpStream, input: &mut Vec<u8>) -> std::io::Result<Vec<u8>> {
    input.clear();
    loop {
        if let Some(head) = find(input, b"\r\n\r\n") {
            let end = head + 4 + length(&input[..head]);
            if input.len() >= end {
                assert!(input.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(input));
                return Ok(input[head + 4..end].to_vec());
            }
        }
        assert!(stream.read_buf(input).await? > 0, "the connection was closed");
    }
}

/// One connection, and the request that goes over it.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    at: usize,
    input: Vec<u8>,
}

impl Client {
    async fn new(gateway: SocketAddr, path: &str, bytes: usize) -> Self {
        let stream = TcpStream::connect(gateway).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (request, at) = request(path, bytes);
        Client { stream, request, at, input: Vec::new() }
    }

    async fn call(&mut self) -> Call {
        let began = clock();
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let digits = format!("{number:0DIGITS$}");
        self.request[self.at..self.at + DIGITS].copy_from_slice(digits.as_bytes());
        self.stream.write_all(&self.request).await.unwrap();
        read_answer(&mut self.stream, &mut self.input).await.unwrap();
        Call { number, began, ended: clock() }
    }
}

/// Makes so many calls, one after the other on each connection. Calls per second.
pub async fn as_many_as_go(
    gateway: SocketAddr,
    path: &'static str,
    bytes: usize,
    calls: usize,
) -> f64 {
    let left = Arc::new(AtomicUsize::new(calls));
    let mut clients = JoinSet::new();
    let begin = clock();
    for _ in 0..CLIENTS {
        let left = Arc::clone(&left);
        clients.spawn(async move {
            let mut client = Client::new(gateway, path, bytes).await;
            let take = || {
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            };
            while take().is_ok() {
                client.call().await;
            }
        });
    }
    clients.join_all().await;
    calls as f64 * 1e9 / (clock() - begin) as f64
}

/// Makes so many calls a second. A call begins when it is due, if its connection was not free then: a
/// gateway that is slow must not be asked less. Otherwise it begins when it is sent: Tokio's timer has a
/// grain of a millisecond, and what is late in that counts for nobody.
pub async fn at_rate(
    gateway: SocketAddr,
    path: &'static str,
    rate: u64,
    lasting: Duration,
) -> Vec<Call> {
    let calls = rate * lasting.as_millis() as u64 / 1000;
    let clients = (rate / 50).clamp(4, 64);
    let mut running = JoinSet::new();
    let begin = clock() + 50_000_000;
    for client in 0..clients {
        running.spawn(async move {
            let mut connection = Client::new(gateway, path, 1024).await;
            let mut done = Vec::new();
            for call in (client..calls).step_by(clients as usize) {
                let due = begin + call * 1_000_000_000 / rate;
                let wait = due.saturating_sub(clock());
                tokio::time::sleep(Duration::from_nanos(wait)).await;
                let call = connection.call().await;
                let began = if wait > 0 { call.began } else { due };
                done.push(Call { began, ..call });
            }
            done
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}
