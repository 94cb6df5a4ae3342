//! An API call whose bodies get other names of fields on their way, see [`crate::translate`].
//!
//! A body is taken out of Envoy's buffer chunk by chunk and put back as a whole when it is complete.
//! Nothing is left in that buffer meanwhile and no callback answers `Pause`: what Envoy holds for a
//! filter it bounds by a limit that the filter does not know, and beyond it ends the call, from within
//! the filter's own callback where that one adds to the buffer. The headers go on before the body, so
//! they tell no length. What cannot be translated goes on as it came.

use super::inbox::Finished;
use super::root::Shared;
use crate::capture::{self, Head, HeldRequest, Miss, is_encoded};
use crate::form::{Form, FormKey, Forms};
use crate::host::wasm::{chunk, header, number};
use crate::json::{Document, DocumentEnd};
use crate::request_line::RequestLine;
use crate::translate::{Direction, Endpoint, form_of, translated};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, BufferType, MapType};
use std::rc::Rc;

/// The smallest limit of Envoy's buffers that a gateway is expected to have: Envoy Gateway sets 32 KiB.
/// As much may be in a buffer that may have the limit.
pub(super) const SMALLEST_BUFFER_LIMIT: usize = 32 * 1024;

/// What is done to a body.
enum Body {
    /// It passes.
    Passes,
    /// It passes, and is read for the form that it names.
    Read(capture::Body),
    /// It is taken out until it is complete.
    Held(Held),
}

/// The chunks of a body that were taken out of Envoy's buffer.
struct Held {
    chunks: Chunks,
    end: End,
    /// The body in the other language, if it is complete and waits for the next callback.
    translated: Option<Vec<u8>>,
}

enum Chunks {
    /// Of a request, which anybody can begin and nobody has to end.
    Request(HeldRequest),
    Answer(capture::Body),
}

impl Chunks {
    /// How many bytes there are; `None` if they were given up, and the call with them.
    fn len(&self) -> Option<usize> {
        match self {
            Chunks::Request(held) => held.bytes(),
            Chunks::Answer(body) => Some(body.bytes().map_or(0, <[u8]>::len)),
        }
    }

    /// Makes room for a chunk; the error says why there is none.
    fn reserve(&mut self, bytes: usize) -> Result<(), Miss> {
        match self {
            Chunks::Request(held) => held.reserve(bytes),
            Chunks::Answer(body) => body.reserve(bytes),
        }
    }

    fn append(&mut self, chunk: Vec<u8>) {
        match self {
            Chunks::Request(held) => held.append(&chunk),
            Chunks::Answer(body) => body.append(chunk),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Chunks::Request(held) => held.take(),
            Chunks::Answer(body) => body.take(),
        }
    }
}

/// How the end of a body is known before Envoy tells it. Envoy may tell it by trailers, and then there
/// is no chunk any more into whose place a body can be put.
enum End {
    /// So many bytes are to come.
    Length(usize),
    /// The headers told no length, and perhaps that there are trailers.
    Document { end: DocumentEnd, has_trailers: bool },
}

impl End {
    /// Whether a body is complete with this chunk.
    fn is_in(&mut self, chunk: &[u8]) -> bool {
        match self {
            End::Length(to_come) => {
                *to_come = to_come.saturating_sub(chunk.len());
                *to_come == 0
            }
            End::Document { end, .. } => end.is_in(chunk),
        }
    }
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

/// What describes the bytes of a body, and is not true of a translated one.
const OF_THE_BYTES: [&str; 6] =
    ["content-length", "content-md5", "digest", "content-digest", "repr-digest", "etag"];

/// An API call that is translated.
pub(super) struct Translation {
    shared: Rc<Shared>,
    stream: u32,
    /// The form is known once the request that names it is.
    endpoint: Endpoint,
    request: Body,
    response: Body,
}

impl Translation {
    /// The translation of a request that begins with these headers, if there is any.
    pub(super) fn begin(
        shared: &Rc<Shared>,
        stream: u32,
        line: &RequestLine<'_>,
        is_end: bool,
    ) -> Option<Self> {
        let prefix = shared.config.path_prefix.as_deref()?;
        if !shared.speaks_aliases() {
            return None;
        }
        let forms = shared.forms();
        let endpoint = Endpoint::find(prefix, line)?;
        if endpoint.form.as_ref().is_some_and(|form| speaking(&forms, form).is_none()) {
            return None;
        }
        let reads = endpoint.form.is_none() || !endpoint.request.is_empty();
        let mut translation = Translation {
            shared: Rc::clone(shared),
            stream,
            endpoint,
            request: Body::Passes,
            response: Body::Passes,
        };
        if reads && !is_end && translation.may_read(&REQUEST) {
            translation.request = match translation.endpoint.request.is_empty() {
                true => Body::Read(translation.copy()),
                false => translation.hold(&REQUEST),
            };
        }
        Some(translation)
    }

    /// Handles a chunk of the request.
    pub(super) fn request_body(&mut self, size: usize, is_end: bool) {
        let body = std::mem::replace(&mut self.request, Body::Passes);
        self.request = self.pass(&REQUEST, body, size, is_end).0;
    }

    /// The request ends by trailers.
    pub(super) fn request_trailers(&mut self) -> Action {
        let body = std::mem::replace(&mut self.request, Body::Passes);
        self.end_without_chunk(&REQUEST, body)
    }

    /// The answer begins.
    pub(super) fn response_headers(&mut self, head: Head) {
        if !head.is_success() || self.endpoint.response.is_empty() {
            return;
        }
        let forms = self.shared.forms();
        let form = self.endpoint.form.as_ref().and_then(|form| speaking(&forms, form));
        if form.is_some() && self.may_read(&RESPONSE) {
            self.response = self.hold(&RESPONSE);
        }
    }

    /// Handles a chunk of the answer. How many bytes of it are in Envoy's buffer then.
    pub(super) fn response_body(&mut self, size: usize, is_end: bool) -> usize {
        let body = std::mem::replace(&mut self.response, Body::Passes);
        let (body, left) = self.pass(&RESPONSE, body, size, is_end);
        self.response = body;
        left
    }

    /// The answer ends by trailers.
    pub(super) fn response_trailers(&mut self) -> Action {
        let body = std::mem::replace(&mut self.response, Body::Passes);
        self.end_without_chunk(&RESPONSE, body)
    }

    /// Begins to take a body out. Its headers go on now, before it is known what becomes of it.
    fn hold(&self, way: &Way) -> Body {
        let length = number(way.headers, "content-length");
        for name in OF_THE_BYTES {
            let _ = hostcalls::remove_map_value(way.headers, name);
        }
        let end = match length {
            Some(length) => End::Length(length),
            None => End::Document {
                end: DocumentEnd::default(),
                has_trailers: header(way.headers, "trailer").is_some(),
            },
        };
        let Shared { config, budget, .. } = &*self.shared;
        let limit = config.limits.max_body_bytes;
        let chunks = match way.direction {
            Direction::Ids => Chunks::Request(budget.hold(self.stream, limit)),
            Direction::Aliases => Chunks::Answer(capture::Body::new(limit, budget.pinned())),
        };
        Body::Held(Held { chunks, end, translated: None })
    }

    /// Handles a chunk. What the body is from now on, and how much is in Envoy's buffer.
    fn pass(&mut self, way: &Way, body: Body, size: usize, is_end: bool) -> (Body, usize) {
        let mut held = match body {
            Body::Passes => return (Body::Passes, size),
            Body::Read(copy) => return (self.read(way, copy, size, is_end), size),
            Body::Held(held) => held,
        };
        if let Some(translated) = &held.translated {
            return (Body::Passes, size.saturating_add(put(way, 0, translated)));
        }
        let Some(length) = held.chunks.len() else {
            // The call is about to be ended.
            return (Body::Held(held), put(way, size, b""));
        };
        let room = held.chunks.reserve(size);
        if self.shared.budget.has_given_up() {
            self.shared.wake_root();
        }
        if let Err(miss) = room {
            self.untranslated(miss);
            // Before the chunk, of which there may be too much to read.
            return (Body::Passes, size.saturating_add(put(way, 0, &held.chunks.take())));
        }
        let new = chunk(way.buffer, size);
        let is_first = length == 0;
        // Envoy's decompressor gives an answer trailers, behind an empty chunk.
        let is_before_trailers = size == 0 && way.direction == Direction::Aliases;
        let is_whole = is_end || is_before_trailers || held.end.is_in(&new);
        held.chunks.append(new);
        if !is_whole {
            return (Body::Held(held), put(way, size, b""));
        }
        let old = held.chunks.take();
        if old.is_empty() {
            return (Body::Passes, size);
        }
        let Some(new) = self.translate(way, &old) else {
            let left = if is_first { size } else { put(way, size, &old) };
            return (Body::Passes, left);
        };
        // A body that comes in one piece may come from a filter that had Envoy hold it. That buffer has a limit,
        // and to go beyond it ends the call from within this callback.
        let fits = !is_first || new.len() <= size.max(SMALLEST_BUFFER_LIMIT);
        if fits {
            (Body::Passes, put(way, size, &new))
        } else if is_end || matches!(held.end, End::Document { has_trailers: true, .. }) {
            // There is no later callback into whose chunk it could be put.
            self.untranslated(Miss::TooLarge);
            (Body::Passes, size)
        } else {
            held.translated = Some(new);
            (Body::Held(held), put(way, size, b""))
        }
    }

    /// Handles a chunk of a request that passes and is read.
    fn read(&mut self, way: &Way, mut copy: capture::Body, size: usize, is_end: bool) -> Body {
        if let Err(miss) = copy.reserve(size) {
            self.untranslated(miss);
            return Body::Passes;
        }
        copy.append(chunk(way.buffer, size));
        if !is_end {
            return Body::Read(copy);
        }
        // It tells the form, and has no names of fields in it.
        let _ = self.translate(way, copy.bytes().unwrap_or_default());
        Body::Passes
    }

    /// Trailers end a body. Whether they go on.
    fn end_without_chunk(&mut self, way: &Way, body: Body) -> Action {
        match body {
            Body::Passes => {}
            Body::Read(copy) => drop(self.read(way, copy, 0, true)),
            Body::Held(held) if held.translated.is_none() && held.chunks.len() == Some(0) => {}
            // A document that was cut off, told no length, and ends by trailers all the same: there is no chunk any
            // more into whose place it could be put. To pass the rest as if it were whole would be worse than to
            // end the call. Envoy does not survive that from within this callback, so the root does it.
            Body::Held(_) => {
                self.untranslated(Miss::Malformed);
                self.shared.end_stream(self.stream);
                return Action::Pause;
            }
        }
        Action::Continue
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

    fn copy(&self) -> capture::Body {
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

/// Puts bytes in the place of the first `size` bytes of the chunk that is being handled, which are all of
/// them or none. How many were put.
fn put(way: &Way, size: usize, bytes: &[u8]) -> usize {
    if hostcalls::set_buffer(way.buffer, 0, size, bytes).is_err() {
        log::error!("the host does not take a translated body");
    }
    bytes.len()
}
