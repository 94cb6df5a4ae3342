//! The world as Envoy shows it to a wasm module.
//!
//! Only `proxy_wasm::hostcalls` are used, never the convenience methods of its contexts: those
//! panic on a missing header and on bytes that are not UTF-8, and a panic ends the worker's VM.

use super::{
    Answer, Callout, CalloutError, CalloutId, CounterId, EgressReport, Host, Reply, UnixMillis,
};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};
use std::time::{Duration, UNIX_EPOCH};

/// Stands for a counter that could not be made.
const NO_COUNTER: u32 = u32::MAX;

/// Envoy.
#[derive(Clone, Copy, Debug)]
pub struct Envoy;

impl Host for Envoy {
    fn now(&self) -> UnixMillis {
        let now = hostcalls::get_current_time().ok();
        let since = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok());
        let millis = since.and_then(|since| u64::try_from(since.as_millis()).ok());
        UnixMillis(millis.unwrap_or_default())
    }

    fn random(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            log::error!("no random bytes: {error}");
        }
    }

    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError> {
        let Callout { cluster, headers, body, timeout } = callout;
        hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout)
            .map(CalloutId)
            .map_err(|status| match status {
                Status::BadArgument => CalloutError::UnknownCluster,
                _ => CalloutError::Overflow,
            })
    }

    fn set_timer(&self, after: Option<Duration>) {
        // Envoy's timer repeats; whoever is woken by it stops it first. Zero stops it.
        let period = after.map_or(Duration::ZERO, |after| after.max(Duration::from_millis(1)));
        let longest = Duration::from_millis(u32::MAX.into());
        let _ = hostcalls::set_tick_period(period.min(longest));
    }

    fn counter(&self, name: &str) -> CounterId {
        let id = hostcalls::define_metric(MetricType::Counter, name);
        CounterId(id.unwrap_or(NO_COUNTER))
    }

    fn count(&self, counter: CounterId, by: u32) {
        if counter.0 != NO_COUNTER && by > 0 {
            let _ = hostcalls::increment_metric(counter.0, by.into());
        }
    }
}

/// Reads what came back for a callout. To be called while Envoy hands it over.
pub fn reply(headers: usize) -> Reply {
    // A callout that broke has no headers, and asking for one then would end the VM.
    if headers == 0 {
        return Reply::Broken;
    }
    let text = |name| {
        let value = header(MapType::HttpCallResponseHeaders, name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    };
    let status = text(":status").and_then(|status| status.parse().ok());
    let report = |flags| EgressReport {
        flags,
        details: text("x-formhook-details").unwrap_or_default(),
        transport_failure: text("x-formhook-transport-failure").unwrap_or_default(),
    };
    Reply::Answer(Answer {
        status: status.unwrap_or_default(),
        egress: text("x-formhook-flags").map(report),
    })
}

/// A header of the stream that is being handled, as it was sent.
pub fn header(map: MapType, name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(map, name).ok().flatten()
}

/// The chunk of a body that is being handled.
pub fn chunk(buffer: BufferType, size: usize) -> Vec<u8> {
    let bytes = hostcalls::get_buffer(buffer, 0, size).ok().flatten();
    bytes.unwrap_or_default()
}
