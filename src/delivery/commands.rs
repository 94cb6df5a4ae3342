//! What the admin's commands leave behind.

use super::courier::record_of;
use crate::history::{Outcome, Record};
use crate::host::Host;
use crate::metrics::{Metrics, PushResult};
use crate::store::{Entry, State, Store};

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
