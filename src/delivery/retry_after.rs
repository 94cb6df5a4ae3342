//! The `Retry-After` header of an answer (RFC 9110 section 10.2.3).

use crate::calendar::{self, Date};
use crate::host::UnixMillis;
use std::time::Duration;

/// The longest wait that a target may ask for. What asks for more waits this long.
pub(super) const LONGEST: Duration = Duration::from_secs(60 * 60);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How long the target wants not to be called: seconds, or an HTTP date. `None` for what is
/// neither.
pub(crate) fn retry_after(value: &str, now: UnixMillis) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large to read asks for more than the longest, too.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let at = UnixMillis(http_date(value)? * 1000);
    Some(at.since(now).min(LONGEST))
}

/// The seconds from the epoch to an HTTP date in one of its three forms. Those before the epoch
/// are none, and nothing depends on the name of the weekday.
fn http_date(value: &str) -> Option<u64> {
    let parts = value.split([' ', ',', '-']).filter(|part| !part.is_empty());
    let (day, month, year, time) = match *parts.collect::<Vec<_>>().as_slice() {
        [_, day, month, year, time, "GMT"] | [_, month, day, time, year] => {
            (day, month, year, time)
        }
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year = match (year.len(), calendar::number(year)?) {
        (2, year) if year < 70 => year + 2000,
        (2, year) => year + 1900,
        (_, year) => year,
    };
    let date = Date { year, month: month as u64 + 1, day: calendar::number(day)? };
    Some(date.days()? * 24 * 60 * 60 + calendar::seconds_of_day(time)?)
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
