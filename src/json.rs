//! Foreign JSON, read once and left where it is.
//!
//! A body becomes a flat list of spans over its own text, so numbers keep their digits, strings
//! keep lone surrogates, and duplicate keys stay visible: all of which a tree of decoded values
//! loses. Strict RFC 8259, bounded in depth; a byte order mark before it is skipped. It knows nothing of forms, webhooks or Envoy.

mod builder;
mod decimal;
mod end;
mod members;
mod pointer;
mod scan;
mod text;
mod write;

pub use builder::Builder;
pub use decimal::Decimal;
pub use end::DocumentEnd;
pub use members::MemberFilter;
pub use pointer::{Pointer, PointerError};
pub use scan::{MAX_DEPTH, ParseError};
pub use text::{Piece, Text};
pub use write::{escape, quote};

use std::borrow::Cow;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number; [`Value::raw`] has its digits as they were sent.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value in the list. Children follow their container; an object's children are key, value,
/// key, value.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// Only of strings: the text holds at least one backslash.
    escaped: bool,
    start: u32,
    end: u32,
    /// How many nodes this value is made of, itself included.
    size: u32,
}

/// A parsed JSON text.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    nodes: Vec<Node>,
}

impl<'t> Document<'t> {
    /// Parses a whole JSON text.
    ///
    /// # Errors
    /// Anything but exactly one RFC 8259 value in valid UTF-8, nested at most [`MAX_DEPTH`] deep
    /// and smaller than 4 GiB.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| ParseError { offset: error.valid_up_to(), expected: "UTF-8 text" })?;
        Ok(Document { text, nodes: scan::nodes(text)? })
    }

    /// The text that was parsed, with its byte order mark if it has one.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { text: self.text, nodes: &self.nodes }
    }
}

/// A value inside a [`Document`].
#[derive(Clone, Copy)]
pub struct Value<'d> {
    text: &'d str,
    /// This value's node and all that follow it in the document.
    nodes: &'d [Node],
}

impl<'d> Value<'d> {
    #[inline(always)]
    fn node(&self) -> Node {
        // A `Value` is only made for an existing node; the fallback keeps a mistake here harmless.
        self.nodes.first().copied().unwrap_or(Node {
            kind: Kind::Null,
            escaped: false,
            start: 0,
            end: 0,
            size: 1,
        })
    }

    /// What it is.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Its text, exactly as it was sent.
    #[inline(always)]
    pub fn raw(&self) -> &'d str {
        let node = self.node();
        self.text.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    /// The content of a string; `None` for every other kind.
    #[inline(always)]
    pub fn string(&self) -> Option<Text<'d>> {
        let node = self.node();
        if node.kind != Kind::String {
            return None;
        }
        // Between the quotes.
        let inner = node.start as usize + 1..(node.end as usize).saturating_sub(1);
        Some(Text::new(self.text.get(inner).unwrap_or_default(), node.escaped))
    }

    /// The content of a string as Rust text; `None` for every other kind and for a string that
    /// holds a lone surrogate.
    pub fn as_str(&self) -> Option<Cow<'d, str>> {
        self.string()?.decode()
    }

    /// The members of an object in the order they were sent, duplicates included; nothing for
    /// every other kind.
    #[inline(always)]
    pub fn members(&self) -> impl Iterator<Item = (Text<'d>, Value<'d>)> + use<'d> {
        Members(self.children(Kind::Object))
    }

    /// The items of an array; nothing for every other kind.
    #[inline(always)]
    pub fn items(&self) -> impl Iterator<Item = Value<'d>> + use<'d> {
        self.children(Kind::Array)
    }

    /// The member of an object with this name. Of duplicates the last, as in JavaScript.
    pub fn get(&self, name: &str) -> Option<Value<'d>> {
        let [found] = self.get_all(&[name]);
        found
    }

    /// The members of an object with these names, found in one pass.
    pub fn get_all<const N: usize>(&self, names: &[&str; N]) -> [Option<Value<'d>>; N] {
        let mut found = [None; N];
        self.find(names, &mut found);
        found
    }

    /// How many members an object has at most: what its text allows, without counting them.
    pub fn most_members(&self) -> usize {
        self.node().size as usize / 2
    }

    fn find(&self, names: &[&str], found: &mut [Option<Value<'d>>]) {
        // Few members have a name as long as one that is looked for, and only those are looked at: a bit
        // for each length, the longest together.
        let bit = |length: usize| 1_u64 << length.min(63);
        let lengths = names.iter().fold(0, |lengths, name| lengths | bit(name.len()));
        let mut nodes = self.children(Kind::Object).nodes;
        while let [key, values @ ..] = nodes {
            let (name, value) =
                (Value { text: self.text, nodes }, Value { text: self.text, nodes: values });
            nodes = values.get(value.node().size as usize..).unwrap_or_default();
            let length = (key.end as usize).wrapping_sub(key.start as usize).wrapping_sub(2);
            if !key.escaped && lengths & bit(length) == 0 {
                continue;
            }
            let Some(name) = name.string() else { continue };
            for (wanted, found) in names.iter().zip(found.iter_mut()) {
                if name.is(wanted) {
                    *found = Some(value);
                }
            }
        }
    }

    #[inline(always)]
    fn children(&self, kind: Kind) -> Children<'d> {
        let node = self.node();
        let nodes = match self.nodes.get(1..node.size as usize) {
            Some(nodes) if node.kind == kind => nodes,
            _ => &[],
        };
        Children { text: self.text, nodes }
    }
}

/// The values directly inside a container.
struct Children<'d> {
    text: &'d str,
    nodes: &'d [Node],
}

impl<'d> Iterator for Children<'d> {
    type Item = Value<'d>;

    #[inline(always)]
    fn next(&mut self) -> Option<Value<'d>> {
        let size = self.nodes.first()?.size as usize;
        let (nodes, rest) = self.nodes.split_at_checked(size)?;
        self.nodes = rest;
        Some(Value { text: self.text, nodes })
    }
}

/// The members of an object.
struct Members<'d>(Children<'d>);

impl<'d> Iterator for Members<'d> {
    type Item = (Text<'d>, Value<'d>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.next()?.string()?;
        Some((name, self.0.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_items_are_found_at_every_depth() {
        let text = br#"{"a":[1,{"b":"x","b":"y"},[]],"c":null}"#;
        let document = Document::parse(text).unwrap();
        let root = document.root();
        let names: Vec<_> = root.members().map(|(key, _)| key.decode().unwrap()).collect();
        assert_eq!(names, ["a", "c"]);
        let items: Vec<_> = root.get("a").unwrap().items().map(|v| v.raw()).collect();
        assert_eq!(items, ["1", r#"{"b":"x","b":"y"}"#, "[]"]);
    }

    #[test]
    fn of_duplicate_members_the_last_counts() {
        let document = Document::parse(br#"{"a":1,"\u0061":2}"#).unwrap();
        assert_eq!(document.root().get("a").unwrap().raw(), "2");
    }

    #[test]
    fn members_are_found_together_as_they_are_one_by_one() {
        let document = Document::parse(br#"{"a":1,"bb":2,"\u0061":3,"":4,"bb":5}"#).unwrap();
        let root = document.root();
        let names = ["a", "", "bb", "c"];
        let found = root.get_all(&names).map(|value| value.map(|value| value.raw()));
        assert_eq!(found, [Some("3"), Some("4"), Some("5"), None]);
        assert_eq!(names.map(|name| root.get(name).map(|value| value.raw())), found);
    }

    #[test]
    fn a_value_of_another_kind_has_no_members_and_no_items() {
        let document = Document::parse(br#"[{"a":1}]"#).unwrap();
        assert_eq!(document.root().members().count(), 0);
        let object = document.root().items().next().unwrap();
        assert_eq!(object.items().count(), 0);
    }
}

/// Generated JSON texts for property tests.
#[cfg(test)]
#[allow(dead_code, unreachable_pub)] // it is the tests' own, and shared
#[path = "../tests/support/documents.rs"]
pub(crate) mod testing;
