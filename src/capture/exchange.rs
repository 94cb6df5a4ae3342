//! One watched API call while it passes.

use super::{Body, Budget, Captured, Matched, Miss};
use crate::host::UnixMillis;
use std::rc::Rc;

/// The longest header value that is kept.
const MAX_HEADER_BYTES: usize = 4096;

/// Headers of the call that go on with the push, so that traces and logs can be joined.
const TRACE_HEADERS: [&str; 3] = ["traceparent", "tracestate", "x-request-id"];

/// What the head of a response says.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The status code, if it is one.
    pub status: Option<u16>,
    /// It was made by the gateway and not by the platform.
    pub is_local: bool,
    /// The body is compressed.
    pub is_encoded: bool,
}

/// A watched call that is under way.
///
/// Whoever holds it feeds it and, at whichever of its ends comes first, consumes it with
/// [`Exchange::finish`]: so no call can make two events.
#[derive(Debug)]
pub struct Exchange {
    captured: Captured,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is no response yet.
    Waiting,
    /// The response is a success of the platform.
    Succeeded,
    /// The response says that nothing changed.
    Failed,
}

impl Exchange {
    /// Begins to watch a call. `header` reads a header of its request.
    pub fn begin(
        matched: Matched,
        max_body_bytes: usize,
        budget: &Rc<Budget>,
        header: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Self {
        let header = |name: &str| {
            let value = header(name).filter(|value| value.len() <= MAX_HEADER_BYTES)?;
            // A value that is not text is no use in a push, and no reason to lose the event.
            String::from_utf8(value).ok().map(String::into_boxed_str)
        };
        let body = || Body::new(max_body_bytes, budget.reservation());
        let operation = matched.operation;
        let named = operation.headers();
        let headers = named.filter_map(|name| Some((name.into(), header(name)?))).collect();
        let trace = TRACE_HEADERS.iter().filter_map(|name| Some((*name, header(name)?)));
        let mut request = body();
        if !operation.reads_request() {
            request.lose(Miss::Incomplete);
        } else if header("content-encoding").is_some_and(|coding| is_encoded(coding.as_bytes())) {
            request.lose(Miss::Encoded);
        }
        let mut response = body();
        if !operation.reads_response() {
            response.lose(Miss::Incomplete);
        }
        Exchange {
            progress: Progress::Waiting,
            captured: Captured {
                trace: trace.collect(),
                headers,
                operation,
                path: matched.path,
                request,
                response,
                at: UnixMillis(0),
            },
        }
    }

    /// The request's body.
    pub fn request(&mut self) -> &mut Body {
        &mut self.captured.request
    }

    /// The response's body.
    pub fn response(&mut self) -> &mut Body {
        &mut self.captured.response
    }

    /// Takes note of the head of the response. Unless it is a success nothing more is copied.
    pub fn response_head(&mut self, head: Head) {
        let succeeded = matches!(head.status, Some(200..=299)) && !head.is_local;
        self.progress = if succeeded { Progress::Succeeded } else { Progress::Failed };
        if !succeeded {
            self.captured.request.lose(Miss::Aborted);
            self.captured.response.lose(Miss::Aborted);
        } else if head.is_encoded {
            self.captured.response.lose(Miss::Encoded);
        }
    }

    /// The response is complete.
    ///
    /// # Errors
    /// `Some` reason why a change that happened cannot be read, or `None` if nothing changed.
    pub fn finish(mut self, now: UnixMillis) -> Result<Captured, Option<Miss>> {
        match self.progress {
            Progress::Succeeded => {
                self.captured.at = now;
                Ok(self.captured)
            }
            Progress::Failed => Err(None),
            Progress::Waiting => Err(Some(Miss::Aborted)),
        }
    }

    /// The call ended before its response was complete. `Some` if the change may have happened
    /// all the same.
    pub fn abort(self) -> Option<Miss> {
        (self.progress != Progress::Failed).then_some(Miss::Aborted)
    }
}

/// Whether a `content-encoding` says that the body is not plain.
pub fn is_encoded(coding: &[u8]) -> bool {
    let coding = coding.trim_ascii();
    !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
}
