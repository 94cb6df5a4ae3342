//! A target server that takes pushes down and answers as it is told.

use super::platform::listen;
use super::wait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A push as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub at: Instant,
    /// What it was answered.
    pub status: StatusCode,
}

impl Received {
    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A parameter of the query, as it stands there.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path_and_query.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answer = dyn Fn(&Received) -> Response + Send + Sync;

/// A running target server. It ends when this is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Takes every push.
    pub async fn start() -> Self {
        Self::answering(|_| StatusCode::OK.into_response()).await
    }

    /// Takes every push, at this address of the machine's own.
    pub async fn at(address: SocketAddr) -> Self {
        Self::serving(listen(address).unwrap(), Arc::new(|_| StatusCode::OK.into_response()))
    }

    /// Answers by a rule.
    pub async fn answering(rule: impl Fn(&Received) -> Response + Send + Sync + 'static) -> Self {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self::serving(listener, Arc::new(rule))
    }

    /// Takes every push, over TLS.
    pub async fn over_tls(acceptor: TlsAcceptor) -> Self {
        let tcp = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self::serving(Tls { tcp, acceptor }, Arc::new(|_| StatusCode::OK.into_response()))
    }

    fn serving<L>(listener: L, rule: Arc<Answer>) -> Self
    where
        L: Listener<Addr = SocketAddr>,
    {
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&received);
        let take = move |request: Request| async move {
            let (head, body) = request.into_parts();
            // A push that breaks off is none.
            let Ok(body) = to_bytes(body, usize::MAX).await else {
                return StatusCode::BAD_REQUEST.into_response();
            };
            let mut push = Received {
                path_and_query: head.uri.path_and_query().unwrap().to_string(),
                headers: head.headers,
                body: body.into(),
                at: Instant::now(),
                status: StatusCode::OK,
            };
            let answer = rule(&push);
            push.status = answer.status();
            seen.lock().unwrap().push(push);
            answer
        };
        let router = Router::new().fallback(take);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Receiver { address, received, task }
    }

    /// Its address as a plain URL.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What has arrived so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until so many pushes have arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        wait::until(&format!("{count} pushes"), async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts TLS connections; those that fail to agree are no concern of the server's.
struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.tcp.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// An answer with a body of so many bytes.
pub fn large_answer(bytes: usize) -> Response {
    Body::from(vec![b'x'; bytes]).into_response()
}
