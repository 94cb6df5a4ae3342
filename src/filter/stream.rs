//! A stream of either listener.

use super::desk::Desk;
use super::unused::{unused_of_context, unused_of_http_context};
use super::watch::Watch;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, Status};

/// An API call, or a request to the admin. They are one type because each that implements
/// `HttpContext` brings all of its methods, 8 KB of them.
pub(super) enum Stream {
    Watch(Watch),
    Desk(Desk),
}

impl Context for Stream {
    unused_of_context!();

    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, _: usize) {
        if let Stream::Desk(desk) = self {
            desk.reply(headers, body);
        }
    }
}

impl HttpContext for Stream {
    unused_of_http_context!();

    fn on_http_request_headers(&mut self, _: usize, is_end: bool) -> Action {
        match self {
            Stream::Watch(watch) => watch.request_headers(is_end),
            Stream::Desk(desk) => desk.headers(is_end),
        }
    }

    fn on_http_request_body(&mut self, size: usize, is_end: bool) -> Action {
        match self {
            Stream::Watch(watch) => watch.request_body(size, is_end),
            Stream::Desk(desk) => desk.body(size, is_end),
        }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        match self {
            Stream::Watch(watch) => watch.request_trailers(),
            Stream::Desk(desk) => desk.trailers(),
        }
    }

    fn on_http_response_headers(&mut self, _: usize, is_end: bool) -> Action {
        match self {
            Stream::Watch(watch) => watch.response_headers(is_end),
            Stream::Desk(_) => Action::Continue,
        }
    }

    fn on_http_response_body(&mut self, size: usize, is_end: bool) -> Action {
        match self {
            Stream::Watch(watch) => watch.response_body(size, is_end),
            Stream::Desk(_) => Action::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        match self {
            Stream::Watch(watch) => watch.response_trailers(),
            Stream::Desk(_) => Action::Continue,
        }
    }

    fn on_log(&mut self) {
        if let Stream::Watch(watch) = self {
            watch.over();
        }
    }
}
