//! Finding a text in a text. What std has for that is made for long ones: a searcher of 3 KB.

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
