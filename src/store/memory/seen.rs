//! Records as this gateway saw them last.

use super::{Memory, TRIES};
use crate::codec::{Reader, Writer};
use crate::form::FormKey;
use crate::host::{Expected, Host};

/// The version of the binary form.
const VERSION: u8 = 1;

/// How many records are kept. Those that fall on the same place displace each other.
const PLACES: u64 = 4096;

/// The largest record that is kept, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// What a place has: a record's name and its text.
fn decode(value: &[u8]) -> Option<(&str, &str)> {
    let mut value = Reader::new(value, VERSION)?;
    Some((value.text()?, value.text()?))
}

impl Memory {
    /// Keeps a record as it is now, or forgets one that is removed. How it was before, if that is
    /// known. `is_later` says of a text before whether what is now came after it: answers may pass in
    /// another order than the platform gave them.
    pub(in super::super) fn see(
        &self,
        host: &impl Host,
        form: &FormKey,
        id: &str,
        record: Option<&str>,
        is_later: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let name = format!("{}\n{id}", form.joined());
        let key = format!("{}/seen/{}", self.prefix, place(&name));
        let new = record.filter(|record| record.len() <= MAX_BYTES).map(|record| {
            let mut new = Writer::new(VERSION);
            new.text(&name).text(record);
            new.finish()
        });
        for _ in 0..TRIES {
            let known = host.load(&key);
            let before = known.as_ref().and_then(|(value, _)| decode(value));
            let before = before.filter(|(known, _)| *known == name).map(|(_, text)| text);
            if before.is_some_and(|before| !is_later(before)) {
                return None;
            }
            let expected = match &known {
                Some((_, version)) => Expected::Version(*version),
                None => Expected::Absent,
            };
            // What is too large is forgotten, so that nothing older is taken for the last.
            if before.is_none() && new.is_none()
                || host.save(&key, new.as_deref().unwrap_or_default(), expected)
            {
                return before.map(str::to_owned);
            }
        }
        None
    }
}

/// FNV-1a, which every worker knows.
fn place(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % PLACES
}
