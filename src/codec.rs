//! The form of what is kept in a store.
//!
//! It is text as long as what is put in is text, so that it passes through JSON: numbers are
//! decimal and end in a space, and texts have their length in bytes in front. Values begin with a
//! version, so that a new filter can tell those of an older one. Everything that is read is
//! foreign: a value that is cut, too long or of another version is `None`.

/// Writes the pieces of a value, one after the other.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins a value of this version.
    pub fn new(version: u8) -> Self {
        Writer::with_room(version, 0)
    }

    /// The same, with room for so many bytes, so that it need not be copied as it grows.
    pub fn with_room(version: u8, bytes: usize) -> Self {
        let mut writer = Writer(Vec::with_capacity(bytes));
        writer.number(version.into());
        writer
    }

    /// One byte, as a number.
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.number(byte.into())
    }

    /// A number.
    pub fn number(&mut self, mut number: u64) -> &mut Self {
        let start = self.0.len();
        self.0.push(b' ');
        loop {
            self.0.push(b'0' | (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        if let Some(written) = self.0.get_mut(start..) {
            written.reverse();
        }
        self
    }

    /// Bytes of any length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A text of any length.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// The value.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads the pieces of a value in the order they were written.
#[derive(Debug)]
pub struct Reader<'v>(&'v [u8]);

impl<'v> Reader<'v> {
    /// Opens a value of this version.
    pub fn new(value: &'v [u8], version: u8) -> Option<Self> {
        let mut reader = Reader(value);
        (reader.byte()? == version).then_some(reader)
    }

    /// One byte, as a number.
    pub fn byte(&mut self) -> Option<u8> {
        u8::try_from(self.number()?).ok()
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        let mut number: u64 = 0;
        let mut is_empty = true;
        loop {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            match first {
                b'0'..=b'9' => {
                    let digit = u64::from(first - b'0');
                    number = number.checked_mul(10)?.checked_add(digit)?;
                    is_empty = false;
                }
                b' ' if !is_empty => return Some(number),
                _ => return None,
            }
        }
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// A number of 32 bits.
    pub fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    /// Bytes of any length.
    pub fn bytes(&mut self) -> Option<&'v [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A text of any length.
    pub fn text(&mut self) -> Option<&'v str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, byte: u8, text: String, bytes: Vec<u8>) {
            let mut writer = Writer::new(7);
            writer.number(number).byte(byte).text(&text).bytes(&bytes);
            let value = writer.finish();
            let mut reader = Reader::new(&value, 7).unwrap();
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.byte(), Some(byte));
            prop_assert_eq!(reader.text(), Some(text.as_str()));
            prop_assert_eq!(reader.bytes(), Some(&bytes[..]));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn what_is_written_of_texts_is_text(number: u64, byte: u8, text: String) {
            let mut writer = Writer::new(7);
            writer.number(number).byte(byte).text(&text);
            prop_assert!(String::from_utf8(writer.finish()).is_ok());
        }

        #[test]
        fn foreign_bytes_are_read_or_refused_but_never_panic(
            value in prop_oneof![any::<Vec<u8>>(), "[0-9 ]{0,30}".prop_map(String::into_bytes)],
        ) {
            let value = [b"7 ", &value[..]].concat();
            let mut reader = Reader::new(&value, 7).unwrap();
            let _ = (reader.text(), reader.number(), reader.small(), reader.byte(), reader.bytes());
        }
    }

    #[test]
    fn a_number_that_is_no_number_is_refused() {
        for value in ["7 ", "7  ", "7 -1 ", "7 1", "7 18446744073709551616 ", "7 x "] {
            assert_eq!(Reader::new(value.as_bytes(), 7).unwrap().number(), None, "{value:?}");
        }
    }

    #[test]
    fn another_version_is_not_read() {
        assert!(Reader::new(&Writer::new(1).finish(), 2).is_none());
        assert!(Reader::new(&[], 0).is_none());
    }
}
