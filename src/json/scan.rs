//! The scanner: one pass over the text, no recursion, no copy.

use super::{Kind, Node};
use std::fmt;

/// The deepest nesting that is read. Deeper documents are refused, so that every later walk may
/// recurse without a bound of its own.
pub const MAX_DEPTH: usize = 512;

const TOO_DEEP: &str = "nesting of at most 512 levels";

/// The byte order mark of UTF-8, which some put before JSON. RFC 8259 section 8.1 lets a parser ignore it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Bytes from the beginning of the text.
    pub offset: usize,
    /// What would have been valid there.
    pub expected: &'static str,
}

impl ParseError {
    /// Whether the text is nested too deep, as far as it was read.
    pub fn is_too_deep(&self) -> bool {
        self.expected == TOO_DEEP
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.offset)
    }
}

pub(super) fn nodes(text: &str) -> Result<Vec<Node>, ParseError> {
    if u32::try_from(text.len()).is_err() {
        return Err(ParseError { offset: 0, expected: "a text smaller than 4 GiB" });
    }
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 },
        nodes: Vec::with_capacity(text.len() / 16),
        open: Vec::new(),
    };
    scanner.document()?;
    Ok(scanner.nodes)
}

/// Where the first byte is that cannot stand in a string as it is: a quote, a backslash or a control
/// character.
#[inline]
fn end_of_plain(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (eights, _) = text.as_chunks::<8>();
    // Eight at once: a byte's high bit is set by the subtraction if the byte was less. The bit may also
    // be set in bytes above such a one, which does no harm, as they are looked at again one by one.
    let is_special = |eight: &&[u8; 8]| {
        let eight = u64::from_le_bytes(**eight);
        let below = |bound: u8, of: u64| of.wrapping_sub(ONES * u64::from(bound)) & !of & HIGH;
        let is = |byte: u8| below(1, eight ^ (ONES * u64::from(byte)));
        below(0x20, eight) | is(b'"') | is(b'\\') != 0
    };
    let skipped = eights.iter().take_while(|eight| !is_special(eight)).count() * 8;
    let rest = text.get(skipped..).unwrap_or_default();
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(skipped + found)
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The containers that are not closed yet, by their index in `nodes`.
    open: Vec<usize>,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), ParseError> {
        loop {
            if self.value()? {
                continue;
            }
            if self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Reads one scalar, or the opening of a container. True if a value must follow at once.
    #[inline(always)]
    fn value(&mut self) -> Result<bool, ParseError> {
        self.skip_space();
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.open(Kind::Object, b'}'),
            Some(b'[') => self.open(Kind::Array, b']'),
            Some(b'"') => self.string().map(|()| false),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.push(Kind::Number, start);
                Ok(false)
            }
            Some(b't') => self.literal("true", Kind::True),
            Some(b'f') => self.literal("false", Kind::False),
            Some(b'n') => self.literal("null", Kind::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn open(&mut self, kind: Kind, close: u8) -> Result<bool, ParseError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.expected(TOO_DEEP));
        }
        let start = self.at;
        self.at += 1;
        self.open.push(self.nodes.len());
        self.push(kind, start);
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            self.close();
            return Ok(false);
        }
        if kind == Kind::Object {
            self.key()?;
        }
        Ok(true)
    }

    /// Closes what ends here. True if that was the whole document.
    #[inline(always)]
    fn after_value(&mut self) -> Result<bool, ParseError> {
        loop {
            self.skip_space();
            let Some(container) = self.open.last().and_then(|index| self.nodes.get(*index)) else {
                return match self.peek() {
                    None => Ok(true),
                    Some(_) => Err(self.expected("the end of the text")),
                };
            };
            let is_object = container.kind == Kind::Object;
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if is_object {
                        self.skip_space();
                        self.key()?;
                    }
                    return Ok(false);
                }
                Some(b'}') if is_object => {}
                Some(b']') if !is_object => {}
                _ if is_object => return Err(self.expected("`,` or `}`")),
                _ => return Err(self.expected("`,` or `]`")),
            }
            self.at += 1;
            self.close();
        }
    }

    #[inline(always)]
    fn close(&mut self) {
        let (end, count) = (self.at, self.nodes.len());
        let node = self.open.pop().and_then(|index| {
            let size = count.saturating_sub(index);
            self.nodes.get_mut(index).map(|node| (node, size))
        });
        if let Some((node, size)) = node {
            node.end = offset(end);
            node.size = offset(size);
        }
    }

    #[inline]
    fn key(&mut self) -> Result<(), ParseError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a member name in double quotes"));
        }
        self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = end_of_plain(rest).ok_or(ParseError {
                offset: self.bytes.len(),
                expected: "the closing quote of a string",
            })?;
            self.at += plain;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(self.expected("an escape in place of a control character")),
            }
        }
        self.at += 1;
        self.push(Kind::String, start);
        if let Some(node) = self.nodes.last_mut() {
            node.escaped = escaped;
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        let digits = match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(self.expected("a valid escape")),
        };
        self.at += 1;
        for _ in 0..digits {
            if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                return Err(self.expected("four hexadecimal digits"));
            }
            self.at += 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), ParseError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a digit"));
        }
        Ok(())
    }

    fn literal(&mut self, text: &str, kind: Kind) -> Result<bool, ParseError> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        if !rest.starts_with(text.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += text.len();
        self.push(kind, start);
        Ok(false)
    }

    #[inline(always)]
    fn push(&mut self, kind: Kind, start: usize) {
        self.nodes.push(Node {
            kind,
            escaped: false,
            start: offset(start),
            end: offset(self.at),
            size: 1,
        });
    }

    #[inline(always)]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expected(&self, expected: &'static str) -> ParseError {
        ParseError { offset: self.at, expected }
    }
}

/// Positions and counts are at most the length of the text, which was checked to fit.
#[inline(always)]
fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> ParseError {
        Document::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (text, offset, expected) in [
            ("", 0, "a value"),
            ("{", 1, "a member name in double quotes"),
            ("[1,]", 3, "a value"),
            ("[1", 2, "`,` or `]`"),
            (r#"{"a":1,}"#, 7, "a member name in double quotes"),
            (r#"{"a" 1}"#, 5, "`:`"),
            ("01", 1, "the end of the text"),
            ("-", 1, "a digit"),
            ("1.e3", 2, "a digit"),
            ("nul", 0, "a value"),
            ("\"a\nb\"", 2, "an escape in place of a control character"),
            (r#""\x""#, 2, "a valid escape"),
            (r#""\u12g4""#, 5, "four hexadecimal digits"),
            (r#""abc"#, 4, "the closing quote of a string"),
            ("<html>", 0, "a value"),
            ("{} {}", 3, "the end of the text"),
        ] {
            assert_eq!(error(text), ParseError { offset, expected }, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        let error = Document::parse(b"\"\xff\"").unwrap_err();
        assert_eq!((error.offset, error.expected), (1, "UTF-8 text"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |n| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Document::parse(deep(MAX_DEPTH).as_bytes()).is_ok());
        let error = error(&deep(MAX_DEPTH + 1));
        assert_eq!(error.offset, MAX_DEPTH);
        assert!(error.is_too_deep() && error.to_string().contains(&MAX_DEPTH.to_string()));
    }

    #[test]
    fn a_byte_order_mark_before_the_text_is_skipped() {
        for text in ["1", " {\"a\":[2]}", "\"\u{feff}\""] {
            let marked = format!("\u{feff}{text}");
            let document = Document::parse(marked.as_bytes()).unwrap();
            assert_eq!(document.root().raw(), text.trim());
            // What goes on keeps it.
            assert_eq!(document.text(), marked);
        }
        for text in ["\u{feff}", "\u{feff}\u{feff}1", "1\u{feff}", "{\u{feff}}"] {
            assert!(Document::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_same_texts_are_accepted_as_by_serde_json(text in r#"[\[\]{}",:0-9eE.+ntrue\\ -]{0,24}"#) {
            let ours = Document::parse(text.as_bytes()).is_ok();
            // RawValue checks the grammar alone, without a limit on the size of numbers.
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(ours, theirs, "{}", text);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&bytes);
        }
    }
}
