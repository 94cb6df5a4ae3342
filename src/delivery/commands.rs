//! What the admin can do to webhooks and to the failed cache.
//!
//! Each command is a step over the store, so it works whichever worker carries it out.

use crate::history::{self, Outcome, Record};
use crate::host::Host;
use crate::metrics::{Metrics, PushResult};
use crate::store::{Entry, Selection, State, Store};

/// Enables a disabled webhook and begins to count its failures anew. The failed cache stays as it
/// is, until it is retried or abandoned. False if the webhook was not disabled.
pub fn restart(store: &mut impl Store, host: &impl Host, metrics: &Metrics, webhook: &str) -> bool {
    let was_disabled = store.update_webhook(host, webhook, |state| {
        let was_disabled = state.disabled.is_some();
        state.restart();
        was_disabled
    });
    metrics.state(host, webhook, &store.webhook(host, webhook));
    was_disabled
}

/// Has pushes of the failed cache tried again, with all their attempts and under their old ids.
/// How many.
pub fn retry(store: &mut impl Store, host: &impl Host, selection: &Selection) -> usize {
    store.retry(host, selection)
}

/// Gives pushes of the failed cache up for good. How many.
pub fn abandon(
    store: &mut impl Store,
    host: &impl Host,
    metrics: &Metrics,
    selection: &Selection,
) -> Vec<Entry> {
    let abandoned = store.abandon(host, selection);
    for entry in &abandoned {
        let push = &entry.push;
        metrics.push(host, &push.webhook, PushResult::Abandoned);
        let (attempts, status, cause) = match &entry.state {
            State::Waiting(progress) => (progress.attempts, None, Box::default()),
            State::Counting(failure) | State::Failed(failure) => {
                (failure.attempts, failure.status, failure.cause.clone())
            }
        };
        let record = Record {
            webhook: push.webhook.clone(),
            op: push.op.clone(),
            app_id: push.form.app_id.clone(),
            entry_id: push.form.entry_id.clone(),
            record_id: push.record_id.clone(),
            attempts,
            status,
            cause,
            body: history::excerpt(&push.body, history::MAX_BODY_BYTES),
            ..Record::new(push.id.as_str(), Outcome::Abandoned, push.accepted, host.now())
        };
        store.record(host, &record);
        log::info!("{}", record.log_line());
    }
    abandoned
}
