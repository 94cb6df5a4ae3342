//! The history: a ring of records of pushes, and one of missed changes.

use super::{Memory, TRIES};
use crate::history::{Record, Ring};
use crate::host::{Expected, Host};

/// The most that a record of the history takes; with more, its long parts are left out. With this
/// the history is bounded in bytes too.
const RECORD_BYTES: usize = 4096;

/// Stands for what was left out.
const LEFT_OUT: &str = "…";

impl Memory {
    pub(super) fn record(&mut self, host: &impl Host, record: &Record) {
        if self.bounds.history == 0 {
            return;
        }
        let ring = Ring::of(record);
        let key = self.key(prefix(ring));
        for _ in 0..TRIES {
            let (next, expected) = match host.load(&key) {
                Some((value, version)) => {
                    let next = value.as_slice().try_into().map_or(0, u64::from_le_bytes);
                    (next, Expected::Version(version))
                }
                None => (0, Expected::Absent),
            };
            if host.save(&key, &next.wrapping_add(1).to_le_bytes(), expected) {
                let mut value = next.to_le_bytes().to_vec();
                let mut encoded = record.encode();
                if encoded.len() > RECORD_BYTES {
                    // What is long is shown in part elsewhere too, so here it is not shown at all.
                    let (answer, body, headers) = (LEFT_OUT.into(), LEFT_OUT.into(), Vec::new());
                    encoded = Record { answer, body, headers, ..record.clone() }.encode();
                }
                value.extend(encoded);
                host.save(&self.history_key(ring, next), &value, Expected::Any);
                return;
            }
        }
    }

    pub(super) fn history_bounds(&self, host: &impl Host, ring: Ring) -> Option<(u64, u64)> {
        let (value, _) = host.load(&self.key(prefix(ring)))?;
        let next = value.as_slice().try_into().map_or(0, u64::from_le_bytes);
        let newest = next.checked_sub(1)?;
        Some((newest, next.saturating_sub(self.bounds.history)))
    }

    pub(super) fn history(&self, host: &impl Host, ring: Ring, number: u64) -> Option<Record> {
        let (value, _) = host.load(&self.history_key(ring, number))?;
        let (kept, record) = value.split_first_chunk()?;
        (u64::from_le_bytes(*kept) == number).then(|| Record::decode(record)).flatten()
    }

    fn history_key(&self, ring: Ring, number: u64) -> String {
        let slot = number.checked_rem(self.bounds.history).unwrap_or(0);
        self.numbered_key(&format!("{}/", prefix(ring)), slot)
    }
}

fn prefix(ring: Ring) -> &'static str {
    match ring {
        Ring::Pushes => "/h",
        Ring::Misses => "/m",
    }
}
