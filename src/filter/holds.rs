//! Responses whose end is held until their pushes are stored.

use crate::host::wasm;
use proxy_wasm::hostcalls;
use std::cell::RefCell;
use std::time::Duration;

/// A stream that is held.
struct Held {
    stream: u32,
    /// What has to be stored.
    ticket: u64,
    /// When it is let go in any case, by uptime.
    until: Duration,
}

/// The streams of a worker that are held. Bounded by its open API calls.
pub(super) struct Holds {
    /// The root context.
    root: u32,
    /// How long a stream is held at most; `None` if none is.
    timeout: Option<Duration>,
    /// All that are held, those among them that the root has not heard of yet.
    streams: RefCell<Vec<u32>>,
    held: RefCell<Vec<Held>>,
}

impl Holds {
    pub(super) fn new(root: u32, timeout: Option<Duration>) -> Self {
        Holds { root, timeout, streams: RefCell::default(), held: RefCell::default() }
    }

    pub(super) fn ack_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// A stream holds its response from now on.
    pub(super) fn begin(&self, stream: u32) {
        self.streams.borrow_mut().push(stream);
    }

    /// Whether a stream has to hold its response still.
    pub(super) fn holds(&self, stream: u32) -> bool {
        self.timeout.is_some() && self.streams.borrow().contains(&stream)
    }

    /// Holds a stream until what this ticket stands for is stored.
    pub(super) fn hold(&self, stream: u32, ticket: u64, now: Duration) {
        let until = now.saturating_add(self.timeout.unwrap_or_default());
        self.held.borrow_mut().push(Held { stream, ticket, until });
    }

    /// The stream is over.
    pub(super) fn forget(&self, stream: u32) {
        if self.timeout.is_some() {
            self.held.borrow_mut().retain(|held| held.stream != stream);
            self.streams.borrow_mut().retain(|held| *held != stream);
        }
    }

    /// When the next one has to be let go.
    pub(super) fn due(&self) -> Option<Duration> {
        self.held.borrow().iter().map(|held| held.until).min()
    }

    /// Lets go what is stored and what was held for too long, or all if nothing could be stored for
    /// so long: who calls during an outage need not wait for its end each time. How many went
    /// without being stored.
    pub(super) fn let_go(&self, stored: u64, down_since: Option<Duration>, now: Duration) -> u32 {
        let timeout = self.timeout.unwrap_or_default();
        let is_down = down_since.is_some_and(|since| now.saturating_sub(since) >= timeout);
        let mut unstored: u32 = 0;
        let mut free = Vec::new();
        self.held.borrow_mut().retain(|held| {
            let is_stored = held.ticket <= stored;
            let goes = is_stored || is_down || held.until <= now;
            if goes {
                unstored = unstored.saturating_add(u32::from(!is_stored));
                free.push(held.stream);
            }
            !goes
        });
        for stream in &free {
            self.resume(*stream);
        }
        unstored
    }

    /// Has a stream go on that was held, from the root's callback.
    fn resume(&self, stream: u32) {
        self.streams.borrow_mut().retain(|held| *held != stream);
        wasm::for_stream(stream, self.root, hostcalls::resume_http_response);
    }
}
