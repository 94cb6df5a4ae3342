//! JSON Pointer, RFC 6901.

use super::{Kind, Value};
use std::fmt;

/// A parsed JSON Pointer. The empty pointer is the whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    tokens: Vec<Box<str>>,
}

/// Why a text is not a JSON Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerError {
    /// It is not empty and does not begin with `/`.
    NoSlash,
    /// A `~` is not followed by `0` or `1`.
    BadEscape,
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PointerError::NoSlash => "a JSON pointer begins with `/`",
            PointerError::BadEscape => {
                "in a JSON pointer `~` must be written `~0`, and a `/` inside a name `~1`"
            }
        })
    }
}

impl Pointer {
    /// Parses a pointer such as `/data/_id`.
    ///
    /// # Errors
    /// A text that RFC 6901 section 3 does not allow.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Pointer { tokens: Vec::new() });
        }
        let tokens = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let tokens = tokens.split('/').map(unescape).collect::<Result<_, _>>()?;
        Ok(Pointer { tokens })
    }

    /// The pointer to a member of a member, by their plain names.
    pub fn to<const N: usize>(names: [&str; N]) -> Self {
        Pointer { tokens: names.map(Into::into).into() }
    }

    /// The member of the outermost object that it leads into; `None` if it is the whole document.
    pub fn first(&self) -> Option<&str> {
        self.tokens.first().map(|token| &**token)
    }

    /// The value it points at.
    pub fn resolve<'d>(&self, root: Value<'d>) -> Option<Value<'d>> {
        self.tokens.iter().try_fold(root, |value, token| match value.kind() {
            Kind::Object => value.get(token),
            Kind::Array => value.items().nth(array_index(token)?),
            _ => None,
        })
    }
}

fn unescape(token: &str) -> Result<Box<str>, PointerError> {
    let mut after_tildes = token.split('~').skip(1);
    if !after_tildes.all(|rest| rest.starts_with(['0', '1'])) {
        return Err(PointerError::BadEscape);
    }
    let mut characters = token.chars();
    let mut unescaped = String::with_capacity(token.len());
    while let Some(character) = characters.next() {
        let is_slash = character == '~' && characters.next() == Some('1');
        unescaped.push(if is_slash { '/' } else { character });
    }
    Ok(unescaped.into())
}

fn array_index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with(['0', '+']);
    canonical.then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    #[test]
    fn the_examples_of_rfc_6901_section_5_resolve() {
        let text = br#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
        let document = Document::parse(text).unwrap();
        for (pointer, raw) in [
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            let found = Pointer::parse(pointer).unwrap().resolve(document.root());
            assert_eq!(found.unwrap().raw(), raw, "{pointer}");
        }
        let whole = Pointer::parse("").unwrap().resolve(document.root()).unwrap();
        assert_eq!(whole.raw().as_bytes(), text);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let document = Document::parse(br#"{"foo":["bar"],"n":1}"#).unwrap();
        for pointer in ["/bar", "/foo/1", "/foo/00", "/foo/+0", "/foo/-", "/n/x", "/foo/x"] {
            let pointer = Pointer::parse(pointer).unwrap();
            assert!(pointer.resolve(document.root()).is_none(), "{pointer:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_pointer_is_refused() {
        assert_eq!(Pointer::parse("data"), Err(PointerError::NoSlash));
        assert_eq!(Pointer::parse("/a~2"), Err(PointerError::BadEscape));
        assert_eq!(Pointer::parse("/a~"), Err(PointerError::BadEscape));
        assert_eq!(Pointer::parse("/~~10"), Err(PointerError::BadEscape));
    }
}
