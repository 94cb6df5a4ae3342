//! What the logic needs from the world: clocks, randomness, callouts, one timer, a map that all
//! VMs of the gateway share, wake-ups between them, and metrics.
//!
//! Everything else in this crate is written against [`Host`], so that the same code runs in Envoy
//! (`host/wasm.rs`) and in a simulated gateway in the tests. Log lines go through the `log` crate.

#[cfg(target_arch = "wasm32")]
pub mod wasm;

use crate::calendar::{self, Date};
use crate::duration;
use crate::text::hex;
use std::fmt;
use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

/// 9999-12-31T23:59:59.999Z, the last instant that RFC 3339 can write.
const LAST_RFC_3339: u64 = 253_402_300_799_999;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

impl UnixMillis {
    /// This point plus a duration, at most the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        UnixMillis(self.0.saturating_add(duration::millis(duration)))
    }

    /// How long it is from `earlier` until this point; zero if that is not in the past.
    pub fn since(self, earlier: UnixMillis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the epoch.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Reads a time of RFC 3339, such as `2017-10-20T22:41:51.430Z` or `2017-10-20t14:41:51-08:00`. Digits
    /// beyond milliseconds are cut off, and a leap second is the one before it.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let (time, rest) = rest.strip_prefix(['T', 't'])?.split_at_checked(8)?;
        let (fraction, offset) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
            None => ("0", rest),
        };
        let mut parts = date.splitn(3, '-');
        let mut number = |digits| {
            let part = parts.next().filter(|part| part.len() == digits);
            part.and_then(calendar::number)
        };
        let days = Date { year: number(4)?, month: number(2)?, day: number(2)? }.days()?;
        let seconds = days * SECONDS_PER_DAY + calendar::seconds_of_day(time)?;
        let seconds = seconds.checked_add_signed(-offset_seconds(offset)?)?;
        let millis = calendar::number(fraction.get(..3).unwrap_or(fraction))?;
        let scale = [1, 100, 10, 1].get(fraction.len().min(3))?;
        Some(UnixMillis(seconds * 1000 + millis * scale))
    }
}

/// How far a time zone such as `-08:00` is east of UTC.
fn offset_seconds(offset: &str) -> Option<i64> {
    let (is_west, hours_and_minutes) = match offset.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", rest) => (false, rest),
        ("-", rest) => (true, rest),
        _ => return None,
    };
    let seconds = calendar::seconds_of_day(&format!("{hours_and_minutes}:00"))?;
    let seconds = i64::try_from(seconds).ok()?;
    Some(if is_west { -seconds } else { seconds })
}

/// Writes RFC 3339 with milliseconds, as the platform does.
impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.min(LAST_RFC_3339);
        let seconds = millis / 1000;
        let Date { year, month, day } = Date::of_days(seconds / SECONDS_PER_DAY);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut write = |end: usize, digits: usize, mut number: u64| {
            let place = end.checked_sub(digits).and_then(|begin| text.get_mut(begin..end));
            for digit in place.unwrap_or_default().iter_mut().rev() {
                *digit = b'0' | (number % 10) as u8;
                number /= 10;
            }
        };
        write(4, 4, year);
        write(7, 2, month);
        write(10, 2, day);
        write(13, 2, seconds / 3600 % 24);
        write(16, 2, seconds / 60 % 60);
        write(19, 2, seconds % 60);
        write(23, 3, millis % 1000);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Names a callout that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CalloutId(pub u32);

/// An HTTP request that the gateway is asked to send.
#[derive(Debug)]
pub struct Callout<'a> {
    /// The gateway's cluster to send it to.
    pub cluster: &'a str,
    /// Pseudo-headers and headers.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: &'a [u8],
    /// How long to wait for the whole answer; not zero.
    pub timeout: Duration,
}

/// Why the gateway did not send a callout. No answer will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalloutError {
    /// There is no cluster with that name (or the request is not one).
    UnknownCluster,
    /// The gateway could not take it on: no healthy host, or a circuit breaker is open. It does not say which.
    NotTaken,
}

impl fmt::Display for CalloutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CalloutError::UnknownCluster => "the gateway has no such cluster",
            CalloutError::NotTaken => {
                "the gateway's cluster has no healthy host, or its connection limits are reached"
            }
        })
    }
}

/// How much of an answer's body is looked at.
pub const EXCERPT_BYTES: usize = 1024;

/// What came back for a callout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer: from the target, or made by the gateway in its place.
    Answer(Answer),
    /// The answer broke off, or was larger than the gateway takes.
    Broken,
}

/// An HTTP answer to a callout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code; 0 if it could not be read.
    pub status: u16,
    /// The header `retry-after`, if it is text.
    pub retry_after: Option<Box<str>>,
    /// The beginning of the body, at most [`EXCERPT_BYTES`].
    pub excerpt: Vec<u8>,
    /// What the egress listener says about how the exchange went, if it went through one.
    pub egress: Option<EgressReport>,
    /// No server made it: the gateway answered in place of one.
    pub is_local: bool,
}

/// What [`EgressReport::details`] says of an answer that is the target's own.
pub const VIA_UPSTREAM: &str = "via_upstream";

/// The headers that the egress listener puts on every answer, its own included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressReport {
    /// Envoy's `%RESPONSE_FLAGS%`.
    pub flags: String,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
    /// Envoy's `%UPSTREAM_TRANSPORT_FAILURE_REASON%`.
    pub transport_failure: String,
    /// Where the target is, if the answer is its own: the address that was judged.
    pub address: Option<Box<str>>,
    /// How many addresses the target has that the egress policy allows; 0 if that is not known.
    pub addresses: u32,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down. One value for all workers: they add to it, or set it to what all know.
    Gauge,
    /// It sorts values into buckets.
    Histogram,
}

/// Names a metric that the host keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MetricId(pub u32);

/// A version of a value in the shared map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

/// What has to be in the shared map for a value to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything, or nothing.
    Any,
    /// Nothing: the key was never written.
    Absent,
    /// This version.
    Version(Version),
}

/// Names a way to wake one VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueId(pub u32);

/// The world.
pub trait Host {
    /// The time on the wall clock. It may jump either way.
    fn now(&self) -> UnixMillis;

    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;

    /// Fills the buffer with unpredictable bytes.
    fn random(&self, bytes: &mut [u8]);

    /// Sends a callout; its [`Reply`] comes back later under the same id.
    ///
    /// # Errors
    /// The callout was not sent.
    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError>;

    /// The body of the answer that is being handed over, or so many bytes of it.
    fn reply_body(&self, most: usize) -> Vec<u8>;

    /// Asks to be woken once after this long, or not at all. Replaces what was asked before.
    fn set_timer(&self, after: Option<Duration>);

    /// How long it is since some moment before the start, by a clock that never jumps.
    fn uptime(&self) -> Duration;

    /// A value of the map that all VMs of the gateway share; `None` if the key was never written.
    fn load(&self, key: &str) -> Option<(Vec<u8>, Version)>;

    /// Writes a value into the shared map. False, and nothing written, if something else than
    /// expected was there. Keys stay for ever, so their number has to be bounded.
    fn save(&self, key: &str, value: &[u8], expected: Expected) -> bool;

    /// Has a VM called, this one or another.
    fn wake(&self, queue: QueueId);

    /// Makes a metric known. The same name gives the same metric, whoever asks.
    fn metric(&self, kind: MetricKind, name: &str) -> MetricId;

    /// Adds to a counter or a gauge. A counter takes no negative number.
    fn add(&self, metric: MetricId, by: i64);

    /// Sets a gauge, or gives a histogram a value.
    fn record(&self, metric: MetricId, value: u64);
}

/// 64 random bits, not all of them zero.
pub fn random_number(host: &impl Host) -> u64 {
    let mut random = [0; 8];
    host.random(&mut random);
    u64::from_ne_bytes(random).max(1)
}

/// A name that nobody else has: 128 random bits.
pub fn random_name(host: &impl Host) -> String {
    let mut random = [0; 16];
    host.random(&mut random);
    hex(&random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_the_platform_writes_them() {
        let time = UnixMillis::parse_rfc3339("2026-05-12T08:45:09.018Z").unwrap();
        assert_eq!(time, UnixMillis(1_778_575_509_018));
        assert_eq!(time.to_string(), "2026-05-12T08:45:09.018Z");
        for (text, millis) in [
            ("2026-05-12T08:45:09Z", 0),
            ("2026-05-12T08:45:09.5Z", 500),
            ("2026-05-12T08:45:09.25Z", 250),
            ("2026-05-12T08:45:09.018999Z", 18),
            ("2026-05-12t08:45:09.018z", 18),
            ("2026-05-12T08:45:09.018+00:00", 18),
            ("2026-05-12T08:45:09-00:00", 0),
            ("2026-05-12T00:45:09.018-08:00", 18),
            ("2026-05-12T16:45:09.0+08:00", 0),
            ("2026-05-13T08:44:09.1+23:59", 100),
            ("2026-05-11T23:15:09-09:30", 0),
            ("2026-05-12T08:45:09.0189999999999999999999999999999999999999Z", 18),
        ] {
            let read = UnixMillis::parse_rfc3339(text);
            assert_eq!(read, Some(UnixMillis(1_778_575_509_000 + millis)), "{text}");
        }
        for text in [
            "",
            "1969-12-31T23:59:59Z",
            "2026-05-12T08:45:09",
            "2026-05-12 08:45:09Z",
            "2026-02-29T08:45:09Z",
            "2026-05T08:45:09Z",
            "2026-05-12-01T08:45:09Z",
            "2026-05-12T08:45:09.Z",
            "2026-05-12T08:45:09.018xZ",
            "2026-05-12T08:45:09.018",
            "2026-05-12T08:45:09+02",
            "2026-05-12T08:45:09+0200",
            "2026-05-12T08:45:09+24:00",
            "2026-05-12T08:45:09 02:00",
            "2026-05-12T08:45:09+02:0é",
            "2026-05-12T08:45:09ZZ",
            "2026-5-12T008:45:09Z",
            "1970-01-01T00:00:00+00:01",
        ] {
            assert_eq!(UnixMillis::parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_the_second_before_it() {
        let read = |text| UnixMillis::parse_rfc3339(text).unwrap().0;
        // The examples of RFC 3339 section 5.8.
        assert_eq!(read("1990-12-31T23:59:60Z"), read("1990-12-31T23:59:59Z"));
        assert_eq!(read("1990-12-31T15:59:60-08:00"), read("1990-12-31T23:59:60Z"));
        assert_eq!(read("1996-12-19T16:39:57-08:00"), read("1996-12-20T00:39:57Z"));
    }

    #[test]
    fn the_end_of_time_can_be_written() {
        assert_eq!(UnixMillis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(UnixMillis(u64::MAX).after(Duration::MAX), UnixMillis(u64::MAX));
    }
}
