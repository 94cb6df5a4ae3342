//! The failed cache: pushes that wait for somebody to decide.

use super::Context;
use super::answer::{Answer, Problem};
use super::request::Parameters;
use crate::config::{Fault, MAX_NAME_CHARS, wrong};
use crate::delivery::commands;
use crate::host::Host;
use crate::json::{Builder, Kind, Value};
use crate::store::{Entry, Selection, State};

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
    let cursor = parameters.cursor(|cursor| context.store.is_failed_cursor(cursor))?;
    let (store, host) = (&mut context.store, context.host);
    let (entries, next) =
        store.failed_page(host, webhook.as_deref(), cursor, limit, MAX_LOOKED_AT)?;
    let mut json = Builder::new();
    json.open(b'{').name("items").open(b'[');
    entries.iter().for_each(|entry| write(&mut json, entry));
    json.close(b']').name("next").maybe(next.as_deref()).close(b'}');
    Ok(Answer::json(json))
}

pub(super) fn get<H: Host>(context: &mut Context<'_, H>, id: &str) -> Result<Answer, Problem> {
    let Some(entry) = context.store.failed_push(context.host, id)? else {
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
    let (count, more) = context.store.retry_failed(context.host, &selection)?;
    Ok(counted(count, more))
}

pub(super) fn abandon<H: Host>(context: &mut Context<'_, H>) -> Result<Answer, Problem> {
    let selection = context.request.with_object(selection)?;
    let (abandoned, more) = context.store.abandon_failed(context.host, &selection)?;
    commands::abandoned(context.store, context.host, context.metrics, &abandoned);
    Ok(counted(abandoned.len(), more))
}

/// How many pushes a command was for, and whether it has to be given again for the others.
fn counted(pushes: usize, more: bool) -> Answer {
    let mut json = Builder::new();
    json.open(b'{').name("count").number(pushes as u64).name("more").flag(more).close(b'}');
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
                _ => fault("webhook".into(), wrong(value.raw(), "must be a webhook's id")),
            }
        } else if name.is("ids") {
            let count = value.items().count();
            if value.kind() != Kind::Array || !(1..=MAX_IDS).contains(&count) {
                let allowed = format!("must be a list of 1 to {MAX_IDS} ids of pushes");
                fault("ids".into(), wrong(value.raw(), &allowed));
            }
            let mut ids: Vec<Box<str>> = Vec::new();
            for (position, id) in value.items().enumerate().take(MAX_IDS) {
                match id.as_str() {
                    Some(id) if (1..=MAX_ID_CHARS).contains(&id.chars().count()) => {
                        ids.push(id.into());
                    }
                    _ => fault(
                        format!("ids[{position}]"),
                        wrong(id.raw(), "must be the id of a push"),
                    ),
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
