//! Sends pushes, hears the answers, repeats what failed, and sees every push to its end.
//!
//! Each target has a lane of its own, so that a dead or slow one holds up nobody else. The courier
//! acts only when it is called, and asks the host to be woken when there will be something to do.
//! What it remembers in the heap it could read from the store again.

mod hear;
mod take_over;
mod tell;

pub(super) use tell::{record_of, record_of_ending};

use super::lane::{Job, Lane};
use super::quiet::Quiet;
use super::request::{self, Route, Stamp};
use super::rotation::is_rotating;
use super::verdict::{Cause, Way};
use super::{Purpose, Webhook, WhileDisabled};
use crate::form::{FormKey, Schema};
use crate::history::Outcome;
use crate::host::{Answer, CalloutId, Host};
use crate::metrics::Metrics;
use crate::platform::Refusal;
use crate::store::{Entry, Loaded, Place, Progress, Push, PushId, State, Store};
use hashbrown::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Sending runs on the gateway's worker, before the next API call: a burst is sent in parts.
const CALLS_AT_ONCE: usize = 64;

/// How long to wait for the next part of a burst.
const BURST_PAUSE: Duration = Duration::from_millis(1);

/// How long a lane rests when the limits of the gateway are reached: what is tried meanwhile would only use up
/// its retries.
const LIMITS_PAUSE: Duration = Duration::from_millis(100);

/// The least time that an address is tried for.
const LEAST_TIME: Duration = Duration::from_millis(50);

/// A webhook is told to be blocked if it still is after so long; at once if only a person can mend it.
const BLOCKED_PATIENCE: Duration = Duration::from_secs(5);

/// How often the store is looked after while there is something to do.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// What a push of an adopted owner may have to wait at most, should the clock have been set back.
const LONGEST_WAIT: Duration = Duration::from_secs(25 * 60 * 60);

/// Tells people once more of what was held back, if it is still held back.
const NOTICE_PAUSE: Duration = Duration::from_secs(61);

/// A push before it has an id and a place.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The push's id.
    pub id: PushId,
    /// What happened, as in the payload's `op`.
    pub op: Box<str>,
    /// The form.
    pub form: FormKey,
    /// The record's id.
    pub record_id: Box<str>,
    /// Headers of the API call that go along.
    pub trace: Vec<(Box<str>, Box<str>)>,
    /// The payload.
    pub body: Vec<u8>,
}

/// The pushes under way, of one owner.
#[derive(Debug)]
pub struct Courier<S> {
    targets: Rc<[Rc<Webhook>]>,
    metrics: Rc<Metrics>,
    store: S,
    lanes: Vec<Lane>,
    quiet: Vec<Voices>,
    in_flight: HashMap<CalloutId, Attempt>,
    /// The lane that is served first next time, so that each has its turn in a long burst.
    first_lane: usize,
    /// When the host was last asked to wake us.
    timer: Option<Duration>,
    next_watch: Option<Duration>,
    /// When to look for notices that were held back.
    next_notices: Option<Duration>,
    /// When the caller wants to be woken.
    wake_by: Option<Duration>,
    /// Forms whose structure has changed, as it is now.
    restructured: Vec<(FormKey, Schema)>,
    /// What the platform said when it was asked for records.
    fetched: Vec<Fetched>,
    /// Questions to it for which there was no room.
    unasked: Vec<Vec<u8>>,
    is_leaving: bool,
    has_left: bool,
}

/// What may be said in the log of one webhook.
#[derive(Debug, Default)]
struct Voices {
    /// Of pushes that failed.
    failed: Quiet<1>,
    /// Of pushes that do not get out of the gateway.
    blocked: Quiet<60>,
}

/// What the platform said when it was asked for a record.
#[derive(Debug)]
pub struct Fetched {
    /// What was asked for.
    pub loaded: Loaded,
    /// The answer's body.
    pub answer: Result<Vec<u8>, Refusal>,
}

/// A push that was sent and not answered yet.
#[derive(Debug)]
struct Attempt {
    /// `None` if the target was deleted meanwhile.
    lane: Option<usize>,
    /// As it was when the push was sent.
    target: Rc<Webhook>,
    job: Job,
    loaded: Loaded,
    stamp: Stamp,
    /// When it began: what remained of its time was left for the address that was tried last.
    began: Duration,
    way: Way,
}

/// How an attempt went, as the history tells it.
pub(super) struct Ending<'a> {
    pub(super) outcome: Outcome,
    pub(super) attempts: u32,
    pub(super) cause: &'a str,
    pub(super) answer: Option<&'a Answer>,
    pub(super) stamp: Option<Stamp>,
}

impl<S: Store> Courier<S> {
    /// A courier with nothing to do.
    pub fn new(targets: Rc<[Rc<Webhook>]>, metrics: Rc<Metrics>, store: S) -> Self {
        Courier {
            lanes: targets.iter().map(|_| Lane::new()).collect(),
            quiet: targets.iter().map(|_| Voices::default()).collect(),
            targets,
            metrics,
            store,
            in_flight: HashMap::new(),
            first_lane: 0,
            timer: None,
            next_watch: None,
            next_notices: None,
            wake_by: None,
            restructured: Vec::new(),
            fetched: Vec::new(),
            unasked: Vec::new(),
            is_leaving: false,
            has_left: false,
        }
    }

    /// What the pushes are kept in.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// A number that stands for all pushes until now, and the one up to which they are stored.
    pub fn tickets(&self) -> (u64, u64) {
        self.store.tickets()
    }

    /// Since when pushes cannot be stored, by uptime.
    pub fn store_is_down_since(&self) -> Option<Duration> {
        // Nobody else tells when what this owner gave up is stored.
        if self.has_left { Some(Duration::ZERO) } else { self.store.is_down_since() }
    }

    /// Asks to be woken by then, whatever else is to be done.
    pub fn wake_by(&mut self, due: Option<Duration>) {
        self.wake_by = due;
    }

    /// The forms whose structure was found to have changed since this was last asked.
    pub fn take_restructured(&mut self) -> Vec<(FormKey, Schema)> {
        std::mem::take(&mut self.restructured)
    }

    /// What the platform said of records since this was last asked.
    pub fn take_fetched(&mut self) -> Vec<Fetched> {
        std::mem::take(&mut self.fetched)
    }

    /// The questions to the platform that were lost for want of room since this was last asked.
    pub fn take_unasked(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.unasked)
    }

    /// Has the platform asked once more: what was asked for is this now.
    pub fn ask_again(&mut self, host: &impl Host, mut loaded: Loaded, body: Vec<u8>) {
        let position = self.targets.iter().position(|target| target.purpose == Purpose::Fetch);
        let (place, push) = (loaded.place, &mut loaded.entry.push);
        push.body = body;
        let push = push.clone();
        if self.store.wait(host, loaded, Progress::default()).is_ok()
            && !self.has_left
            && let Some(position) = position
        {
            self.add(position, place, &push, &Progress::default(), Duration::ZERO);
        }
    }

    /// Whether nothing is to be sent, nothing in flight, and nothing to be looked after.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.iter().all(Lane::is_idle)
    }

    /// Takes on a push to the target at this position. It is sent by the next [`Courier::pump`].
    pub fn accept(&mut self, host: &impl Host, position: usize, draft: Draft) {
        let Some(target) = self.targets.get(position) else {
            return;
        };
        let is_push = target.purpose == Purpose::Push;
        let is_dropped = target.while_disabled == WhileDisabled::Drop
            && self.store.webhook(host, &target.id).disabled.is_some();
        let Draft { id, op, form, record_id, trace, body } = draft;
        let push = Push {
            id,
            webhook: target.id.clone(),
            op,
            form,
            record_id,
            accepted: host.now(),
            sequence: self.store.next_sequence(),
            trace,
            body,
        };
        let entry = Entry { push, state: State::Waiting(Progress::default()) };
        if is_dropped {
            self.dropped(host, &entry, "the webhook is disabled, and configured to drop events");
            return;
        }
        let place = loop {
            if let Ok(place) = self.store.accept(host, &entry) {
                break place;
            }
            // The newest push is worth more than what failed before.
            let oldest = is_push.then(|| self.store.oldest_failed(host, &entry)).flatten();
            let Some(oldest) = oldest else {
                self.dropped(host, &entry, NO_ROOM);
                self.tell_of_lost(host, &entry, NO_ROOM);
                return;
            };
            // Told before it is done: a crash in between must not lose it silently.
            self.dropped(host, &oldest.entry, NO_ROOM);
            self.tell_of_lost(host, &oldest.entry, NO_ROOM);
            let _ = self.store.finish(host, oldest);
        };
        if !self.has_left {
            self.add(position, place, &entry.push, &Progress::default(), Duration::ZERO);
        }
    }

    fn add(
        &mut self,
        position: usize,
        place: Place,
        push: &Push,
        progress: &Progress,
        due: Duration,
    ) {
        if let Some(lane) = self.lanes.get_mut(position) {
            let job = Job {
                place,
                record: lane.record_key(push),
                sequence: push.sequence,
                attempts: progress.attempts,
                accepted: push.accepted,
                signer: None,
                is_second_try: false,
                tried: None,
            };
            lane.add(job, due);
        }
    }

    /// Sends what is due, looks after the store, and sets the timer for the rest.
    pub fn pump(&mut self, host: &impl Host) {
        let now = host.uptime();
        self.look_after(host, now);
        self.park_disabled(host);
        if !self.is_leaving {
            self.send_due(host, now);
            // Some may not have got out of the gateway, of which people are told at once.
            let events = self.store.noticed();
            self.handle(host, events);
        }
        if !self.is_leaving {
            self.store.flush(host);
        }
        self.set_timer(host, now);
    }

    /// Another owner, or a command, wants us to look at the store.
    pub fn woken(&mut self, host: &impl Host) {
        if !self.has_left
            && let Some(events) = self.store.woken(host)
        {
            self.handle(host, events);
            self.metrics.totals(host, &self.store.totals(host));
        }
    }

    /// The timer went off. It has to be set anew, if at all.
    pub fn timer_fired(&mut self) {
        self.timer = None;
    }

    /// Gives everything up, for other owners. True when that is done; until then the answers of
    /// what is in flight have to be heard.
    pub fn leave(&mut self, host: &impl Host) -> bool {
        self.is_leaving = true;
        if self.in_flight.is_empty() && !self.store.is_busy() && !self.has_left {
            self.has_left = true;
            self.lanes.iter_mut().for_each(|lane| *lane = Lane::new());
            self.store.leave(host);
            host.set_timer(None);
        }
        self.has_left
    }

    fn look_after(&mut self, host: &impl Host, now: Duration) {
        if self.has_left {
            return;
        }
        let events = self.store.noticed();
        self.handle(host, events);
        self.metrics.store_errors(host, self.store.errors());
        if self.store.is_watching() {
            if self.next_watch.is_none_or(|due| due <= now) {
                let waiting = self.lanes.iter().filter_map(Lane::oldest);
                let in_flight = self.in_flight.values().map(|attempt| attempt.job.accepted);
                let oldest = waiting.chain(in_flight).min();
                let events = self.store.watch(host, oldest);
                self.handle(host, events);
                self.metrics.totals(host, &self.store.totals(host));
                let is_watching = self.store.is_watching();
                self.next_watch = is_watching.then(|| now.saturating_add(WATCH_PAUSE));
            }
        } else {
            self.next_watch = None;
        }
        if self.next_notices.is_some_and(|due| due <= now) {
            self.next_notices = None;
            self.flush_notices(host, now);
        }
    }

    fn send_due(&mut self, host: &impl Host, now: Duration) {
        let lanes = self.lanes.len();
        let mut calls = 0;
        // Each lane has its turn, until none has anything to send.
        loop {
            let before = calls;
            for turn in 0..lanes {
                let lane = self.first_lane.saturating_add(turn).checked_rem(lanes).unwrap_or(0);
                if calls < CALLS_AT_ONCE && self.send_next(host, lane, now) {
                    calls = calls.saturating_add(1);
                }
            }
            if calls == before || calls >= CALLS_AT_ONCE {
                break;
            }
        }
        self.first_lane = self.first_lane.saturating_add(1).checked_rem(lanes).unwrap_or(0);
    }

    /// Sends the next push of a lane. False if there is none to send now.
    fn send_next(&mut self, host: &impl Host, lane: usize, now: Duration) -> bool {
        let (Some(target), Some(queue)) = (self.targets.get(lane), self.lanes.get_mut(lane)) else {
            return false;
        };
        let Some(mut job) = queue.next(now, target.max_in_flight) else {
            return false;
        };
        let loaded = self.store.load(host, job.place);
        let Some(loaded) = loaded.filter(|loaded| loaded.entry.push.sequence == job.sequence)
        else {
            // It has another owner now, who sees to it.
            queue.back();
            queue.ended(job.record);
            return true;
        };
        let signer = match job.signer {
            Some(last) if is_rotating(target) => last.other(),
            _ => queue.rotation.first(target),
        };
        job.signer = Some(signer);
        let stamp = Stamp::new(host, signer);
        let address = queue.shortcut.address(now);
        let way = Way::to(&target.target, address);
        let began = job.tried.map_or(now, |(began, _)| began);
        let timeout = target.timeout.saturating_sub(now.saturating_sub(began)).max(LEAST_TIME);
        let way_to = Route { address, turn: queue.shortcut.turn, timeout };
        let sent = request::send(host, target, &loaded.entry.push, stamp, way_to);
        let target = Rc::clone(target);
        let attempt = Attempt { lane: Some(lane), target, job, loaded, stamp, began, way };
        match sent {
            Ok(id) => {
                self.metrics.attempt(host, &attempt.target.id);
                self.in_flight.insert(id, attempt);
            }
            Err(error) => {
                queue.back();
                queue.shortcut.forget();
                self.failed(host, lane, attempt, &Cause::from(error), None, now);
            }
        }
        true
    }

    fn set_timer(&mut self, host: &impl Host, now: Duration) {
        if self.has_left {
            return;
        }
        let lanes = self.lanes.iter().zip(self.targets.iter());
        let sending = lanes.filter_map(|(lane, target)| lane.due(target.max_in_flight));
        let sending = sending.filter(|_| !self.is_leaving);
        if self.store.is_watching() && self.next_watch.is_none() {
            self.next_watch = Some(now.saturating_add(WATCH_PAUSE));
        }
        let others = [self.next_watch, self.next_notices, self.store.due(), self.wake_by];
        let due = sending.chain(others.into_iter().flatten()).min();
        if due != self.timer {
            self.timer = due;
            host.set_timer(due.map(|due| due.saturating_sub(now).max(BURST_PAUSE)));
        }
    }
}

const NO_ROOM: &str = "limits.memory_bytes is used up, or the room for 65,536 pushes";

const NO_ROOM_IN_REDIS: &str = "the failed cache is full: store.redis.max_failed";

const NO_WEBHOOK: &str = "there is no webhook with this id any more";
