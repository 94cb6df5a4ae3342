//! A stream context: one API call. It looks, and touches nothing but `accept-encoding`, and names
//! of fields where that is asked for.

use super::inbox::{Finished, Hold};
use super::root::Shared;
use super::translation::{SMALLEST_BUFFER_LIMIT, Translation};
use crate::capture::{self, Captured, Change, End, Exchange, Head, is_encoded};
use crate::host::wasm::{Envoy, chunk, header, number};
use crate::host::{Host, VIA_UPSTREAM};
use crate::request_line::RequestLine;
use crate::store::PushId;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};
use std::rc::Rc;

/// An API call. What is not watched has no exchange, and costs no more than that.
pub(super) struct Watch {
    shared: Rc<Shared>,
    /// This stream.
    id: u32,
    exchange: Option<Box<Exchange>>,
    /// How much of the response is to come, if its end may have to be held: a client that was told
    /// the length waits for no other end.
    to_come: Option<usize>,
    translation: Option<Translation>,
}

impl Watch {
    pub(super) fn new(shared: Rc<Shared>, id: u32) -> Self {
        Watch { shared, id, exchange: None, to_come: None, translation: None }
    }

    /// The response is complete. Envoy says so in one of three ways, or in none. Its end, with this
    /// many bytes before it, is held if its pushes are to be stored first.
    fn finish(&mut self, buffered: usize) -> Action {
        let Some(exchange) = self.exchange.take() else {
            return Action::Continue;
        };
        let end = exchange.finish(Envoy.now(), may_have_arrived);
        if let Some(call) = self.captured(end) {
            let id = PushId::random(&Envoy);
            show_in_access_log(call.operation.change, &id);
            let hold = match self.shared.holds.ack_timeout() {
                None => Hold::NotAsked,
                Some(_) if buffered > SMALLEST_BUFFER_LIMIT => Hold::TooLarge,
                Some(_) => Hold::Stream(self.id),
            };
            self.shared.hand_over(Finished::Captured { call, id, hold });
            if let Hold::Stream(stream) = hold {
                self.shared.holds.begin(stream);
                return Action::Pause;
            }
        }
        Action::Continue
    }

    /// The call that ended so, if there is anything to read; a change that was missed is told of.
    fn captured(&self, end: End) -> Option<Captured> {
        match end {
            End::Captured(call) => return Some(call),
            End::Missed(missed) => self.shared.hand_over(Finished::Missed(missed)),
            End::Unchanged => {}
        }
        None
    }
}

impl Watch {
    pub(super) fn request_headers(&mut self, is_end: bool) -> Action {
        #[cfg(feature = "crash")]
        crash_if_asked();
        let shared = Rc::clone(&self.shared);
        let config = &shared.config;
        let request = |name: &str| header(MapType::HttpRequestHeaders, name);
        let Some(path) = request(":path") else { return Action::Continue };
        let limit = config.limits.max_body_bytes;
        let line = RequestLine::new(&path, &request);
        let matched = config.operations.find(&line);
        self.exchange = matched.map(|matched| {
            Box::new(Exchange::begin(matched, limit, &self.shared.budget, Envoy.uptime(), request))
        });
        self.request_ended_if(is_end);
        self.translation = Translation::begin(&self.shared, self.id, &line, is_end);
        let is_read = self.exchange.is_some() || self.translation.is_some();
        if is_read && config.strip_accept_encoding {
            // A body that comes compressed could not be read.
            let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, "accept-encoding");
        }
        Action::Continue
    }

    pub(super) fn request_body(&mut self, size: usize, is_end: bool) -> Action {
        if size > 0
            && let Some(exchange) = &mut self.exchange
        {
            exchange.request_chunk(size, || chunk(BufferType::HttpRequestBody, size));
        }
        self.request_ended_if(is_end);
        if let Some(translation) = &mut self.translation {
            translation.request_body(size, is_end);
        }
        Action::Continue
    }

    fn request_ended_if(&mut self, is_end: bool) {
        if let Some(exchange) = self.exchange.as_mut().filter(|_| is_end) {
            exchange.request_ended();
        }
    }

    pub(super) fn request_trailers(&mut self) -> Action {
        if let Some(translation) = &mut self.translation
            && translation.request_trailers() == Action::Pause
        {
            return Action::Pause;
        }
        self.request_ended_if(true);
        Action::Continue
    }

    pub(super) fn response_headers(&mut self, is_end: bool) -> Action {
        if self.exchange.is_none() && self.translation.is_none() {
            return Action::Continue;
        }
        let coding = header(MapType::HttpResponseHeaders, "content-encoding");
        let head = Head {
            status: number(MapType::HttpResponseHeaders, ":status"),
            is_local: is_local_reply(),
            is_encoded: coding.is_some_and(|coding| is_encoded(&coding)),
        };
        if let Some(exchange) = &mut self.exchange {
            exchange.response_head(head);
        }
        if is_end {
            return self.finish(0);
        }
        if let Some(translation) = &mut self.translation {
            translation.response_headers(head);
        }
        if self.shared.holds.ack_timeout().is_some() && self.exchange.is_some() && head.is_success()
        {
            self.to_come = number(MapType::HttpResponseHeaders, "content-length");
            if self.to_come.is_some_and(|bytes| bytes > SMALLEST_BUFFER_LIMIT) {
                // Its last chunk could be too much to hold. Without a length its end is one of its own.
                let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, "content-length");
                self.to_come = None;
            }
        }
        Action::Continue
    }

    pub(super) fn response_body(&mut self, size: usize, is_end: bool) -> Action {
        if self.shared.holds.holds(self.id) {
            return Action::Pause;
        }
        if let Some(exchange) = &mut self.exchange
            && size > 0
            && exchange.response().make_room(size)
        {
            exchange.response().append(chunk(BufferType::HttpResponseBody, size));
        }
        self.to_come = self.to_come.map(|bytes| bytes.saturating_sub(size));
        let buffered = match &mut self.translation {
            Some(translation) => translation.response_body(size, is_end),
            None => size,
        };
        if is_end || self.to_come == Some(0) {
            return self.finish(buffered);
        }
        Action::Continue
    }

    pub(super) fn response_trailers(&mut self) -> Action {
        // They follow a body whose end was told by its length.
        if self.shared.holds.holds(self.id) {
            return Action::Pause;
        }
        if let Some(translation) = &mut self.translation
            && translation.response_trailers() == Action::Pause
        {
            return Action::Pause;
        }
        self.finish(0)
    }

    /// The stream is over.
    pub(super) fn over(&mut self) {
        self.shared.holds.forget(self.id);
        // If none of the ends of a response was seen, it was cut off.
        if let Some(exchange) = self.exchange.take() {
            self.captured(exchange.abort(may_have_arrived));
        }
    }
}

/// Ends the VM when a request asks for it, so that tests see what a crash leaves behind.
#[cfg(feature = "crash")]
#[allow(clippy::panic)]
fn crash_if_asked() {
    if header(MapType::HttpRequestHeaders, "x-formhook-crash").as_deref() == Some(b"request") {
        panic!("a test asked for it");
    }
}

/// Sets filter state, which an access log shows as `%FILTER_STATE(wasm.formhook_op:PLAIN)%` and
/// `%FILTER_STATE(wasm.formhook_push_id:PLAIN)%`.
fn show_in_access_log(change: Change, id: &PushId) {
    if let Change::Record(op) = change {
        for (name, value) in [("formhook_op", op.name()), ("formhook_push_id", id.as_str())] {
            let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
        }
    }
}

/// Whether the response that begins was made by Envoy and not by the platform.
fn is_local_reply() -> bool {
    property("response", "code_details").is_some_and(|details| details != VIA_UPSTREAM.as_bytes())
}

/// Whether the platform may have got the request, see [`capture::may_have_arrived`].
fn may_have_arrived() -> bool {
    let details = property("response", "code_details").unwrap_or_default();
    let attempts = property("upstream", "request_attempt_count");
    let attempts = attempts.and_then(|count| count.try_into().ok()).map_or(0, u64::from_le_bytes);
    // It is there once a connection has taken the request.
    let was_connected = property("upstream", "local_address").is_some_and(|at| !at.is_empty());
    capture::may_have_arrived(&details, attempts, was_connected)
}

fn property(of: &str, name: &str) -> Option<Vec<u8>> {
    hostcalls::get_property(vec![of, name]).ok().flatten()
}
