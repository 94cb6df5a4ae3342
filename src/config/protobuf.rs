//! The configuration as a `google.protobuf.Struct`, back to JSON text.
//!
//! Envoy's documentation says that a Struct arrives as JSON; Envoy 1.36 to 1.40 hand over its
//! binary form, whose numbers are doubles and whose keys have no order. The format is that of
//! <https://protobuf.dev/programming-guides/encoding/> for the messages of `struct.proto`.

use crate::json;

/// The deepest nesting of a Struct that is read; no configuration goes half as deep.
const MAX_DEPTH: usize = 64;

/// The JSON text of a binary Struct; `None` if the bytes are not one.
///
/// The binary form has control characters where JSON allows none, so no JSON text is ever taken
/// for one.
pub(super) fn json_of_struct(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    object(&mut out, bytes, MAX_DEPTH)?;
    Some(out)
}

/// `message Struct { map<string, Value> fields = 1; }`
fn object(out: &mut Vec<u8>, message: &[u8], depth: usize) -> Option<()> {
    out.push(b'{');
    for (position, entry) in repeated(message)?.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        let (mut name, mut content) = (&b""[..], &b""[..]);
        for field in fields(entry) {
            match field? {
                (1, Content::Bytes(bytes)) => name = bytes,
                (2, Content::Bytes(bytes)) => content = bytes,
                _ => return None,
            }
        }
        json::quote(out, std::str::from_utf8(name).ok()?);
        out.push(b':');
        value(out, content, depth)?;
    }
    out.push(b'}');
    Some(())
}

/// `message ListValue { repeated Value values = 1; }`
fn list(out: &mut Vec<u8>, message: &[u8], depth: usize) -> Option<()> {
    out.push(b'[');
    for (position, item) in repeated(message)?.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        value(out, item, depth)?;
    }
    out.push(b']');
    Some(())
}

/// `message Value`: exactly one of `null_value = 1`, `number_value = 2`, `string_value = 3`,
/// `bool_value = 4`, `struct_value = 5`, `list_value = 6`.
fn value(out: &mut Vec<u8>, message: &[u8], depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let mut fields = fields(message);
    match fields.next() {
        None | Some(Some((1, Content::Number(_)))) => out.extend_from_slice(b"null"),
        // `Infinity` and `NaN` are no JSON; the parser will say so.
        Some(Some((2, Content::Number(bits)))) => {
            let number = f64::from_bits(bits);
            out.extend_from_slice(ryu_js::Buffer::new().format(number).as_bytes());
        }
        Some(Some((3, Content::Bytes(text)))) => json::quote(out, std::str::from_utf8(text).ok()?),
        Some(Some((4, Content::Number(0)))) => out.extend_from_slice(b"false"),
        Some(Some((4, Content::Number(_)))) => out.extend_from_slice(b"true"),
        Some(Some((5, Content::Bytes(message)))) => object(out, message, depth)?,
        Some(Some((6, Content::Bytes(message)))) => list(out, message, depth)?,
        Some(_) => return None,
    }
    fields.next().is_none().then_some(())
}

/// The messages of a message that has but one field, a repeated one with the number 1.
fn repeated(message: &[u8]) -> Option<Vec<&[u8]>> {
    let bytes = |field| match field {
        Some((1, Content::Bytes(bytes))) => Some(bytes),
        _ => None,
    };
    fields(message).map(bytes).collect()
}

/// What a field holds.
enum Content<'m> {
    /// A varint or a fixed 64-bit value.
    Number(u64),
    /// A text or a message.
    Bytes(&'m [u8]),
}

/// The fields of a message, each with its number. After a `None` there is nothing more to read.
fn fields<'m>(mut message: &'m [u8]) -> impl Iterator<Item = Option<(u64, Content<'m>)>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = field(&mut message);
        if field.is_none() {
            message = &[];
        }
        Some(field)
    })
}

/// Takes a number off the front of some bytes.
fn leb128(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn field<'m>(message: &mut &'m [u8]) -> Option<(u64, Content<'m>)> {
    let tag = leb128(message)?;
    let content = match tag & 0b111 {
        0 => Content::Number(leb128(message)?),
        1 => {
            let (bits, rest) = message.split_first_chunk()?;
            *message = rest;
            Content::Number(u64::from_le_bytes(*bits))
        }
        2 => {
            let length = usize::try_from(leb128(message)?).ok()?;
            let (bytes, rest) = message.split_at_checked(length)?;
            *message = rest;
            Content::Bytes(bytes)
        }
        _ => return None,
    };
    Some((tag >> 3, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `{"a": [1.5, 2, true, null, "x\"\n"], "b": {}}`, serialised by the PyPI package protobuf.
    const STRUCT: &str = "0a2c0a0161122732250a0911000000000000f83f0a091100000000000000400a0220010a0208000a051a0378220a0a070a016212022a00";

    fn unhex(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn a_struct_becomes_the_json_that_it_was_written_as() {
        let json = json_of_struct(&unhex(STRUCT)).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), r#"{"a":[1.5,2,true,null,"x\"\n"],"b":{}}"#);
    }

    #[test]
    fn other_bytes_are_no_struct() {
        for bytes in [&b"{\"a\":1}"[..], b"\n{\n  \"a\": 1\n}", b"platform: jodoo", b"\xff"] {
            assert_eq!(json_of_struct(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| {
            let mut list = Vec::new();
            for _ in 1..depth {
                for tag in [0x32, 0x0a] {
                    let mut length = list.len();
                    let mut outer = vec![tag];
                    while length >= 0x80 {
                        outer.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                        length >>= 7;
                    }
                    outer.push(u8::try_from(length).unwrap());
                    outer.extend(list);
                    list = outer;
                }
            }
            let mut out = Vec::new();
            super::list(&mut out, &list, MAX_DEPTH).map(|()| out)
        };
        assert!(nested(MAX_DEPTH).is_some());
        assert_eq!(nested(MAX_DEPTH + 2), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = json_of_struct(&bytes);
        }

        #[test]
        fn a_struct_that_was_cut_within_a_member_is_none(cut in 1usize..9) {
            let bytes = unhex(STRUCT);
            // Its last member, "b", has 9 bytes.
            prop_assert_eq!(json_of_struct(&bytes[..bytes.len() - cut]), None);
        }
    }
}
