//! Pushes that change hands: from other owners, to other targets, and out of the lanes.

use super::super::{Purpose, Webhook};
use super::{Courier, Ending, Fetched, LONGEST_WAIT, Lane, NO_ROOM_IN_REDIS, NO_WEBHOOK, Voices};
use crate::history::Outcome;
use crate::host::Host;
use crate::metrics::{Metrics, PushResult};
use crate::order::by_number;
use crate::platform::Refusal;
use crate::store::{Adopted, Event, Failure, Loaded, Place, State, Store};
use std::rc::Rc;
use std::time::Duration;

impl<S: Store> Courier<S> {
    /// Goes on with other targets. What is on its way to one that is not among them ends in the
    /// failed cache.
    pub fn retarget(&mut self, host: &impl Host, targets: Rc<[Rc<Webhook>]>, metrics: Rc<Metrics>) {
        let moves: Vec<Option<usize>> = (self.targets.iter())
            .map(|old| targets.iter().position(|new| new.id == old.id))
            .collect();
        let lanes = targets.iter().map(|_| Lane::new()).collect();
        let quiet = targets.iter().map(|_| Voices::default()).collect();
        let lanes = std::mem::replace(&mut self.lanes, lanes);
        let quiet = std::mem::replace(&mut self.quiet, quiet);
        (self.targets, self.metrics) = (targets, metrics);
        let mut left_over = Vec::new();
        for ((mut lane, quiet), position) in lanes.into_iter().zip(quiet).zip(&moves) {
            // The URL may be another now.
            lane.forget_way();
            let new =
                position.and_then(|at| Some((self.lanes.get_mut(at)?, self.quiet.get_mut(at)?)));
            match new {
                Some(new) => (*new.0, *new.1) = (lane, quiet),
                None => left_over.append(&mut lane.take_all()),
            }
        }
        for attempt in self.in_flight.values_mut() {
            attempt.lane = attempt.lane.and_then(|lane| moves.get(lane).copied().flatten());
        }
        for job in left_over {
            self.park(host, job.place, Some(job.attempts), NO_WEBHOOK);
        }
    }

    pub(super) fn handle(&mut self, host: &impl Host, events: Vec<Event>) {
        // An owner may have had more than one region: its pushes come in parts, and not in order.
        let mut adopted = Vec::new();
        for event in events {
            match event {
                Event::RegionLost(region) => {
                    log::warn!("another worker took over pushes of this one");
                    for lane in &mut self.lanes {
                        lane.take_region(region);
                    }
                }
                Event::Changed(changed) => self.tell(host, &changed),
                Event::Dropped(entry) => {
                    self.dropped(host, &entry, NO_ROOM_IN_REDIS);
                    self.tell_of_lost(host, &entry, NO_ROOM_IN_REDIS);
                }
                Event::Restructured(form, schema) => self.restructured.push((form, schema)),
                Event::Adopted(some) => adopted.extend(some.into_iter().map(Some)),
            }
        }
        let sequence =
            |one: &Option<Adopted>| one.as_ref().map_or(0, |one| one.entry.push.sequence);
        for at in by_number(adopted.iter().map(sequence)) {
            if let Some(one) = adopted.get_mut(at).and_then(Option::take) {
                self.adopt(host, one);
            }
        }
    }

    fn adopt(&mut self, host: &impl Host, Adopted { place, entry }: Adopted) {
        let push = &entry.push;
        let position = self.targets.iter().position(|target| target.id == push.webhook);
        match (position, entry.state) {
            // No webhook has such an id.
            (None, _) if push.webhook.contains(':') => self.give_up(host, place),
            (None, _) => self.park(host, place, None, NO_WEBHOOK),
            (Some(position), State::Waiting(progress)) => {
                let wait = progress.due.since(host.now()).min(LONGEST_WAIT);
                let due = match wait.is_zero() {
                    true => Duration::ZERO,
                    false => host.uptime().saturating_add(wait),
                };
                self.add(position, place, push, &progress, due);
            }
            (Some(position), _) => {
                if let Some(loaded) = self.store.load(host, place) {
                    self.end(host, position, loaded);
                }
            }
        }
    }

    /// Ends what another owner had begun to end. That one may have been only slow, and have done more of it
    /// since: what the push is now counts.
    fn end(&mut self, host: &impl Host, position: usize, loaded: Loaded) {
        match loaded.entry.state.clone() {
            State::Counting(failure, _) => self.charge(host, position, loaded, failure, None),
            State::Parking(failure) => {
                let _ = self.store.park(host, loaded, failure);
            }
            State::Ended { .. } => {
                let _ = self.store.finish(host, loaded);
            }
            State::Waiting(_) | State::Failed(_) => {}
        }
    }

    /// Ends a notice, or a question to the platform, after a change of the configuration that has no place
    /// for it any more: nobody could retry it.
    fn give_up(&mut self, host: &impl Host, place: Place) {
        let Some(loaded) = self.store.load(host, place) else { return };
        let push = &loaded.entry.push;
        log::warn!(
            "{} is not in the configuration any more; {} for it is dropped",
            push.webhook,
            push.op
        );
        self.fetched.push(Fetched { loaded, answer: Err(Refusal::NotNow) });
    }

    /// Moves what waits for a disabled webhook to the failed cache.
    pub(super) fn park_disabled(&mut self, host: &impl Host) {
        for position in 0..self.lanes.len() {
            let (Some(target), Some(lane)) = (self.targets.get(position), self.lanes.get(position))
            else {
                return;
            };
            if target.purpose != Purpose::Push || !lane.has_queued() {
                continue;
            }
            let state = self.store.webhook(host, &target.id);
            if let Some(lane) = self.lanes.get_mut(position) {
                lane.is_blocked = state.blocked.is_some();
            }
            if state.disabled.is_none() {
                continue;
            }
            let jobs = self.lanes.get_mut(position).map(Lane::take_all).unwrap_or_default();
            for job in jobs {
                self.park(host, job.place, Some(job.attempts), "the webhook is disabled");
            }
        }
    }

    pub(super) fn park(
        &mut self,
        host: &impl Host,
        place: Place,
        attempts: Option<u32>,
        cause: &str,
    ) {
        let Some(loaded) = self.store.load(host, place) else {
            return;
        };
        let attempts = attempts.unwrap_or(loaded.entry.state.attempts());
        let failure = Failure { at: host.now(), attempts, status: None, cause: cause.into() };
        let push = loaded.entry.push.clone();
        if self.store.park(host, loaded, failure).is_err() {
            return;
        }
        let (result, outcome) = match attempts {
            0 => (PushResult::NotAttempted, Outcome::NotAttempted),
            _ => (PushResult::Failure, Outcome::Failure),
        };
        self.metrics.push(host, &push.webhook, result);
        self.record(host, &push, Ending { outcome, attempts, cause, answer: None, stamp: None });
    }
}
