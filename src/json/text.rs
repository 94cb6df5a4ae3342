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

/// A part of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'d> {
    /// As it was sent: nothing in it is escaped, or has to be.
    Plain(&'d str),
    /// What an escape stands for.
    Escaped(char),
    /// A surrogate that is no half of a pair.
    Lone(u16),
}

/// The code unit that an escape stands for, of which the backslash was read, and what follows it.
fn escaped_unit(escape: &str) -> Option<(u16, &str)> {
    let (first, rest) = escape.split_at_checked(1)?;
    let unit = match first.as_bytes() {
        b"b" => 0x08,
        b"f" => 0x0c,
        b"n" => 0x0a,
        b"r" => 0x0d,
        b"t" => 0x09,
        b"u" => {
            let (digits, rest) = rest.split_at_checked(4)?;
            let digit = |unit: u16, digit: u8| {
                let value = match digit {
                    b'0'..=b'9' => digit & 15,
                    _ => (digit & 15) + 9,
                };
                unit << 4 | u16::from(value)
            };
            return Some((digits.bytes().fold(0, digit), rest));
        }
        // `"`, `\` and `/` stand for themselves.
        other => u16::from(*other.first()?),
    };
    Some((unit, rest))
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
        let mut text = String::with_capacity(self.raw.len());
        for piece in self.pieces() {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Escaped(character) => text.push(character),
                Piece::Lone(_) => return None,
            }
        }
        Some(text)
    }

    /// What it is made of. Each piece is looked at once.
    #[inline]
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'d>> + use<'d> {
        let (mut left, is_escaped) = (self.raw, self.escaped);
        std::iter::from_fn(move || {
            let Some(escape) = left.strip_prefix('\\').filter(|_| is_escaped) else {
                let is_end = |byte: u8| byte == b'\\';
                let end = if is_escaped { left.bytes().position(is_end) } else { None };
                let (plain, rest) = left.split_at_checked(end.unwrap_or(left.len()))?;
                left = rest;
                return (!plain.is_empty()).then_some(Piece::Plain(plain));
            };
            let (unit, rest) = escaped_unit(escape)?;
            left = rest;
            if let 0xd800..0xdc00 = unit
                && let Some((low @ 0xdc00..0xe000, rest)) =
                    rest.strip_prefix('\\').and_then(escaped_unit)
            {
                left = rest;
                let character = char::decode_utf16([unit, low]).next()?.ok()?;
                return Some(Piece::Escaped(character));
            }
            Some(char::from_u32(unit.into()).map_or(Piece::Lone(unit), Piece::Escaped))
        })
    }

    /// Whether it says this text.
    #[inline(always)]
    pub fn is(&self, text: &str) -> bool {
        if self.escaped { self.units().eq(text.encode_utf16()) } else { self.raw == text }
    }

    /// The UTF-16 code units that the string stands for.
    #[inline]
    pub fn units(&self) -> impl Iterator<Item = u16> + use<'d> {
        self.pieces().flat_map(|piece| {
            let mut buffer = [0; 2];
            let (plain, other) = match piece {
                Piece::Plain(plain) => (plain, None),
                Piece::Escaped(character) => ("", Some(&*character.encode_utf16(&mut buffer))),
                Piece::Lone(unit) => {
                    buffer = [unit, 0];
                    ("", buffer.get(..1))
                }
            };
            let other = other.map(|units| (units.first().copied(), units.get(1).copied()));
            let (first, second) = other.unwrap_or_default();
            plain.encode_utf16().chain(first).chain(second)
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
