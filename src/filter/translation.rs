//! An API call whose bodies get other names of fields on their way, see [`crate::translate`].
//!
//! A body is held until it is whole, and its headers with it: its length changes. Chunks are taken
//! out as they come, since what Envoy holds for a filter it bounds by itself, and ends the call
//! with an error. What cannot be translated goes on as it came.

use super::inbox::Finished;
use super::root::Shared;
use crate::capture::{self, Head, Miss, is_encoded};
use crate::form::{Form, FormKey, Forms};
use crate::host::wasm::{chunk, header, number};
use crate::json::Document;
use crate::translate::{Direction, Endpoint, form_of, translated};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};
use std::rc::Rc;

/// What is done to a body.
enum Body {
    /// It passes.
    Passes,
    /// It passes, and is read for the form that it names.
    Read(capture::Body),
    /// It is held.
    Held(capture::Body),
}

/// One way of a call.
struct Way {
    buffer: BufferType,
    headers: MapType,
    direction: Direction,
}

const REQUEST: Way = Way {
    buffer: BufferType::HttpRequestBody,
    headers: MapType::HttpRequestHeaders,
    direction: Direction::Ids,
};
const RESPONSE: Way = Way {
    buffer: BufferType::HttpResponseBody,
    headers: MapType::HttpResponseHeaders,
    direction: Direction::Aliases,
};

/// What describes the bytes of an answer, and is not true of a translated one.
const OF_THE_BYTES: [&str; 5] = ["etag", "content-md5", "digest", "content-digest", "repr-digest"];

/// An API call that is translated.
pub(super) struct Translation {
    shared: Rc<Shared>,
    /// The form is known once the request that names it is.
    endpoint: Endpoint,
    request: Body,
    response: Body,
}

impl Translation {
    /// The translation of a request that begins with these headers, if there is any.
    pub(super) fn begin(shared: &Rc<Shared>, path: &[u8], is_end: bool) -> Option<Self> {
        let prefix = shared.config.path_prefix.as_deref()?;
        if !shared.speaks_aliases() {
            return None;
        }
        let forms = shared.forms();
        let method = header(MapType::HttpRequestHeaders, ":method")?;
        let endpoint = Endpoint::find(prefix, &method, path)?;
        if endpoint.form.as_ref().is_some_and(|form| speaking(&forms, form).is_none()) {
            return None;
        }
        let reads = endpoint.form.is_none() || !endpoint.request.is_empty();
        let mut translation = Translation {
            shared: Rc::clone(shared),
            endpoint,
            request: Body::Passes,
            response: Body::Passes,
        };
        if reads && !is_end && translation.may_read(&REQUEST) {
            let copied = translation.copied();
            translation.request = match translation.endpoint.request.is_empty() {
                true => Body::Read(copied),
                false => Body::Held(copied),
            };
        }
        Some(translation)
    }

    /// Whether the headers of the request have to wait for its body.
    pub(super) fn holds_request(&self) -> bool {
        matches!(self.request, Body::Held(_))
    }

    /// The request passes, and is not understood.
    pub(super) fn give_up(&mut self) {
        self.request = Body::Passes;
    }

    pub(super) fn request_body(&mut self, size: usize, is_end: bool) -> Action {
        let body = std::mem::replace(&mut self.request, Body::Passes);
        let (body, action) = self.pass(&REQUEST, body, size, is_end);
        self.request = body;
        action
    }

    /// The answer begins. Whether its headers have to wait for its body.
    pub(super) fn response_headers(&mut self, head: Head) -> Action {
        if !head.is_success() || self.endpoint.response.is_empty() {
            return Action::Continue;
        }
        let forms = self.shared.forms();
        let form = self.endpoint.form.as_ref().and_then(|form| speaking(&forms, form));
        if form.is_none() || !self.may_read(&RESPONSE) {
            return Action::Continue;
        }
        self.response = Body::Held(self.copied());
        Action::Pause
    }

    pub(super) fn response_body(&mut self, size: usize, is_end: bool) -> Action {
        let body = std::mem::replace(&mut self.response, Body::Passes);
        let (body, action) = self.pass(&RESPONSE, body, size, is_end);
        self.response = body;
        action
    }

    /// Handles a chunk. What the body is from now on, and what Envoy has to do.
    fn pass(&mut self, way: &Way, body: Body, size: usize, is_end: bool) -> (Body, Action) {
        let (mut copied, is_held) = match body {
            Body::Passes => return (Body::Passes, Action::Continue),
            Body::Read(copied) => (copied, false),
            Body::Held(copied) => (copied, true),
        };
        if size > 0 {
            let new = chunk(way.buffer, size);
            if let Err(miss) = copied.reserve(new.len()) {
                self.untranslated(miss);
                if is_held {
                    put(way, size, &[copied.bytes().unwrap_or_default(), &new].concat());
                }
                return (Body::Passes, Action::Continue);
            }
            copied.append(new);
        }
        // Envoy's decompressor gives an answer trailers, behind an empty chunk. Were that one stopped,
        // Envoy would never come to them.
        let is_end = is_end || size == 0 && way.direction == Direction::Aliases;
        if !is_end {
            if is_held && size > 0 {
                put(way, size, b"");
            }
            return match is_held {
                true => (Body::Held(copied), Action::Pause),
                false => (Body::Read(copied), Action::Continue),
            };
        }
        let old = copied.bytes().unwrap_or_default();
        let new = self.translate(way, old);
        if is_held {
            put(way, size, new.as_deref().unwrap_or(old));
            if let Some(new) = new {
                mend_headers(way, new.len());
            }
        }
        (Body::Passes, Action::Continue)
    }

    /// A whole body in the other language; `None` if it stays as it is.
    fn translate(&mut self, way: &Way, bytes: &[u8]) -> Option<Vec<u8>> {
        let Ok(document) = Document::parse(bytes) else {
            self.untranslated(Miss::Malformed);
            return None;
        };
        let places = match way.direction {
            Direction::Ids => {
                let form = self.endpoint.form.take();
                self.endpoint.form = form.or_else(|| form_of(document.root()));
                self.endpoint.request
            }
            Direction::Aliases => self.endpoint.response,
        };
        let forms = self.shared.forms();
        let form = speaking(&forms, self.endpoint.form.as_ref()?)?;
        translated(&document, places, &form.fields, way.direction)
    }

    /// Whether a body can be read; if not it is counted why.
    fn may_read(&self, way: &Way) -> bool {
        let coding = header(way.headers, "content-encoding");
        let length: Option<usize> = number(way.headers, "content-length");
        let miss = if coding.is_some_and(|coding| is_encoded(&coding)) {
            Miss::Encoded
        } else if length.is_some_and(|length| length > self.shared.config.limits.max_body_bytes) {
            Miss::TooLarge
        } else {
            return true;
        };
        self.untranslated(miss);
        false
    }

    fn copied(&self) -> capture::Body {
        let Shared { config, budget, .. } = &*self.shared;
        capture::Body::new(config.limits.max_body_bytes, budget.reservation())
    }

    /// A body goes as it came, and why.
    fn untranslated(&self, miss: Miss) {
        self.shared.hand_over(Finished::Untranslated(miss));
    }
}

/// The form with this key, if the API's callers may speak of it by aliases.
fn speaking<'f>(forms: &'f Forms, key: &FormKey) -> Option<&'f Form> {
    forms.get(key).filter(|form| form.speaks_aliases())
}

/// Puts bytes in the place of the chunk that is being handled.
fn put(way: &Way, size: usize, bytes: &[u8]) {
    if hostcalls::set_buffer(way.buffer, 0, size, bytes).is_err() {
        log::error!("the host does not take a translated body");
    }
}

/// Has the headers fit a body of so many bytes.
fn mend_headers(way: &Way, bytes: usize) {
    let length = bytes.to_string();
    if header(way.headers, "content-length").is_some() {
        let _ = hostcalls::set_map_value(way.headers, "content-length", Some(&length));
    }
    if way.direction == Direction::Aliases {
        for name in OF_THE_BYTES {
            let _ = hostcalls::remove_map_value(way.headers, name);
        }
    }
}
