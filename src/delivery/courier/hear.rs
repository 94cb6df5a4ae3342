//! What comes of an attempt.

use super::super::Purpose;
use super::super::request::Stamp;
use super::super::retry_after::retry_after;
use super::super::rotation::{is_rotating, may_refuse_signer};
use super::super::verdict::{Cause, Verdict, Way, judge};
use super::{
    Attempt, BLOCKED_PATIENCE, Courier, Ending, Fetched, LEAST_TIME, LIMITS_PAUSE, Lane,
    NO_WEBHOOK, record_of_ending, tell::status,
};
use crate::duration;
use crate::history::Outcome;
use crate::host::{Answer, CalloutId, Host, Reply};
use crate::json::Document;
use crate::metrics::PushResult;
use crate::platform::{Refusal, record};
use crate::store::{Failure, Loaded, NoticeKind, Progress, Store};
use std::rc::Rc;
use std::time::Duration;

/// The largest record that is read.
const MAX_FETCHED_BYTES: usize = 4 * 1024 * 1024;

impl<S: Store> Courier<S> {
    /// Hears what came back for a callout.
    pub fn reply(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) {
        let Some(attempt) = self.in_flight.remove(&id) else {
            self.store.heard(host, id, reply);
            if self.is_leaving {
                self.leave(host);
            }
            return;
        };
        let now = host.uptime();
        let target = Rc::clone(&attempt.target);
        let elapsed = now.saturating_sub(attempt.began);
        let mut verdict = judge(reply, attempt.way, elapsed, target.timeout);
        self.find_way(&attempt, reply, &verdict, now);
        let answer = verdict.answer(reply);
        let is_own_side = matches!(&verdict, Verdict::Failed(cause) if cause.is_own_side());
        // Only the platform says of an answer that asking again is of no use. It may do so with the
        // status of a success, which therefore counts only with a record.
        let mut fetched = Vec::new();
        let refusal = match (target.purpose, &verdict, answer) {
            (Purpose::Fetch, Verdict::Failed(_), Some(answer)) => {
                Refusal::of(answer.status, &answer.excerpt)
            }
            (Purpose::Fetch, Verdict::Delivered, Some(answer)) => {
                fetched = host.reply_body(MAX_FETCHED_BYTES);
                let document = Document::parse(&fetched).ok();
                if document.as_ref().and_then(record).is_some() {
                    Refusal::NotNow
                } else {
                    verdict = Verdict::Failed(Cause::Status(answer.status));
                    Refusal::of(answer.status, &fetched)
                }
            }
            _ => Refusal::NotNow,
        };
        if !is_own_side {
            self.metrics.duration(host, &target.id, elapsed);
        }
        if let Some(lane) = self.lane_of(&attempt) {
            lane.back();
        }
        match (verdict, attempt.lane) {
            (Verdict::Delivered, _) => self.delivered(host, attempt, answer, fetched),
            (Verdict::Failed(_), None) => {
                let attempts = attempt.job.attempts.saturating_add(1);
                self.park(host, attempt.job.place, Some(attempts), NO_WEBHOOK);
            }
            (Verdict::Failed(_), Some(_)) if refusal != Refusal::NotNow => {
                if let Some(lane) = self.lane_of(&attempt) {
                    lane.ended(attempt.job.record);
                }
                self.fetched.push(Fetched { loaded: attempt.loaded, answer: Err(refusal) });
            }
            (Verdict::Failed(cause), Some(lane)) => {
                self.failed(host, lane, attempt, &cause, answer, now);
            }
        }
        // Before this owner leaves: nobody else would tell of it.
        let events = self.store.noticed();
        self.handle(host, events);
        if self.is_leaving {
            self.leave(host);
        }
    }

    /// Takes note of the way past the egress listener, or that it led nowhere.
    fn find_way(&mut self, attempt: &Attempt, reply: &Reply, verdict: &Verdict, now: Duration) {
        // An address that the webhook had when this was sent says nothing of the one that it has now.
        if !self.is_current(attempt) {
            return;
        }
        let Some(lane) = self.lane_of(attempt) else { return };
        match (attempt.way, reply) {
            (Way::Egress, Reply::Answer(Answer { egress: Some(report), .. })) => {
                lane.shortcut.learn(report, now);
            }
            (Way::PastEgress, _) if *verdict != Verdict::Delivered => lane.shortcut.forget(),
            _ => {}
        }
    }

    /// Whether the webhook has the address still that this was sent to.
    fn is_current(&self, attempt: &Attempt) -> bool {
        let now = attempt.lane.and_then(|lane| self.targets.get(lane));
        now.is_some_and(|now| now.target == attempt.target.target)
    }

    fn lane_of(&mut self, attempt: &Attempt) -> Option<&mut Lane> {
        self.lanes.get_mut(attempt.lane?)
    }

    fn delivered(
        &mut self,
        host: &impl Host,
        attempt: Attempt,
        answer: Option<&Answer>,
        fetched: Vec<u8>,
    ) {
        if let Some(position) = attempt.lane.filter(|_| self.is_current(&attempt)) {
            self.unblocked(host, position);
        }
        if let Some(lane) = self.lane_of(&attempt) {
            lane.speed_up();
            lane.rotation.accepted(&attempt.target, attempt.stamp.signer);
            lane.ended(attempt.job.record);
        }
        let Attempt { target, job, loaded, stamp, .. } = attempt;
        match target.purpose {
            Purpose::Push => {}
            Purpose::Notify(_) => {
                let _ = self.store.finish(host, loaded);
                return;
            }
            Purpose::Fetch => {
                return self.fetched.push(Fetched { loaded, answer: Ok(fetched) });
            }
        }
        let attempts = job.attempts.saturating_add(1);
        let ending =
            Ending { outcome: Outcome::Success, attempts, cause: "", answer, stamp: Some(stamp) };
        let push = &loaded.entry.push;
        let record = record_of_ending(Some(&target), push, &ending, host.now());
        if self.store.delivered(host, loaded, target.counting).is_err() {
            return;
        }
        self.metrics.lag(host, &target.id, record.ended.since(record.accepted));
        self.metrics.push(host, &target.id, PushResult::Success);
        self.keep(host, &record);
    }

    pub(super) fn failed(
        &mut self,
        host: &impl Host,
        position: usize,
        attempt: Attempt,
        cause: &Cause,
        answer: Option<&Answer>,
        now: Duration,
    ) {
        let is_current = self.is_current(&attempt);
        let is_own_side = cause.is_own_side();
        if is_own_side {
            self.blocked(host, position, &attempt, cause, now);
        } else if is_current {
            self.unblocked(host, position);
        }
        let Attempt { mut job, loaded, stamp, began, way, .. } = attempt;
        let (Some(target), Some(lane), Some(quiet)) = (
            self.targets.get(position),
            self.lanes.get_mut(position),
            self.quiet.get_mut(position),
        ) else {
            return;
        };
        let may_be_address = cause.is_unconnected() || matches!(cause, Cause::Timeout(_));
        if way != Way::Cluster && is_current && may_be_address {
            lane.shortcut.turn_to_next();
        }
        let failed = job.tried.take().map_or(1, |(_, failed)| failed.saturating_add(1));
        let is_time_left = now.saturating_sub(began).saturating_add(LEAST_TIME) <= target.timeout;
        if way != Way::Cluster
            && is_current
            && cause.is_unconnected()
            && failed < lane.shortcut.addresses
            && is_time_left
        {
            job.tried = Some((began, failed));
            // Nobody has seen the signature.
            job.signer = Some(stamp.signer.other());
            log::debug!(
                "push {} to webhook {}: {cause}; trying the next of {} addresses",
                loaded.entry.push.id,
                target.id,
                lane.shortcut.addresses
            );
            return lane.again_first(job);
        }
        let asked =
            answer.and_then(|answer| retry_after(answer.retry_after.as_deref()?, host.now()));
        if cause.is_of_limits() {
            lane.rest(now.saturating_add(LIMITS_PAUSE));
        }
        let is_slow = matches!(cause, Cause::Status(429 | 503)) && is_current;
        // The platform says with a 400 that it is asked too often.
        if is_slow || target.purpose == Purpose::Fetch && !is_own_side {
            lane.slow_down(now, asked);
        }
        // Whichever secret the receiver has, one of the two tries of an attempt is signed with it: a
        // rotation takes no attempt away.
        let is_last = target.retry.delay_after(job.attempts.saturating_add(1)).is_none();
        job.is_second_try = !job.is_second_try
            && is_current
            && is_rotating(target)
            && may_refuse_signer(cause, is_last);
        if job.is_second_try {
            log::debug!(
                "push {} to webhook {}: {cause}; trying again at once with the other secret of the rotation",
                loaded.entry.push.id,
                target.id
            );
            return lane.again_first(job);
        }
        job.attempts = job.attempts.saturating_add(1);
        let attempts = job.attempts;
        let is_gone =
            matches!(cause, Cause::Status(410)) && target.purpose == Purpose::Push && is_current;
        let mut random = [0; 4];
        host.random(&mut random);
        let delay = target.retry.jittered_delay_after(attempts, u32::from_le_bytes(random));
        if let Some(delay) = delay.filter(|_| !is_gone) {
            let delay = delay.max(asked.unwrap_or_default());
            log::debug!(
                "push {} to webhook {}, attempt {attempts}: {cause}; trying again in {}",
                loaded.entry.push.id,
                target.id,
                duration::shown(delay)
            );
            let progress = Progress { attempts, due: host.now().after(delay) };
            match self.store.wait(host, loaded, progress) {
                Ok(()) => lane.again(job, now.saturating_add(delay)),
                Err(_) => lane.ended(job.record),
            }
            return;
        }
        let push = &loaded.entry.push;
        quiet.failed.say(now, log::Level::Error, &|| {
            let (id, times) = (&push.id, if attempts == 1 { "attempt" } else { "attempts" });
            format!("push {id} to webhook {} failed after {attempts} {times}: {cause}", target.id)
        });
        lane.ended(job.record);
        match target.purpose {
            Purpose::Push => {}
            // Nobody is told of a notice that failed but the log: it would go the same way.
            Purpose::Notify(_) => {
                let _ = self.store.finish(host, loaded);
                return;
            }
            Purpose::Fetch => {
                let answer = Err(Refusal::NotNow);
                return self.fetched.push(Fetched { loaded, answer });
            }
        }
        let status = status(answer);
        let cause = cause.to_string();
        let failure = Failure { at: host.now(), attempts, status, cause: cause.as_str().into() };
        if is_own_side {
            return self.park_uncharged(host, loaded, failure, stamp);
        }
        if is_gone {
            let push = &loaded.entry.push;
            self.store.disable(host, &push.webhook, &push.id, &cause);
        }
        self.charge(host, position, loaded, failure, Some((answer, stamp)));
    }

    /// A push of a webhook did not get out of the gateway.
    fn blocked(
        &mut self,
        host: &impl Host,
        position: usize,
        attempt: &Attempt,
        cause: &Cause,
        now: Duration,
    ) {
        let Attempt { target, loaded, .. } = attempt;
        let (id, cluster) = (&target.id, target.target.cluster());
        let cause_and_cluster = format!("{cause} (cluster \"{cluster}\")");
        if let Some(quiet) = self.quiet.get_mut(position) {
            quiet.blocked.say(now, log::Level::Warn, &|| {
                format!("webhook {id}: a push did not get out of the gateway: {cause_and_cluster}")
            });
        }
        // Of notices, and of questions to the platform, the log tells.
        if target.purpose != Purpose::Push {
            return;
        }
        self.metrics.gateway_failure(host, id);
        let since = self.store.block(host, id, Some(&cause_and_cluster));
        self.metrics.webhook(host, &self.store, id);
        if let Some(lane) = self.lanes.get_mut(position) {
            lane.is_blocked = true;
        }
        let lasts = since.is_some_and(|since| host.now().since(since) >= BLOCKED_PATIENCE);
        if lasts || *cause == Cause::UnknownCluster {
            let push = &loaded.entry.push.id;
            self.store.notice(host, id, NoticeKind::Blocked, push, &cause_and_cluster);
            self.expect_notices(host);
        }
    }

    /// A push of a webhook got out of the gateway.
    fn unblocked(&mut self, host: &impl Host, position: usize) {
        if let (Some(target), Some(lane)) =
            (self.targets.get(position), self.lanes.get_mut(position))
            && std::mem::take(&mut lane.is_blocked)
        {
            log::info!("webhook {}: pushes get out of the gateway again", target.id);
            self.store.block(host, &target.id, None);
            self.metrics.webhook(host, &self.store, &target.id);
        }
    }

    /// Moves a push to the failed cache that used up its retries without getting out of the gateway.
    fn park_uncharged(&mut self, host: &impl Host, loaded: Loaded, failure: Failure, stamp: Stamp) {
        let push = loaded.entry.push.clone();
        if self.store.park(host, loaded, failure.clone()).is_err() {
            return;
        }
        let Failure { attempts, cause, .. } = &failure;
        self.metrics.push(host, &push.webhook, PushResult::Failure);
        let (outcome, attempts) = (Outcome::Failure, *attempts);
        let ending = Ending { outcome, attempts, cause, answer: None, stamp: Some(stamp) };
        self.record(host, &push, ending);
        self.store.notice(host, &push.webhook, NoticeKind::PushFailed, &push.id, cause);
        self.expect_notices(host);
    }

    /// Moves a push to the failed cache, counts that, and does what follows from the count.
    pub(super) fn charge(
        &mut self,
        host: &impl Host,
        position: usize,
        loaded: Loaded,
        failure: Failure,
        last: Option<(Option<&Answer>, Stamp)>,
    ) {
        let Some(target) = self.targets.get(position) else {
            return;
        };
        let push = loaded.entry.push.clone();
        if self.store.fail(host, loaded, failure.clone(), target.counting).is_err() {
            return;
        }
        self.metrics.push(host, &push.webhook, PushResult::Failure);
        let (answer, stamp) = last.map_or((None, None), |(answer, stamp)| (answer, Some(stamp)));
        let (attempts, cause) = (failure.attempts, &*failure.cause);
        let ending = Ending { outcome: Outcome::Failure, attempts, cause, answer, stamp };
        self.record(host, &push, ending);
    }
}
