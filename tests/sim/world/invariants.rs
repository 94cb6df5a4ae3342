//! What must hold whatever happens, and at the end.

use super::{COUNTED, Key, Totals, WEBHOOKS, World};
use crate::call::change_in;
use crate::host::Sent;
use crate::targets::{MAX_IN_FLIGHT, Mood, has_cause_of_own_side, react};
use formhook::history::Ring;
use formhook::host::Reply;
use formhook::store::{State, Store as _};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

impl World {
    /// Takes note of what was sent, and decides what will come of it.
    pub(super) fn look(&mut self, vm: usize, position: usize) {
        let Some(owner) = self.vms[vm].as_mut().and_then(|vm| vm.owners.get_mut(position)) else {
            return;
        };
        let number = owner.number;
        let sent = owner.host.sent.take();
        for sent in &sent {
            let target = sent.headers[":authority"].trim_end_matches(".example").to_owned();
            owner.in_flight.insert(sent.id, target.clone());
            let in_flight = owner.in_flight.values().filter(|known| **known == target).count();
            assert!(in_flight <= MAX_IN_FLIGHT, "{in_flight} in flight to {target}");
        }
        for sent in sent {
            self.judge(number, &sent);
        }
    }

    pub(super) fn judge(&mut self, owner: u32, sent: &Sent) {
        self.totals.attempts += 1;
        let target = sent.headers[":authority"].trim_end_matches(".example").to_owned();
        let mood = match self.is_calm {
            true => Mood { delivers: 100, hangs: 0 },
            false => self.moods[&target],
        };
        let (reply, after) = react(&self.process.random, mood, sent);
        let is_taken =
            matches!(&reply, Reply::Answer(answer) if (200..300).contains(&answer.status));
        // A target may also take a push and be heard too late, or not at all.
        let took = is_taken || self.process.random.percent(20);
        if target != "chat" {
            let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
            let change = body["data"]["change"].as_u64().unwrap();
            let id = &sent.headers["webhook-id"];
            let known = self.pushes.entry((change, target.clone())).or_default();
            if known.id.is_empty() {
                known.id.clone_from(id);
                known.body.clone_from(&sent.body);
            }
            assert_eq!(known.id, *id, "a push changed its id");
            assert_eq!(known.body, sent.body, "a push changed its body");
            known.taken |= took;
            self.check_order(change, &target);
        }
        let at = self.process.uptime.get() + after;
        let times = if self.process.random.percent(3) { 2 } else { 1 };
        for _ in 0..times {
            self.next_reply += 1;
            self.replies.insert((at, owner, self.next_reply), (owner, sent.id, reply.clone()));
        }
    }

    /// All earlier changes of the same record that the same owner took have come to an end, as far
    /// as this target goes.
    pub(super) fn check_order(&mut self, change: u64, target: &str) {
        let Some((owner, record)) = self.owner_of.get(&change) else { return };
        let order = &self.order[&(*owner, *record)];
        let earlier: Vec<u64> = order.iter().copied().take_while(|known| *known < change).collect();
        for earlier in earlier {
            let key = (earlier, target.to_owned());
            let is_waiting = self.accepted.contains(&earlier)
                && !self.pushes.get(&key).is_some_and(|known| known.taken);
            if is_waiting && !self.ended(&key) {
                panic!(
                    "change {change} overtook {earlier} of the same record on the way to {target}"
                );
            }
        }
    }

    /// Whether a push is in the failed cache, or was lost or abandoned and that was told.
    pub(super) fn ended(&mut self, key: &Key) -> bool {
        let is_end =
            self.known_ends.contains(key) || self.abandoned.contains(key) || self.find_end(key);
        if is_end {
            self.known_ends.insert(key.clone());
        }
        is_end
    }

    pub(super) fn find_end(&mut self, key: &Key) -> bool {
        let owner = self.vms[0].as_mut().unwrap().owners.last_mut().unwrap();
        let host = Rc::clone(&owner.host);
        let store = owner.pipeline.store();
        // The history tells of nearly all, and is read on from where it was read before.
        if let Some((newest, oldest)) = store.history_bounds(&*host, Ring::Pushes) {
            for number in oldest.max(self.history_read)..=newest {
                if let Some(record) = store.history(&*host, Ring::Pushes, number)
                    && let Some(change) = change_in(&record.body)
                {
                    self.known_ends.insert((change, record.webhook.to_string()));
                }
            }
            self.history_read = newest + 1;
        }
        if self.known_ends.contains(key) {
            return true;
        }
        // A VM may have crashed before it wrote the record.
        let mut found = false;
        store.failed(&*host, &mut |loaded| {
            let push = &loaded.entry.push;
            let change = change_in(&String::from_utf8_lossy(&push.body));
            found |= change == Some(key.0) && *push.webhook == *key.1;
            !found
        });
        found
    }

    pub(super) fn check_end(mut self) -> Totals {
        for owner in self.vms.iter().flatten().flat_map(|vm| &vm.owners) {
            assert_eq!(
                owner.host.timer.get(),
                None,
                "owner {} asks to be woken for nothing",
                owner.number
            );
            assert!(
                owner.pipeline.is_idle(),
                "owner {} has something left and nothing will move it",
                owner.number
            );
            assert_eq!(owner.pipeline.budget().used(), 0, "memory was not given back");
        }
        let owner = self.vms[0].as_mut().unwrap().owners.last_mut().unwrap();
        let host = Rc::clone(&owner.host);
        let store = owner.pipeline.store();
        let mut cached: HashMap<String, u32> = HashMap::new();
        let mut counted = 0u32;
        store.failed(&*host, &mut |loaded| {
            *cached.entry(loaded.entry.push.id.to_string()).or_default() += 1;
            let State::Failed(failure) = &loaded.entry.state else { return true };
            let is_charged = !has_cause_of_own_side(&failure.cause);
            counted += u32::from(*loaded.entry.push.webhook == *COUNTED && is_charged);
            true
        });
        assert!(cached.values().all(|times| *times == 1), "a push is in the failed cache twice");
        let mut ends: HashMap<String, Vec<String>> = HashMap::new();
        let mut dropped_changes: HashSet<Key> = HashSet::new();
        let mut evicted: HashSet<String> = HashSet::new();
        let mut uncharged: HashSet<String> = HashSet::new();
        if let Some((newest, oldest)) = store.history_bounds(&*host, Ring::Pushes) {
            for record in
                (oldest..=newest).filter_map(|number| store.history(&*host, Ring::Pushes, number))
            {
                let outcome = record.outcome.name().to_owned();
                if outcome == "failure" && has_cause_of_own_side(&record.cause) {
                    uncharged.insert(record.id.to_string());
                }
                if outcome == "dropped" {
                    let change = record
                        .body
                        .split("\"change\":")
                        .nth(1)
                        .and_then(|rest| rest.split(',').next()?.parse().ok());
                    if let Some(change) = change {
                        dropped_changes.insert((change, record.webhook.to_string()));
                    }
                    if *record.webhook == *COUNTED
                        && record.attempts > 0
                        && !uncharged.contains(&*record.id)
                        && !cached.contains_key(&*record.id)
                    {
                        evicted.insert(record.id.to_string());
                    }
                    self.totals.dropped += 1;
                }
                ends.entry(record.id.to_string()).or_default().push(outcome);
            }
        }
        let failures = store.webhook(&*host, COUNTED).failures;
        let evicted = u32::try_from(evicted.len()).unwrap();
        assert_eq!(failures, counted + evicted, "the failures of {COUNTED} were miscounted");

        for change in &self.accepted {
            for number in 0..WEBHOOKS {
                let key = (*change, format!("w{number}"));
                let known = self.pushes.get(&key);
                let id = known.map(|known| known.id.clone());
                let is_cached = id.as_ref().is_some_and(|id| cached.contains_key(id));
                let is_taken = known.is_some_and(|known| known.taken);
                let is_dropped = dropped_changes.contains(&key);
                let is_abandoned = self.abandoned.contains(&key);
                let is_parked = id.is_none();
                assert!(
                    is_taken || is_cached || is_dropped || is_abandoned || is_parked,
                    "push {key:?} was lost: {:?}, memory {}",
                    id.as_ref().and_then(|id| ends.get(id)),
                    self.config.limits.memory_bytes
                );
                if let Some(ends) = id.as_ref().and_then(|id| ends.get(id)) {
                    let successes = ends.iter().filter(|end| *end == "success").count();
                    assert!(successes <= 1, "push {key:?} was delivered twice: {ends:?}");
                    assert!(
                        !(is_cached && ends.last().is_some_and(|end| end == "success")),
                        "push {key:?} was delivered and is in the failed cache: {ends:?}"
                    );
                }
                self.totals.pushes += 1;
                self.totals.delivered += u64::from(is_taken && !is_cached);
                self.totals.failed += u64::from(is_cached);
            }
        }
        // Those that were never sent are in the failed cache, dropped or abandoned, all of them.
        let never_sent = self
            .accepted
            .iter()
            .flat_map(|change| (0..WEBHOOKS).map(move |number| (*change, format!("w{number}"))));
        let never_sent: Vec<Key> = never_sent
            .filter(|key| !self.pushes.contains_key(key) && !dropped_changes.contains(key))
            .filter(|key| !self.abandoned.contains(key))
            .collect();
        for key in never_sent {
            let is_told = self.ended(&key);
            assert!(is_told, "push {key:?} was never sent and nobody was told");
        }
        let process = &self.process;
        assert!(process.map.borrow().len() < 200_000, "the map grows without bound");
        // A VM that crashes right after its last step leaves the gauge as it was, until the next.
        let pending = process.counted("formhook_pending.", "");
        assert!(pending == 0 || self.totals.crashes > 0, "the gauge of pending pushes is off");
        self.totals.virtual_millis = process.uptime.get();
        self.totals
    }
}
