//! What a gateway's memory is for one that keeps its state in Redis: the near copy that all its
//! workers share, and what has yet to be told to Redis.

use super::super::entry::{Entry, Push, State};
use super::super::{Additions, Loaded, Lost, Place, Totals};
use super::{Memory, OVERHEAD, REGIONS, SLOTS, TRIES};
use crate::codec::{Reader, Writer};
use crate::history::Ring;
use crate::host::{Expected, Host, UnixMillis, Version, random_name};
use hashbrown::HashSet;
use std::time::Duration;

/// The version of the stored forms here.
const VERSION: u8 = 1;

/// Who speaks for the gateway does so until it has been silent for so long.
const SILENCE: Duration = Duration::from_secs(3);

/// What Redis says of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Report {
    pub(in super::super) failures: u32,
    pub(in super::super) disabled: Option<UnixMillis>,
    pub(in super::super) cause: Box<str>,
    pub(in super::super) version: u64,
}

impl Memory {
    /// Writes what a push has become that is not in the failed cache here.
    pub(in super::super) fn become_state(
        &mut self,
        host: &impl Host,
        loaded: Loaded,
        state: State,
    ) -> Result<(), Lost> {
        let Loaded { place, entry: Entry { push, .. }, version } = loaded;
        let push = match state {
            State::Ended { .. } => Push { body: Vec::new(), trace: Vec::new(), ..push },
            _ => push,
        };
        let entry = Entry { push, state };
        let value = entry.encode();
        self.put(host, place, &value, version)?;
        self.note(place, &entry.push.webhook, value.len().saturating_add(OVERHEAD), None);
        Ok(())
    }

    /// Frees a place that is as it was.
    pub(in super::super) fn release(
        &mut self,
        host: &impl Host,
        place: Place,
        version: Version,
    ) -> Result<(), Lost> {
        self.put(host, place, b"", version)?;
        self.forget(place);
        Ok(())
    }

    /// The places of this owner that are in use.
    pub(in super::super) fn places(&self) -> Vec<Place> {
        let regions = self.regions.0.iter();
        regions
            .flat_map(|(index, region)| {
                region.waiting().map(|slot| Place { region: *index, slot }).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The ids of all pushes of this gateway.
    pub(in super::super) fn ids(&self, host: &impl Host) -> HashSet<String> {
        let mut ids = HashSet::new();
        for region in 0..REGIONS {
            let Some(record) = self.region_record(host, region) else { break };
            for slot in 0..record.used.min(SLOTS) {
                if let Some(loaded) = self.read(host, Place { region, slot }) {
                    ids.insert(loaded.entry.push.id.to_string());
                }
            }
        }
        ids
    }

    /// How many bytes there is room for.
    pub(in super::super) fn room(&self) -> usize {
        let kept: usize = self.regions.0.iter().map(|(_, region)| region.bytes()).sum();
        self.bounds.bytes.saturating_sub(kept)
    }

    /// The name of this gateway, which ends with its process, or earlier: when others took it for
    /// dead and have its pushes.
    pub(in super::super) fn gateway(&self, host: &impl Host) -> String {
        let key = self.key("/g");
        for _ in 0..TRIES {
            match host.load(&key) {
                Some((name, _)) if !name.is_empty() => {
                    return String::from_utf8_lossy(&name).into_owned();
                }
                _ => host.save(&key, random_name(host).as_bytes(), Expected::Absent),
            };
        }
        String::new()
    }

    /// Gives this gateway another name, unless it has one already.
    pub(in super::super) fn rename_gateway(&self, host: &impl Host, old: &str) {
        let key = self.key("/g");
        if let Some((name, version)) = host.load(&key)
            && name == old.as_bytes()
        {
            host.save(&key, random_name(host).as_bytes(), Expected::Version(version));
        }
    }

    /// Whether it is this owner that speaks for the gateway, as one of all workers does: and if so,
    /// whether another did before.
    pub(in super::super) fn speaks(&mut self, host: &impl Host) -> Option<bool> {
        self.enter(host);
        let key = self.key("/s");
        let now = host.now();
        let (known, expected) = match host.load(&key) {
            Some((value, version)) => (value, Expected::Version(version)),
            None => (Vec::new(), Expected::Absent),
        };
        let known = Reader::new(&known, VERSION)
            .and_then(|mut known| Some((known.number()?, UnixMillis(known.number()?))));
        let is_free = known.is_none_or(|(nonce, until)| {
            // A time that is too far off was written before the clock was set back.
            nonce == self.nonce || until < now || until > now.after(SILENCE)
        });
        let mut value = Writer::new(VERSION);
        value.number(self.nonce).number(now.after(SILENCE).0);
        let is_new = known.is_none_or(|(nonce, _)| nonce != self.nonce);
        (is_free && !self.has_left && host.save(&key, &value.finish(), expected)).then_some(is_new)
    }

    /// Takes note of what Redis says of a webhook. Whether anything is new; what is older than
    /// what is known counts only if Redis has `gone_back`.
    pub(in super::super) fn learn_webhook(
        &mut self,
        host: &impl Host,
        webhook: &str,
        report: &Report,
        gone_back: bool,
    ) -> bool {
        self.update_webhook(host, webhook, |state| {
            let is_new = state.version < report.version || gone_back;
            if is_new {
                state.version = report.version;
                state.failures = report.failures;
                state.disabled = report.disabled.map(|at| (at, report.cause.clone()));
            }
            is_new
        })
    }

    /// The number of the first record of a ring that Redis has yet to get.
    pub(in super::super) fn unsent_record(&self, host: &impl Host, ring: Ring) -> u64 {
        let value = host.load(&self.key(unsent(ring)));
        value.and_then(|(value, _)| Reader::new(&value, VERSION)?.number()).unwrap_or(0)
    }

    pub(in super::super) fn set_unsent_record(&self, host: &impl Host, ring: Ring, number: u64) {
        let mut value = Writer::new(VERSION);
        value.number(number);
        host.save(&self.key(unsent(ring)), &value.finish(), Expected::Any);
    }

    /// Takes over what Redis has as additions.
    pub(in super::super) fn set_additions(
        &mut self,
        host: &impl Host,
        mark: u64,
        additions: &Additions,
    ) {
        host.save(&self.additions_key(), &additions.encode(), Expected::Any);
        self.set_mark(host, &self.mark_key(), mark);
    }

    /// The failed cache of all gateways, as Redis last said.
    pub(in super::super) fn fleet(&self, host: &impl Host) -> Totals {
        let read = |value: &[u8]| {
            let mut value = Reader::new(value, VERSION)?;
            let mut totals = Totals { failed_bytes: value.number()?, ..Totals::default() };
            for _ in 0..value.number()? {
                totals.by_webhook.push((value.text()?.into(), 0, value.number()?));
            }
            Some(totals)
        };
        let value = host.load(&self.key("/ft"));
        value.and_then(|(value, _)| read(&value)).unwrap_or_default()
    }

    pub(in super::super) fn set_fleet(&self, host: &impl Host, totals: &Totals) {
        let mut value = Writer::new(VERSION);
        value.number(totals.failed_bytes).number(totals.by_webhook.len() as u64);
        for (webhook, _, failed) in &totals.by_webhook {
            value.text(webhook).number(*failed);
        }
        host.save(&self.key("/ft"), &value.finish(), Expected::Any);
    }
}

fn unsent(ring: Ring) -> &'static str {
    match ring {
        Ring::Pushes => "/hs",
        Ring::Misses => "/ms",
    }
}
