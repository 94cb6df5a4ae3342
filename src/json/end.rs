//! Where a JSON document that comes in chunks ends.

/// Follows a document until its outermost object or array is closed.
///
/// It tells brackets from text and nothing more: what it takes for a document may still be none, and
/// what it never sees the end of is none.
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
    /// Reads on. True if the outermost object or array ends within these bytes.
    pub fn is_in(&mut self, chunk: &[u8]) -> bool {
        for byte in chunk {
            self.place = match (self.place, byte) {
                (Place::InString, b'\\') => Place::Escaped,
                (Place::InString, b'"') => Place::Outside,
                (Place::InString | Place::Escaped, _) => Place::InString,
                (Place::Outside, b'"') => Place::InString,
                (Place::Outside, b'{' | b'[') => {
                    self.depth = self.depth.saturating_add(1);
                    Place::Outside
                }
                (Place::Outside, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return true;
                    }
                    Place::Outside
                }
                (Place::Outside, _) => Place::Outside,
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
