//! The failed cache: pushes that wait for somebody to decide.

use super::Context;
use super::answer::{Answer, Problem};
use super::request::Parameters;
use crate::config::{Fault, MAX_NAME_CHARS};
use crate::delivery::commands;
use crate::host::Host;
use crate::json::{Builder, Kind, Value};
use crate::store::{Entry, Loaded, Place, Selection, State, Store as _};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// How many pushes one command may name.
const MAX_IDS: usize = 1000;

/// The longest id of a push, in characters.
const MAX_ID_CHARS: usize = 64;

/// How many places are looked at for one page: a worker that searches serves no API calls
/// meanwhile.
const MAX_LOOKED_AT: usize = 10_000;

pub(super) fn list<H: Host>(
    context: &mut Context<'_, H>,
    parameters: &Parameters,
) -> Result<Answer, Problem> {
    let webhook = parameters.name("webhook")?;
    let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let start = parameters.cursor(Place::parse)?;
    let mut json = Builder::new();
    json.open(b'{').name("items").open(b'[');
    let mut shown = 0;
    let wants = |entry: &Entry| webhook.as_ref().is_none_or(|id| entry.push.webhook == *id);
    let next = context.store.failed_from(context.host, start, MAX_LOOKED_AT, &mut |loaded| {
        if wants(&loaded.entry) {
            if shown == limit {
                return false;
            }
            shown += 1;
            write(&mut json, &loaded.entry);
        }
        true
    });
    let next = next.map(|place| place.to_string());
    json.close(b']').name("next").maybe(next.as_deref()).close(b'}');
    Ok(Answer::json(json))
}

pub(super) fn get<H: Host>(context: &mut Context<'_, H>, id: &str) -> Result<Answer, Problem> {
    let mut found: Option<Loaded> = None;
    context.store.failed(context.host, &mut |loaded| {
        let is_it = loaded.entry.push.id.as_str() == id;
        if is_it {
            found = Some(loaded);
        }
        !is_it
    });
    let Some(Loaded { entry, .. }) = found else {
        return Err(Problem::new(
            404,
            "The failed cache has no push with this id, or not any more.",
        ));
    };
    let mut json = Builder::new();
    write(json.open(b'{').name("push"), &entry);
    json.name("body").text(&String::from_utf8_lossy(&entry.push.body)).close(b'}');
    Ok(Answer::json(json))
}

fn write(json: &mut Builder, Entry { push, state }: &Entry) {
    let State::Failed(failure) = state else { return };
    json.open(b'{').name("id").text(push.id.as_str()).name("webhook").text(&push.webhook);
    json.name("op").text(&push.op).name("app_id").text(&push.form.app_id);
    json.name("entry_id").text(&push.form.entry_id).name("record_id").text(&push.record_id);
    json.name("accepted").text(&push.accepted.to_string());
    json.name("failed").text(&failure.at.to_string());
    json.name("attempts").number(failure.attempts.into());
    json.name("status").maybe_number(failure.status.map(u64::from));
    json.name("cause").text(&failure.cause);
    json.name("bytes").number(push.body.len() as u64).close(b'}');
}

pub(super) fn retry<H: Host>(context: &mut Context<'_, H>) -> Result<Answer, Problem> {
    let selection = context.request.with_object(selection)?;
    Ok(count(commands::retry(context.store, context.host, &selection)))
}

pub(super) fn abandon<H: Host>(context: &mut Context<'_, H>) -> Result<Answer, Problem> {
    let selection = context.request.with_object(selection)?;
    let abandoned = commands::abandon(context.store, context.host, context.metrics, &selection);
    Ok(count(abandoned.len()))
}

fn count(pushes: usize) -> Answer {
    let mut json = Builder::new();
    json.open(b'{').name("count").number(pushes as u64).close(b'}');
    Answer::json(json)
}

fn selection(body: Value<'_>) -> Result<Selection, Problem> {
    let mut faults = Vec::new();
    let mut fault = |path: String, message: String| faults.push(Fault { path, message });
    let mut selections = Vec::new();
    for (name, value) in body.members() {
        if name.is("webhook") {
            match value.as_str() {
                Some(id) if (1..=MAX_NAME_CHARS).contains(&id.chars().count()) => {
                    selections.push(Selection::Webhook(id.into()));
                }
                _ => fault("webhook".into(), "must be a webhook's id".into()),
            }
        } else if name.is("ids") {
            let count = value.items().count();
            if value.kind() != Kind::Array || !(1..=MAX_IDS).contains(&count) {
                fault("ids".into(), format!("must be a list of 1 to {MAX_IDS} ids of pushes"));
            }
            let mut ids: Vec<Box<str>> = Vec::new();
            for (position, id) in value.items().enumerate().take(MAX_IDS) {
                match id.as_str() {
                    Some(id) if (1..=MAX_ID_CHARS).contains(&id.chars().count()) => {
                        ids.push(id.into());
                    }
                    _ => fault(format!("ids[{position}]"), "must be the id of a push".into()),
                }
            }
            selections.push(Selection::Ids(ids));
        } else {
            let name = name.decode().unwrap_or_default().into_owned();
            fault(name, "unknown member; known here are ids, webhook".into());
        }
    }
    match (selections.pop(), selections.is_empty()) {
        _ if !faults.is_empty() => Err(Problem::faults(faults)),
        (Some(selection), true) => Ok(selection),
        _ => Err(Problem::fault("", "name pushes by `ids`, or all of a `webhook`; one of the two")),
    }
}
