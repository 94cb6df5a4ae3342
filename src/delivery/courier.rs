//! Sends pushes, hears the answers, repeats what failed.
//!
//! Each webhook has a lane of its own, so that a dead or slow target holds up nobody else. The
//! courier acts only when it is called, and asks the host to be woken when there will be
//! something to do.

use super::request;
use super::verdict::{Cause, Verdict, judge};
use super::{Push, Webhook};
use crate::host::{CalloutId, Host, Reply, UnixMillis};
use crate::metrics::{Metrics, PushResult};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// Sending runs on the gateway's worker, before the next API call: a burst is sent in parts.
const CALLS_AT_ONCE: usize = 64;

/// How long to wait for the next part of a burst.
const BURST_PAUSE: Duration = Duration::from_millis(1);

/// How long a lane rests after a failure of our own side. Such failures are no attempts.
const OWN_SIDE_PAUSE: Duration = Duration::from_secs(1);

/// The pushes under way, of one worker.
#[derive(Debug)]
pub struct Courier {
    webhooks: Rc<[Webhook]>,
    metrics: Rc<Metrics>,
    lanes: Vec<Lane>,
    in_flight: HashMap<CalloutId, Attempt>,
    /// The lane that is served first next time, so that each has its turn in a long burst.
    first_lane: usize,
    /// When the host was last asked to wake us.
    timer: Option<UnixMillis>,
    /// Numbers what waits, so that pushes that are due at the same time keep their order.
    sequence: u64,
}

/// The pushes to one webhook.
#[derive(Debug, Default)]
struct Lane {
    /// Not sent yet.
    new: VecDeque<Push>,
    /// Waiting for their next attempt, by when it is due.
    waiting: BTreeMap<(UnixMillis, u64), Push>,
    in_flight: usize,
    rests_until: Option<UnixMillis>,
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.waiting.is_empty()
    }

    /// Takes out the push to send now: first attempts before repeated ones.
    fn next(&mut self, now: UnixMillis) -> Option<Push> {
        if self.due(now)? > now {
            return None;
        }
        let waiting = || self.waiting.pop_first().map(|(_, push)| push);
        self.new.pop_front().or_else(waiting)
    }

    /// When there is something to send; `None` if there is nothing at all.
    fn due(&self, now: UnixMillis) -> Option<UnixMillis> {
        let due = if self.new.is_empty() { self.waiting.first_key_value()?.0.0 } else { now };
        Some(self.rests_until.map_or(due, |rest| rest.max(due)))
    }
}

/// A push that was sent and not answered yet.
#[derive(Debug)]
struct Attempt {
    lane: usize,
    push: Push,
    sent: UnixMillis,
}

impl Courier {
    /// A courier with nothing to do.
    pub fn new(webhooks: Rc<[Webhook]>, metrics: Rc<Metrics>) -> Self {
        Courier {
            lanes: webhooks.iter().map(|_| Lane::default()).collect(),
            webhooks,
            metrics,
            in_flight: HashMap::new(),
            first_lane: 0,
            timer: None,
            sequence: 0,
        }
    }

    /// Takes on a push to the webhook at this position. It is sent by the next [`Courier::pump`].
    pub fn accept(&mut self, webhook: usize, push: Push) {
        if let Some(lane) = self.lanes.get_mut(webhook) {
            lane.new.push_back(push);
        }
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.iter().all(Lane::is_empty)
    }

    /// Sends what is due, and sets the timer for the rest.
    pub fn pump(&mut self, host: &impl Host) {
        let now = host.now();
        let mut calls = 0;
        let lanes = self.lanes.len();
        for turn in 0..lanes {
            let lane = (self.first_lane + turn) % lanes;
            while calls < CALLS_AT_ONCE && self.send_next(host, lane, now) {
                calls += 1;
            }
        }
        self.first_lane = (self.first_lane + 1).checked_rem(lanes).unwrap_or(0);
        self.set_timer(host, now);
    }

    /// Hears what came back for a callout.
    pub fn reply(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) {
        let now = host.now();
        let Some(Attempt { lane, push, sent }) = self.in_flight.remove(&id) else {
            return;
        };
        let Some(webhook) = self.webhooks.get(lane) else {
            return;
        };
        let by_egress = webhook.target.is_by_egress();
        let verdict = judge(reply, by_egress, now.since(sent), webhook.timeout);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
        match verdict {
            Verdict::Delivered => {
                log::debug!("push {} to webhook {} delivered", push.id, webhook.id);
                self.metrics.push(host, lane, PushResult::Success);
            }
            Verdict::Failed(cause) if cause.is_own_side() => self.postpone(lane, push, &cause, now),
            Verdict::Failed(cause) => self.failed(host, lane, push, &cause, now),
        }
    }

    /// Sends the next push of a lane. False if there is none to send now.
    fn send_next(&mut self, host: &impl Host, lane: usize, now: UnixMillis) -> bool {
        let (Some(webhook), Some(queue)) = (self.webhooks.get(lane), self.lanes.get_mut(lane))
        else {
            return false;
        };
        if queue.in_flight >= webhook.max_in_flight {
            return false;
        }
        let Some(push) = queue.next(now) else {
            return false;
        };
        match request::send(host, webhook, &push, now) {
            Ok(id) => {
                queue.in_flight += 1;
                let sent = now;
                self.in_flight.insert(id, Attempt { lane, push, sent });
            }
            Err(error) => self.postpone(lane, push, &Cause::from(error), now),
        }
        true
    }

    /// Puts a push back that did not get out of the gateway. The whole lane rests, as the next
    /// push would fare no better.
    fn postpone(&mut self, lane: usize, push: Push, cause: &Cause, now: UnixMillis) {
        if let (Some(webhook), Some(lane)) = (self.webhooks.get(lane), self.lanes.get_mut(lane)) {
            let (id, cluster) = (&webhook.id, webhook.target.cluster());
            log::warn!(
                "webhook {id}: {cause} (cluster \"{cluster}\"); trying again in {OWN_SIDE_PAUSE:?}"
            );
            lane.rests_until = Some(now.after(OWN_SIDE_PAUSE));
            lane.new.push_front(push);
        }
    }

    fn failed(
        &mut self,
        host: &impl Host,
        lane: usize,
        mut push: Push,
        cause: &Cause,
        now: UnixMillis,
    ) {
        let (Some(webhook), Some(queue)) = (self.webhooks.get(lane), self.lanes.get_mut(lane))
        else {
            return;
        };
        push.attempts = push.attempts.saturating_add(1);
        let (id, attempts) = (&webhook.id, push.attempts);
        match webhook.retry.delay_after(attempts) {
            Some(delay) => {
                log::info!(
                    "push {} to webhook {id}, attempt {attempts}: {cause}; trying again in {delay:?}",
                    push.id
                );
                self.sequence = self.sequence.wrapping_add(1);
                queue.waiting.insert((now.after(delay), self.sequence), push);
            }
            None => {
                log::error!(
                    "push {} to webhook {id} failed after {attempts} attempts: {cause}",
                    push.id
                );
                self.metrics.push(host, lane, PushResult::Failure);
            }
        }
    }

    fn set_timer(&mut self, host: &impl Host, now: UnixMillis) {
        let lanes = self.lanes.iter().zip(self.webhooks.iter());
        let due = lanes
            .filter(|(lane, webhook)| lane.in_flight < webhook.max_in_flight)
            .filter_map(|(lane, _)| lane.due(now))
            .min();
        if due != self.timer {
            self.timer = due;
            host.set_timer(due.map(|due| due.since(now).max(BURST_PAUSE)));
        }
    }

    /// The timer went off. It has to be set anew, if at all.
    pub fn timer_fired(&mut self) {
        self.timer = None;
    }
}
