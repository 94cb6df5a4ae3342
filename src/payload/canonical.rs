//! The canonical writer: compact, members sorted at every level, strings and numbers as
//! ECMAScript's `JSON.stringify` writes them (RFC 8785 section 3.2).
//!
//! One rule differs from RFC 8785, and only for names that are array indexes: a JavaScript object
//! holds those first and in numeric order, whatever order they are inserted in, so a receiver
//! that re-serialises would move them. Here they stand where JavaScript puts them.

use super::number;
use crate::json::{self, Document, Kind, ParseError, Piece, Text, Value};
use crate::order::in_order;
use std::cmp::Ordering;

/// The largest array index of ECMAScript, 2^32 - 2.
const MAX_ARRAY_INDEX: u32 = u32::MAX - 1;

/// Writes a JSON text in canonical form.
///
/// # Errors
/// A text that is not JSON.
pub fn canonical(text: &[u8]) -> Result<Vec<u8>, ParseError> {
    let document = Document::parse(text)?;
    let mut out = Vec::with_capacity(text.len());
    value(&mut out, document.root());
    Ok(out)
}

pub(super) fn value(out: &mut Vec<u8>, value: Value<'_>) {
    match value.kind() {
        Kind::Object => object(out, &value.members().collect::<Vec<_>>(), self::value),
        Kind::Array => array(out, value.items(), self::value),
        Kind::String => string(out, value.string().unwrap_or(Text::plain(""))),
        Kind::Number => number::write(out, value.raw()),
        Kind::Null | Kind::True | Kind::False => out.extend_from_slice(value.raw().as_bytes()),
    }
}

/// Writes an array, each item by `write`.
pub(super) fn array<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Writes an object, each member's content by `write`. Of members with the same name the last is
/// written, as JavaScript reads them.
pub(super) fn object<T: Copy>(
    out: &mut Vec<u8>,
    members: &[(Text<'_>, T)],
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    let mut first = true;
    let mut member = |(name, content): &(Text<'_>, T)| {
        out.push(if first { b'{' } else { b',' });
        first = false;
        string(out, *name);
        out.push(b':');
        write(out, *content);
    };
    let are_plain = members.iter().all(|(name, _)| is_plain(name));
    let order = if are_plain { by_bytes } else { order };
    if members.is_sorted_by(|(a, _), (b, _)| order(a, b).is_lt()) {
        members.iter().for_each(&mut member);
    } else {
        let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
        let sorted = if are_plain { sorted_by_bytes(&names) } else { sorted(&names) };
        // Of the same names only the last.
        let next = sorted.iter().skip(1).map(Some).chain([None]);
        let is_last = |next: Option<&Sorted>| next.is_none_or(|next| !next.is_again);
        let written = sorted.iter().zip(next).filter(|(_, next)| is_last(*next));
        written.filter_map(|(this, _)| members.get(this.position)).for_each(&mut member);
    }
    if first {
        out.push(b'{');
    }
    out.push(b'}');
}

/// Whether a name is ordered by its bytes among others of which that is true: it has no escape, is no
/// array index, and has no character from U+E000 on, which UTF-16 and UTF-8 order differently.
fn is_plain(name: &Text<'_>) -> bool {
    let bytes = name.raw().as_bytes();
    !name.is_escaped()
        && !bytes.first().is_some_and(u8::is_ascii_digit)
        && !bytes.iter().any(|byte| *byte >= 0xee)
}

fn by_bytes(a: &Text<'_>, b: &Text<'_>) -> Ordering {
    a.raw().cmp(b.raw())
}

/// A name in its place.
pub(super) struct Sorted {
    /// Where it was before.
    pub(super) position: usize,
    /// It is the same as the one before it.
    pub(super) is_again: bool,
}

/// Names in the order in which members are written; the same ones as they were before. Each is decoded once: it
/// is compared many times.
pub(super) fn sorted(names: &[Text<'_>]) -> Vec<Sorted> {
    let mut units = Vec::with_capacity(names.iter().map(|name| name.raw().len()).sum());
    let decoded: Vec<_> = names
        .iter()
        .map(|name| {
            let start = units.len();
            units.extend(name.units());
            (array_index(name), start..units.len())
        })
        .collect();
    sorted_by(names.len(), |position| {
        let (index, range) = decoded.get(position)?;
        Some((index.is_none(), *index, units.get(range.clone())?))
    })
}

fn sorted_by_bytes(names: &[Text<'_>]) -> Vec<Sorted> {
    sorted_by(names.len(), |position| names.get(position).map(Text::raw))
}

#[inline]
fn sorted_by<K: Ord>(count: usize, key: impl Fn(usize) -> K) -> Vec<Sorted> {
    let mut before = None;
    let positions = in_order(count, &|a, b| key(a).cmp(&key(b)));
    let marked = positions.into_iter().map(|position| {
        let is_again = before.replace(position).is_some_and(|before| key(before) == key(position));
        Sorted { position, is_again }
    });
    marked.collect()
}

#[inline]
pub(super) fn string(out: &mut Vec<u8>, text: Text<'_>) {
    out.push(b'"');
    if !text.is_escaped() {
        // A valid JSON string without a backslash holds nothing that has to be escaped.
        out.extend_from_slice(text.raw().as_bytes());
        out.push(b'"');
        return;
    }
    for piece in text.pieces() {
        match piece {
            Piece::Plain(plain) => out.extend_from_slice(plain.as_bytes()),
            Piece::Escaped(character) => json::escape(out, character),
            Piece::Lone(unit) => out.extend_from_slice(format!("\\u{unit:04x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[inline]
fn order(a: &Text<'_>, b: &Text<'_>) -> Ordering {
    match (array_index(a), array_index(b)) {
        (None, None) => a.compare(b),
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

#[inline]
fn array_index(name: &Text<'_>) -> Option<u32> {
    // Most names are not numbers: look at one byte first. An escape may hide a digit.
    match name.raw().as_bytes().first()? {
        b'0'..=b'9' | b'\\' => digits(name),
        _ => None,
    }
}

fn digits(name: &Text<'_>) -> Option<u32> {
    let name = name.decode()?;
    if !name.bytes().all(|byte| byte.is_ascii_digit()) || (name.len() > 1 && name.starts_with('0'))
    {
        return None;
    }
    name.parse().ok().filter(|index| *index <= MAX_ARRAY_INDEX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::testing::{ANY_NUMBER, document};
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        String::from_utf8(canonical(text.as_bytes()).unwrap()).unwrap()
    }

    /// What another parser reads; `0` and `0.0` are the same number to it after this.
    fn read_by_serde_json(text: &str) -> Option<serde_json::Value> {
        fn unified(value: serde_json::Value) -> serde_json::Value {
            use serde_json::Value::{Array, Number, Object};
            match value {
                Number(number) => number.as_f64().into(),
                Array(items) => items.into_iter().map(unified).collect(),
                Object(members) => members.into_iter().map(|(k, v)| (k, unified(v))).collect(),
                other => other,
            }
        }
        serde_json::from_str(text).ok().map(unified)
    }

    #[test]
    fn the_example_of_rfc_8785_section_3_2_2_is_written_as_there() {
        let input = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        // 333333333.33333329 is the one number there that a double would change.
        let expected = r#"{"literals":[null,true,false],"numbers":[333333333.33333329,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(written(input), expected);
    }

    #[test]
    fn names_sort_as_in_rfc_8785_section_3_2_3() {
        let input = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let expected = "{\"\\r\":\"Carriage Return\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(written(input), expected);
    }

    #[test]
    fn array_indexes_stand_first_and_in_numeric_order() {
        assert_eq!(
            written(r#"{"a":0,"10":0,"9":0,"-1":0,"01":0,"4294967295":0,"4294967294":0," ":0}"#),
            r#"{"9":0,"10":0,"4294967294":0," ":0,"-1":0,"01":0,"4294967295":0,"a":0}"#
        );
    }

    #[test]
    fn of_duplicate_names_the_last_is_written() {
        assert_eq!(written(r#"{"b":1,"a":2,"b":3,"\u0061":4}"#), r#"{"a":4,"b":3}"#);
    }

    #[test]
    fn lone_surrogates_stay_escaped() {
        assert_eq!(
            written(r#"["\uD800","\udc00x","\ud83d\ud83d\ude00"]"#),
            r#"["\ud800","\udc00x","\ud83d😀"]"#
        );
    }

    proptest! {
        #[test]
        fn canonical_bytes_are_canonical_already(text in document(ANY_NUMBER)) {
            let once = canonical(text.as_bytes()).unwrap();
            prop_assert_eq!(canonical(&once).unwrap(), once);
        }

        #[test]
        fn plain_names_are_ordered_by_their_bytes(a: String, b in "[a-z_]{0,3}|[\u{d7fe}-\u{10001}]{1,2}") {
            let (a, b) = (a.replace(['"', '\\'], "").replace(char::is_control, ""), b);
            let (a, b) = (Text::plain(&a), Text::plain(&b));
            if is_plain(&a) && is_plain(&b) {
                prop_assert_eq!(by_bytes(&a, &b), order(&a, &b));
            }
        }

        #[test]
        fn nothing_is_lost(text in document(ANY_NUMBER)) {
            let read = read_by_serde_json(&text);
            // It reads no lone surrogates, which may well be in a member that a later one replaces.
            prop_assume!(read.is_some());
            prop_assert_eq!(read, read_by_serde_json(&written(&text)));
        }
    }
}
