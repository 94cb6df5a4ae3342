//! Small things with texts, for which what std has takes kilobytes or a thousand instructions.

/// Where the first `part` begins; `None` if there is none, or if it is empty.
pub(crate) fn position(text: &str, part: &str) -> Option<usize> {
    let part = part.as_bytes();
    text.as_bytes().windows(part.len().max(1)).position(|window| window == part)
}

/// Whether it has a `part` in it, which is not empty.
pub(crate) fn has(text: &str, part: &str) -> bool {
    position(text, part).is_some()
}

/// What is before the first `part` and what is behind it.
pub(crate) fn split_once<'t>(text: &'t str, part: &str) -> Option<(&'t str, &'t str)> {
    let (before, rest) = text.split_at_checked(position(text, part)?)?;
    Some((before, rest.get(part.len()..)?))
}

/// Writes a byte as two lowercase hexadecimal digits.
pub(crate) fn push_hex(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for digit in [byte >> 4, byte & 15] {
        text.extend(DIGITS.get(usize::from(digit)).map(|digit| char::from(*digit)));
    }
}

/// Bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    bytes.iter().for_each(|byte| push_hex(&mut text, *byte));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_found_is_what_std_finds(text in "[abé]{0,8}", part in "[abé]{1,3}") {
            prop_assert_eq!(position(&text, &part), text.find(&part));
            prop_assert_eq!(has(&text, &part), text.contains(&part));
            prop_assert_eq!(split_once(&text, &part), text.split_once(&part));
        }
    }
}
