//! Numbers as ECMAScript writes them (RFC 8785 section 3.2.2.3).

use crate::json::Decimal;

/// Up to this many digits a double keeps every number that is not extremely large or small.
const EXACT_DIGITS: usize = 15;

/// JavaScript writes no double with more digits that are not zeros at its end.
const MAX_DIGITS: usize = 17;

/// Writes a JSON number the way JavaScript would. A number that it would write with other digits keeps
/// those it came with: nothing may be lost on the way through.
pub(super) fn write(out: &mut Vec<u8>, raw: &str) {
    if is_canonical(raw.as_bytes()) {
        out.extend_from_slice(raw.as_bytes());
        return;
    }
    let sent = Decimal::parse(raw);
    let has_too_many = sent.significant().nth(MAX_DIGITS).is_some();
    let double = if has_too_many { f64::NAN } else { sent.double() };
    if double.is_finite() {
        let mut buffer = ryu_js::Buffer::new();
        let written = buffer.format_finite(double);
        if Decimal::parse(written) == sent {
            out.extend_from_slice(written.as_bytes());
            return;
        }
    }
    out.extend_from_slice(raw.as_bytes());
}

/// Whether JavaScript would surely write a number as it stands here: as nearly all do that a
/// platform sends, which need not be made a double of to see it.
fn is_canonical(raw: &[u8]) -> bool {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    let integer = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match digits.split_at_checked(integer) {
        // JavaScript writes negative zero as `0`.
        Some((_, [])) => return integer <= EXACT_DIGITS && raw != b"-0",
        Some((_, [b'.', fraction @ ..])) => fraction,
        _ => return false,
    };
    integer + fraction.len() <= EXACT_DIGITS
        && fraction.iter().all(u8::is_ascii_digit)
        && fraction.last() != Some(&b'0')
        // What is smaller JavaScript writes with an exponent.
        && (!digits.starts_with(b"0") || fraction.iter().take(6).any(|digit| *digit != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(raw: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, raw);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        // The right-hand sides were printed by Node's JSON.stringify(JSON.parse(...)).
        for (sent, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e99", "0"),
            ("1.0", "1"),
            ("100", "100"),
            ("1e3", "1000"),
            ("1E+2", "100"),
            ("-12.50", "-12.5"),
            ("0.1", "0.1"),
            ("1e-7", "1e-7"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("0.00000012", "1.2e-7"),
            ("-0.5", "-0.5"),
            ("0.50", "0.5"),
            ("1.5e2", "150"),
            ("100000000000000000000", "100000000000000000000"),
            ("1000000000000000000000", "1e+21"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("9007199254740992", "9007199254740992"),
            ("120.31237", "120.31237"),
        ] {
            assert_eq!(written(sent), expected, "{sent}");
        }
    }

    #[test]
    fn a_number_that_a_double_would_change_keeps_its_digits() {
        for sent in [
            "9007199254740993",
            "-9007199254740993",
            "12345678901234567890",
            "0.1000000000000000055",
            "1e400",
            "-1e400",
            "1e-400",
            "123456789012345678.5",
            "1e99999999999999999999",
            "3.141592653589793238",
        ] {
            assert_eq!(written(sent), sent);
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_at_first_sight_is_what_a_double_is_written_as(
            raw in "-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,15})?([eE][0-9])?",
        ) {
            if is_canonical(raw.as_bytes()) {
                let double: f64 = raw.parse().unwrap();
                let mut buffer = ryu_js::Buffer::new();
                prop_assert_eq!(buffer.format(double), raw);
            }
        }

        #[test]
        fn a_double_written_shortest_is_kept_in_value(double in any::<f64>().prop_filter("finite", |d| d.is_finite())) {
            let read: f64 = written(&format!("{double:e}")).parse().unwrap();
            prop_assert_eq!(read, double);
        }

        #[test]
        fn writing_is_idempotent(raw in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
            let once = written(&raw);
            prop_assert_eq!(written(&once), once);
        }
    }
}
