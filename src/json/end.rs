//! Where a JSON document that comes in chunks ends.

/// Follows a document until its outermost object or array is closed, or until it is none: what begins
/// otherwise, or has a byte that no document has at its place.
///
/// It tells brackets, strings and what can stand between them, and nothing more: what it takes for a
/// document may still be none.
#[derive(Debug, Default)]
pub struct DocumentEnd {
    /// How many objects and arrays are open.
    depth: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between tokens, or in one that is no string.
    #[default]
    Outside,
    InString,
    /// Behind a backslash in a string.
    Escaped,
}

impl DocumentEnd {
    /// Reads on. True if the document ends within these bytes, or is none.
    pub fn is_in(&mut self, chunk: &[u8]) -> bool {
        for byte in chunk {
            self.place = match (self.place, byte) {
                (Place::InString | Place::Escaped, ..=0x1f) => return true,
                (Place::InString, b'\\') => Place::Escaped,
                (Place::InString, b'"') => Place::Outside,
                (Place::InString | Place::Escaped, _) => Place::InString,
                // White space; before all of it there may be a byte order mark.
                (Place::Outside, b' ' | b'\t' | b'\n' | b'\r') => Place::Outside,
                (Place::Outside, 0xef | 0xbb | 0xbf) if self.depth == 0 => Place::Outside,
                (Place::Outside, b'{' | b'[') => {
                    self.depth = self.depth.saturating_add(1);
                    Place::Outside
                }
                (Place::Outside, _) if self.depth == 0 => return true,
                (Place::Outside, b'"') => Place::InString,
                (Place::Outside, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return true;
                    }
                    Place::Outside
                }
                // Numbers, `true`, `false`, `null`, and what stands between values.
                (Place::Outside, b',' | b':' | b'0'..=b'9' | b'-' | b'+' | b'.' | b'E') => {
                    Place::Outside
                }
                (Place::Outside, b'a' | b'e' | b'f' | b'l' | b'n' | b'r' | b's' | b't' | b'u') => {
                    Place::Outside
                }
                (Place::Outside, _) => return true,
            };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ANY_NUMBER, document};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn brackets_in_strings_are_text() {
        for text in [r#"{"a}":"\"}","b":[{}]}"#, r#" ["]\\",[[]]]"#, r#"{"\\\"}":1}"#] {
            let mut end = DocumentEnd::default();
            let (before, last) = text.as_bytes().split_at(text.len() - 1);
            assert!(!end.is_in(before) && end.is_in(last), "{text}");
        }
    }

    #[test]
    fn what_is_no_document_is_known_where_it_is_none() {
        for text in
            ["<html>", "7", "\"a\"", "}", "{x", "[1;", "{\"a\u{1}", "[\u{e9}", "\u{1f}", "nul"]
        {
            assert!(DocumentEnd::default().is_in(text.as_bytes()), "{text}");
        }
        for text in ["", " \n", "\u{feff} [", "{\"\u{e9}", "[tru", "[-1.5E+3,false,", "{\"a\\\\"] {
            assert!(!DocumentEnd::default().is_in(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_end_is_found_in_whichever_chunks_a_document_comes(
            text in document(ANY_NUMBER), size in 1_usize..40
        ) {
            let text = format!("[{text}]");
            let mut end = DocumentEnd::default();
            let chunks: Vec<_> = text.as_bytes().chunks(size).collect();
            let ends: Vec<_> = chunks.iter().map(|chunk| end.is_in(chunk)).collect();
            let (last, before) = ends.split_last().unwrap();
            prop_assert!(*last && !before.contains(&true));
        }
    }
}
