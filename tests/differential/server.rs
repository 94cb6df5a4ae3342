//! The platform's side of a pair: it takes a request down and answers as the pair says.

use crate::generate::{Coding, CutOff, Framing, Pair, Platform as Does};
use crate::message::{Message, Reader, value};
use crate::support::platform::listen;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::oneshot;

/// Says which play a request belongs to.
pub const PLAY: &str = "x-play";

/// What is answered in a play, and who wants to know what was seen.
struct Play {
    answer: Vec<u8>,
    head: Vec<u8>,
    /// How it ends if it is not told by its length.
    trailers: Vec<u8>,
    framing: Framing,
    does: Does,
    cut: CutOff,
    seen: oneshot::Sender<Message>,
}

type Plays = Arc<Mutex<HashMap<String, Play>>>;

pub struct Platform {
    pub address: SocketAddr,
    plays: Plays,
    task: tokio::task::JoinHandle<()>,
}

impl Platform {
    pub async fn start() -> Self {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let plays = Plays::default();
        let of_task = Arc::clone(&plays);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&of_task)));
            }
        });
        Platform { address, plays, task }
    }

    /// Begins a play. What is seen of its request comes once it is read or broken off.
    pub fn expect(&self, play: &str, pair: &Pair) -> oneshot::Receiver<Message> {
        let (seen, receiver) = oneshot::channel();
        let mut head = format!("HTTP/1.1 {} x\r\n", pair.status).into_bytes();
        let mut add = |name: &str, value: &[u8]| {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        pair.answer_headers.iter().for_each(|(name, value)| add(name, value));
        match pair.coding {
            Coding::Plain => {}
            Coding::Gzip => add("content-encoding", b"gzip"),
            Coding::Other => add("content-encoding", b"br"),
        }
        let mut trailers = Vec::new();
        if pair.answer_trailers {
            add("trailer", b"x-end");
            trailers = b"x-end: of the answer\r\n".to_vec();
        }
        let play_of = Play {
            answer: pair.coded_answer(),
            head,
            trailers,
            framing: pair.answer,
            does: pair.platform,
            cut: pair.answer_end,
            seen,
        };
        self.plays.lock().unwrap().insert(play.to_owned(), play_of);
        receiver
    }

    /// Ends a play, of which a request may never have come.
    pub fn forget(&self, play: &str) {
        self.plays.lock().unwrap().remove(play);
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, plays: Plays) {
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    while let Some(mut request) = reader.head().await {
        let play =
            value(&request.headers, PLAY).map(|play| String::from_utf8_lossy(play).into_owned());
        let Some(play) = play.and_then(|play| plays.lock().unwrap().remove(&play)) else { return };
        if play.does == Does::AnswersFirst {
            let goes_on = answer(&mut write, &play, &request).await;
            reader.request_body(&mut request).await;
            let _ = play.seen.send(request);
            if !goes_on {
                return;
            }
            continue;
        }
        if value(&request.headers, "expect").is_some()
            && write.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err()
        {
            return;
        }
        reader.request_body(&mut request).await;
        let goes_on = request.is_whole && answer(&mut write, &play, &request).await;
        let _ = play.seen.send(request);
        if !goes_on {
            return;
        }
    }
}

/// Answers. False if the connection is over.
async fn answer(write: &mut OwnedWriteHalf, play: &Play, request: &Message) -> bool {
    let is_old = request.first_line.ends_with("HTTP/1.0");
    // What HTTP/1.0 knows.
    let framing = match play.framing {
        Framing::Chunked(_) if is_old => Framing::Length,
        other => other,
    };
    let end = match play.cut {
        CutOff::Never => play.answer.len(),
        CutOff::After(bytes) => bytes.min(play.answer.len().saturating_sub(1)),
    };
    let mut head = play.head.clone();
    match framing {
        Framing::NoBody => {}
        Framing::Length => {
            head.extend(format!("content-length: {}\r\n", play.answer.len()).bytes());
        }
        Framing::Chunked(_) => head.extend(b"transfer-encoding: chunked\r\n"),
        Framing::Close => head.extend(b"connection: close\r\n"),
    }
    head.extend(b"\r\n");
    let sent = async {
        write.write_all(&head).await?;
        let body = &play.answer[..end];
        match framing {
            Framing::NoBody => {}
            Framing::Length | Framing::Close => write.write_all(body).await?,
            Framing::Chunked(size) => {
                for chunk in body.chunks(size) {
                    let head = format!("{:x}\r\n", chunk.len());
                    write.write_all(&[head.as_bytes(), chunk, b"\r\n"].concat()).await?;
                }
                if play.cut == CutOff::Never {
                    write.write_all(&[b"0\r\n", &play.trailers[..], b"\r\n"].concat()).await?;
                }
            }
        }
        write.flush().await
    };
    let is_over =
        sent.await.is_err() || is_old || framing == Framing::Close || play.cut != CutOff::Never;
    if is_over {
        let _ = write.shutdown().await;
    }
    !is_over
}
