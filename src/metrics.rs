//! The counters, by the names that Prometheus sees.
//!
//! The ABI knows no labels. They are written into the name as `.label.value`, and the gateway's
//! `stats_tags` turn them into labels.

use crate::capture::{Miss, Op};
use crate::delivery::Webhook;
use crate::host::{CounterId, Host};

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// The target took it.
    Success,
    /// All attempts failed.
    Failure,
    /// There was no room to keep it.
    Dropped,
}

impl PushResult {
    const ALL: [PushResult; 3] = [PushResult::Success, PushResult::Failure, PushResult::Dropped];

    fn name(self) -> &'static str {
        match self {
            PushResult::Success => "success",
            PushResult::Failure => "failure",
            PushResult::Dropped => "dropped",
        }
    }
}

/// The counters of one worker. All workers add to the same ones.
#[derive(Debug)]
pub struct Metrics {
    events: [CounterId; Op::ALL.len()],
    misses: [CounterId; Miss::ALL.len()],
    pushes: Vec<[CounterId; PushResult::ALL.len()]>,
}

impl Metrics {
    /// Makes all counters known, so that each is there with zero before it first counts.
    pub fn new(host: &impl Host, webhooks: &[Webhook]) -> Self {
        let events =
            Op::ALL.map(|op| host.counter(&format!("formhook_events_total.op.{}", op.name())));
        let misses = Miss::ALL.map(|miss| {
            host.counter(&format!("formhook_capture_misses_total.reason.{}", miss.name()))
        });
        let pushes = webhooks.iter().map(|webhook| {
            PushResult::ALL.map(|result| {
                let (id, result) = (&webhook.id, result.name());
                host.counter(&format!("formhook_pushes_total.webhook.{id}.result.{result}"))
            })
        });
        Metrics { events, misses, pushes: pushes.collect() }
    }

    /// A change was seen that can be pushed.
    pub fn event(&self, host: &impl Host, op: Op) {
        let position = Op::ALL.iter().position(|known| *known == op);
        add(host, position.and_then(|position| self.events.get(position)));
    }

    /// A change may have happened and cannot be pushed.
    pub fn miss(&self, host: &impl Host, miss: Miss) {
        let position = Miss::ALL.iter().position(|known| *known == miss);
        add(host, position.and_then(|position| self.misses.get(position)));
    }

    /// A push to the webhook at this position of the configuration ended.
    pub fn push(&self, host: &impl Host, webhook: usize, result: PushResult) {
        let position = PushResult::ALL.iter().position(|known| *known == result);
        let counters = self.pushes.get(webhook);
        add(host, counters.and_then(|counters| counters.get(position?)));
    }
}

fn add(host: &impl Host, counter: Option<&CounterId>) {
    if let Some(counter) = counter {
        host.count(*counter, 1);
    }
}
