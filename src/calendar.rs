//! The Gregorian calendar, in UTC.

/// Days from 0000-03-01, where the count begins, to 1970-01-01.
const EPOCH: u64 = 719_468;

/// The days of 400 years, after which the calendar repeats.
const ERA: u64 = 146_097;

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year.
    pub year: u64,
    /// The month, from 1.
    pub month: u64,
    /// The day of the month, from 1.
    pub day: u64,
}

impl Date {
    /// The day that comes so many days after 1970-01-01.
    ///
    /// The year is taken to begin in March: so the leap day is its last, and the lengths of its
    /// months are 31, 30, 31, 30, 31 over and over.
    pub fn of_days(days: u64) -> Self {
        let days = days.saturating_add(EPOCH);
        let (era, day) = (days / ERA, days % ERA);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, after) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Date { year: 400 * era + year + after, month, day }
    }

    /// How many days after 1970-01-01 it is. `None` for days before, for those after the year
    /// 9999, and for those that are none.
    pub fn days(self) -> Option<u64> {
        let Date { year, month, day } = self;
        let is_near = (1970..=9999).contains(&year) && (1..=12).contains(&month) && day <= 31;
        if !is_near {
            return None;
        }
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let before = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5;
        let days = (before + day).checked_sub(EPOCH + 1)?;
        // A 31st of April is in May.
        (Date::of_days(days) == self).then_some(days)
    }
}

/// The seconds of a day before a time such as `08:45:09`. A leap second is the one before it.
pub fn seconds_of_day(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let mut next = |end: u64| two_digits(parts.next()?).filter(|number| *number < end);
    let (hour, minute, second) = (next(24)?, next(60)?, next(61)?);
    let seconds = 3600 * hour + 60 * minute + second.min(59);
    parts.next().is_none().then_some(seconds)
}

/// A number written with two digits.
fn two_digits(text: &str) -> Option<u64> {
    if text.len() == 2 { number(text) } else { None }
}

/// A number written with digits only.
pub fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn date(year: u64, month: u64, day: u64) -> Date {
        Date { year, month, day }
    }

    #[test]
    fn days_are_counted_from_the_epoch() {
        for (days, expected) in [
            (0, date(1970, 1, 1)),
            (59, date(1970, 3, 1)),
            (11_016, date(2000, 2, 29)),
            (11_017, date(2000, 3, 1)),
            (20_585, date(2026, 5, 12)),
            (47_540, date(2100, 2, 28)),
            (47_541, date(2100, 3, 1)),
            (2_932_896, date(9999, 12, 31)),
        ] {
            assert_eq!(Date::of_days(days), expected);
            assert_eq!(expected.days(), Some(days));
        }
    }

    #[test]
    fn what_is_no_day_has_no_number() {
        for none in [
            date(1969, 12, 31),
            date(10_000, 1, 1),
            date(2025, 2, 29),
            date(2100, 2, 29),
            date(2025, 4, 31),
            date(2025, 0, 1),
            date(2025, 13, 1),
            date(2025, 1, 0),
            date(2025, 1, u64::MAX),
            date(1970, 1, 0),
        ] {
            assert_eq!(none.days(), None, "{none:?}");
        }
    }

    #[test]
    fn a_time_of_day_is_read() {
        assert_eq!(seconds_of_day("00:00:00"), Some(0));
        assert_eq!(seconds_of_day("23:59:59"), Some(86_399));
        assert_eq!(seconds_of_day("23:59:60"), Some(86_399));
        for none in
            ["", "1:02:03", "24:00:00", "00:60:00", "00:00:61", "00:00", "00:00:00:00", "+1:00:00"]
        {
            assert_eq!(seconds_of_day(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn every_day_has_its_number(days in 0u64..2_932_897) {
            prop_assert_eq!(Date::of_days(days).days(), Some(days));
        }

        #[test]
        fn no_day_panics(days: u64, year: u64, month: u64, day: u64) {
            let _ = Date::of_days(days);
            let _ = date(year, month, day).days();
            let _ = date(year % 10_000, month % 14, day).days();
        }
    }
}
