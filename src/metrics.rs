//! The metrics, by the names that Prometheus sees.
//!
//! The ABI knows no labels. They are written into the name as `.label.value`, and the gateway's
//! `stats_tags` turn them into labels. All workers add to the same metrics.

mod ids;

pub use ids::MAX_IDS;
pub(crate) use ids::claim;

use crate::capture::{Miss, Op};
use crate::delivery::{Purpose, Webhook};
use crate::duration;
use crate::host::{Host, MetricId, MetricKind};
use crate::store::{Store, Totals};
use std::rc::Rc;
use std::time::Duration;

/// How often a webhook is shown again because it changed meanwhile. Each of these is a change of
/// another worker, which shows it, too.
const TRIES: usize = 100;

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The target took it.
    Success,
    /// All attempts failed; it is in the failed cache.
    Failure,
    /// Its webhook is disabled; it is in the failed cache.
    NotAttempted,
    /// The admin gave it up.
    Abandoned,
    /// There was no room to keep it.
    Dropped,
}

impl PushResult {
    const ALL: [PushResult; 5] = [
        PushResult::Success,
        PushResult::Failure,
        PushResult::NotAttempted,
        PushResult::Abandoned,
        PushResult::Dropped,
    ];

    fn name(self) -> &'static str {
        match self {
            PushResult::Success => "success",
            PushResult::Failure => "failure",
            PushResult::NotAttempted => "not_attempted",
            PushResult::Abandoned => "abandoned",
            PushResult::Dropped => "dropped",
        }
    }
}

/// The metrics of one webhook.
#[derive(Clone, Debug)]
struct OfWebhook {
    id: Box<str>,
    pushes: [MetricId; PushResult::ALL.len()],
    attempts: MetricId,
    gateway_failures: MetricId,
    duration: MetricId,
    lag: MetricId,
    pending: MetricId,
    failed: MetricId,
    disabled: MetricId,
    blocked: MetricId,
    failures: MetricId,
}

impl OfWebhook {
    fn new(host: &impl Host, id: &str) -> Self {
        use MetricKind::{Counter, Gauge, Histogram};
        let of = |kind, name| host.metric(kind, &format!("formhook_{name}.webhook.{id}"));
        OfWebhook {
            id: id.into(),
            pushes: PushResult::ALL.map(|result| {
                let name = format!("formhook_pushes_total.webhook.{id}.result.{}", result.name());
                host.metric(Counter, &name)
            }),
            attempts: of(Counter, "attempts_total"),
            gateway_failures: of(Counter, "gateway_failures_total"),
            duration: of(Histogram, "attempt_duration_milliseconds"),
            lag: of(Histogram, "delivery_lag_milliseconds"),
            pending: of(Gauge, "pending"),
            failed: of(Gauge, "failed_cache_entries"),
            disabled: of(Gauge, "webhook_disabled"),
            blocked: of(Gauge, "webhook_blocked"),
            failures: of(Gauge, "webhook_failures"),
        }
    }

    fn forget(&self, host: &impl Host) {
        let gauges = [self.pending, self.failed, self.disabled, self.blocked, self.failures];
        gauges.into_iter().for_each(|gauge| host.record(gauge, 0));
    }
}

/// Why a body is not translated.
const UNTRANSLATED: [Miss; 4] = [Miss::TooLarge, Miss::Encoded, Miss::Malformed, Miss::Overload];

/// The metrics as one worker knows them.
#[derive(Debug)]
pub struct Metrics {
    events: [MetricId; Op::ALL.len()],
    misses: [MetricId; Miss::ALL.len()],
    untranslated: [MetricId; UNTRANSLATED.len()],
    webhooks: Vec<OfWebhook>,
    oldest: MetricId,
    failed_bytes: MetricId,
    store_errors: MetricId,
    ack_timeouts: MetricId,
    /// Failures and successes.
    polls: [MetricId; 2],
}

impl Metrics {
    /// Makes all metrics known, so that each is there with zero before it first counts.
    pub fn new(host: &impl Host, targets: &[Rc<Webhook>]) -> Self {
        use MetricKind::{Counter, Gauge};
        let events = Op::ALL
            .map(|op| host.metric(Counter, &format!("formhook_events_total.op.{}", op.name())));
        let misses = Miss::ALL.map(|miss| {
            host.metric(Counter, &format!("formhook_capture_misses_total.reason.{}", miss.name()))
        });
        let untranslated = UNTRANSLATED.map(|miss| {
            host.metric(Counter, &format!("formhook_untranslated_total.reason.{}", miss.name()))
        });
        Metrics {
            events,
            misses,
            untranslated,
            // Those of the configuration are for its author to bound.
            webhooks: of_webhooks(host, targets, &[], |_| true),
            oldest: host.metric(Gauge, "formhook_oldest_pending_age_seconds"),
            failed_bytes: host.metric(Gauge, "formhook_failed_cache_bytes"),
            store_errors: host.metric(Counter, "formhook_store_errors_total"),
            ack_timeouts: host.metric(Counter, "formhook_ack_timeouts_total"),
            polls: ["failure", "success"].map(|result| {
                host.metric(Counter, &format!("formhook_schema_polls_total.result.{result}"))
            }),
        }
    }

    /// The same metrics for other webhooks. One that there is no room for has none.
    #[must_use]
    pub fn with_webhooks(&self, host: &impl Host, targets: &[Rc<Webhook>]) -> Self {
        for of in &self.webhooks {
            if !targets.iter().any(|target| target.id == of.id) {
                of.forget(host);
            }
        }
        let claim = |id: &str| {
            let is_claimed = claim(host, id);
            if !is_claimed {
                log::error!(
                    "webhook {id} has no metrics: {MAX_IDS} webhook ids were used since Envoy started; restart it to have metrics of others"
                );
            }
            is_claimed
        };
        Metrics { webhooks: of_webhooks(host, targets, &self.webhooks, claim), ..*self }
    }

    /// Has the gauges of a webhook say nothing, unless it is one of these.
    pub fn forget(&self, host: &impl Host, webhook: &str) {
        if self.of(webhook).is_none() {
            OfWebhook::new(host, webhook).forget(host);
        }
    }

    /// A VM with this filter has started.
    pub fn vm_start(host: &impl Host) {
        let starts = host.metric(MetricKind::Counter, "formhook_vm_starts_total");
        host.add(starts, 1);
    }

    /// A change was seen that can be pushed.
    pub fn event(&self, host: &impl Host, op: Op) {
        let position = Op::ALL.iter().position(|known| *known == op);
        count(host, position.and_then(|position| self.events.get(position)));
    }

    /// A change may have happened and cannot be pushed.
    pub fn miss(&self, host: &impl Host, miss: Miss) {
        let position = Miss::ALL.iter().position(|known| *known == miss);
        count(host, position.and_then(|position| self.misses.get(position)));
    }

    /// A body was not translated.
    pub fn untranslated(&self, host: &impl Host, miss: Miss) {
        let position = UNTRANSLATED.iter().position(|known| *known == miss);
        count(host, position.and_then(|position| self.untranslated.get(position)));
    }

    /// A push ended.
    pub fn push(&self, host: &impl Host, webhook: &str, result: PushResult) {
        let position = PushResult::ALL.iter().position(|known| *known == result);
        let of = self.of(webhook);
        count(host, of.and_then(|of| of.pushes.get(position?)));
    }

    /// A push was sent.
    pub fn attempt(&self, host: &impl Host, webhook: &str) {
        count(host, self.of(webhook).map(|of| &of.attempts));
    }

    /// A push did not get out of the gateway.
    pub fn gateway_failure(&self, host: &impl Host, webhook: &str) {
        count(host, self.of(webhook).map(|of| &of.gateway_failures));
    }

    /// A target answered, or did not, after this time.
    pub fn duration(&self, host: &impl Host, webhook: &str, duration: Duration) {
        if let Some(of) = self.of(webhook) {
            host.record(of.duration, duration::millis(duration));
        }
    }

    /// A push was delivered so long after the change.
    pub fn lag(&self, host: &impl Host, webhook: &str, lag: Duration) {
        if let Some(of) = self.of(webhook) {
            host.record(of.lag, duration::millis(lag));
        }
    }

    /// Shows what the store says of a webhook.
    pub fn webhook(&self, host: &impl Host, store: &impl Store, webhook: &str) {
        let Some(of) = self.of(webhook) else { return };
        let read = || {
            let state = store.webhook(host, webhook);
            (state.failures, state.disabled.is_some(), state.blocked.is_some())
        };
        let mut shown = read();
        for _ in 0..TRIES {
            let (failures, is_disabled, is_blocked) = shown;
            host.record(of.failures, failures.into());
            host.record(of.disabled, is_disabled.into());
            host.record(of.blocked, is_blocked.into());
            // Another worker may have changed it, and shown that, since it was read here. Whoever
            // shows it last has to be right.
            let now = read();
            if now == shown {
                return;
            }
            shown = now;
        }
    }

    /// How much there is to do, all workers together.
    pub fn totals(&self, host: &impl Host, totals: &Totals) {
        for of in &self.webhooks {
            let known = totals.by_webhook.iter().find(|(id, ..)| *id == of.id);
            let (pending, failed) =
                known.map_or((0, 0), |(_, pending, failed)| (*pending, *failed));
            host.record(of.pending, pending);
            host.record(of.failed, failed);
        }
        let age = totals.oldest.map_or(Duration::ZERO, |oldest| host.now().since(oldest));
        host.record(self.oldest, age.as_secs());
        host.record(self.failed_bytes, totals.failed_bytes);
    }

    /// The store did so often not do what it should.
    pub fn store_errors(&self, host: &impl Host, errors: u32) {
        host.add(self.store_errors, errors.into());
    }

    /// So many API responses went before their pushes were stored.
    pub fn not_stored_in_time(&self, host: &impl Host, calls: u32) {
        host.add(self.ack_timeouts, calls.into());
    }

    /// The platform was asked how a form looks, and answered or did not.
    pub fn polled(&self, host: &impl Host, is_answered: bool) {
        count(host, self.polls.get(usize::from(is_answered)));
    }

    fn of(&self, webhook: &str) -> Option<&OfWebhook> {
        self.webhooks.iter().find(|of| *of.id == *webhook)
    }
}

/// The metrics of these webhooks. Each time one is made known it takes the host some memory, so
/// those that are known are taken over, and `may_have` decides on others.
fn of_webhooks(
    host: &impl Host,
    targets: &[Rc<Webhook>],
    known: &[OfWebhook],
    may_have: impl Fn(&str) -> bool,
) -> Vec<OfWebhook> {
    let webhooks = targets.iter().filter(|target| target.purpose == Purpose::Push);
    let of_webhook = |webhook: &Rc<Webhook>| {
        let known = known.iter().find(|known| known.id == webhook.id).cloned();
        known.or_else(|| may_have(&webhook.id).then(|| OfWebhook::new(host, &webhook.id)))
    };
    webhooks.filter_map(of_webhook).collect()
}

fn count(host: &impl Host, metric: Option<&MetricId>) {
    if let Some(metric) = metric {
        host.add(*metric, 1);
    }
}
