//! What must hold whatever happens, and at the end.

use super::{COUNTED, Event, Fleet, Gateway, Key, STORE, Seen, WEBHOOKS};
use crate::call::{change_in, version_in};
use crate::host::Sent;
use crate::targets::{has_cause_of_own_side, react};
use formhook::host::Reply;
use std::collections::HashSet;

impl Fleet {
    /// What was sent, and what will come of it.
    pub(super) fn judge(&mut self, owner: u32, sent: Sent) {
        let to = sent.headers[":authority"].trim_end_matches(".example").to_owned();
        if to == STORE {
            self.seen.batches += 1;
            return self.send_to_redis(owner, sent);
        }
        self.seen.attempts += 1;
        let (mut reply, after) = react(&self.dice, self.moods[&to], &sent);
        if let Reply::Answer(answer) = &mut reply {
            // An hour's rest would be thousands of polls.
            answer.retry_after = answer.retry_after.take().filter(|after| after.len() == 1);
        }
        let is_taken =
            matches!(&reply, Reply::Answer(answer) if (200..300).contains(&answer.status));
        // A target may also take a push and be heard too late, or not at all.
        let took = is_taken || (!self.is_undisturbed && self.dice.percent(20));
        if to != "chat" {
            let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
            let id = &sent.headers["webhook-id"];
            if let Some(version) = version_in(&body) {
                // Redis may have lost that it was told of.
                if !self.is_forgetful {
                    let told = self.told.entry((version, to)).or_insert_with(|| id.clone());
                    assert_eq!(told, id, "version {version} of the form was told of twice");
                }
                self.seen.form_updates += 1;
                return self.after(after, Event::Reply(owner, sent.id, reply, Vec::new()));
            }
            let change = body["data"]["change"].as_u64().unwrap();
            let known = self.pushes.entry((change, to)).or_default();
            if known.id.is_empty() {
                known.id.clone_from(id);
                known.body.clone_from(&sent.body);
            }
            assert_eq!(known.id, *id, "a push changed its id");
            assert_eq!(known.body, sent.body, "a push changed its body");
            self.seen.duplicates += u64::from(took && known.taken > 0);
            known.taken += u32::from(took);
        }
        self.after(after, Event::Reply(owner, sent.id, reply, Vec::new()));
    }

    pub(super) fn check_end(mut self) -> Seen {
        for gateway in &self.gateways {
            for owner in gateway.vms.iter().flatten() {
                let number = owner.number;
                assert!(owner.pipeline.is_idle(), "owner {number} has something left");
                let (given, stored) = owner.pipeline.tickets();
                assert_eq!(given, stored, "owner {number} has not told Redis everything");
            }
        }
        for key in self.redis.keys("{sim}:waiting:") {
            let left = self.redis.hash(&key);
            let pushes: Vec<_> =
                left.iter().map(|(_, push)| change_in(&String::from_utf8_lossy(push))).collect();
            let gateways: Vec<_> = self.gateways.iter().map(Gateway::name).collect();
            assert!(
                left.is_empty(),
                "{key} has {pushes:?} that nobody sends; there are {gateways:?}"
            );
        }
        for (_, form) in self.redis.hash("{sim}:forms") {
            let form = String::from_utf8(form).unwrap();
            let version = form.split("\"v").nth(1).unwrap().split('"').next().unwrap();
            let version: u64 = version.parse().unwrap();
            let is_first = form.starts_with("1 ");
            for webhook in 0..WEBHOOKS {
                let is_told = self.told.contains_key(&(version, format!("w{webhook}")));
                assert!(
                    is_told || is_first || !self.is_undisturbed,
                    "w{webhook} was not told of version {version} of the form"
                );
                assert!(!(is_told && is_first), "the first sight of the form was told of");
            }
        }
        let mut cached: HashSet<Key> = HashSet::new();
        let mut counted = 0;
        for (id, value) in self.redis.hash("{sim}:failed") {
            let value = String::from_utf8_lossy(&value).into_owned();
            let mut lines = value.splitn(3, '\n');
            let (member, webhook) = (lines.next().unwrap(), lines.next().unwrap());
            assert!(member.ends_with(&*String::from_utf8_lossy(&id)));
            let push = lines.next().unwrap();
            counted += u32::from(webhook == COUNTED && !has_cause_of_own_side(push));
            let Some(change) = change_in(push) else { continue };
            let is_new = cached.insert((change, webhook.to_owned()));
            assert!(is_new, "a push is in the failed cache twice");
        }
        let failures = self.redis.hash(&format!("{{sim}}:webhook:{COUNTED}")).into_iter();
        let failures = failures.filter(|(name, _)| name == b"failures");
        let failures = failures.map(|(_, count)| String::from_utf8(count).unwrap()).next();
        let failures: u32 = failures.map_or(0, |count| count.parse().unwrap());
        assert_eq!(failures, counted, "the failures of {COUNTED} were miscounted");
        for change in self.accepted.keys() {
            for webhook in 0..WEBHOOKS {
                let key = (*change, format!("w{webhook}"));
                let taken = self.pushes.get(&key).map_or(0, |known| known.taken);
                let is_cached = cached.contains(&key);
                assert!(
                    taken > 0
                        || is_cached
                        || self.abandoned.contains(&key)
                        || self.excused.contains(&key),
                    "push {key:?} was lost"
                );
                if self.is_undisturbed {
                    assert_eq!(taken, 1, "push {key:?} was sent twice though nothing happened");
                }
                self.seen.pushes += 1;
                self.seen.delivered += u64::from(taken > 0);
                self.seen.failed += u64::from(is_cached);
            }
        }
        self.seen.virtual_millis = self.now;
        self.seen
    }
}
