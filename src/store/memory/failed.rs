//! The failed cache, and what an admin does to it.

use super::super::entry::{Entry, Progress, State};
use super::super::{Loaded, Place, Selection};
use super::{Memory, REGIONS, SLOTS};
use crate::host::{Expected, Host};

/// How many pushes one command retries or gives up: a worker serves no API calls meanwhile, and Redis does
/// nothing else.
pub(in super::super) const AT_ONCE: usize = 1000;

/// About how many bytes of bodies a command or a page takes at once: a VM's memory does not shrink.
pub(in super::super) const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

impl Memory {
    pub(super) fn failed_from(
        &self,
        host: &impl Host,
        from: Option<Place>,
        places: usize,
        visit: &mut dyn FnMut(Loaded) -> bool,
    ) -> Option<Place> {
        let Place { region: first, slot: mut start } = from.unwrap_or(Place { region: 0, slot: 0 });
        let mut left = places;
        for region in first..REGIONS {
            let used = self.region_record(host, region)?.used.min(SLOTS);
            for slot in std::mem::take(&mut start)..used {
                let place = Place { region, slot };
                if left == 0 {
                    return Some(place);
                }
                left -= 1;
                let loaded = self.read(host, place);
                let failed = loaded.filter(|one| matches!(one.entry.state, State::Failed(_)));
                if failed.is_some_and(|loaded| !visit(loaded)) {
                    return Some(place);
                }
            }
        }
        None
    }

    /// Has pushes of the failed cache tried again, by whoever owns them. How many, and whether more
    /// are left.
    pub(in super::super) fn retry(
        &mut self,
        host: &impl Host,
        selection: &Selection,
    ) -> (usize, bool) {
        let (mut regions, mut count) = (Vec::new(), 0);
        self.enter(host);
        let more = self.selected(host, selection, &mut |loaded| {
            let Some(Loaded { place, entry, version }) = loaded else { return count < AT_ONCE };
            let state = State::Waiting(Progress { attempts: 0, due: host.now() });
            let value = Entry { state, ..entry }.encode();
            if host.save(&self.slot_key(place), &value, Expected::Version(version)) {
                count += 1;
                regions.push(place.region);
            }
            true
        });
        self.kick(host, regions);
        (count, more)
    }

    /// Takes pushes out of the failed cache for good. What they were, and whether more are left.
    pub(in super::super) fn abandon(
        &mut self,
        host: &impl Host,
        selection: &Selection,
    ) -> (Vec<Entry>, bool) {
        let (mut regions, mut abandoned, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        self.enter(host);
        let more = self.selected(host, selection, &mut |loaded| {
            let Some(Loaded { place, entry, version }) = loaded else {
                return abandoned.len() < AT_ONCE && bytes < BYTES_AT_ONCE;
            };
            if host.save(&self.slot_key(place), b"", Expected::Version(version)) {
                bytes = bytes.saturating_add(entry.push.body.len());
                abandoned.push(entry);
                regions.push(place.region);
            }
            true
        });
        self.kick(host, regions);
        (abandoned, more)
    }

    /// Hands over the failed pushes that a command is for, each after it was asked whether one more is
    /// wanted. Whether more are left.
    fn selected(
        &self,
        host: &impl Host,
        selection: &Selection,
        take: &mut dyn FnMut(Option<Loaded>) -> bool,
    ) -> bool {
        let next = self.failed_from(host, None, usize::MAX, &mut |loaded| {
            let push = &loaded.entry.push;
            let is_meant = match selection {
                Selection::Ids(ids) => ids.iter().any(|id| **id == *push.id.as_str()),
                Selection::Webhook(webhook) => *webhook == push.webhook,
            };
            !is_meant || take(None) && take(Some(loaded))
        });
        next.is_some()
    }

    /// Has the owners of these regions, which are in order, look at what a command did to their
    /// pushes.
    fn kick(&mut self, host: &impl Host, mut regions: Vec<u16>) {
        regions.dedup();
        for region in &regions {
            self.update_region(host, *region, |record| {
                record.kicks = record.kicks.wrapping_add(1);
                record.is_active = true;
                true
            });
        }
        if !regions.is_empty() {
            self.wake_others(host);
            self.asks_itself = true;
            if let Some(queue) = self.queue {
                host.wake(queue);
            }
        }
    }
}
