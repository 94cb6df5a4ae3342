//! The failed cache, and what an admin does to it.

use super::super::entry::{Entry, Progress, State};
use super::super::{Loaded, Place, Selection};
use super::{Memory, REGIONS, SLOTS};
use crate::host::{Expected, Host};

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

    /// Has pushes of the failed cache tried again, by whoever owns them. How many.
    pub(in super::super) fn retry(&mut self, host: &impl Host, selection: &Selection) -> usize {
        self.enter(host);
        let mut regions = Vec::new();
        let mut count = 0;
        for Loaded { place, entry, version } in self.selected(host, selection) {
            let state = State::Waiting(Progress { attempts: 0, due: host.now() });
            let value = Entry { state, ..entry }.encode();
            if host.save(&self.slot_key(place), &value, Expected::Version(version)) {
                count += 1;
                regions.push(place.region);
            }
        }
        self.kick(host, regions);
        count
    }

    /// Takes pushes out of the failed cache for good. What they were.
    pub(in super::super) fn abandon(
        &mut self,
        host: &impl Host,
        selection: &Selection,
    ) -> Vec<Entry> {
        self.enter(host);
        let mut abandoned = Vec::new();
        let mut regions = Vec::new();
        for loaded in self.selected(host, selection) {
            let key = self.slot_key(loaded.place);
            if host.save(&key, b"", Expected::Version(loaded.version)) {
                abandoned.push(loaded.entry);
                regions.push(loaded.place.region);
            }
        }
        self.kick(host, regions);
        abandoned
    }

    /// The failed pushes that a command is for.
    fn selected(&self, host: &impl Host, selection: &Selection) -> Vec<Loaded> {
        let mut found = Vec::new();
        self.failed_from(host, None, usize::MAX, &mut |loaded| {
            let push = &loaded.entry.push;
            let is_meant = match selection {
                Selection::Ids(ids) => ids.iter().any(|id| **id == *push.id.as_str()),
                Selection::Webhook(webhook) => *webhook == push.webhook,
            };
            if is_meant {
                found.push(loaded);
            }
            true
        });
        found
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
