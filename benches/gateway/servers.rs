//! The platform and the receiver of the measurements, each in a process of its own: bare HTTP/1.1, so
//! that they take as little of the machine as can be.
//!
//! Each call has a number, twelve digits behind [`MARK`]. The platform answers a record whose `_id` ends in
//! it, and the receiver keeps when it came.

use super::clock;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub const MARK: &str = "call~";
pub const DIGITS: usize = 12;
/// The beginning of a push's body and of a mirrored call's tells its number, as far as this.
const HEAD: usize = 400;
const ROLE: &str = "FORMHOOK_BENCH_SERVER";
const FIELDS: &str = "FORMHOOK_BENCH_FIELDS";

/// Serves if this process was started for that, and never returns then.
pub async fn serve_if_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let fields: usize = std::env::var(FIELDS).unwrap().parse().unwrap();
    let record = Arc::new(record(fields));
    let times = Arc::new(Mutex::new(Vec::<(u64, u64)>::new()));
    let count = Arc::new(AtomicUsize::new(0));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (record, times, count) = (Arc::clone(&record), Arc::clone(&times), Arc::clone(&count));
        let is_platform = role == "platform";
        tokio::spawn(async move {
            let _ = serve(stream, |head, body| {
                if is_platform {
                    let mut answer = record.as_bytes().to_vec();
                    let at = find(&answer, b"_id\":\"").unwrap() + 6 + DIGITS;
                    if let Some(number) = number_of(body) {
                        answer[at..at + DIGITS].copy_from_slice(number);
                    }
                    return answer;
                }
                if head.starts_with(b"GET /count") {
                    return count.load(Ordering::SeqCst).to_string().into_bytes();
                }
                if head.starts_with(b"GET /times") {
                    let times = std::mem::take(&mut *times.lock().unwrap());
                    let pairs = times.iter().flat_map(|(number, at)| [*number, *at]);
                    return pairs.flat_map(u64::to_le_bytes).collect();
                }
                let number = number_of(body).map(|digits| std::str::from_utf8(digits).unwrap());
                if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
                    times.lock().unwrap().push((number, clock()));
                }
                count.fetch_add(1, Ordering::SeqCst);
                Vec::new()
            })
            .await;
        });
    }
}

/// The number in a call's body, or in that of its push.
fn number_of(body: &[u8]) -> Option<&[u8]> {
    let head = &body[..body.len().min(HEAD)];
    let at = match find(head, MARK.as_bytes()) {
        Some(at) => at + MARK.len(),
        None => find(head, b"_id\":\"")? + 6 + DIGITS,
    };
    body.get(at..at + DIGITS)
}

pub fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

async fn serve(
    mut stream: TcpStream,
    answer: impl Fn(&[u8], &[u8]) -> Vec<u8>,
) -> std::io::Result<()> {
    let mut input = Vec::new();
    loop {
        let (head, body) = loop {
            if let Some(head) = find(&input, b"\r\n\r\n") {
                let body = length(&input[..head]);
                if input.len() >= head + 4 + body {
                    break (head, body);
                }
            }
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        let said = answer(&input[..head], &input[head + 4..head + 4 + body]);
        let mut output = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            said.len()
        )
        .into_bytes();
        output.extend(said);
        stream.write_all(&output).await?;
        input.drain(..head + 4 + body);
    }
}

/// `content-length` of a head.
pub fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length.unwrap_or(0)
}

/// A record with so many fields of about 50 bytes, as the platform answers it.
fn record(fields: usize) -> String {
    let mut text = format!(
        r#"{{"data":{{"_id":"{}","appId":"{}","entryId":"{}","createTime":"2026-05-12T08:45:09.018Z","updateTime":"2026-05-12T08:45:09.018Z""#,
        "0".repeat(2 * DIGITS),
        super::orders::APP,
        super::orders::ORDERS,
    );
    for number in 0..fields {
        text += &format!(r#","_widget_14327286{:05}":"a value {number:06}""#, 51402 + number);
    }
    text + "}}"
}

/// A server process. It ends when this is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start(role: &str, fields: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, role)
            .env(FIELDS, fields.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Server { child, port: line.trim().parse().unwrap() }
    }

    async fn get(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        super::load::read_answer(&mut stream, &mut answer).await.unwrap()
    }

    /// How many pushes came so far.
    pub async fn count(&self) -> u64 {
        String::from_utf8(self.get("/count").await).unwrap().parse().unwrap()
    }

    /// When each push came, by the number of its call, of those that came since this was last asked.
    pub async fn times(&self) -> Vec<(u64, u64)> {
        let bytes = self.get("/times").await;
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        bytes.chunks(16).map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
