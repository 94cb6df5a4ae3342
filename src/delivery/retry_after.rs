//! The `Retry-After` header of an answer (RFC 9110 section 10.2.3).

use crate::host::UnixMillis;
use std::time::{Duration, UNIX_EPOCH};

/// The longest wait that a target may ask for. What asks for more waits this long.
pub(super) const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long the target wants not to be called: seconds, or an HTTP date. `None` for what is
/// neither.
pub(super) fn retry_after(value: &str, now: UnixMillis) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large to read asks for more than the longest, too.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let at = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = UnixMillis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
    Some(at.since(now).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 1994-11-06T08:49:37Z, the date of RFC 9110's examples.
    const NOW: UnixMillis = UnixMillis(784_111_777_000);

    #[test]
    fn seconds_and_all_three_forms_of_dates_are_read() {
        let minute = Some(Duration::from_secs(60));
        for (value, expected) in [
            ("60", minute),
            (" 60 ", minute),
            ("0", Some(Duration::ZERO)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", minute),
            ("Sunday, 06-Nov-94 08:50:37 GMT", minute),
            ("Sun Nov  6 08:50:37 1994", minute),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(Duration::ZERO)),
        ] {
            assert_eq!(retry_after(value, NOW), expected, "{value}");
        }
    }

    #[test]
    fn what_asks_for_too_much_gets_the_longest() {
        for value in ["3601", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(retry_after(value, NOW), Some(LONGEST), "{value}");
        }
    }

    #[test]
    fn what_is_neither_is_ignored() {
        for value in ["", "-1", "1.5", "+3", "1e9", "soon", "Sun, 99 Nov 1994 08:50:37 GMT", "0x10"]
        {
            assert_eq!(retry_after(value, NOW), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics_or_exceeds_the_longest(value: String, now: u64) {
            prop_assert!(retry_after(&value, UnixMillis(now)).is_none_or(|wait| wait <= LONGEST));
        }
    }
}
