//! Who owns which region, and what becomes of those whose owner is gone.

use super::super::entry::{Entry, Push, State};
use super::super::{Adopted, Event, Place, Totals};
use super::region::{Region, RegionRecord};
use super::{Memory, OVERHEAD, PATIENCE, REGIONS, SLOTS, TRIES};
use crate::host::{Expected, Host, UnixMillis};

/// Why an owner looks after the others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// A second has passed.
    Watch,
    /// It was woken, which may happen many times in a second: nobody's beat can be told by that.
    Wake,
}

impl Look {
    fn counts(self) -> u32 {
        match self {
            Look::Watch => 1,
            Look::Wake => 0,
        }
    }
}

/// What an owner says of itself while it lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    pub(super) oldest: Option<UnixMillis>,
}

/// Another owner's region as it was last seen, and for how many looks its beat stood still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    region: u16,
    beat: u64,
    looks: u32,
}

/// Adds what an owner says of a region to the sums of all.
pub(super) fn add_up(totals: &mut Totals, record: RegionRecord) {
    for (webhook, waiting, failed) in record.counts {
        match totals.by_webhook.iter_mut().find(|(known, ..)| *known == webhook) {
            Some(sum) => {
                sum.1 = sum.1.saturating_add(waiting);
                sum.2 = sum.2.saturating_add(failed);
            }
            None => totals.by_webhook.push((webhook, waiting, failed)),
        }
    }
    totals.failed_bytes = totals.failed_bytes.saturating_add(record.failed_bytes);
    let oldest = record.oldest.filter(|_| record.is_active);
    totals.oldest = totals.oldest.into_iter().chain(oldest).min();
}

impl Memory {
    /// A free slot of ours, in a new region if need be.
    pub(super) fn free_place(&mut self, host: &impl Host) -> Option<Place> {
        loop {
            let found = self.regions.0.iter_mut().find_map(|(index, region)| {
                let slot = region.free_slot()?;
                Some(Place { region: *index, slot })
            });
            let Some(place) = found else {
                self.claim_region(host)?;
                continue;
            };
            // Others have to know that there is something to look after, and how far to look,
            // before there is.
            let region = self.regions.get(place.region)?;
            if region.is_announced(place.slot) {
                return Some(place);
            }
            let (has_left, wakes) = (self.has_left, !region.is_active);
            let used = region.announcement(place.slot);
            let is_ours = self.update_own(host, place.region, |record| {
                record.is_active = true;
                record.is_released = has_left;
                record.used = record.used.max(used);
                record.beat = record.beat.wrapping_add(1);
            });
            if is_ours {
                if let Some(region) = self.regions.get_mut(place.region) {
                    region.announced(used);
                }
                if wakes {
                    self.wake_others(host);
                }
                return Some(place);
            }
        }
    }

    /// Takes a region that nobody has, or whose owner is gone and left nothing to do.
    fn claim_region(&mut self, host: &impl Host) -> Option<()> {
        self.enter(host);
        let nonce = self.nonce;
        for region in 0..REGIONS {
            // What was in a region that was lost is still being forgotten.
            let is_lost =
                |event: &Event| matches!(event, Event::RegionLost(lost) if *lost == region);
            if self.regions.get(region).is_some() || self.noticed.iter().any(is_lost) {
                continue;
            }
            let is_free = match self.region_record(host, region) {
                None => true,
                Some(record) => {
                    !record.is_active
                        && (record.is_released
                            || !self.directory.knows(host, &self.prefix, record.owner))
                }
            };
            if is_free {
                let taken = self.update_region(host, region, |record| {
                    let is_free = !record.is_active && record.owner != nonce;
                    if is_free {
                        record.owner = nonce;
                        record.is_released = false;
                    }
                    is_free
                });
                if taken {
                    // What is in there is the failed cache of an earlier owner, or of a command.
                    let found = self.read_region(host, region);
                    if !found.is_empty() {
                        self.noticed.push(Event::Adopted(found));
                    }
                    if self.regions.get_mut(region).and_then(Region::free_slot).is_some() {
                        return Some(());
                    }
                }
            }
        }
        None
    }

    /// Looks at every slot of a region of ours; gives those back that are waiting and were not
    /// known.
    fn read_region(&mut self, host: &impl Host, index: u16) -> Vec<Adopted> {
        let mut found = Vec::new();
        let Some(record) = self.region_record(host, index) else {
            return found;
        };
        let mut region = self.regions.get_mut(index).map(std::mem::take).unwrap_or_default();
        region.announced(record.used);
        region.is_active = record.is_active;
        region.kicks = record.kicks;
        for slot in 0..record.used.min(SLOTS) {
            let place = Place { region: index, slot };
            // Who had it before may change it just now.
            for _ in 0..TRIES {
                if self.read_slot(host, &mut region, place, &mut found) {
                    break;
                }
            }
        }
        self.regions.insert(index, region);
        found
    }

    /// Looks at a slot. False if it was changed meanwhile.
    fn read_slot(
        &mut self,
        host: &impl Host,
        region: &mut Region,
        place: Place,
        found: &mut Vec<Adopted>,
    ) -> bool {
        let (slot, key) = (place.slot, self.slot_key(place));
        let Some((value, version)) = host.load(&key) else {
            region.set_free(slot);
            return true;
        };
        let Some(entry) = Entry::decode(&value) else {
            if !value.is_empty() {
                log::error!("the store holds something foreign under {key}; it is ignored");
                self.count_error();
            }
            region.set_free(slot);
            return true;
        };
        let size = value.len().saturating_add(OVERHEAD);
        self.sequence = self.sequence.max(entry.push.sequence.saturating_add(1));
        let webhook = self.names.number(&entry.push.webhook);
        match &entry.state {
            State::Failed(failure) => region.set_failed(slot, webhook, size, failure.at),
            _ if region.is_waiting(slot) => {}
            _ => {
                // Whoever had it before may still believe that it has: its version goes.
                if !host.save(&key, &value, Expected::Version(version)) {
                    return false;
                }
                region.set_waiting(slot, webhook, size);
                let push = Push { body: Vec::new(), ..entry.push };
                found.push(Adopted { place, entry: Entry { push, state: entry.state } });
            }
        }
        true
    }

    /// Whether each of our regions is still ours, and what commands left in it.
    pub(super) fn check_own(&mut self, host: &impl Host, beat: Option<Beat>) -> Vec<Event> {
        let mut events = Vec::new();
        let indexes = self.regions.indexes();
        for index in indexes {
            let Some(region) = self.regions.get(index) else { continue };
            let (was_active, has_work, kicks) =
                (region.is_active, region.has_waiting(), region.kicks);
            let has_left = self.has_left;
            let (mut seen_kicks, mut is_active) = (kicks, was_active);
            let is_ours = if let Some(Beat { oldest }) = beat.filter(|_| was_active || has_work) {
                let Some(summary) = self.summary(index) else { continue };
                let mut written = RegionRecord::default();
                let is_ours = self.update_own(host, index, |record| {
                    summary.write(record);
                    record.beat = record.beat.wrapping_add(1);
                    record.is_released = has_left;
                    record.oldest = oldest;
                    (seen_kicks, is_active) = (record.kicks, record.is_active);
                    written.clone_from(record);
                });
                add_up(&mut self.totals, written);
                is_ours
            } else {
                let record = self.region_record(host, index).unwrap_or_default();
                (seen_kicks, is_active) = (record.kicks, record.is_active);
                let is_ours = record.owner == self.nonce;
                add_up(&mut self.totals, record);
                if !is_ours {
                    self.lose_region(index);
                }
                is_ours
            };
            if !is_ours {
                continue;
            }
            if let Some(region) = self.regions.get_mut(index) {
                region.is_active = is_active;
            }
            if seen_kicks != kicks {
                let found = self.read_region(host, index);
                if !found.is_empty() {
                    events.push(Event::Adopted(found));
                }
            }
        }
        events
    }

    /// What there is in a region of ours, for its record.
    pub(super) fn summary(&self, index: u16) -> Option<Summary> {
        let region = self.regions.get(index)?;
        let counts = region.counts().into_iter();
        let counts =
            counts.map(|(webhook, waiting, failed)| (self.names.name(webhook), waiting, failed));
        Some(Summary {
            has_work: region.has_waiting(),
            kicks: region.kicks,
            counts: counts.collect(),
            failed_bytes: region.failed_bytes(),
        })
    }

    fn forget_seen(&mut self, index: u16) {
        self.seen.retain(|seen| seen.region != index);
    }

    /// Looks after the regions of others. Whether any of them has something to do.
    pub(super) fn check_others(
        &mut self,
        host: &impl Host,
        look: Look,
        events: &mut Vec<Event>,
    ) -> bool {
        let mut any_active = false;
        for index in 0..REGIONS {
            if self.regions.get(index).is_some() {
                continue;
            }
            let Some(record) = self.region_record(host, index) else {
                // Regions are taken in order.
                break;
            };
            let RegionRecord { is_active, is_released, beat, .. } = record;
            add_up(&mut self.totals, record);
            if !is_active {
                self.forget_seen(index);
                continue;
            }
            any_active = true;
            let seen = self.seen.iter().find(|seen| seen.region == index).copied();
            let looks = match seen {
                Some(seen) if seen.beat == beat => seen.looks.saturating_add(look.counts()),
                _ => 0,
            };
            self.forget_seen(index);
            self.seen.push(Seen { region: index, beat, looks });
            if self.has_left || !(is_released || looks >= PATIENCE) {
                continue;
            }
            let nonce = self.nonce;
            let taken = self.update_region(host, index, |record| {
                let is_gone = record.is_active && record.beat == beat;
                if is_gone {
                    record.owner = nonce;
                    record.is_released = false;
                    record.beat = record.beat.wrapping_add(1);
                }
                is_gone
            });
            if taken {
                self.forget_seen(index);
                let found = self.read_region(host, index);
                log::info!("took over {} pushes of a worker that is gone", found.len());
                events.push(Event::Adopted(found));
            }
        }
        any_active
    }
}

/// What there is in a region, as its owner knows it.
pub(super) struct Summary {
    has_work: bool,
    kicks: u64,
    counts: Vec<(Box<str>, u64, u64)>,
    failed_bytes: u64,
}

impl Summary {
    /// Puts it into the region's record, and whether there is work to be done.
    pub(super) fn write(&self, record: &mut RegionRecord) {
        // A command may have left work that is not known here yet.
        record.is_active = self.has_work || record.kicks != self.kicks;
        record.counts.clone_from(&self.counts);
        record.failed_bytes = self.failed_bytes;
    }
}
