//! Some members of a JSON object that comes in chunks.

use super::Text;

/// Takes the members with certain names out of the outermost object of a document, as it passes.
///
/// What it writes is a document of these members alone, which is whole when the object was. It tells
/// brackets and text apart and judges nothing else: of what it leaves out it does not say whether it
/// is valid. Of a document that is no object nothing comes.
#[derive(Debug)]
pub struct MemberFilter {
    names: Box<[Box<str>]>,
    state: State,
    /// How many objects and arrays are open.
    depth: usize,
    string: InString,
    /// The name of a member as far as it has come, with its quotes. No longer than a wanted one can be.
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the object.
    Start,
    /// Between members.
    Between,
    /// In the name of a member.
    Key,
    /// Behind the name of a member, until the value is over.
    Value { is_wanted: bool },
    /// Behind the object, or in what is none.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InString {
    No,
    Yes,
    /// Behind a backslash.
    Escaped,
}

impl MemberFilter {
    /// A filter for the members with these names.
    pub fn new(names: Vec<Box<str>>) -> Self {
        MemberFilter {
            names: names.into(),
            state: State::Start,
            depth: 0,
            string: InString::No,
            key: Vec::new(),
        }
    }

    /// Reads on, and adds what it keeps.
    pub fn feed(&mut self, chunk: &[u8], kept: &mut Vec<u8>) {
        for byte in chunk {
            self.byte(*byte, kept);
        }
    }

    fn byte(&mut self, byte: u8, kept: &mut Vec<u8>) {
        match self.state {
            State::Start => match byte {
                b'{' => {
                    kept.push(b'{');
                    self.state = State::Between;
                }
                // White space, and a byte order mark.
                b' ' | b'\t' | b'\n' | b'\r' | 0xef | 0xbb | 0xbf => {}
                _ => self.state = State::End,
            },
            State::Between => match byte {
                b'"' => {
                    self.key.clear();
                    self.key.push(b'"');
                    self.state = State::Key;
                    self.string = InString::Yes;
                }
                b'}' => {
                    kept.push(b'}');
                    self.state = State::End;
                }
                _ => {}
            },
            State::Key => {
                if self.key.len() <= self.longest() {
                    self.key.push(byte);
                }
                if self.is_string_over(byte) {
                    let is_wanted = self.is_wanted();
                    if is_wanted {
                        if kept.last() != Some(&b'{') {
                            kept.push(b',');
                        }
                        kept.extend_from_slice(&self.key);
                    }
                    self.state = State::Value { is_wanted };
                }
            }
            State::Value { is_wanted } => self.value(byte, is_wanted, kept),
            State::End => {}
        }
    }

    /// A byte between the name of a member and the next.
    fn value(&mut self, byte: u8, is_wanted: bool, kept: &mut Vec<u8>) {
        if self.string != InString::No {
            self.is_string_over(byte);
        } else {
            match byte {
                b'"' => self.string = InString::Yes,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b',' if self.depth == 0 => {
                    self.state = State::Between;
                    return;
                }
                b'}' | b']' if self.depth == 0 => {
                    kept.push(b'}');
                    self.state = State::End;
                    return;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        if is_wanted {
            kept.push(byte);
        }
    }

    /// Takes note of a byte of a string. Whether it is the last one.
    fn is_string_over(&mut self, byte: u8) -> bool {
        self.string = match (self.string, byte) {
            (InString::Escaped, _) => InString::Yes,
            (_, b'\\') => InString::Escaped,
            (_, b'"') => InString::No,
            _ => InString::Yes,
        };
        self.string == InString::No
    }

    /// How long a wanted name can be: each character may be an escape of six bytes, between quotes.
    fn longest(&self) -> usize {
        let longest = self.names.iter().map(|name| name.len()).max().unwrap_or_default();
        longest.saturating_mul(6).saturating_add(2)
    }

    /// Whether the name that has come is wanted.
    fn is_wanted(&self) -> bool {
        let key = std::str::from_utf8(&self.key).ok();
        let key = key.and_then(|key| key.strip_prefix('"')?.strip_suffix('"'));
        key.is_some_and(|key| {
            let key = Text::new(key, key.contains('\\'));
            self.names.iter().any(|name| key.is(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::super::testing::{ANY_NUMBER, document};
    use super::*;
    use proptest::prelude::*;

    fn kept(text: &str, names: &[&str], size: usize) -> String {
        let mut filter = MemberFilter::new(names.iter().map(|name| (*name).into()).collect());
        let mut kept = Vec::new();
        text.as_bytes().chunks(size).for_each(|chunk| filter.feed(chunk, &mut kept));
        String::from_utf8(kept).unwrap()
    }

    #[test]
    fn only_the_named_members_are_kept() {
        for (text, expected) in [
            (r#"{"a":1,"b":{"a":[2,"}"]},"c":"\"a\":3"}"#, r#"{"a":1}"#),
            (
                r#" {"b" : [ {"a":1}, "]" ] , "a":2, "a":{"b":[]}}x"#,
                r#"{"b" : [ {"a":1}, "]" ] ,"a":2,"a":{"b":[]}}"#,
            ),
            (r#"{"\u0061":"x\\","c":1,"a\"":2}"#, r#"{"\u0061":"x\\"}"#),
            ("\u{feff}{}", "{}"),
            (r#"{"a":1"#, r#"{"a":1"#),
            (r#"[{"a":1}]"#, ""),
            ("7", ""),
            ("", ""),
        ] {
            for size in [1, 3, 100] {
                let names: &[&str] = if text.contains(" : ") { &["a", "b"] } else { &["a"] };
                assert_eq!(kept(text, names, size), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_long_name_is_none_that_begins_with_a_wanted_one() {
        let long = format!(r#"{{"{}":1,"ab":2}}"#, "a".repeat(1000));
        assert_eq!(kept(&long, &["a", "ab"], 7), r#"{"ab":2}"#);
    }

    proptest! {
        #[test]
        fn a_member_that_is_kept_is_the_same(text in document(ANY_NUMBER), other in document(ANY_NUMBER), size in 1_usize..40) {
            let whole = format!(r#"{{"x":{other},"a":{text},"y":{other}}}"#);
            let kept = kept(&whole, &["a"], size);
            let read = Document::parse(kept.as_bytes()).unwrap();
            prop_assert_eq!(read.root().get("a").unwrap().raw(), text.trim_matches([' ', '\n', '\t', '\r']));
            prop_assert_eq!(read.root().members().count(), 1);
        }
    }
}
