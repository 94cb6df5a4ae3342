//! What became of every push.

use super::Context;
use super::answer::{Answer, Problem};
use super::request::Parameters;
use crate::history::{Cursor, DEFAULT_LIMIT, MAX_LIMIT, Query, Show};
use crate::host::{Host, UnixMillis};
use crate::json::Builder;

pub(super) const PARAMETERS: [&str; 10] =
    ["webhook", "result", "op", "app_id", "entry_id", "record_id", "from", "to", "limit", "cursor"];

pub(super) fn list<H: Host>(
    context: &mut Context<'_, H>,
    parameters: &Parameters,
) -> Result<Answer, Problem> {
    let query = query(parameters)?;
    let cursor = parameters.cursor(|cursor| context.store.is_history_cursor(cursor))?;
    let (records, next) = context.store.history_page(context.host, &query, cursor)?;
    let mut json = Builder::new();
    json.open(b'{').name("items").open(b'[');
    for (reference, record) in &records {
        write(&mut json, reference, |out| record.summary_json(out));
    }
    json.close(b']').name("next").maybe(next.as_deref()).close(b'}');
    Ok(Answer::json(json))
}

pub(super) fn get<H: Host>(
    context: &mut Context<'_, H>,
    reference: &str,
) -> Result<Answer, Problem> {
    let record = context.store.history_record(context.host, reference)?;
    let record = record
        .ok_or_else(|| Problem::new(404, "The history has no such record, or not any more."))?;
    let mut json = Builder::new();
    write(&mut json, reference, |out| record.json(out));
    Ok(Answer::json(json))
}

/// A record with the member by which it is found again.
fn write(json: &mut Builder, reference: &str, record: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    record(&mut out);
    let rest = out.strip_prefix(b"{").and_then(|rest| std::str::from_utf8(rest).ok());
    json.raw(&format!("{{\"ref\":\"{reference}\",{}", rest.unwrap_or("}")));
}

fn query(parameters: &Parameters) -> Result<Query, Problem> {
    let results =
        [("all", None), ("success", Some(Show::Success)), ("failure", Some(Show::Failure))];
    Ok(Query {
        webhook: parameters.name("webhook")?,
        outcome: parameters.choice("result", &results)?.flatten(),
        op: parameters.name("op")?,
        app_id: parameters.name("app_id")?,
        entry_id: parameters.name("entry_id")?,
        record_id: parameters.name("record_id")?,
        from: time(parameters, "from")?,
        to: time(parameters, "to")?,
        limit: parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?,
        before: Cursor::START,
    })
}

fn time(parameters: &Parameters, name: &str) -> Result<Option<UnixMillis>, Problem> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let time = UnixMillis::parse_rfc3339(text);
    time.map(Some).ok_or_else(|| {
        let allowed = "must be a time in UTC since 1970, such as 2026-05-12T08:45:09Z";
        Problem::value(name, text, allowed)
    })
}
