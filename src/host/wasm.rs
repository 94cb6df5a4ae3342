//! The world as Envoy shows it to a wasm module.
//!
//! Only `proxy_wasm::hostcalls` are used, never the convenience methods of its contexts: those
//! panic on a missing header and on bytes that are not UTF-8, and a panic ends the worker's VM.

use super::{
    Answer, Callout, CalloutError, CalloutId, EXCERPT_BYTES, EgressReport, Expected, Host,
    MetricId, MetricKind, QueueId, Reply, UnixMillis, VIA_UPSTREAM, Version,
};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};
use std::str::FromStr;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Envoy writes it into each answer of a server, over whatever the server has there, and into no answer of its
/// own. So no server can pass for Envoy.
const OF_SERVERS: &str = "x-envoy-upstream-service-time";

/// Stands for a metric that could not be made.
const NO_METRIC: u32 = u32::MAX;

/// Envoy never issues this version. A write that expects it succeeds on a missing key alone.
const NEVER_ISSUED: u32 = u32::MAX;

/// What lies in the queue of a VM that another one woke, or a command.
const BY_ANOTHER: &[u8] = b"!";

thread_local! {
    /// The moment that uptime counts from.
    static START: Instant = Instant::now();
}

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

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn random(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            log::error!("the host gives no random bytes");
        }
    }

    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError> {
        let Callout { cluster, headers, body, timeout } = callout;
        hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout)
            .map(CalloutId)
            .map_err(|status| match status {
                Status::BadArgument => CalloutError::UnknownCluster,
                _ => CalloutError::NotTaken,
            })
    }

    fn reply_body(&self, most: usize) -> Vec<u8> {
        chunk(BufferType::HttpCallResponseBody, most)
    }

    fn set_timer(&self, after: Option<Duration>) {
        // Envoy's timer repeats; whoever is woken by it stops it first. Zero stops it.
        let period = after.map_or(Duration::ZERO, |after| after.max(Duration::from_millis(1)));
        let longest = Duration::from_millis(u32::MAX.into());
        let _ = hostcalls::set_tick_period(period.min(longest));
    }

    fn uptime(&self) -> Duration {
        START.with(Instant::elapsed)
    }

    fn load(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        match hostcalls::get_shared_data(key) {
            Ok((value, Some(version))) => Some((value.unwrap_or_default(), Version(version))),
            _ => None,
        }
    }

    fn save(&self, key: &str, value: &[u8], expected: Expected) -> bool {
        let version = match expected {
            Expected::Any => None,
            Expected::Absent => Some(NEVER_ISSUED),
            Expected::Version(Version(version)) => Some(version),
        };
        hostcalls::set_shared_data(key, Some(value), version).is_ok()
    }

    fn wake(&self, QueueId(queue): QueueId) {
        // If the queue is gone, so is its VM.
        let _ = hostcalls::enqueue_shared_queue(queue, Some(BY_ANOTHER));
    }

    fn metric(&self, kind: MetricKind, name: &str) -> MetricId {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        MetricId(hostcalls::define_metric(kind, name).unwrap_or(NO_METRIC))
    }

    fn add(&self, MetricId(metric): MetricId, by: i64) {
        if metric != NO_METRIC && by != 0 {
            let _ = hostcalls::increment_metric(metric, by);
        }
    }

    fn record(&self, MetricId(metric): MetricId, value: u64) {
        if metric != NO_METRIC {
            let _ = hostcalls::record_metric(metric, value);
        }
    }
}

/// Reads what came back for a callout. To be called while Envoy hands it over.
pub fn reply(headers: usize, body: usize) -> Reply {
    // A callout that broke has no headers, and asking for one then would end the VM.
    if headers == 0 {
        return Reply::Broken;
    }
    let text = |name| {
        let value = header(MapType::HttpCallResponseHeaders, name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    };
    let status: Option<u16> = number(MapType::HttpCallResponseHeaders, ":status");
    // Most answers are a success, of which no more is asked than what is needed to know it.
    let is_success = matches!(status, Some(200..=299));
    let text_if = |is_wanted: bool, name| if is_wanted { text(name) } else { None };
    let report = |flags| {
        let details = text("x-formhook-details").unwrap_or_default();
        let is_upstream = is_success && details == VIA_UPSTREAM;
        let transport_failure = text_if(!is_upstream, "x-formhook-transport-failure");
        EgressReport {
            flags,
            transport_failure: transport_failure.unwrap_or_default(),
            address: text_if(is_upstream, "x-formhook-address").map(String::into_boxed_str),
            addresses: number(MapType::HttpCallResponseHeaders, "x-formhook-addresses")
                .unwrap_or(0),
            details,
        }
    };
    Reply::Answer(Answer {
        status: status.unwrap_or_default(),
        retry_after: text_if(!is_success, "retry-after").map(String::into_boxed_str),
        excerpt: chunk(BufferType::HttpCallResponseBody, body.min(EXCERPT_BYTES)),
        egress: text("x-formhook-flags").map(report),
        is_local: !is_success && header(MapType::HttpCallResponseHeaders, OF_SERVERS).is_none(),
    })
}

/// Has the root called that has this queue, for what a stream of its own left to it.
pub fn wake_root(QueueId(queue): QueueId) {
    let _ = hostcalls::enqueue_shared_queue(queue, None);
}

/// Empties the queue of a root that was woken. Whether it was not, or not only, by its own streams.
pub fn is_woken_by_another(queue: u32) -> bool {
    let mut is_by_another = false;
    while let Ok(Some(sign)) = hostcalls::dequeue_shared_queue(queue) {
        is_by_another |= sign == BY_ANOTHER;
    }
    is_by_another
}

/// A header of the stream that is being handled, as it was sent.
pub fn header(map: MapType, name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(map, name).ok().flatten()
}

/// A header that is a number.
pub fn number<N: FromStr>(map: MapType, name: &str) -> Option<N> {
    std::str::from_utf8(&header(map, name)?).ok()?.parse().ok()
}

/// Makes a call of the host for a stream, from a callback of its root: without its context the call would be
/// for another.
pub fn for_stream(stream: u32, root: u32, call: impl FnOnce() -> Result<(), Status>) {
    if hostcalls::set_effective_context(stream).is_ok() {
        let _ = call();
        let _ = hostcalls::set_effective_context(root);
    }
}

/// The chunk of a body that is being handled, or so many bytes of it.
pub fn chunk(buffer: BufferType, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    let bytes = hostcalls::get_buffer(buffer, 0, size).ok().flatten();
    bytes.unwrap_or_default()
}
