//! Redis behind the gateway's memory: durable, and one for all gateways of a namespace.
//!
//! Memory is what is worked with; here it is told to Redis, in batches, what its places hold. A
//! place that changed is marked, and what goes into the next batch is what it holds then: a push
//! that was delivered meanwhile need not be stored first. One batch is under way at a time, so
//! whatever happens while it is makes up the next one. A batch that is not answered comes again
//! as it was; `script.lua` does it once.
//!
//! | Key, behind `{namespace}:` | What |
//! |---|---|
//! | `waiting:<gateway>` | hash: a gateway's pushes that are to be sent; of no gateway, those to be claimed |
//! | `gateways`, `dead`, `orphaned` | the ends of leases; whose lease was over; whose pushes can be claimed |
//! | `speakers` | hash: the session that speaks for a gateway |
//! | `failed`, `failed_index…`, `failed_count`, `failed_bytes` | the failed cache |
//! | `webhook:<id>`, `webhooks`, `version`, `notices` | failures, disabled, and when people were told |
//! | `additions`, `additions_mark` | what an admin set |
//! | `forms`, `forms_index`, `forms_version`, `forms_bytes` | what the platform says of forms: `<version> <time> <schema>` |
//! | `asker` | the gateway that asks the platform about forms |
//! | `history`, `history:…`, `recorded` | streams: records, and what they are found by |
//! | `misses` | a stream of the newest records of missed changes |
//! | `session:<id>` | the last batch of a worker and its answer |

mod batch;
mod exchange;
mod settle;
mod wire;

pub(super) use batch::{Learning, Order};
pub(super) use exchange::{Exchange, Heard, Sought, records};
pub(super) use settle::{has_lost_additions, learn_additions, report};
pub use wire::{Ack, Protocol, RedisSettings};

use self::batch::Batch;
use super::{Adopted, Loaded, Memory, Place, State};
use crate::duration;
use crate::host::{CalloutId, Host, Reply, random_name};
use hashbrown::HashSet;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// A gateway that was silent for so long is dead to the others.
const LEASE: Duration = Duration::from_secs(10);

/// How often a gateway asks what is new.
const POLL_PAUSE: Duration = Duration::from_secs(1);

/// A gateway that asks the platform about forms is the only one for so long.
const ASKING: Duration = Duration::from_secs(10);

/// With so many orders waiting nothing more is learned of forms: the platform will say it again.
const MAX_ORDERS: usize = 2000;

/// Who has not heard of Redis for so long cannot tell which others have.
const GAP: Duration = Duration::from_secs(4);

/// So many polls in a row with more pushes of this gateway in Redis than here are no chance: Redis has
/// lost in a crash that they came to their end.
const SURPLUSES: u32 = 5;

/// Who had nothing to tell for so long begins anew: Redis forgets a session after a day.
const LONGEST_SILENCE: Duration = Duration::from_secs(12 * 60 * 60);

/// Higher than all tickets.
const NO_TICKET: u64 = u64::MAX;

/// How long to wait after a failure: this, doubled each time, up to that.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The failures of a webhook ended, behind all that had this ticket or a lower one.
#[derive(Debug)]
struct Reset {
    webhook: Box<str>,
    after: u64,
    has_failed_since: bool,
}

/// The clock of Redis, as of its last answer.
///
/// A batch may be on its way for long, or come again: what says when something was must not go by when it
/// arrives.
#[derive(Debug, Default)]
struct Clock {
    /// What Redis said, in milliseconds.
    said: u64,
    /// When that was heard, by uptime.
    heard: Duration,
}

impl Clock {
    /// What Redis' clock showed then, or somewhat less: its answer took some time. Nothing before it
    /// first answered.
    fn at(&self, uptime: Duration) -> u64 {
        let since = duration::millis(uptime.saturating_sub(self.heard));
        let before = duration::millis(self.heard.saturating_sub(uptime));
        self.said.saturating_add(since).saturating_sub(before)
    }
}

/// What one owner has to tell Redis.
#[derive(Debug)]
pub(super) struct Redis {
    settings: Rc<RedisSettings>,
    /// The gateway's name as of the last batch.
    gateway: String,
    session: String,
    number: u64,
    /// Places that changed, each with its ticket.
    marked: VecDeque<(Place, u64)>,
    is_marked: HashSet<Place>,
    /// The last ticket.
    ticket: u64,
    /// From this ticket on nothing counts as stored until all up to that one is told: a place that was to
    /// be told again, or later, stands for a lower ticket than its own.
    held_back: (u64, u64),
    /// Places that Redis knows.
    known: HashSet<Place>,
    /// Places taken over from another worker, which Redis may know.
    adopted: HashSet<Place>,
    /// What is to be told beside places.
    orders: VecDeque<Order>,
    /// What the platform said of forms.
    learnings: VecDeque<Learning>,
    /// Webhooks whose failures ended, in the order of tickets.
    resets: VecDeque<Reset>,
    /// What is under way, or to be sent again.
    batch: Option<Batch>,
    sent: Option<CalloutId>,
    failures: u32,
    /// When the first of these failures was.
    down_since: Option<Duration>,
    paused_until: Duration,
    next_poll: Duration,
    /// More records are waiting than went into the last batch.
    has_more: bool,
    /// The version of what is known of webhooks.
    version: u64,
    /// The version of what is known of forms.
    forms_version: u64,
    /// Whether this gateway wants to ask the platform about forms, and until when no other does.
    wants_to_ask: bool,
    asks_until: Duration,
    clock: Clock,
    /// Since when Redis has answered without a gap, and when it last did.
    contact: Option<(Duration, Duration)>,
    /// Whether to ask for all that Redis has of this gateway.
    audits: bool,
    /// How often in a row Redis had more pushes of this gateway than this has.
    surpluses: u32,
    /// A record that is missing in a ring, and since when: it may be about to be written.
    holes: [Option<(u64, Duration)>; 2],
}

impl Redis {
    pub(super) fn new(settings: Rc<RedisSettings>) -> Self {
        Redis {
            settings,
            gateway: String::new(),
            session: String::new(),
            number: 0,
            marked: VecDeque::new(),
            is_marked: HashSet::new(),
            ticket: 0,
            held_back: (NO_TICKET, 0),
            known: HashSet::new(),
            adopted: HashSet::new(),
            orders: VecDeque::new(),
            learnings: VecDeque::new(),
            resets: VecDeque::new(),
            batch: None,
            sent: None,
            failures: 0,
            down_since: None,
            paused_until: Duration::ZERO,
            next_poll: Duration::ZERO,
            has_more: false,
            version: 0,
            forms_version: 0,
            wants_to_ask: false,
            asks_until: Duration::ZERO,
            clock: Clock::default(),
            contact: None,
            audits: true,
            surpluses: 0,
            holes: [None; 2],
        }
    }

    /// A place has something to be told.
    pub(super) fn mark(&mut self, place: Place) {
        if self.is_marked.insert(place) {
            self.ticket = self.ticket.saturating_add(1);
            self.marked.push_back((place, self.ticket));
        }
    }

    /// A place of another worker of this gateway is ours now.
    pub(super) fn adopt(&mut self, Adopted { place, entry }: &Adopted) {
        self.adopted.insert(*place);
        match entry.state {
            State::Counting(..) => self.mark_failed(*place, &entry.push.webhook),
            _ => self.mark(*place),
        }
    }

    /// A push of this webhook failed, which is to be told behind what ended the failures before it. Where
    /// there is no such thing the place keeps its ticket.
    pub(super) fn mark_failed(&mut self, place: Place, webhook: &str) {
        if let Some(reset) = self.last_reset(webhook) {
            reset.has_failed_since = true;
            if self.is_marked.remove(&place) {
                let first = self.first_marked();
                self.marked.retain(|(known, _)| *known != place);
                self.mark(place);
                self.hold_back(first);
            }
        }
        self.mark(place);
    }

    #[inline(never)]
    fn last_reset(&mut self, webhook: &str) -> Option<&mut Reset> {
        self.resets.iter_mut().rfind(|reset| *reset.webhook == *webhook)
    }

    fn first_marked(&self) -> u64 {
        self.marked.front().map_or(NO_TICKET, |(_, ticket)| *ticket)
    }

    /// Nothing from this ticket on is stored until all is told that is marked now.
    fn hold_back(&mut self, first: u64) {
        self.held_back = (first.min(self.held_back.0), self.ticket);
    }

    /// A place is empty.
    fn forget(&mut self, place: Place) {
        self.known.remove(&place);
        self.adopted.remove(&place);
    }

    /// Something is to be told beside places. What happens as often as it likes while Redis is away is
    /// told once.
    pub(super) fn order(&mut self, order: Order) {
        if !self.is_ordered(&order) {
            self.orders.push_back(order);
        }
    }

    /// Whether an order is one with another from now on.
    fn is_ordered(&mut self, order: &Order) -> bool {
        self.orders.iter_mut().any(|known| known.takes_in(order))
    }

    /// The platform said this of a form.
    pub(super) fn learn(&mut self, learning: Learning) {
        self.learnings.retain(|known| !known.is_like(&learning));
        if self.orders.len().saturating_add(self.learnings.len()) < MAX_ORDERS {
            self.learnings.push_back(learning);
        }
    }

    /// Whether this gateway is the one that asks the platform about forms.
    pub(super) fn may_ask(&mut self, now: Duration) -> bool {
        self.wants_to_ask = true;
        now < self.asks_until
    }

    /// A push in a row was delivered. That is nothing new if none failed since it was last.
    pub(super) fn reset(&mut self, webhook: &str) {
        if self.last_reset(webhook).is_none_or(|reset| reset.has_failed_since) {
            let (webhook, after) = (webhook.into(), self.ticket);
            self.resets.push_back(Reset { webhook, after, has_failed_since: false });
        }
    }

    /// Whether Redis knows of a place, or may.
    pub(super) fn may_know(&self, place: Place) -> bool {
        self.known.contains(&place)
            || self.adopted.contains(&place)
            || self.batch.as_ref().is_some_and(|batch| batch.has(place))
    }

    /// Nothing in this region is ours any more.
    pub(super) fn lose_region(&mut self, region: u16) {
        self.known.retain(|place| place.region != region);
        self.adopted.retain(|place| place.region != region);
    }

    /// What was marked last, and up to where all is stored.
    pub(super) fn tickets(&self) -> (u64, u64) {
        let of_batch = self.batch.as_ref().map_or(NO_TICKET, |batch| batch.first_ticket);
        let first = of_batch.min(self.first_marked()).min(self.held_back.0);
        (self.ticket, self.ticket.min(first.saturating_sub(1)))
    }

    /// Whether an answer is waited for.
    pub(super) fn is_busy(&self) -> bool {
        self.sent.is_some()
    }

    /// Since when Redis has not answered.
    pub(super) fn is_down_since(&self) -> Option<Duration> {
        self.down_since
    }

    /// When there will be something to send.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.sent.is_some() {
            return None;
        }
        let is_waiting = self.batch.is_some()
            || self.has_more
            || !(self.marked.is_empty() && self.orders.is_empty() && self.resets.is_empty())
            || !self.learnings.is_empty();
        Some(if is_waiting { self.paused_until } else { self.next_poll.max(self.paused_until) })
    }

    /// Sends what there is to tell, if nothing is under way.
    pub(super) fn flush(&mut self, host: &impl Host, near: &mut Memory) {
        let now = host.uptime();
        if self.sent.is_some() || now < self.paused_until {
            return;
        }
        if self.batch.is_none() {
            self.meet(host, near);
            self.batch = self.compose(host, near, now);
        }
        let Some(batch) = &self.batch else { return };
        match batch.exchange.send(host) {
            Ok(id) => self.sent = Some(id),
            Err(words) => self.failed(near, now, &words),
        }
    }

    /// Hears a reply. False if it is for somebody else.
    pub(super) fn heard(
        &mut self,
        host: &impl Host,
        near: &mut Memory,
        id: CalloutId,
        reply: &Reply,
    ) -> bool {
        if self.sent != Some(id) {
            return false;
        }
        self.sent = None;
        let now = host.uptime();
        let Some(mut batch) = self.batch.take() else { return true };
        match batch.exchange.hear(host, reply) {
            Heard::Answer(answer) => match self.settle(host, near, batch, &answer) {
                Ok(()) => self.answered(now),
                Err(batch) => {
                    self.batch = Some(batch);
                    self.failed(near, now, "its answer cannot be understood");
                }
            },
            Heard::Again => self.batch = Some(batch),
            Heard::Failed(words) => {
                self.batch = Some(batch);
                self.failed(near, now, &words);
            }
        }
        true
    }

    fn answered(&mut self, now: Duration) {
        if self.failures > 0 {
            log::info!("the store answers again, after {} failures", self.failures);
        }
        (self.failures, self.down_since) = (0, None);
        self.contact = Some(match self.contact {
            Some((since, last)) if now.saturating_sub(last) < GAP => (since, now),
            _ => (now, now),
        });
    }

    fn failed(&mut self, near: &mut Memory, now: Duration, words: &str) {
        self.failures = self.failures.saturating_add(1);
        self.down_since.get_or_insert(now);
        near.count_error();
        if self.failures.is_power_of_two() {
            log::error!(
                "the store does not answer ({} in a row): {words}; pushes go on from memory",
                self.failures
            );
        }
        let doubled = 2u32.saturating_pow(self.failures.saturating_sub(1));
        let pause = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
        self.paused_until = now.saturating_add(pause);
    }

    /// Whether the leases of others can be judged: a living gateway has renewed its own if Redis
    /// was there to do so.
    fn may_reap(&self, now: Duration) -> bool {
        self.contact.is_some_and(|(since, last)| {
            now.saturating_sub(last) < GAP && last.saturating_sub(since) > LEASE
        })
    }

    /// Learns by which name this gateway goes now.
    fn meet(&mut self, host: &impl Host, near: &mut Memory) {
        let gateway = near.gateway(host);
        if gateway == self.gateway {
            return;
        }
        if !self.gateway.is_empty() {
            log::error!(
                "other gateways took this one ({}) for dead and have its pushes: did it stop for over 10 s?",
                self.gateway
            );
            for place in std::mem::take(&mut self.known) {
                if let Some(Loaded { version, .. }) = near.read(host, place) {
                    let _ = near.release(host, place, version);
                }
            }
            self.begin(host);
        }
        self.gateway = gateway;
    }

    /// Begins a session.
    fn begin(&mut self, host: &impl Host) {
        (self.session, self.number, self.audits) = (random_name(host), 0, true);
    }

    /// Tells everything again: Redis has lost it.
    fn tell_all(&mut self, host: &impl Host, near: &Memory) {
        self.begin(host);
        self.known.clear();
        (self.version, self.forms_version) = (0, 0);
        near.places().into_iter().for_each(|place| self.mark(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_redis_shows_no_more_than_it_did_however_long_its_answer_took() {
        let at = Duration::from_millis;
        let clock = Clock { said: 1_800_000_000_000, heard: at(500) };
        assert_eq!(clock.at(at(500)), 1_800_000_000_000);
        assert_eq!(clock.at(at(2_500)), 1_800_000_002_000);
        assert_eq!(clock.at(at(100)), 1_799_999_999_600);
        assert!(Clock::default().at(at(86_400_000)) < clock.at(at(0)));
    }
}
