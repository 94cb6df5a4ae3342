//! What became of every push.

use super::Context;
use super::answer::{Answer, Problem};
use super::request::Parameters;
use crate::history::{DEFAULT_LIMIT, MAX_LIMIT, Query, Record, Show};
use crate::host::{Host, UnixMillis};
use crate::json::Builder;
use crate::store::Store as _;

pub(super) const PARAMETERS: [&str; 10] =
    ["webhook", "result", "op", "app_id", "entry_id", "record_id", "from", "to", "limit", "cursor"];

pub(super) fn list<H: Host>(
    context: &mut Context<'_, H>,
    parameters: &Parameters,
) -> Result<Answer, Problem> {
    let (host, store) = (context.host, &context.store);
    let query = query(parameters)?;
    let mut json = Builder::new();
    json.open(b'{').name("items").open(b'[');
    let page = (store.history_bounds(host))
        .map(|(newest, oldest)| query.page(newest, oldest, |number| store.history(host, number)));
    let (records, next) = page.map(|page| (page.records, page.next)).unwrap_or_default();
    for (number, record) in &records {
        write(&mut json, *number, |out| record.summary_json(out));
    }
    let next = next.map(|next| next.to_string());
    json.close(b']').name("next").maybe(next.as_deref()).close(b'}');
    Ok(Answer::json(json))
}

pub(super) fn get<H: Host>(context: &mut Context<'_, H>, number: &str) -> Result<Answer, Problem> {
    let found: Option<(u64, Record)> = number.parse().ok().and_then(|number| {
        let (newest, oldest) = context.store.history_bounds(context.host)?;
        let record = context.store.history(context.host, number)?;
        (oldest..=newest).contains(&number).then_some((number, record))
    });
    let (number, record) = found
        .ok_or_else(|| Problem::new(404, "The history has no such record, or not any more."))?;
    let mut json = Builder::new();
    write(&mut json, number, |out| record.json(out));
    Ok(Answer::json(json))
}

/// A record with the member by which it is found again.
fn write(json: &mut Builder, number: u64, record: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    record(&mut out);
    let rest = out.strip_prefix(b"{").and_then(|rest| std::str::from_utf8(rest).ok());
    json.raw(&format!("{{\"ref\":\"{number}\",{}", rest.unwrap_or("}")));
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
        before: parameters.cursor(|cursor| cursor.parse().ok())?,
    })
}

fn time(parameters: &Parameters, name: &str) -> Result<Option<UnixMillis>, Problem> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let time = UnixMillis::parse_rfc3339(text);
    time.map(Some).ok_or_else(|| {
        Problem::parameter(name, "must be a time in UTC since 1970, such as 2026-05-12T08:45:09Z")
    })
}
