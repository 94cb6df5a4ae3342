//! The memory of this gateway and, if so configured, Redis behind it.
//!
//! Everything is worked with in memory. What Redis has to know is marked on the way and told with
//! the next [`Store::flush`]; what it answers comes out as events.

use super::entry::{Entry, Failure, Progress, State};
use super::question::Desk;
use super::redis::{Redis, RedisSettings};
use super::webhook_state::{Counting, WebhookState};
use super::{
    Additions, Adopted, Bounds, Event, Full, Learned, Loaded, Lost, Memory, NoticeKind, Place,
    PushId, Store, Totals,
};
use crate::duration;
use crate::form::{FormKey, Lesson};
use crate::history::{Record, Ring};
use crate::host::{CalloutId, Host, QueueId, Reply, UnixMillis};
use crate::store::redis::{Learning, Order};
use std::rc::Rc;
use std::time::Duration;

/// The store of one owner: a root context.
#[derive(Debug)]
pub struct Tiers {
    pub(super) near: Memory,
    pub(super) far: Option<Box<Redis>>,
    pub(super) desk: Desk,
}

impl Tiers {
    /// A store that keeps what is near under this prefix of keys. `queue` wakes this owner.
    pub fn new(
        prefix: &str,
        queue: Option<QueueId>,
        bounds: Bounds,
        redis: Option<&Rc<RedisSettings>>,
    ) -> Self {
        let far = redis.map(|settings| Box::new(Redis::new(Rc::clone(settings))));
        Tiers { near: Memory::new(prefix, queue, bounds), far, desk: Desk::default() }
    }

    /// All that is known of forms from the platform.
    pub fn learned(&self, host: &impl Host) -> Vec<Learned> {
        self.near.learned(host)
    }

    /// Change with each change of the additions, and of what is known of forms; cheap to read.
    pub fn marks(&self, host: &impl Host) -> [u64; 2] {
        [self.near.additions_mark(host), self.near.learned_mark(host)]
    }

    /// Learns what the platform said of forms, when it was asked at `began` by uptime. Each difference
    /// in the structure of a form comes as an [`Event::Restructured`], to one owner of one gateway.
    pub fn learn(&mut self, host: &impl Host, lessons: Vec<(FormKey, Lesson)>, began: Duration) {
        let Some(far) = &mut self.far else {
            let age = duration::millis(host.uptime().saturating_sub(began));
            let began = UnixMillis(host.now().0.saturating_sub(age));
            return self.near.learn(host, &lessons, began);
        };
        let known = self.near.learned(host);
        for (form, lesson) in lessons {
            let known = known.iter().find(|known| known.form == form);
            if Learned::news(known, &lesson).is_some() {
                far.learn(Learning { form, lesson, began });
            }
        }
    }

    /// Keeps a record as it is now, or forgets one that is removed; how this gateway saw it before, if
    /// it did. `is_later` says of a text before whether what is now came after it.
    pub fn see(
        &self,
        host: &impl Host,
        form: &FormKey,
        id: &str,
        record: Option<&str>,
        is_later: impl Fn(&str) -> bool,
    ) -> Option<String> {
        self.near.see(host, form, id, record, is_later)
    }

    /// Whether this owner is the one of all that asks the platform about forms.
    pub fn may_ask(&mut self, host: &impl Host) -> bool {
        self.near.speaks(host).is_some()
            && self.far.as_mut().is_none_or(|far| far.may_ask(host.uptime()))
    }

    /// Has Redis told of pushes that are this owner's from now on, and the courier of those that
    /// it is to send.
    fn taken_over(&mut self, mut events: Vec<Event>) -> Vec<Event> {
        let Some(far) = &mut self.far else { return events };
        for event in &mut events {
            match event {
                Event::Adopted(adopted) => {
                    adopted.iter().for_each(|one| far.adopt(one));
                    let is_waiting = |one: &Adopted| matches!(one.entry.state, State::Waiting(_));
                    adopted.retain(is_waiting);
                }
                Event::RegionLost(region) => far.lose_region(*region),
                Event::Changed(_) | Event::Dropped(_) | Event::Restructured(..) => {}
            }
        }
        events
    }

    /// What has become of a push, for Redis to know.
    fn become_state(&mut self, host: &impl Host, loaded: Loaded, state: State) -> Result<(), Lost> {
        let place = loaded.place;
        let fails = matches!(state, State::Counting(..));
        let failed = fails.then(|| loaded.entry.push.webhook.clone());
        self.near.become_state(host, loaded, state)?;
        if let Some(far) = &mut self.far {
            match failed {
                Some(webhook) => far.mark_failed(place, &webhook),
                None => far.mark(place),
            }
        }
        Ok(())
    }

    /// A push came to its end; `resets` if that ends its webhook's failures.
    fn end(&mut self, host: &impl Host, loaded: Loaded, resets: bool) -> Result<(), Lost> {
        let Some(far) = &mut self.far else {
            return self.near.finish(host, loaded);
        };
        // Its place may be told before what failed until now, or not at all.
        if resets {
            far.reset(&loaded.entry.push.webhook);
        }
        if far.may_know(loaded.place) {
            return self.become_state(host, loaded, State::Ended { resets });
        }
        // Redis never heard of it, and need not.
        self.near.finish(host, loaded)
    }
}

impl Store for Tiers {
    fn accept(&mut self, host: &impl Host, entry: &Entry) -> Result<Place, Full> {
        let place = self.near.accept(host, entry)?;
        if let Some(far) = &mut self.far {
            far.mark(place);
        }
        Ok(place)
    }

    fn load(&mut self, host: &impl Host, place: Place) -> Option<Loaded> {
        let loaded = self.near.load(host, place)?;
        let is_to_be_sent = matches!(loaded.entry.state, State::Waiting(_));
        (self.far.is_none() || is_to_be_sent).then_some(loaded)
    }

    fn wait(&mut self, host: &impl Host, loaded: Loaded, progress: Progress) -> Result<(), Lost> {
        self.become_state(host, loaded, State::Waiting(progress))
    }

    fn finish(&mut self, host: &impl Host, loaded: Loaded) -> Result<(), Lost> {
        self.end(host, loaded, false)
    }

    fn delivered(
        &mut self,
        host: &impl Host,
        loaded: Loaded,
        counting: Counting,
    ) -> Result<(), Lost> {
        match self.far {
            Some(_) => self.end(host, loaded, !counting.total),
            None => self.near.delivered(host, loaded, counting),
        }
    }

    fn park(&mut self, host: &impl Host, loaded: Loaded, failure: Failure) -> Result<(), Lost> {
        match self.far {
            Some(_) => self.become_state(host, loaded, State::Parking(failure)),
            None => self.near.park(host, loaded, failure),
        }
    }

    fn fail(
        &mut self,
        host: &impl Host,
        loaded: Loaded,
        failure: Failure,
        counting: Counting,
    ) -> Result<(), Lost> {
        match self.far {
            Some(_) => self.become_state(host, loaded, State::Counting(failure, counting)),
            None => self.near.fail(host, loaded, failure, counting),
        }
    }

    fn webhook(&self, host: &impl Host, id: &str) -> WebhookState {
        self.near.webhook(host, id)
    }

    fn disable(&mut self, host: &impl Host, id: &str, push: &PushId, cause: &str) {
        let Some(far) = &mut self.far else {
            return self.near.disable(host, id, push, cause);
        };
        // At once here, whenever Redis may hear of it.
        let now = host.now();
        self.near.update_webhook(host, id, |state| state.disable(cause, now));
        let (webhook, push, cause) = (id.into(), push.as_str().into(), cause.into());
        far.order(Order::Disable { webhook, push, cause });
    }

    fn block(&mut self, host: &impl Host, id: &str, cause: Option<&str>) -> Option<UnixMillis> {
        // What clusters there are differs from gateway to gateway, so Redis need not know.
        self.near.block(host, id, cause)
    }

    fn notice(&mut self, host: &impl Host, id: &str, kind: NoticeKind, push: &PushId, cause: &str) {
        let Some(far) = &mut self.far else {
            return self.near.notice(host, id, kind, push, cause);
        };
        let (webhook, push, cause) = (id.into(), push.as_str().into(), cause.into());
        far.order(Order::Notice { webhook, kind, push, cause, count: 1 });
    }

    fn flush_notices(&mut self, host: &impl Host, id: &str) -> bool {
        // Redis says with each poll what was held back.
        self.far.is_none() && self.near.flush_notices(host, id)
    }

    fn publish(&mut self, host: &impl Host, config: &[u8]) {
        self.near.publish(host, config);
    }

    fn published(&self, host: &impl Host) -> Option<Vec<u8>> {
        self.near.published(host)
    }

    fn additions(&self, host: &impl Host) -> Additions {
        self.near.additions(host)
    }

    fn additions_mark(&self, host: &impl Host) -> u64 {
        self.near.additions_mark(host)
    }

    fn record(&mut self, host: &impl Host, record: &Record) {
        self.near.record(host, record);
    }

    fn history_bounds(&self, host: &impl Host, ring: Ring) -> Option<(u64, u64)> {
        self.near.history_bounds(host, ring)
    }

    fn history(&self, host: &impl Host, ring: Ring, number: u64) -> Option<Record> {
        self.near.history(host, ring, number)
    }

    fn failed_from(
        &self,
        host: &impl Host,
        from: Option<Place>,
        places: usize,
        visit: &mut dyn FnMut(Loaded) -> bool,
    ) -> Option<Place> {
        self.near.failed_from(host, from, places, visit)
    }

    fn noticed(&mut self) -> Vec<Event> {
        let events = self.near.noticed();
        self.taken_over(events)
    }

    fn woken(&mut self, host: &impl Host) -> Option<Vec<Event>> {
        let events = self.near.woken(host)?;
        Some(self.taken_over(events))
    }

    fn watch(&mut self, host: &impl Host, oldest: Option<UnixMillis>) -> Vec<Event> {
        let events = self.near.watch(host, oldest);
        self.taken_over(events)
    }

    fn is_watching(&self) -> bool {
        self.near.is_watching()
    }

    fn leave(&mut self, host: &impl Host) {
        self.near.leave(host);
    }

    fn errors(&mut self) -> u32 {
        self.near.errors()
    }

    fn totals(&self, host: &impl Host) -> Totals {
        let totals = self.near.totals(host);
        match self.far {
            Some(_) => self.near.fleet(host).with_pending(totals),
            None => totals,
        }
    }

    fn survey(&self, host: &impl Host) -> Totals {
        let totals = self.near.survey(host);
        match self.far {
            Some(_) => self.near.fleet(host).with_pending(totals),
            None => totals,
        }
    }

    fn oldest_failed(&mut self, host: &impl Host, entry: &Entry) -> Option<Loaded> {
        // Behind Redis the failed cache is in Redis.
        self.far.is_none().then(|| self.near.oldest_failed(host, entry)).flatten()
    }

    fn next_sequence(&mut self) -> u64 {
        self.near.next_sequence()
    }

    fn flush(&mut self, host: &impl Host) {
        if let Some(far) = &mut self.far {
            far.flush(host, &mut self.near);
        }
    }

    fn heard(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) -> bool {
        match &mut self.far {
            Some(far) => far.heard(host, &mut self.near, id, reply),
            None => false,
        }
    }

    fn due(&self) -> Option<Duration> {
        self.far.as_ref().and_then(|far| far.due())
    }

    fn tickets(&self) -> (u64, u64) {
        self.far.as_ref().map_or((0, 0), |far| far.tickets())
    }

    fn is_busy(&self) -> bool {
        self.far.as_ref().is_some_and(|far| far.is_busy())
    }

    fn is_down_since(&self) -> Option<Duration> {
        self.far.as_ref().and_then(|far| far.is_down_since())
    }
}
