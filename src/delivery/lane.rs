//! The pushes of one owner to one target: in which order and how fast they go out.
//!
//! A lane knows places and times and nothing of the world. Two pushes for the same record never
//! overtake each other; all others may.

use super::rotation::{Rotation, Signer};
use super::shortcut::Shortcut;
use crate::host::UnixMillis;
use crate::order::by_number;
use crate::store::{Place, Push};
use hashbrown::{DefaultHashBuilder, HashMap};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::hash::BuildHasher as _;
use std::time::Duration;

/// The longest rest of a target that answers 429 or 503 and does not say how long.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Pushes of the same record have the same key. Two records may have it too, by chance; then
/// their pushes wait for each other, and no harm is done.
type RecordKey = u64;

/// A waiting push, as a lane holds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) record: RecordKey,
    pub(super) sequence: u64,
    pub(super) attempts: u32,
    pub(super) accepted: UnixMillis,
    /// Who signed it last.
    pub(super) signer: Option<Signer>,
    /// The attempt that is next, or under way, was refused once already, with the other secret.
    pub(super) is_second_try: bool,
    /// When this attempt began, and how many addresses did not answer since.
    pub(super) tried: Option<(Duration, u32)>,
}

/// A push that waits for its next attempt.
#[derive(Clone, Copy, Debug)]
struct Due {
    due: Duration,
    sequence: u64,
    job: Job,
}

impl Due {
    fn order(&self) -> (Duration, u64) {
        (self.due, self.sequence)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// The pushes to one target.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Never sent.
    new: VecDeque<Job>,
    /// Waiting for their next attempt, the one that is due first on top.
    waiting: BinaryHeap<Reverse<Due>>,
    /// Records with a push that is new, waiting or in flight, and the later pushes of each.
    records: HashMap<RecordKey, VecDeque<Job>>,
    in_flight: usize,
    rests_until: Duration,
    /// How often in a row the target said that it is called too often.
    slow_downs: u32,
    hash: DefaultHashBuilder,
    /// Past the egress listener.
    pub(super) shortcut: Shortcut,
    pub(super) rotation: Rotation,
    /// Pushes of the webhook did not get out of the gateway when that was last looked up.
    pub(super) is_blocked: bool,
}

impl Lane {
    /// A lane with nothing in it. Each begins with another address of its target.
    pub(super) fn new() -> Self {
        let mut lane = Lane::default();
        lane.forget_way();
        lane
    }

    /// The target may be another now.
    pub(super) fn forget_way(&mut self) {
        let [first, second, ..] = self.hash.hash_one(()).to_le_bytes();
        self.shortcut = Shortcut::anew(u16::from_le_bytes([first, second]));
    }

    /// The key of a push's record.
    pub(super) fn record_key(&self, push: &Push) -> RecordKey {
        self.hash.hash_one((&push.form, &push.record_id))
    }

    /// Adds a push; `due` is when it may be sent.
    pub(super) fn add(&mut self, job: Job, due: Duration) {
        match self.records.get_mut(&job.record) {
            Some(later) => later.push_back(job),
            None => {
                self.records.insert(job.record, VecDeque::new());
                self.queue(job, due);
            }
        }
    }

    fn queue(&mut self, job: Job, due: Duration) {
        if job.attempts == 0 && due.is_zero() {
            self.new.push_back(job);
        } else {
            self.waiting.push(Reverse(Due { due, sequence: job.sequence, job }));
        }
    }

    /// Takes out the push to send now: first attempts before repeated ones. It is in flight from
    /// now on, until [`Lane::back`].
    pub(super) fn next(&mut self, now: Duration, max_in_flight: usize) -> Option<Job> {
        if now < self.rests_until || self.in_flight >= self.allowed(max_in_flight) {
            return None;
        }
        let job = self.new.pop_front().or_else(|| {
            if self.waiting.peek()?.0.due > now {
                return None;
            }
            self.waiting.pop().map(|Reverse(first)| first.job)
        })?;
        self.in_flight = self.in_flight.saturating_add(1);
        Some(job)
    }

    /// When there will be something to send.
    pub(super) fn due(&self, max_in_flight: usize) -> Option<Duration> {
        if self.in_flight >= self.allowed(max_in_flight) {
            return None;
        }
        let due = match self.new.is_empty() {
            false => Duration::ZERO,
            true => self.waiting.peek()?.0.due,
        };
        Some(due.max(self.rests_until))
    }

    /// A target that wants less gets one push at a time.
    fn allowed(&self, max_in_flight: usize) -> usize {
        if self.slow_downs > 0 { 1 } else { max_in_flight }
    }

    /// A push is in flight no more.
    pub(super) fn back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A push is to be sent again, before all later ones of its record.
    pub(super) fn again(&mut self, job: Job, due: Duration) {
        self.queue(job, due);
    }

    /// A push that is to be sent again at once is the next to be sent.
    pub(super) fn again_first(&mut self, job: Job) {
        self.new.push_front(job);
    }

    /// A push came to its end; the next one of its record may go.
    pub(super) fn ended(&mut self, record: RecordKey) {
        match self.records.get_mut(&record).and_then(VecDeque::pop_front) {
            Some(next) => self.new.push_back(next),
            None => {
                self.records.remove(&record);
            }
        }
    }

    /// Nothing is sent until then.
    pub(super) fn rest(&mut self, until: Duration) {
        self.rests_until = self.rests_until.max(until);
    }

    /// The target said that it is called too often: it gets a rest that doubles each time.
    pub(super) fn slow_down(&mut self, now: Duration, asked: Option<Duration>) {
        // All that was in flight may be answered so at once, which says it once.
        if self.slow_downs == 0 || now >= self.rests_until {
            self.slow_downs = self.slow_downs.saturating_add(1);
        }
        let doubled = 2u32.saturating_pow(self.slow_downs.saturating_sub(1));
        let doubled = Duration::from_secs(1).saturating_mul(doubled).min(LONGEST_REST);
        self.rest(now.saturating_add(asked.unwrap_or(doubled)));
    }

    /// The target takes pushes again.
    pub(super) fn speed_up(&mut self) {
        self.slow_downs = 0;
    }

    /// Takes out all that is not in flight, in the order of acceptance.
    pub(super) fn take_all(&mut self) -> Vec<Job> {
        self.take(&|_| true)
    }

    /// Takes out what is not in flight and in a region that is not ours any more.
    pub(super) fn take_region(&mut self, region: u16) -> Vec<Job> {
        self.take(&|job| job.place.region() == region)
    }

    fn take(&mut self, which: &dyn Fn(&Job) -> bool) -> Vec<Job> {
        let mut queued: Vec<(Job, Duration)> =
            self.new.drain(..).map(|job| (job, Duration::ZERO)).collect();
        queued.extend(self.waiting.drain().map(|Reverse(waiting)| (waiting.job, waiting.due)));
        let mut taken = Vec::new();
        for later in self.records.values_mut() {
            let (out, stay): (Vec<Job>, Vec<Job>) = later.drain(..).partition(which);
            taken.extend(out);
            later.extend(stay);
        }
        for (job, due) in queued {
            if which(&job) {
                taken.push(job);
                self.ended(job.record);
            } else {
                self.queue(job, due);
            }
        }
        let order = by_number(taken.iter().map(|job| job.sequence));
        order.iter().filter_map(|at| taken.get(*at).copied()).collect()
    }

    /// When the oldest push was accepted, those in flight not counted.
    pub(super) fn oldest(&self) -> Option<UnixMillis> {
        let waiting = self.waiting.iter().map(|Reverse(due)| due.job.accepted);
        self.new.front().map(|job| job.accepted).into_iter().chain(waiting).min()
    }

    /// Whether nothing is to be sent and nothing in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.records.is_empty() && self.in_flight == 0
    }

    /// Whether there is anything that is not in flight.
    pub(super) fn has_queued(&self) -> bool {
        !self.new.is_empty() || !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_in_flight_together_slows_a_target_down_once() {
        let at = Duration::from_secs;
        let job = Job {
            place: Place { region: 0, slot: 0 },
            record: 1,
            sequence: 1,
            attempts: 0,
            accepted: UnixMillis(0),
            signer: None,
            is_second_try: false,
            tried: None,
        };
        let mut lane = Lane::default();
        lane.add(job, Duration::ZERO);
        for _ in 0..32 {
            lane.slow_down(at(10), None);
        }
        assert_eq!(lane.due(32), Some(at(11)));
        // Each time anew it is twice as long, up to a bound.
        for (now, until) in
            [(11, 13), (13, 17), (17, 25), (25, 41), (41, 73), (73, 133), (133, 193)]
        {
            lane.slow_down(at(now), None);
            assert_eq!(lane.due(32), Some(at(until)));
        }
        // What the target asks for counts even while it rests.
        lane.slow_down(at(134), Some(at(3_600)));
        assert_eq!(lane.due(32), Some(at(3_734)));
        lane.speed_up();
        lane.slow_down(at(4_000), None);
        assert_eq!(lane.due(32), Some(at(4_001)));
    }
}
