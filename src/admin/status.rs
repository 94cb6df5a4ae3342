//! How the gateway is, at a glance.

use super::answer::Answer;
use super::{Context, keep, webhooks};
use crate::host::Host;
use crate::json::Builder;
use crate::store::Store as _;

const NOTE: &str = "What is kept here ends with Envoy's process: undelivered pushes, the failed cache, the history, and what was set in this console.";

const SHARED_NOTE: &str = "What is kept here is in Redis, for all gateways of the namespace.";

pub(super) fn status<H: Host>(context: &mut Context<'_, H>) -> Answer {
    let totals = context.store.survey(context.host);
    let mut counts = webhooks::STATUSES.map(|name| (name, 0_u64));
    for webhook in webhooks::all(context) {
        let state = context.store.webhook(context.host, &webhook.id);
        let status = webhooks::status(webhook, &state);
        if let Some((_, count)) = counts.iter_mut().find(|(name, _)| *name == status) {
            *count = count.saturating_add(1);
        }
    }
    let sum = |which: fn(&(Box<str>, u64, u64)) -> u64| {
        totals.by_webhook.iter().map(which).fold(0, u64::saturating_add)
    };
    let oldest = totals.oldest.map(|oldest| oldest.to_string());
    let mut json = Builder::new();
    json.open(b'{').name("version").text(crate::VERSION);
    json.name("commit").text(crate::COMMIT);
    json.name("now").text(&context.host.now().to_string());
    let is_shared = context.store.is_shared();
    json.name("store").text(if is_shared { "redis" } else { "memory" });
    json.name("durable").flag(is_shared);
    json.name("webhooks").open(b'{');
    for (name, count) in counts {
        json.name(name).number(count);
    }
    json.close(b'}').name("pending").number(sum(|(_, pending, _)| *pending));
    json.name("oldest_pending").maybe(oldest.as_deref());
    json.name("failed").number(sum(|(_, _, failed)| *failed));
    json.name("failed_bytes").number(totals.failed_bytes);
    json.name("history").number(context.view.config.limits.history_records);
    json.name("note").text(if is_shared { SHARED_NOTE } else { NOTE }).close(b'}');
    Answer::json(json)
}

/// All that was set here, as configuration.
pub(super) fn export<H: Host>(context: &mut Context<'_, H>) -> Answer {
    let yaml = keep::all(&context.view.additions);
    Answer::of_type("application/yaml", yaml.into_bytes())
}
