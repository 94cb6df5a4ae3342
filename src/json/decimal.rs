//! Numbers by their decimal digits: compared without rounding, or made a double of.

/// So many digits go into 64 bits.
const SHORT_DIGITS: u64 = 19;

/// A number halfway between two doubles has at most 767 significant digits: of what is behind
/// these it only counts that it is there.
const COUNTED_DIGITS: usize = 800;

/// Far beyond any exponent that matters, whatever the number of digits before it.
const MAX_EXPONENT: i64 = 1_000_000_000_000_000;

/// A JSON number as text. It equals another of the same value.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'n> {
    negative: bool,
    integer: &'n str,
    fraction: &'n str,
    exponent: i64,
}

impl<'n> Decimal<'n> {
    /// Takes a JSON number apart. What is made of anything else is unspecified.
    pub fn parse(number: &'n str) -> Self {
        let (number, negative) = without_minus(number);
        let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, ""));
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (exponent, is_small) = without_minus(exponent);
        let exponent = exponent
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0, |exponent, digit| (exponent * 10 + i64::from(value(digit))).min(MAX_EXPONENT));
        let exponent = if is_small { -exponent } else { exponent };
        Decimal { negative, integer, fraction, exponent }
    }

    /// The digits without leading and trailing zeros.
    #[inline]
    pub fn significant(&self) -> impl Iterator<Item = u8> {
        let trailing = self.trailing_zeros();
        let digits = self.integer.len() + self.fraction.len();
        self.digits().take(digits.saturating_sub(trailing)).skip_while(|digit| *digit == b'0')
    }

    #[inline]
    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.integer.bytes().chain(self.fraction.bytes())
    }

    #[inline]
    fn trailing_zeros(&self) -> usize {
        self.digits().rev().take_while(|digit| *digit == b'0').count()
    }

    /// The power of ten of the last significant digit.
    #[inline]
    fn scale(&self) -> i64 {
        let scale = self.exponent.saturating_sub_unsigned(self.fraction.len() as u64);
        scale.saturating_add_unsigned(self.trailing_zeros() as u64)
    }

    /// The nearest double; of two that are equally near, the one that is even.
    pub fn double(&self) -> f64 {
        let magnitude = self.magnitude();
        if self.negative { -magnitude } else { magnitude }
    }

    fn magnitude(&self) -> f64 {
        let scale = self.scale();
        let (mut count, mut short) = (0, 0);
        for digit in self.significant() {
            count += 1;
            if count <= SHORT_DIGITS {
                short = short * 10 + u64::from(value(digit));
            }
        }
        let end = scale.saturating_add_unsigned(count);
        if count == 0 || end < -323 {
            // Less than half of the smallest double.
            0.0
        } else if end > 309 {
            f64::INFINITY
        } else if count <= SHORT_DIGITS {
            read(&format!("{short}e{scale}"))
        } else {
            // Std takes an exponent of seven digits for one of six, which a number of a million digits may have.
            let digits = self
                .significant()
                .take(COUNTED_DIGITS)
                .chain((count > COUNTED_DIGITS as u64).then_some(b'1'));
            let digits: String = digits.map(char::from).collect();
            let scale = end.saturating_sub_unsigned(digits.len() as u64);
            read(&format!("{digits}e{scale}"))
        }
    }
}

/// What `digits e exponent` stands for.
fn read(number: &str) -> f64 {
    number.parse().unwrap_or(f64::NAN)
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        let zero = |number: &Self| number.significant().next().is_none();
        match (zero(self), zero(other)) {
            (true, true) => true,
            (false, false) => {
                self.negative == other.negative
                    && self.scale() == other.scale()
                    && self.significant().eq(other.significant())
            }
            _ => false,
        }
    }
}

fn without_minus(number: &str) -> (&str, bool) {
    match number.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (number, false),
    }
}

#[inline]
fn value(digit: u8) -> u32 {
    u32::from(digit & 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether a number, and its negative, is read as std reads it.
    fn check(number: &str) {
        for number in [number, &format!("-{number}")] {
            let expected: f64 = number.parse().unwrap();
            let read = Decimal::parse(number).double();
            assert_eq!(read.to_bits(), expected.to_bits(), "{number}: {read:e}, not {expected:e}");
        }
    }

    /// The number halfway between a double and the next larger one: its digits, the last first,
    /// and their power of ten.
    fn halfway(double: f64) -> (Vec<u8>, i64) {
        let bits = double.to_bits();
        let (exponent, fraction) = ((bits >> 52) as i64, bits & ((1 << 52) - 1));
        let (whole, exponent) = match exponent {
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, exponent - 1075),
        };
        let mut digits: Vec<u8> = (2 * whole + 1).to_string().bytes().rev().collect();
        let factor = if exponent > 0 { 2 } else { 5 };
        for _ in 0..(exponent - 1).unsigned_abs() {
            let mut carry = 0;
            for digit in &mut digits {
                let product = (*digit & 15) * factor + carry;
                (*digit, carry) = (b'0' + product % 10, product / 10);
            }
            if carry > 0 {
                digits.push(b'0' + carry);
            }
        }
        (digits, (exponent - 1).min(0))
    }

    /// What is halfway, and what is just above and just below.
    fn around_halfway(double: f64) -> [String; 3] {
        let (mut digits, exponent) = halfway(double);
        let text = |digits: &[u8]| digits.iter().rev().map(|d| char::from(*d)).collect::<String>();
        let exact = text(&digits);
        let ends_in_zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits[..ends_in_zeros].fill(b'9');
        digits[ends_in_zeros] -= 1;
        let below = text(&digits);
        [
            format!("{exact}e{exponent}"),
            format!("{exact}{}1e{}", "0".repeat(900), exponent - 901),
            format!("{below}{}e{}", "9".repeat(900), exponent - 900),
        ]
    }

    #[test]
    fn numbers_at_the_limits_are_read_as_std_reads_them() {
        for number in [
            "0",
            "0.0",
            "0e999999999999",
            "0e-999999999999",
            "0.000e99999999999999999999",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "1e400",
            "1e-400",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "17976931348623157e292",
            "0.00017976931348623157e312",
            "2e308",
            "9e308",
            "1e309",
            "1e310",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "9007199254740994",
            "9007199254740995",
            "18446744073709551615",
            "18446744073709551616",
            "36893488147419103233",
            "2.2250738585072011e-308",
            "2.2250738585072012e-308",
            "2.2250738585072014e-308",
            "4.9406564584124654e-324",
            "4.9e-324",
            "2.5e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "2.4e-324",
            "1e-323",
            "1e-324",
            "9.9e-325",
            "999999999999999e22",
            "999999999999999e23",
            "1e22",
            "1e23",
            "123456789012345e-22",
            "123456789012345e-23",
            "0.1",
            "0.3",
            "1E+2",
            "1e-0",
        ] {
            check(number);
        }
    }

    #[test]
    fn what_lies_halfway_is_rounded_to_the_even_double() {
        for double in [0.0, f64::MIN_POSITIVE.next_down(), 1.0, 9007199254740992.0, f64::MAX] {
            let [exact, above, below] = around_halfway(double);
            let is_even = double.to_bits() & 1 == 0;
            let next = double.next_up();
            assert_eq!(Decimal::parse(&exact).double(), if is_even { double } else { next });
            assert_eq!(Decimal::parse(&above).double(), next);
            assert_eq!(Decimal::parse(&below).double(), double);
            [exact, above, below].iter().for_each(|number| check(number));
        }
    }

    #[test]
    fn a_million_digits_count_like_few() {
        let zeros = "0".repeat(1_000_000);
        let nines = "9".repeat(1_000_000);
        // Std is not asked: it takes an exponent of seven digits for one of six.
        for (number, expected) in [
            (format!("1{zeros}"), f64::INFINITY),
            (format!("1{zeros}e-1000000"), 1.0),
            (format!("1{zeros}e-1000307"), 1e-307),
            (format!("0.{zeros}1"), 0.0),
            (format!("0.{zeros}1e1000001"), 1.0),
            (format!("{nines}e-1000000"), 1.0),
            (format!("{nines}e-999692"), 1e308),
            (format!("{nines}e-999691"), f64::INFINITY),
            (format!("9007199254740993.{zeros}"), 9007199254740992.0),
            (format!("9007199254740993.{zeros}1"), 9007199254740994.0),
            (format!("9007199254740992.{nines}"), 9007199254740992.0),
        ] {
            assert_eq!(Decimal::parse(&number).double(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_as_std_reads_it(
            number in "(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        ) {
            check(&number);
        }

        #[test]
        fn short_numbers_and_long_ones_are_read_as_std_reads_them(
            digits in "[1-9][0-9]{0,19}|[1-9][0-9]{750,850}",
            zeros in 0..40_usize,
            exponent in -1300..400_i64,
        ) {
            check(&format!("{digits}{}e{exponent}", "0".repeat(zeros)));
            check(&format!("0.{}{digits}e{exponent}", "0".repeat(zeros)));
        }

        #[test]
        fn a_double_is_read_from_its_shortest_form_and_from_all_its_digits(bits in 0..=f64::MAX.to_bits()) {
            let double = f64::from_bits(bits);
            check(&format!("{double:e}"));
            check(&format!("{double:.1080}"));
        }

        #[test]
        fn what_is_near_halfway_is_read_as_std_reads_it(bits in prop_oneof![
            0..=f64::MAX.to_bits(),
            // Not normal, or nearly so.
            0..1_u64 << 54,
        ]) {
            let double = f64::from_bits(bits);
            let [exact, above, below] = around_halfway(double);
            prop_assert_eq!(Decimal::parse(&above).double(), double.next_up());
            prop_assert_eq!(Decimal::parse(&below).double(), double);
            [exact, above, below].iter().for_each(|number| check(number));
            // The same, as far as 17 digits go.
            check(&format!("{:.16e}", double));
            check(&format!("{:.17e}", double));
        }
    }
}
