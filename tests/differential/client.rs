//! The client's side of a pair.

use crate::generate::{CutOff, Framing, Pair, Platform as Does, Version};
use crate::message::{Message, Reader};
use crate::server::{PLAY, Platform};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Between two pieces of a slow body.
const PAUSE: Duration = Duration::from_millis(3);

/// How long a play may take. Far longer than it ever does: who runs into it got no answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What both sides saw of a call.
#[derive(Debug)]
pub struct Played {
    /// By the platform; `None` if no request came.
    pub seen: Option<Message>,
    /// By the client; `None` if no answer came, or none was waited for.
    pub answer: Option<Message>,
}

/// Plays a pair with this request body against a server.
pub async fn play(pair: &Pair, platform: &Platform, to: SocketAddr, body: &[u8]) -> Played {
    static PLAYS: AtomicU64 = AtomicU64::new(0);
    let play = PLAYS.fetch_add(1, Ordering::Relaxed).to_string();
    let seen = platform.expect(&play, pair);
    let is_direct = to == platform.address;
    let answer = async {
        match pair.version {
            // The platform itself speaks HTTP/1 only.
            Version::Http2 if !is_direct => over_http2(pair, to, &play, body).await,
            _ => over_http1(pair, to, &play, body).await,
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.ok().flatten();
    // The gateway may answer by itself, and who gave up is not told to the platform at once.
    let patience = match answer {
        Some(_) => Duration::from_secs(5),
        None => Duration::from_secs(1),
    };
    let seen = tokio::time::timeout(patience, seen).await.ok().and_then(Result::ok);
    platform.forget(&play);
    Played { seen, answer }
}

async fn over_http1(pair: &Pair, to: SocketAddr, play: &str, body: &[u8]) -> Option<Message> {
    let stream = TcpStream::connect(to).await.ok()?;
    stream.set_nodelay(true).unwrap();
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    let version = if pair.version == Version::Http10 { "1.0" } else { "1.1" };
    let mut head = format!("{} {} HTTP/{version}\r\n", pair.method, pair.path).into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    };
    if pair.version != Version::Http10 {
        add("host", b"api.jodoo.com");
    }
    add(PLAY, play.as_bytes());
    pair.headers.iter().for_each(|(name, value)| add(name, value));
    if pair.expects_continue {
        add("expect", b"100-continue");
    }
    match pair.request {
        Framing::Length => add("content-length", body.len().to_string().as_bytes()),
        Framing::Chunked(_) => add("transfer-encoding", b"chunked"),
        Framing::NoBody | Framing::Close => {}
    }
    if pair.request_trailers {
        add("trailer", b"x-end");
    }
    head.extend(b"\r\n");
    write.write_all(&head).await.ok()?;
    let mut early = None;
    if pair.expects_continue {
        let first = reader.head().await?;
        if first.status() != 100 {
            early = Some(first);
        }
    }
    let mut is_abandoned = false;
    let answer = async {
        let mut answer = match early {
            Some(answer) => answer,
            None => final_head(&mut reader).await?,
        };
        reader.answer_body(&mut answer, pair.method == "HEAD").await;
        Some(answer)
    };
    let sends = send(&mut write, pair, body, &mut is_abandoned);
    if let CutOff::After(_) = pair.request_end {
        sends.await;
        return None;
    }
    let (answer, ()) = tokio::join!(answer, sends);
    answer
}

async fn final_head(reader: &mut Reader<tokio::net::tcp::OwnedReadHalf>) -> Option<Message> {
    loop {
        let head = reader.head().await?;
        if head.status() >= 200 {
            return Some(head);
        }
    }
}

/// Sends a body, as far as it goes: who answers early may not read it.
async fn send(write: &mut OwnedWriteHalf, pair: &Pair, body: &[u8], is_abandoned: &mut bool) {
    let end = end(pair, body);
    *is_abandoned = end < body.len();
    let body = &body[..end];
    let piece = body.len().div_ceil(pair.pieces).max(1);
    for piece in body.chunks(piece) {
        let sent = match pair.request {
            Framing::Chunked(size) => {
                let chunks = piece.chunks(size).map(|chunk| {
                    let head = format!("{:x}\r\n", chunk.len());
                    [head.as_bytes(), chunk, b"\r\n"].concat()
                });
                write.write_all(&chunks.collect::<Vec<_>>().concat()).await
            }
            _ => write.write_all(piece).await,
        };
        if sent.is_err() {
            return;
        }
        if pair.pieces > 1 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    if matches!(pair.request, Framing::Chunked(_)) && !*is_abandoned {
        let trailers: &[u8] =
            if pair.request_trailers { b"x-end: of the request\r\n" } else { b"" };
        let _ = write.write_all(&[b"0\r\n", trailers, b"\r\n"].concat()).await;
    }
}

/// How much of a body is sent.
fn end(pair: &Pair, body: &[u8]) -> usize {
    match pair.request_end {
        CutOff::Never => body.len(),
        CutOff::After(bytes) => bytes.min(body.len().saturating_sub(1)),
    }
}

async fn over_http2(pair: &Pair, to: SocketAddr, play: &str, body: &[u8]) -> Option<Message> {
    let stream = TcpStream::connect(to).await.ok()?;
    stream.set_nodelay(true).unwrap();
    let (client, connection) = h2::client::handshake(stream).await.ok()?;
    let connection = tokio::spawn(connection);
    let answer = exchange(pair, client, play, body).await;
    connection.abort();
    answer
}

async fn exchange(
    pair: &Pair,
    client: h2::client::SendRequest<bytes::Bytes>,
    play: &str,
    body: &[u8],
) -> Option<Message> {
    let mut request = http::Request::builder()
        .method(pair.method)
        .uri(format!("http://api.jodoo.com{}", pair.path))
        .version(http::Version::HTTP_2)
        .header(PLAY, play);
    for (name, value) in &pair.headers {
        request = request.header(name, &value[..]);
    }
    if pair.request == Framing::Length {
        request = request.header("content-length", body.len());
    }
    let has_body = pair.request != Framing::NoBody;
    let mut client = client.ready().await.ok()?;
    let (answer, mut stream) = client.send_request(request.body(()).unwrap(), !has_body).ok()?;
    let sends = async {
        if !has_body {
            return;
        }
        let end = end(pair, body);
        let is_abandoned = end < body.len();
        let piece = end.div_ceil(pair.pieces).max(1);
        let mut pieces = body[..end].chunks(piece).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none() && !pair.request_trailers && !is_abandoned;
            if stream.send_data(piece.to_vec().into(), is_last).is_err() {
                return;
            }
            if pair.pieces > 1 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if is_abandoned {
            // What was said has a chance to arrive.
            tokio::time::sleep(PAUSE).await;
            stream.send_reset(h2::Reason::CANCEL);
        } else if pair.request_trailers {
            let trailers = [("x-end", "of the request")];
            let trailers = trailers.map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            let _ = stream.send_trailers(trailers.into_iter().collect());
        } else if end == 0 {
            let _ = stream.send_data(bytes::Bytes::new(), true);
        }
    };
    let reads = async {
        let (head, mut body) = answer.await.ok()?.into_parts();
        let fields = |map: &http::HeaderMap| {
            map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
        };
        let mut message = Message {
            first_line: format!("HTTP/2 {}", head.status.as_u16()),
            headers: fields(&head.headers),
            ..Message::default()
        };
        while let Some(chunk) = body.data().await {
            let Ok(chunk) = chunk else { return Some(message) };
            let _ = body.flow_control().release_capacity(chunk.len());
            message.body.extend(chunk);
        }
        if let Ok(trailers) = body.trailers().await {
            message.is_whole = true;
            message.trailers = trailers.as_ref().map(fields).unwrap_or_default();
        }
        Some(message)
    };
    let (answer, ()) = tokio::join!(reads, sends);
    answer.filter(|_| pair.request_end == CutOff::Never)
}

/// Whether the platform may have answered before it had read the request.
pub fn is_early(pair: &Pair) -> bool {
    pair.platform == Does::AnswersFirst
}
