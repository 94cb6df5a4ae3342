//! A region: what its owner remembers of it, and what all can see.

use super::SLOTS;
use crate::codec::{Reader, Writer};
use crate::host::UnixMillis;

/// The version of the binary form.
const VERSION: u8 = 1;

/// So many slots are announced at once, so that not every push writes two values.
const ANNOUNCED: u16 = 64;

/// What all can see of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RegionRecord {
    /// Whose it is; zero if nobody's.
    pub(super) owner: u64,
    /// Grows as long as the owner lives and has something to do.
    pub(super) beat: u64,
    /// There may be pushes to send.
    pub(super) is_active: bool,
    /// The owner gave it up.
    pub(super) is_released: bool,
    /// Slots from here on were never used.
    pub(super) used: u16,
    /// Grows with each command that changed a slot.
    pub(super) kicks: u64,
    /// Pushes to be sent and pushes in the failed cache, by webhook.
    pub(super) counts: Vec<(Box<str>, u64, u64)>,
    /// Bytes of the failed cache.
    pub(super) failed_bytes: u64,
    /// When the owner's oldest push that is to be sent was accepted.
    pub(super) oldest: Option<UnixMillis>,
}

impl RegionRecord {
    /// The record of a region where something stands that is none: there may be pushes in every slot,
    /// and nobody looks after them.
    pub(super) fn unknown() -> Self {
        RegionRecord { is_active: true, used: SLOTS, ..RegionRecord::default() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.number(self.owner)
            .number(self.beat)
            .byte(self.is_active.into())
            .byte(self.is_released.into())
            .number(self.used.into())
            .number(self.kicks)
            .number(self.failed_bytes)
            .number(self.oldest.map_or(0, |at| at.0.saturating_add(1)))
            .number(self.counts.len() as u64);
        for (webhook, waiting, failed) in &self.counts {
            out.text(webhook).number(*waiting).number(*failed);
        }
        out.finish()
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut value = Reader::new(value, VERSION)?;
        let mut record = RegionRecord {
            owner: value.number()?,
            beat: value.number()?,
            is_active: value.byte()? == 1,
            is_released: value.byte()? == 1,
            used: u16::try_from(value.number()?).ok()?,
            kicks: value.number()?,
            failed_bytes: value.number()?,
            oldest: value.number()?.checked_sub(1).map(UnixMillis),
            counts: Vec::new(),
        };
        for _ in 0..value.number()? {
            record.counts.push((value.text()?.into(), value.number()?, value.number()?));
        }
        Some(record)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    Waiting { webhook: u16, bytes: usize },
    Failed { webhook: u16, bytes: usize, at: UnixMillis },
}

/// What the owner of a region remembers of it.
#[derive(Debug, Default)]
pub(super) struct Region {
    slots: Vec<Slot>,
    free: Vec<u16>,
    waiting: usize,
    bytes: usize,
    /// Slots that others know of.
    used: u16,
    /// As the record says.
    pub(super) is_active: bool,
    /// The record's kicks that are dealt with.
    pub(super) kicks: u64,
}

impl Region {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// The slots with something to do.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u16> {
        let slots = self.slots.iter().zip(0..);
        slots.filter(|(slot, _)| matches!(slot, Slot::Waiting { .. })).map(|(_, number)| number)
    }

    pub(super) fn is_waiting(&self, slot: u16) -> bool {
        matches!(self.slots.get(usize::from(slot)), Some(Slot::Waiting { .. }))
    }

    /// A slot with nothing in it, one that was used before if there is any.
    pub(super) fn free_slot(&mut self) -> Option<u16> {
        self.free.last().copied().or_else(|| {
            let next = u16::try_from(self.slots.len()).ok()?;
            (next < SLOTS).then_some(next)
        })
    }

    /// Whether others know that something may be in this slot.
    pub(super) fn is_announced(&self, slot: u16) -> bool {
        self.is_active && slot < self.used
    }

    /// Up to where to announce, to use this slot.
    pub(super) fn announcement(&self, slot: u16) -> u16 {
        let needed = slot.saturating_add(1).next_multiple_of(ANNOUNCED);
        self.used.max(needed).min(SLOTS)
    }

    pub(super) fn announced(&mut self, used: u16) {
        self.used = self.used.max(used).min(SLOTS);
        self.is_active = true;
    }

    pub(super) fn oldest_failed(&self) -> Option<(UnixMillis, u16)> {
        let failed = self.slots.iter().zip(0..).filter_map(|(slot, number)| match slot {
            Slot::Failed { at, .. } => Some((*at, number)),
            _ => None,
        });
        failed.min()
    }

    pub(super) fn set_free(&mut self, slot: u16) {
        self.set(slot, Slot::Free);
    }

    pub(super) fn set_waiting(&mut self, slot: u16, webhook: u16, bytes: usize) {
        self.set(slot, Slot::Waiting { webhook, bytes });
    }

    pub(super) fn set_failed(&mut self, slot: u16, webhook: u16, bytes: usize, at: UnixMillis) {
        self.set(slot, Slot::Failed { webhook, bytes, at });
    }

    /// Waiting and failed pushes by webhook.
    pub(super) fn counts(&self) -> Vec<(u16, u64, u64)> {
        let mut counts: Vec<(u16, u64, u64)> = Vec::new();
        for slot in &self.slots {
            let (webhook, is_waiting) = match slot {
                Slot::Free => continue,
                Slot::Waiting { webhook, .. } => (*webhook, true),
                Slot::Failed { webhook, .. } => (*webhook, false),
            };
            let (waiting, failed) = (u64::from(is_waiting), u64::from(!is_waiting));
            match counts.iter_mut().find(|(known, ..)| *known == webhook) {
                Some(known) => {
                    known.1 = known.1.saturating_add(waiting);
                    known.2 = known.2.saturating_add(failed);
                }
                None => counts.push((webhook, waiting, failed)),
            }
        }
        counts
    }

    /// Bytes of the failed cache.
    pub(super) fn failed_bytes(&self) -> u64 {
        let failed = self.slots.iter().map(|slot| match slot {
            Slot::Failed { bytes, .. } => *bytes as u64,
            _ => 0,
        });
        failed.sum()
    }

    fn set(&mut self, slot: u16, new: Slot) {
        while self.slots.len() <= usize::from(slot) {
            if let Ok(next) = u16::try_from(self.slots.len()) {
                self.free.push(next);
            }
            self.slots.push(Slot::Free);
        }
        let Some(place) = self.slots.get_mut(usize::from(slot)) else {
            return;
        };
        match std::mem::replace(place, new) {
            Slot::Free => {
                // Nearly always the last: it was taken from there.
                if let Some(position) = self.free.iter().rposition(|free| *free == slot) {
                    self.free.swap_remove(position);
                }
            }
            Slot::Waiting { bytes, .. } => {
                self.waiting = self.waiting.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(bytes);
            }
            Slot::Failed { bytes, .. } => {
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
        match new {
            Slot::Free => {
                self.free.push(slot);
            }
            Slot::Waiting { bytes, .. } => {
                self.waiting = self.waiting.saturating_add(1);
                self.bytes = self.bytes.saturating_add(bytes);
            }
            Slot::Failed { bytes, .. } => {
                self.bytes = self.bytes.saturating_add(bytes);
            }
        }
    }
}

/// The regions of this owner: one, or a few. New pushes go to the first that has room, so that the
/// pushes for a record stay together, and in order whoever takes the region over.
#[derive(Debug, Default)]
pub(super) struct Regions(pub(super) Vec<(u16, Region)>);

impl Regions {
    pub(super) fn get(&self, index: u16) -> Option<&Region> {
        self.0.iter().find(|(known, _)| *known == index).map(|(_, region)| region)
    }

    pub(super) fn get_mut(&mut self, index: u16) -> Option<&mut Region> {
        self.0.iter_mut().find(|(known, _)| *known == index).map(|(_, region)| region)
    }

    /// Puts a region in its old place, or behind all others.
    pub(super) fn insert(&mut self, index: u16, region: Region) {
        match self.get_mut(index) {
            Some(old) => *old = region,
            None => self.0.push((index, region)),
        }
    }

    pub(super) fn remove(&mut self, index: u16) -> Option<Region> {
        let position = self.0.iter().position(|(known, _)| *known == index)?;
        Some(self.0.remove(position).1)
    }

    pub(super) fn indexes(&self) -> Vec<u16> {
        self.0.iter().map(|(index, _)| *index).collect()
    }
}

/// Short numbers for webhooks, so that a slot need not hold a name.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Box<str>>);

impl Names {
    pub(super) fn number(&mut self, name: &str) -> u16 {
        let known = self.0.iter().position(|known| **known == *name);
        let position = known.unwrap_or_else(|| {
            self.0.push(name.into());
            self.0.len().saturating_sub(1)
        });
        u16::try_from(position).unwrap_or(u16::MAX)
    }

    pub(super) fn name(&self, number: u16) -> Box<str> {
        self.0.get(usize::from(number)).cloned().unwrap_or_default()
    }
}
