//! Durations as operators write them, such as `1m 30s`.

use std::fmt;
use std::time::Duration;

/// The milliseconds of each unit, and its names. It is shown by the first.
const UNITS: [(u64, &[&str]); 5] = [
    (86_400_000, &["day", "days", "d"]),
    (3_600_000, &["h", "hr", "hrs", "hour", "hours"]),
    (60_000, &["m", "min", "mins", "minute", "minutes"]),
    (1000, &["s", "sec", "secs", "second", "seconds"]),
    (1, &["ms", "msec", "millis"]),
];

/// Reads whole numbers with units; they are added up.
pub fn parse(text: &str) -> Option<Duration> {
    let mut left = text.trim_ascii();
    let mut sum: u64 = 0;
    loop {
        let (number, after) = split(left, |byte| byte.is_ascii_digit());
        let (unit, after) = split(after.trim_ascii_start(), |byte| byte.is_ascii_alphabetic());
        let (millis, _) = UNITS.iter().find(|(_, names)| names.contains(&unit))?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        left = after.trim_ascii_start();
        if left.is_empty() {
            return Some(Duration::from_millis(sum));
        }
    }
}

/// Splits after the last of the first bytes that are such.
fn split(text: &str, is_such: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !is_such(byte));
    text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""))
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Shows a duration of whole milliseconds in the largest unit that it is a multiple of.
pub fn shown(duration: Duration) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let millis = millis(duration);
        let unit = UNITS.iter().find(|(unit, _)| millis != 0 && millis.is_multiple_of(*unit));
        match unit {
            Some((unit, [name, ..])) => write!(f, "{}{name}", millis / unit),
            _ => f.write_str("0s"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_with_units_are_added_up() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("2s", 2000),
            ("60 sec", 60_000),
            (" 1m 30s ", 90_000),
            ("1h1m1s1ms", 3_661_001),
            ("1day", 86_400_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "2",
            "s",
            "2 parsecs",
            "-1s",
            "1.5s",
            "1s 2",
            "1µs",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn it_is_shown_in_the_largest_unit_that_fits() {
        for (millis, expected) in
            [(0, "0s"), (1, "1ms"), (1500, "1500ms"), (60_000, "1m"), (86_400_000, "1day")]
        {
            assert_eq!(shown(Duration::from_millis(millis)).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(millis: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&shown(duration).to_string()), Some(duration));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse(&text);
        }
    }
}
