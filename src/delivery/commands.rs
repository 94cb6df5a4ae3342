//! What the admin can do to webhooks and to the failed cache.
//!
//! Each command is a step over the store, so it works whichever worker carries it out.

use super::courier::record_of;
use crate::history::{Outcome, Record};
use crate::host::Host;
use crate::metrics::{Metrics, PushResult};
use crate::store::{Entry, Selection, State, Store};

/// Enables a disabled webhook and begins to count its failures anew. The failed cache stays as it
/// is, until it is retried or abandoned. False if the webhook was not disabled.
pub fn restart(store: &mut impl Store, host: &impl Host, metrics: &Metrics, webhook: &str) -> bool {
    let was_disabled = store.restart(host, webhook);
    metrics.webhook(host, store, webhook);
    was_disabled
}

/// Has pushes of the failed cache tried again, with all their attempts and under their old ids.
/// How many.
pub fn retry(store: &mut impl Store, host: &impl Host, selection: &Selection) -> usize {
    store.retry(host, selection)
}

/// Gives pushes of the failed cache up for good. Which.
pub fn abandon(
    store: &mut impl Store,
    host: &impl Host,
    metrics: &Metrics,
    selection: &Selection,
) -> Vec<Entry> {
    let given_up = store.abandon(host, selection);
    abandoned(store, host, metrics, &given_up);
    given_up
}

/// Tells history, log and metrics of pushes that were given up.
pub fn abandoned(store: &mut impl Store, host: &impl Host, metrics: &Metrics, given_up: &[Entry]) {
    for entry in given_up {
        let push = &entry.push;
        metrics.push(host, &push.webhook, PushResult::Abandoned);
        let (status, cause) = match &entry.state {
            State::Waiting(_) | State::Ended { .. } => (None, Box::default()),
            State::Counting(failure, _) | State::Failed(failure) | State::Parking(failure) => {
                (failure.status, failure.cause.clone())
            }
        };
        let attempts = entry.state.attempts();
        let ended = record_of(push, Outcome::Abandoned, host.now());
        let record = Record { attempts, status, cause, ..ended };
        store.record(host, &record);
        log::info!("{}", record.log_line());
    }
}
