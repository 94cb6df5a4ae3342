//! A stand-in for the form platform's open API, for tests and demonstrations.
//!
//! It keeps records in memory and answers like the platform does, errors included; it never pushes
//! anything, as the real one does not push what was changed through its API. It shares no code
//! with the filter, so that a misunderstanding there does not show up here as well. Where the
//! platform's documents are silent it does what they make likely, and a comment says so.
//!
//! Every file is named by its path, so that a test program may include this one from anywhere.

// A test program uses the part of it that it needs.
#![allow(dead_code, unused_imports)]

#[path = "platform/api.rs"]
mod api;
#[path = "platform/error.rs"]
mod error;
#[path = "platform/filter.rs"]
mod filter;
#[path = "platform/form.rs"]
mod form;
#[path = "platform/json.rs"]
mod json;
#[path = "platform/people.rs"]
mod people;
#[path = "platform/store.rs"]
mod store;
#[path = "platform/values.rs"]
mod values;
#[path = "platform/workflow.rs"]
mod workflow;

pub use form::{Field, Form, Kind};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use error::ApiError;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use store::Store;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

/// The one key that may call the API.
pub const API_KEY: &str = "IOLkxqEUh9HqMPAbvXeXNOhxEvxxAsTh";

/// A running platform. It stops when it is dropped.
#[derive(Debug)]
pub struct Platform {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    /// Nothing is ever sent: dropping it is what stops the server.
    _running: oneshot::Sender<()>,
}

/// A request as it arrived, whether it was answered or refused.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path, with the query if it had one.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

#[derive(Debug)]
struct Desk {
    store: Store,
    calls: Vec<Call>,
    /// Calls of paths with this end are refused for their number.
    limited: Option<&'static str>,
}

/// Listens there, with a queue for as many connections at once as a test may make: by tokio's own, of 1,024,
/// the kernel drops some of two thousand.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

impl Platform {
    /// Starts a platform with these forms on a free port of the loopback address.
    pub async fn start(forms: Vec<Form>) -> Platform {
        Platform::start_on((Ipv4Addr::LOCALHOST, 0).into(), forms).await
    }

    /// Starts a platform with these forms at an address that is known beforehand.
    pub async fn start_on(address: SocketAddr, forms: Vec<Form>) -> Platform {
        let listener = listen(address).expect("the address is free");
        let address = listener.local_addr().expect("a listener has an address");
        let desk = Arc::new(Mutex::new(Desk {
            store: Store::new(forms),
            calls: Vec::new(),
            limited: None,
        }));
        let router = Router::new()
            .fallback(handle)
            .layer(DefaultBodyLimit::disable())
            .with_state(desk.clone());
        let (running, stopped) = oneshot::channel::<()>();
        // An aborted task would leave the connections that are open to answer on; a shutdown
        // closes them.
        let server = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        tokio::spawn(server.into_future());
        Platform { address, desk, _running: running }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key to send as `Authorization: Bearer KEY`.
    pub fn api_key(&self) -> &str {
        API_KEY
    }

    /// The records of a form as version 5 of the API gives them, ascending by `_id`.
    pub fn records(&self, app_id: &str, entry_id: &str) -> Vec<Value> {
        self.desk().store.records((app_id, entry_id))
    }

    /// What arrived so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.desk().calls.clone()
    }

    /// Adds a form, or changes the structure of the one with the same ids. Records keep the values
    /// of the fields that keep their type.
    pub fn set_form(&self, form: Form) {
        self.desk().store.set_form(form);
    }

    /// Sets a field to a value, in the shape of an answer, the way a person does in the pages: also
    /// a field that the API cannot write, such as a signature.
    pub fn set_value(
        &self,
        (app_id, entry_id): (&str, &str),
        data_id: &str,
        field_id: &str,
        value: Value,
    ) {
        self.desk().store.set_value((app_id, entry_id), data_id, field_id, value);
    }

    /// Whether all calls are refused for their number (code 8303).
    pub fn limit_rate(&self, exceeded: bool) {
        self.desk().limited = exceeded.then_some("");
    }

    /// The same of those calls whose path ends so.
    pub fn limit_rate_of(&self, tail: &'static str) {
        self.desk().limited = Some(tail);
    }

    /// Makes the next `batch_create` fail after this many records; the earlier ones stay.
    pub fn break_next_batch(&self, after: usize) {
        self.desk().store.break_next_batch(after);
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no handler panicked")
    }
}

impl Call {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

async fn handle(
    State(desk): State<Arc<Mutex<Desk>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut desk = desk.lock().expect("no handler panicked");
    let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str()).to_owned();
    let call = Call { method, path, headers, body };
    let answer = desk.answer(&call, uri.path());
    desk.calls.push(call);
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (StatusCode::BAD_REQUEST, error.body()),
    };
    (status, [(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

impl Desk {
    fn answer(&mut self, call: &Call, path: &str) -> Result<String, ApiError> {
        if call.method != Method::POST {
            return Err(error::INVALID_REQUEST);
        }
        let key = call.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if key.and_then(|value| value.strip_prefix("Bearer ")) != Some(API_KEY) {
            return Err(error::AUTHORIZATION);
        }
        if self.limited.is_some_and(|tail| path.ends_with(tail)) {
            return Err(error::COMPANY_RATE);
        }
        api::answer(&mut self.store, path, &call.body)
    }
}
