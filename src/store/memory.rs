//! The store in Envoy's shared data: it outlasts VMs and configurations, and ends with the process.
//!
//! Shared data has no list of keys and no deletion, so all keys are fixed ones. Pushes live in
//! *regions* of numbered slots; a region has one owner at a time, which alone works on its pushes.
//! An owner shows that it lives by its *beat*; if that stands still, or the owner gave the region
//! up, another takes it over. Every step is a compare-and-swap on one slot, so an owner that was
//! only slow finds its pushes gone and does no harm.

mod directory;
mod failed;
mod fleet;
mod forms;
mod journal;
mod lease;
mod region;
mod seen;
mod settings;
mod webhooks;

pub(super) use self::failed::{AT_ONCE, BYTES_AT_ONCE};
pub(super) use self::fleet::Report;

use self::directory::Directory;
use self::lease::{Beat, Look, Seen, add_up};
use self::region::{Names, RegionRecord, Regions};
use super::entry::{Entry, Failure, Progress, State};
use super::webhook_state::{Change, Counting, WebhookState};
use super::{Additions, Event, Full, Loaded, Lost, NoticeKind, Place, PushId, Store, Totals};
use crate::history::{Record, Ring};
use crate::host::{CalloutId, Expected, Host, QueueId, Reply, UnixMillis, Version, random_number};
use std::cell::Cell;
use std::time::Duration;

/// Slots of a region.
const SLOTS: u16 = 1024;

/// Regions of all owners together.
const REGIONS: u16 = 64;

/// An owner whose beat stands still for so many looks, a second apart, is gone.
const PATIENCE: u32 = 10;

/// How often an atomic change is tried before it is given up. Each failure means that another VM
/// succeeded, so this is never reached.
const TRIES: usize = 10_000;

/// What takes room beside a push's own bytes: keys, versions, the list in the heap.
const OVERHEAD: usize = 512;

/// Bounds of the store.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the pushes of one owner, the failed cache included.
    pub bytes: usize,
    /// Records of each ring of the history, of all owners.
    pub history: u64,
}

/// The store of one owner: a root context.
#[derive(Debug)]
pub struct Memory {
    bounds: Bounds,
    prefix: String,
    /// They are needed often.
    region_keys: Vec<String>,
    /// Names this owner. Zero until it does something that others may see.
    nonce: u64,
    queue: Option<QueueId>,
    directory: Directory,
    regions: Regions,
    sequence: u64,
    names: Names,
    totals: Totals,
    /// Other owners' regions as they were last seen: their beat, and for how many looks.
    seen: Vec<Seen>,
    is_watching: bool,
    /// A command of this owner may be for itself.
    asks_itself: bool,
    /// Since they were last asked for.
    errors: Cell<u32>,
    /// What nobody was told of yet.
    noticed: Vec<Event>,
    /// It was said that not all forms can be learned.
    told_that_full: bool,
    /// Everything was given up; what is accepted now is given up at once.
    has_left: bool,
}

impl Memory {
    /// A store under this prefix of keys. `queue` wakes this owner.
    pub fn new(prefix: &str, queue: Option<QueueId>, bounds: Bounds) -> Self {
        let prefix = format!("formhook/{prefix}");
        Memory {
            bounds,
            region_keys: (0..REGIONS).map(|region| format!("{prefix}/r/{region}")).collect(),
            prefix,
            nonce: 0,
            queue,
            directory: Directory::default(),
            regions: Regions::default(),
            sequence: 0,
            names: Names::default(),
            totals: Totals::default(),
            seen: Vec::new(),
            // What others left behind is looked for once, at the beginning.
            is_watching: true,
            asks_itself: false,
            errors: Cell::default(),
            noticed: Vec::new(),
            told_that_full: false,
            has_left: false,
        }
    }

    /// Makes this owner known to the others, so that they can wake it. To be called once it may
    /// act, and again now and then. Whether others may have woken it meanwhile.
    fn enter(&mut self, host: &impl Host) -> bool {
        if self.nonce == 0 {
            self.nonce = random_number(host);
        }
        let Some(queue) = self.queue else { return true };
        self.directory.enter(host, &self.prefix, self.nonce, queue)
    }

    fn wake_others(&mut self, host: &impl Host) {
        self.is_watching = true;
        self.directory.wake_others(host, &self.prefix, self.nonce);
    }

    fn region_key(&self, region: u16) -> &str {
        self.region_keys.get(usize::from(region)).map_or("", String::as_str)
    }

    fn slot_key(&self, place: Place) -> String {
        let mut key = self.numbered_key("/p/", place.region.into());
        key.push('/');
        key.push_str(&place.slot.to_string());
        key
    }

    fn key(&self, tail: &str) -> String {
        [&self.prefix, tail].concat()
    }

    fn numbered_key(&self, tail: &str, number: u64) -> String {
        let mut key = self.key(tail);
        key.push_str(&number.to_string());
        key
    }

    /// Changes a region's record, if it is as `change` expects. False if it is not.
    fn update_region(
        &self,
        host: &impl Host,
        region: u16,
        mut change: impl FnMut(&mut RegionRecord) -> bool,
    ) -> bool {
        let key = self.region_key(region);
        for _ in 0..TRIES {
            let (mut record, expected) = match host.load(key) {
                Some((value, version)) => (self.decode_region(&value), Expected::Version(version)),
                None => (RegionRecord::default(), Expected::Absent),
            };
            if !change(&mut record) {
                return false;
            }
            if host.save(key, &record.encode(), expected) {
                return true;
            }
        }
        false
    }

    /// The record of a region, if it was ever used.
    fn region_record(&self, host: &impl Host, region: u16) -> Option<RegionRecord> {
        let (value, _) = host.load(self.region_key(region))?;
        Some(self.decode_region(&value))
    }

    /// Changes the record of a region of ours. If it is not ours any more it is dropped.
    fn update_own(
        &mut self,
        host: &impl Host,
        region: u16,
        mut change: impl FnMut(&mut RegionRecord),
    ) -> bool {
        let nonce = self.nonce;
        let is_ours = self.update_region(host, region, |record| {
            let is_ours = record.owner == nonce;
            if is_ours {
                change(record);
            }
            is_ours
        });
        if !is_ours {
            self.lose_region(region);
        }
        is_ours
    }

    fn lose_region(&mut self, region: u16) {
        if self.regions.get(region).is_some() {
            self.noticed.push(Event::RegionLost(region));
            self.drop_region(region);
        }
    }

    /// Reads a push, whoever's it is.
    pub(super) fn read(&self, host: &impl Host, place: Place) -> Option<Loaded> {
        let (value, version) = host.load(&self.slot_key(place))?;
        Some(Loaded { place, entry: Entry::decode(&value)?, version })
    }

    fn drop_region(&mut self, region: u16) {
        self.regions.remove(region);
    }

    /// The store did not do what it should.
    pub(super) fn count_error(&self) {
        self.errors.set(self.errors.get().saturating_add(1));
    }

    /// What was read of a value of the shared data. One that is not Formhook's is counted.
    fn ours<T>(&self, decoded: Option<T>) -> Option<T> {
        if decoded.is_none() {
            self.count_error();
        }
        decoded
    }

    fn decode_region(&self, value: &[u8]) -> RegionRecord {
        self.ours(RegionRecord::decode(value)).unwrap_or_else(RegionRecord::unknown)
    }

    /// Has the courier hear of this.
    pub(super) fn notice_event(&mut self, event: Event) {
        self.noticed.push(event);
    }

    /// Whether an entry of this size is within the bounds.
    fn has_room(&self, bytes: usize) -> bool {
        bytes.saturating_add(OVERHEAD) <= self.room()
    }

    fn forget(&mut self, place: Place) {
        if let Some(region) = self.regions.get_mut(place.region) {
            region.set_free(place.slot);
        }
    }

    /// Writes what a push has become.
    fn put(
        &mut self,
        host: &impl Host,
        place: Place,
        value: &[u8],
        version: Version,
    ) -> Result<(), Lost> {
        if host.save(&self.slot_key(place), value, Expected::Version(version)) {
            Ok(())
        } else {
            self.forget(place);
            Err(Lost)
        }
    }

    /// Takes note in the heap of what was written.
    fn note(&mut self, place: Place, webhook: &str, size: usize, failed: Option<UnixMillis>) {
        let webhook = self.names.number(webhook);
        if let Some(region) = self.regions.get_mut(place.region) {
            match failed {
                Some(at) => region.set_failed(place.slot, webhook, size, at),
                None => region.set_waiting(place.slot, webhook, size),
            }
        }
    }

    /// If a region was taken over just before a push was put into it, its new owner may have read it
    /// before, and has to be told to look again.
    fn tell_if_taken(&mut self, host: &impl Host, region: u16) {
        let nonce = self.nonce;
        let is_taken = self.update_region(host, region, |record| {
            let is_taken = record.owner != nonce;
            if is_taken {
                record.kicks = record.kicks.wrapping_add(1);
                record.is_active = true;
            }
            is_taken
        });
        if is_taken {
            self.lose_region(region);
            self.wake_others(host);
        }
    }

    /// Moves a push to the failed cache.
    fn move_to_failed(
        &mut self,
        host: &impl Host,
        place: Place,
        entry: &Entry,
        version: Version,
    ) -> Result<(), Lost> {
        let State::Failed(failure) = &entry.state else {
            return Err(Lost);
        };
        let value = entry.encode();
        self.put(host, place, &value, version)?;
        let size = value.len().saturating_add(OVERHEAD);
        self.note(place, &entry.push.webhook, size, Some(failure.at));
        Ok(())
    }
}

impl Store for Memory {
    fn accept(&mut self, host: &impl Host, entry: &Entry) -> Result<Place, Full> {
        let value = entry.encode();
        if !self.has_room(value.len()) {
            return Err(Full);
        }
        for _ in 0..TRIES {
            let place = self.free_place(host).ok_or(Full)?;
            let key = self.slot_key(place);
            let expected = match host.load(&key) {
                None => Expected::Absent,
                Some((old, version)) if Entry::decode(&old).is_none() => Expected::Version(version),
                Some((old, _)) => {
                    // Not free after all. It is found again when the region is read.
                    self.note(place, "", old.len(), Some(UnixMillis(u64::MAX)));
                    continue;
                }
            };
            let failed = match &entry.state {
                State::Failed(failure) => Some(failure.at),
                _ => None,
            };
            if host.save(&key, &value, expected) {
                let size = value.len().saturating_add(OVERHEAD);
                self.note(place, &entry.push.webhook, size, failed);
                self.tell_if_taken(host, place.region);
                if self.has_left {
                    self.wake_others(host);
                }
                return Ok(place);
            }
            self.lose_region(place.region);
        }
        Err(Full)
    }

    fn load(&mut self, host: &impl Host, place: Place) -> Option<Loaded> {
        self.regions.get(place.region)?;
        let record = self.region_record(host, place.region)?;
        if record.owner != self.nonce {
            self.lose_region(place.region);
            return None;
        }
        self.read(host, place)
    }

    fn wait(&mut self, host: &impl Host, loaded: Loaded, progress: Progress) -> Result<(), Lost> {
        self.become_state(host, loaded, State::Waiting(progress))
    }

    fn finish(&mut self, host: &impl Host, loaded: Loaded) -> Result<(), Lost> {
        self.release(host, loaded.place, loaded.version)
    }

    fn delivered(
        &mut self,
        host: &impl Host,
        loaded: Loaded,
        counting: Counting,
    ) -> Result<(), Lost> {
        let webhook = loaded.entry.push.webhook.clone();
        self.finish(host, loaded)?;
        if self.webhook(host, &webhook).failures > 0
            && self.update_webhook(host, &webhook, |state| state.succeeded(counting))
        {
            self.changed(&webhook, "", "", vec![Change::Failures(0)]);
        }
        Ok(())
    }

    fn park(&mut self, host: &impl Host, loaded: Loaded, failure: Failure) -> Result<(), Lost> {
        let Loaded { place, entry, version } = loaded;
        let entry = Entry { state: State::Failed(failure), ..entry };
        self.move_to_failed(host, place, &entry, version)
    }

    fn fail(
        &mut self,
        host: &impl Host,
        loaded: Loaded,
        failure: Failure,
        counting: Counting,
    ) -> Result<(), Lost> {
        let Loaded { place, mut entry, mut version } = loaded;
        // Written down before it is done, so that whoever finds it after a crash can go on.
        if !matches!(entry.state, State::Counting(..)) {
            entry.state = State::Counting(failure.clone(), counting);
            self.put(host, place, &entry.encode(), version)?;
            let again = self.read(host, place).ok_or(Lost)?;
            if again.entry != entry {
                return Err(Lost);
            }
            version = again.version;
        }
        let (webhook, id) = (entry.push.webhook.clone(), entry.push.id.clone());
        let (id, cause, at) = (id.as_str(), &failure.cause, host.now());
        let changes =
            self.update_webhook(host, &webhook, |state| state.charge(id, cause, counting, at));
        entry.state = State::Failed(failure.clone());
        let moved = self.move_to_failed(host, place, &entry, version);
        if moved.is_ok() {
            self.update_webhook(host, &webhook, |state| state.confirm(id));
        }
        // Whoever charges tells of it, even if another owner moves the push.
        self.changed(&webhook, id, cause, changes);
        moved
    }

    fn webhook(&self, host: &impl Host, id: &str) -> WebhookState {
        Memory::webhook(self, host, id)
    }

    fn disable(&mut self, host: &impl Host, id: &str, push: &PushId, cause: &str) {
        Memory::disable(self, host, id, push, cause);
    }

    fn block(&mut self, host: &impl Host, id: &str, cause: Option<&str>) -> Option<UnixMillis> {
        let now = host.now();
        self.update_webhook(host, id, |state| {
            state.block(cause, now);
            state.blocked.as_ref().map(|(since, _)| *since)
        })
    }

    fn notice(&mut self, host: &impl Host, id: &str, kind: NoticeKind, push: &PushId, cause: &str) {
        Memory::notice(self, host, id, kind, push, cause);
    }

    fn flush_notices(&mut self, host: &impl Host, id: &str) -> bool {
        Memory::flush_notices(self, host, id)
    }

    fn publish(&mut self, host: &impl Host, config: &[u8]) {
        Memory::publish(self, host, config);
    }

    fn published(&self, host: &impl Host) -> Option<Vec<u8>> {
        Memory::published(self, host)
    }

    fn additions(&self, host: &impl Host) -> Additions {
        Memory::additions(self, host)
    }

    fn additions_mark(&self, host: &impl Host) -> u64 {
        Memory::additions_mark(self, host)
    }

    fn record(&mut self, host: &impl Host, record: &Record) {
        Memory::record(self, host, record);
    }

    fn history_bounds(&self, host: &impl Host, ring: Ring) -> Option<(u64, u64)> {
        Memory::history_bounds(self, host, ring)
    }

    fn history(&self, host: &impl Host, ring: Ring, number: u64) -> Option<Record> {
        Memory::history(self, host, ring, number)
    }

    fn failed_from(
        &self,
        host: &impl Host,
        from: Option<Place>,
        places: usize,
        visit: &mut dyn FnMut(Loaded) -> bool,
    ) -> Option<Place> {
        Memory::failed_from(self, host, from, places, visit)
    }

    fn noticed(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.noticed)
    }

    fn woken(&mut self, host: &impl Host) -> Option<Vec<Event>> {
        let is_asked = std::mem::take(&mut self.asks_itself);
        if !self.enter(host) && !is_asked {
            return None;
        }
        self.totals = Totals::default();
        let mut events = self.check_own(host, None);
        let others = self.check_others(host, Look::Wake, &mut events);
        self.is_watching = others || self.regions.0.iter().any(|(_, region)| region.is_active);
        Some(events)
    }

    fn watch(&mut self, host: &impl Host, oldest: Option<UnixMillis>) -> Vec<Event> {
        self.enter(host);
        self.totals = Totals::default();
        let mut events = self.check_own(host, Some(Beat { oldest }));
        let others = self.check_others(host, Look::Watch, &mut events);
        self.is_watching = others || self.regions.0.iter().any(|(_, region)| region.is_active);
        events
    }

    fn is_watching(&self) -> bool {
        self.is_watching
    }

    fn leave(&mut self, host: &impl Host) {
        self.has_left = true;
        let indexes = self.regions.indexes();
        for index in indexes {
            let Some(summary) = self.summary(index) else { continue };
            self.update_own(host, index, |record| {
                summary.write(record);
                record.is_released = true;
            });
            self.drop_region(index);
        }
        self.directory.leave(host, &self.prefix, self.nonce);
        self.wake_others(host);
        self.is_watching = false;
    }

    fn errors(&mut self) -> u32 {
        self.errors.take()
    }

    fn totals(&self, _: &impl Host) -> Totals {
        self.totals.clone()
    }

    fn survey(&self, host: &impl Host) -> Totals {
        let mut totals = Totals::default();
        for record in (0..REGIONS).map_while(|region| self.region_record(host, region)) {
            add_up(&mut totals, record);
        }
        totals
    }

    fn oldest_failed(&mut self, host: &impl Host, entry: &Entry) -> Option<Loaded> {
        let needed = entry.encode().len().saturating_add(OVERHEAD);
        let failed: u64 = self.regions.0.iter().map(|(_, region)| region.failed_bytes()).sum();
        let could_be = self.room().saturating_add(usize::try_from(failed).unwrap_or(usize::MAX));
        if needed > could_be {
            return None;
        }
        loop {
            let oldest = self.regions.0.iter().filter_map(|(index, region)| {
                let (at, slot) = region.oldest_failed()?;
                Some((at, Place { region: *index, slot }))
            });
            let (_, place) = oldest.min()?;
            let loaded = self.load(host, place);
            match loaded.filter(|loaded| matches!(loaded.entry.state, State::Failed(_))) {
                Some(loaded) => return Some(loaded),
                // A command was faster; what is there now is found at the next look.
                None => self.forget(place),
            }
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn flush(&mut self, _: &impl Host) {}

    fn heard(&mut self, _: &impl Host, _: CalloutId, _: &Reply) -> bool {
        false
    }

    fn due(&self) -> Option<Duration> {
        None
    }

    fn tickets(&self) -> (u64, u64) {
        (0, 0)
    }

    fn is_busy(&self) -> bool {
        false
    }

    fn is_down_since(&self) -> Option<Duration> {
        None
    }
}
