//! What goes into a batch.

use super::super::entry::{Entry, State};
use super::super::question::mark_text;
use super::super::{Learned, Loaded, Memory, NoticeKind, Place, Store as _};
use super::exchange::{self, Exchange, Sought};
use super::{ASKING, Clock, LONGEST_SILENCE, NO_TICKET, POLL_PAUSE, Redis, Reset};
use crate::duration::millis;
use crate::form::{FormKey, Lesson, MAX_SCHEMA_BYTES, Schema};
use crate::history::{Outcome, Record, Ring};
use crate::host::{Host, Version};
use crate::json::Builder;
use std::mem::discriminant;
use std::time::Duration;

/// How much goes into a batch. Redis does nothing else while it does one.
const OPS_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 512 * 1024;
const RECORDS_AT_ONCE: u64 = 200;

/// How many pushes are claimed at once, and how many bytes of them.
const CLAIMS_AT_ONCE: u64 = 100;
const CLAIMED_BYTES: usize = 512 * 1024;

/// How long a record that has a number may take to be written.
const HOLE_PATIENCE: Duration = Duration::from_secs(2);

/// A batch, as it was or is to be sent.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) exchange: Exchange,
    pub(super) parts: Vec<Part>,
    pub(super) first_ticket: u64,
}

impl Batch {
    pub(super) fn has(&self, place: Place) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Place(known, ..) if *known == place))
    }
}

/// What an operation was for.
#[derive(Debug)]
pub(super) enum Part {
    /// A place as it was in this version, marked with this ticket.
    Place(Place, Version, Step, u64),
    Order(Order),
    Reset(Reset),
    /// What was learned, from what was known to what is known.
    Learn(Learning, Schema, Schema),
    /// All records of a ring before this number.
    Records(Ring, u64),
    /// At this time.
    Poll(Duration),
    Claim,
    Held,
}

/// What became of a push at a place.
#[derive(Debug)]
pub(super) enum Step {
    Put,
    Done { webhook: Box<str> },
    Park,
    Fail { webhook: Box<str>, push: Box<str>, cause: Box<str> },
}

/// What an answer of the platform taught about a form.
#[derive(Clone, Debug)]
pub(in super::super) struct Learning {
    pub(in super::super) form: FormKey,
    pub(in super::super) lesson: Lesson,
    /// When the platform was asked, by uptime.
    pub(in super::super) began: Duration,
}

impl Learning {
    /// Whether it is about the same.
    pub(super) fn is_like(&self, other: &Learning) -> bool {
        self.form == other.form && discriminant(&self.lesson) == discriminant(&other.lesson)
    }
}

/// What is told beside places.
#[derive(Clone, Debug)]
pub(in super::super) enum Order {
    /// A target is gone for good.
    Disable { webhook: Box<str>, push: Box<str>, cause: Box<str> },
    /// People have to be told that it happened so often.
    Notice { webhook: Box<str>, kind: NoticeKind, push: Box<str>, cause: Box<str>, count: u64 },
    /// What an admin set, with this mark, while Redis knew nothing of it.
    Add(u64, Vec<u8>),
    /// Pushes that this gateway has claimed and does not know.
    Reclaim(Vec<Box<str>>),
    /// A claimed push for which there is no room.
    Unclaim(Box<str>),
    /// A claimed push that cannot be read.
    Discard(Box<str>),
}

impl Order {
    /// Takes another into this one, if they are of the same.
    pub(super) fn takes_in(&mut self, other: &Order) -> bool {
        match (self, other) {
            (
                Order::Notice { webhook, kind, count, .. },
                Order::Notice { webhook: of, kind: as_kind, count: more, .. },
            ) => {
                let is_same = webhook == of && kind == as_kind;
                if is_same {
                    *count = count.saturating_add(*more);
                }
                is_same
            }
            (Order::Disable { webhook, .. }, Order::Disable { webhook: of, .. }) => webhook == of,
            (Order::Add(..), Order::Add(..)) => true,
            _ => false,
        }
    }
}

/// Begins an operation.
fn op<'j>(json: &'j mut Builder, name: &str) -> &'j mut Builder {
    json.open(b'[').text(name)
}

impl Redis {
    /// All that there is to tell, as far as it fits; `None` if there is nothing.
    pub(super) fn compose(
        &mut self,
        host: &impl Host,
        near: &mut Memory,
        now: Duration,
    ) -> Option<Batch> {
        let is_old = |(_, last)| now.saturating_sub(last) > LONGEST_SILENCE;
        if self.session.is_empty() || self.contact.is_some_and(is_old) {
            self.begin(host);
            self.contact = None;
        }
        let mut json = Builder::new();
        json.open(b'[');
        let mut parts = Vec::new();
        while parts.len() < OPS_AT_ONCE
            && json.position() < BYTES_AT_ONCE
            && let Some(order) = self.orders.pop_front()
        {
            write_order(&mut json, &order);
            parts.push(Part::Order(order));
        }
        let mut learned = None;
        while parts.len() < OPS_AT_ONCE
            && json.position() < BYTES_AT_ONCE
            && let Some(learning) = self.learnings.pop_front()
        {
            let learned = learned.get_or_insert_with(|| near.learned(host));
            parts.extend(write_learning(&mut json, learning, learned, &self.clock));
        }
        let mut first_ticket = NO_TICKET;
        while parts.len() < OPS_AT_ONCE {
            let next = self.marked.front().copied();
            // Between what failed before and after, lest a webhook be disabled for failures that ended.
            let is_next = |reset: &mut Reset| next.is_none_or(|(_, ticket)| ticket > reset.after);
            if let Some(reset) = self.resets.pop_front_if(is_next) {
                op(&mut json, "done").text("").text(&reset.webhook).number(1).close(b']');
                parts.push(Part::Reset(reset));
                continue;
            }
            let Some((place, ticket)) = next else { break };
            if let Some(loaded) = near.read(host, place) {
                let is_known = self.known.contains(&place);
                let before = json.position();
                if let Some(part) = write_place(&mut json, loaded, is_known, ticket) {
                    if json.position() > BYTES_AT_ONCE && !parts.is_empty() {
                        json.go_back(before);
                        break;
                    }
                    parts.push(part);
                    first_ticket = first_ticket.min(ticket);
                }
            }
            self.marked.pop_front();
            self.is_marked.remove(&place);
        }
        first_ticket = first_ticket.min(self.held_back.0);
        if self.first_marked() > self.held_back.1 {
            self.held_back = (NO_TICKET, 0);
        }
        self.has_more = false;
        let polls = now >= self.next_poll;
        let wants_to_speak = polls || !parts.is_empty();
        if let Some(is_new) = wants_to_speak.then(|| near.speaks(host)).flatten() {
            // Whoever spoke before may have crashed with claimed pushes on their way.
            self.audits |= is_new;
            if std::mem::take(&mut self.audits) {
                op(&mut json, "held").close(b']');
                parts.push(Part::Held);
            }
            if polls {
                let mark = near.additions_mark(host);
                op(&mut json, "poll").number(self.version).text(&mark_text(mark));
                let asks = if self.wants_to_ask { millis(ASKING) } else { 0 };
                json.number(self.forms_version).number(asks).close(b']');
                parts.push(Part::Poll(now));
                let bytes = (near.room() / 4).min(CLAIMED_BYTES) as u64;
                op(&mut json, "claim").number(CLAIMS_AT_ONCE).number(bytes);
                json.number(self.may_reap(now).into()).close(b']');
                parts.push(Part::Claim);
            }
            for ring in Ring::ALL {
                self.write_records(&mut json, &mut parts, host, near, (ring, now));
            }
        }
        if polls {
            self.next_poll = now.saturating_add(POLL_PAUSE);
        }
        json.close(b']');
        if parts.is_empty() {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let echo = format!("{}-{}", self.session, self.number);
        let mut text = exchange::begin(&self.settings, &self.gateway, &echo);
        text.name("session").text(&self.session).name("number").number(self.number);
        text.name("ops").raw(&json.into_text()).close(b'}');
        let exchange = Exchange::new(&self.settings, text.into_text(), &echo);
        Some(Batch { exchange, parts, first_ticket })
    }

    /// Records of a ring of the history that Redis does not have.
    fn write_records(
        &mut self,
        json: &mut Builder,
        parts: &mut Vec<Part>,
        host: &impl Host,
        near: &Memory,
        (ring, now): (Ring, Duration),
    ) {
        let Some((newest, oldest)) = near.history_bounds(host, ring) else { return };
        let unsent = near.unsent_record(host, ring);
        let first = unsent.max(oldest);
        if first > unsent {
            let lost = first.saturating_sub(unsent);
            log::error!(
                "{lost} records of the history were lost: `limits.history_records` is too low, or the store \
                 was away for too long"
            );
        }
        let mut next = first;
        let mut is_written = false;
        for number in first..=newest {
            if number.saturating_sub(first) >= RECORDS_AT_ONCE || json.position() > BYTES_AT_ONCE {
                self.has_more = true;
                break;
            }
            let Some(record) = near.history(host, ring, number) else {
                // Whoever has the number may be about to write it, or have crashed.
                let [pushes, misses] = &mut self.holes;
                let hole = if ring == Ring::Pushes { pushes } else { misses };
                let since = hole.filter(|(hole, _)| *hole == number);
                let (_, since) = *hole.insert(since.unwrap_or((number, now)));
                if now.saturating_sub(since) < HOLE_PATIENCE {
                    break;
                }
                next = number.saturating_add(1);
                continue;
            };
            write_record(json, ring, number, &record);
            is_written = true;
            next = number.saturating_add(1);
            parts.push(Part::Records(ring, next));
        }
        if !is_written && next > unsent {
            near.set_unsent_record(host, ring, next);
        }
    }
}

fn write_order(json: &mut Builder, order: &Order) {
    match order {
        Order::Disable { webhook, cause, .. } => op(json, "disable").text(webhook).text(cause),
        Order::Notice { webhook, kind, count, .. } => {
            op(json, "notice").text(webhook).number(*kind as u64).number(*count)
        }
        Order::Add(mark, additions) => {
            let additions = String::from_utf8_lossy(additions);
            op(json, "set_additions").text("").text(&mark_text(*mark)).text(&additions)
        }
        Order::Reclaim(ids) => op(json, "reclaim").texts(ids),
        Order::Unclaim(id) => op(json, "unclaim").text(id),
        Order::Discard(id) => op(json, "discard").text(id),
    };
    json.close(b']');
}

/// What is learned, if it is anything.
fn write_learning(
    json: &mut Builder,
    learning: Learning,
    learned: &[Learned],
    clock: &Clock,
) -> Option<Part> {
    let known = learned.iter().find(|known| known.form == learning.form);
    let (before, after) = Learned::news(known, &learning.lesson)?;
    let text = after.encode();
    if text.len() > MAX_SCHEMA_BYTES {
        return None;
    }
    op(json, "learn").text(&learning.form.joined()).number(known.map_or(0, |known| known.version));
    json.text(&text)
        .number(clock.at(learning.began))
        .number(before.knows(&learning.lesson).into())
        .close(b']');
    Some(Part::Learn(learning, before, after))
}

/// What a place holds; `None` if there is nothing to tell.
fn write_place(json: &mut Builder, loaded: Loaded, is_known: bool, ticket: u64) -> Option<Part> {
    let Loaded { place, entry: Entry { push, state }, version } = loaded;
    let id: Box<str> = push.id.as_str().into();
    let webhook = push.webhook.clone();
    let step = match state {
        State::Failed(_) => return None,
        State::Waiting(_) => {
            op(json, "put").text(&id).text(&as_text(&Entry { push, state }));
            Step::Put
        }
        State::Ended { resets } => {
            op(json, "done").text(&id).text(&webhook).number(resets.into());
            Step::Done { webhook }
        }
        State::Parking(failure) => {
            let entry = Entry { push, state: State::Failed(failure) };
            op(json, "park").text(&id).text(&webhook).text(&as_text(&entry));
            json.number(is_known.into());
            Step::Park
        }
        State::Counting(failure, counting) => {
            let cause = failure.cause.clone();
            let entry = Entry { push, state: State::Failed(failure) };
            op(json, "fail").text(&id).text(&webhook).text(&as_text(&entry));
            json.number(is_known.into()).number(counting.limit.into()).text(&cause);
            Step::Fail { webhook, push: id, cause }
        }
    };
    json.close(b']');
    Some(Part::Place(place, version, step, ticket))
}

fn as_text(entry: &Entry) -> String {
    lossy(entry.encode())
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn write_record(json: &mut Builder, ring: Ring, number: u64, record: &Record) {
    let names = Sought::new([&record.op, &record.app_id, &record.entry_id, &record.record_id]);
    match ring {
        Ring::Misses => op(json, "miss").number(number),
        Ring::Pushes => {
            let result = if record.outcome == Outcome::Success { "s" } else { "f" };
            op(json, "record").number(number).text(&record.webhook).text(result)
        }
    };
    json.text(&names.joined()).text(&lossy(record.encode())).close(b']');
}
