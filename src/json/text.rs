//! The content of a JSON string, still escaped.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The text between the quotes of a valid JSON string.
///
/// JSON strings are sequences of UTF-16 code units: `"\ud800"` is valid JSON and no Rust `str`
/// can hold it. So the text stays as it was sent, and is decoded only where it must be.
#[derive(Clone, Copy, Debug)]
pub struct Text<'d> {
    raw: &'d str,
    escaped: bool,
}

impl<'d> Text<'d> {
    #[inline(always)]
    pub(super) fn new(raw: &'d str, escaped: bool) -> Self {
        Text { raw, escaped }
    }

    /// A text that needs no escape: no quote, no backslash, no control character below the space.
    #[inline]
    pub fn plain(text: &'d str) -> Self {
        debug_assert!(!text.contains(['"', '\\']) && !text.contains(|c| c < ' '));
        Text::new(text, false)
    }

    /// As it was sent, escapes included.
    #[inline(always)]
    pub fn raw(&self) -> &'d str {
        self.raw
    }

    /// Whether [`Text::raw`] holds an escape.
    #[inline(always)]
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// As Rust text, if it has no lone surrogate.
    #[inline(always)]
    pub fn decode(&self) -> Option<Cow<'d, str>> {
        if !self.escaped {
            return Some(Cow::Borrowed(self.raw));
        }
        self.unescaped().map(Cow::Owned)
    }

    fn unescaped(&self) -> Option<String> {
        char::decode_utf16(self.units()).collect::<Result<_, _>>().ok()
    }

    /// Whether it says this text.
    #[inline(always)]
    pub fn is(&self, text: &str) -> bool {
        if self.escaped { self.units().eq(text.encode_utf16()) } else { self.raw == text }
    }

    /// The UTF-16 code units that the string stands for.
    #[inline]
    pub fn units(&self) -> impl Iterator<Item = u16> + use<'d> {
        let mut chars = self.raw.chars();
        let mut low = None;
        let escaped = self.escaped;
        std::iter::from_fn(move || {
            if let Some(unit) = low.take() {
                return Some(unit);
            }
            match chars.next()? {
                '\\' if escaped => Some(match chars.next()? {
                    'b' => 0x08,
                    'f' => 0x0c,
                    'n' => 0x0a,
                    'r' => 0x0d,
                    't' => 0x09,
                    'u' => {
                        let digits = chars.as_str().get(..4)?;
                        chars.nth(3);
                        u16::from_str_radix(digits, 16).ok()?
                    }
                    // `"`, `\` and `/` stand for themselves.
                    other => u16::try_from(u32::from(other)).ok()?,
                }),
                other => {
                    let mut buffer = [0; 2];
                    let units = other.encode_utf16(&mut buffer);
                    low = units.get(1).copied();
                    units.first().copied()
                }
            }
        })
    }

    /// Compares by UTF-16 code units, as JavaScript compares strings and RFC 8785 sorts keys.
    #[inline]
    pub fn compare(&self, other: &Text<'_>) -> Ordering {
        let simple = |text: &Text<'_>| !text.escaped && text.raw.is_ascii();
        if simple(self) && simple(other) {
            return self.raw.cmp(other.raw);
        }
        self.units().cmp(other.units())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_decoded() {
        let text = Text::new(r#"a\"\\\/\b\f\n\r\té\u4e2d\ud83d\ude00"#, true);
        assert_eq!(text.decode().unwrap(), "a\"\\/\u{8}\u{c}\n\r\té中😀");
    }

    #[test]
    fn control_characters_above_the_space_need_no_escape() {
        assert!(Text::plain("a\u{7f}\u{85}").is("a\u{7f}\u{85}"));
    }

    #[test]
    fn a_lone_surrogate_has_no_rust_text_but_its_units() {
        let text = Text::new(r"x\ud800y", true);
        assert_eq!(text.decode(), None);
        assert_eq!(text.units().collect::<Vec<_>>(), [0x78, 0xd800, 0x79]);
    }

    #[test]
    fn order_is_by_code_units_not_by_code_points() {
        // U+FF5E is one unit above the surrogates of U+1F600, though the smaller code point.
        let (emoji, tilde) = (Text::new("😀", false), Text::new("～", false));
        assert_eq!(emoji.compare(&tilde), Ordering::Less);
    }

    proptest! {
        #[test]
        fn what_serde_json_escapes_is_read_back(text in any::<String>()) {
            let quoted = serde_json::to_string(&text).unwrap();
            let inner = quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            let read = Text::new(inner, inner.contains('\\'));
            prop_assert_eq!(read.decode().unwrap(), text.as_str());
            prop_assert!(read.is(&text));
        }
    }
}
