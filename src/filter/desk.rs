//! A stream context of the admin listener: one request, answered here.

use crate::admin::{Admin, Answer, Handled, MAX_BODY_BYTES, Pending, Request};
use crate::delivery::{Heard, Probe};
use crate::host::wasm::{Envoy, chunk, header, reply};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};
use std::cell::RefCell;
use std::rc::Rc;

/// A request to the admin API or for the console.
pub(super) struct Desk {
    admin: Rc<RefCell<Admin>>,
    /// A request whose body is on its way.
    request: Option<Request>,
    /// What an answer is waited for.
    waiting: Option<Waiting>,
}

enum Waiting {
    /// A test push.
    Probe(Box<Probe>),
    /// The store was asked, for this request.
    Store(Request, Box<Pending>),
}

impl Desk {
    pub(super) fn new(admin: Rc<RefCell<Admin>>) -> Self {
        Desk { admin, request: None, waiting: None }
    }

    fn handle(&mut self, request: Request) {
        // None of Envoy's calls that this makes comes back here before it returns.
        let handled = self.admin.borrow_mut().handle(&Envoy, &request);
        self.handled(request, handled);
    }

    fn handled(&mut self, request: Request, handled: Handled) {
        match handled {
            Handled::Answered(answer) => send(&answer),
            Handled::Sent(_, probe) => self.waiting = Some(Waiting::Probe(probe)),
            Handled::Asked(_, pending) => self.waiting = Some(Waiting::Store(request, pending)),
        }
    }
}

impl Desk {
    /// The reply to what is waited for is there.
    pub(super) fn reply(&mut self, headers: usize, body: usize) {
        let reply = reply(headers, body);
        match self.waiting.take() {
            Some(Waiting::Probe(probe)) => match probe.hear(&Envoy, &reply) {
                Heard::Again(_, again) => self.waiting = Some(Waiting::Probe(again)),
                Heard::Over(probed) => {
                    let answer = self.admin.borrow_mut().probed(&Envoy, &probed);
                    send(&answer);
                }
            },
            Some(Waiting::Store(request, pending)) => {
                let handled = self.admin.borrow_mut().told(&Envoy, &request, pending, &reply);
                self.handled(request, handled);
            }
            None => {}
        }
    }

    pub(super) fn headers(&mut self, is_end: bool) -> Action {
        let text = |name| {
            let value = header(MapType::HttpRequestHeaders, name).unwrap_or_default();
            String::from_utf8_lossy(&value).into()
        };
        let request = Request {
            method: text(":method"),
            target: text(":path"),
            authority: text(":authority"),
            authorization: header(MapType::HttpRequestHeaders, "authorization"),
            source: source(),
            body: Vec::new(),
        };
        let admitted = self.admin.borrow_mut().admit(&Envoy, &request);
        match admitted {
            Err(answer) => send(&answer),
            Ok(()) if is_end => self.handle(request),
            Ok(()) => self.request = Some(request),
        }
        Action::Pause
    }

    pub(super) fn body(&mut self, size: usize, is_end: bool) -> Action {
        // Taken out as it comes: what Envoy holds it bounds by a limit of its own.
        let new = chunk(BufferType::HttpRequestBody, size);
        if size > 0 {
            let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, size, b"");
        }
        if let Some(mut request) = self.request.take() {
            if request.body.len().saturating_add(new.len()) > MAX_BODY_BYTES {
                send(&Answer::too_large());
                return Action::Pause;
            }
            request.body.extend_from_slice(&new);
            if is_end {
                self.handle(request);
            } else {
                self.request = Some(request);
            }
        }
        Action::Pause
    }

    pub(super) fn trailers(&mut self) -> Action {
        if let Some(request) = self.request.take() {
            self.handle(request);
        }
        Action::Pause
    }
}

fn send(answer: &Answer) {
    let own = answer.headers.iter().map(|(name, value)| (*name, &**value));
    let headers = Answer::COMMON.into_iter().chain(own).collect();
    let body = (!answer.body.is_empty()).then_some(&*answer.body);
    // If the caller is gone there is nobody to tell.
    let _ = hostcalls::send_http_response(answer.status.into(), headers, body);
}

/// The caller's address, without its port.
fn source() -> Box<str> {
    let address = hostcalls::get_property(vec!["source", "address"]).ok().flatten();
    let address = String::from_utf8_lossy(&address.unwrap_or_default()).into_owned();
    address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).into()
}
