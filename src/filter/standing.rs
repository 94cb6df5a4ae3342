//! Requests whose headers wait for their body.
//!
//! Envoy hands over no body meanwhile unless the plugin's `allow_on_headers_stop_iteration` is true,
//! and no filter can ask whether it is. So until a body has come once, requests are let go after a
//! while: the API goes on, and the log says what to do.

use crate::host::Host as _;
use crate::host::wasm::{self, Envoy};
use proxy_wasm::hostcalls;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// How long a client may take from its headers to the first byte of its body.
const PATIENCE: Duration = Duration::from_secs(3);

/// The requests of a worker that stand still.
pub(super) struct Standing {
    /// The root context.
    root: u32,
    /// A body has come to a request that stood still, so it always will.
    is_proven: Cell<bool>,
    /// Each stream, and when it is let go. None once that is proven.
    streams: RefCell<Vec<(u32, Duration)>>,
}

impl Standing {
    pub(super) fn new(root: u32) -> Self {
        Standing { root, is_proven: Cell::new(false), streams: RefCell::default() }
    }

    /// The headers of a stream wait from now on. Whether the root has to look after it.
    pub(super) fn begin(&self, stream: u32) -> bool {
        let has_to = !self.is_proven.get();
        if has_to {
            let until = Envoy.uptime().saturating_add(PATIENCE);
            self.streams.borrow_mut().push((stream, until));
        }
        has_to
    }

    /// A body comes. Whether its headers still wait for it.
    pub(super) fn goes_on(&self, stream: u32) -> bool {
        if self.is_proven.get() {
            return true;
        }
        let mut streams = self.streams.borrow_mut();
        let stands = streams.iter().any(|(known, _)| *known == stream);
        if stands {
            self.is_proven.set(true);
            streams.clear();
        }
        stands
    }

    /// A stream is over.
    pub(super) fn forget(&self, stream: u32) {
        self.streams.borrow_mut().retain(|(known, _)| *known != stream);
    }

    /// When the next one has to be let go.
    pub(super) fn due(&self) -> Option<Duration> {
        self.streams.borrow().iter().map(|(_, until)| *until).min()
    }

    /// Lets those go that have stood for too long.
    pub(super) fn let_go(&self) {
        let now = Envoy.uptime();
        let mut free = Vec::new();
        self.streams.borrow_mut().retain(|(stream, until)| {
            let goes = *until <= now;
            if goes {
                free.push(*stream);
            }
            !goes
        });
        for stream in free {
            log::error!(
                "no body came to a request for {} s, so it goes on as it is; if that is so for all, set `allow_on_headers_stop_iteration: true` beside this plugin's `vm_config`, which `aliases_in_api` needs",
                PATIENCE.as_secs()
            );
            wasm::resume(stream, self.root, hostcalls::resume_http_request);
        }
    }
}
