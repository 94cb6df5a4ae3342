//! The binary form of what is kept in a store.
//!
//! Values begin with a version, so that a new filter can tell those of an older one. Everything
//! that is read is foreign: a value that is cut, too long or of another version is `None`.

/// Writes the pieces of a value, one after the other.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins a value of this version.
    pub fn new(version: u8) -> Self {
        Writer(vec![version])
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    /// A number, in as few bytes as it needs (LEB128).
    pub fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
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

/// Takes a number in LEB128, as protobuf has it too, off the front of some bytes.
pub fn leb128(bytes: &mut &[u8]) -> Option<u64> {
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

/// Reads the pieces of a value in the order they were written.
#[derive(Debug)]
pub struct Reader<'v>(&'v [u8]);

impl<'v> Reader<'v> {
    /// Opens a value of this version.
    pub fn new(value: &'v [u8], version: u8) -> Option<Self> {
        let (first, rest) = value.split_first()?;
        (*first == version).then_some(Reader(rest))
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        leb128(&mut self.0)
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
            prop_assert_eq!(reader.byte(), None);
        }

        #[test]
        fn foreign_bytes_are_read_or_refused_but_never_panic(value: Vec<u8>) {
            if let Some(mut reader) = Reader::new(&value, value.first().copied().unwrap_or(0)) {
                let _ = (reader.number(), reader.text(), reader.small(), reader.bytes());
            }
        }
    }

    #[test]
    fn another_version_is_not_read() {
        assert!(Reader::new(&Writer::new(1).finish(), 2).is_none());
        assert!(Reader::new(&[], 0).is_none());
    }
}
