//! What is pushed for each kind of event: the platform's own shapes, with aliases in place of
//! field ids.

use super::canonical::{self, array, object};
use crate::capture::{Actor, Event};
use crate::form::{Fields, Form};
use crate::host::UnixMillis;
use crate::json::{Kind, Text, Value};

/// What a member of `data` holds.
enum Content<'a> {
    /// A value as the platform sent it.
    Sent(Value<'a>),
    /// The rows of a sub-form.
    Rows(Value<'a>, &'a Fields),
    Text(&'a str),
    Time(UnixMillis),
    Actor(&'a Actor<'a>),
    Null,
}

type Members<'a> = Vec<(Text<'a>, Content<'a>)>;

/// The body of the push for an event, in canonical form.
///
/// Members of the record that no rule names pass through untouched, unknown ones included.
pub fn payload(event: &Event<'_>, form: Option<&Form>) -> Vec<u8> {
    let no_fields = Fields::default();
    let fields = form.map_or(&no_fields, |form| &form.fields);
    let form_name = match form.and_then(|form| form.name.as_deref()) {
        Some(name) => Content::Text(name),
        None => Content::Null,
    };
    let data = match event.record {
        Some(record) => full_record(event, record, fields, form_name),
        None => removed_record(event, form_name),
    };

    let record_size = event.record.map_or(0, |record| record.raw().len());
    let mut out = Vec::with_capacity(record_size.saturating_add(256));
    let op_time = event.time.0.to_string();
    out.extend_from_slice(b"{\"data\":");
    object(&mut out, data, write);
    out.extend_from_slice(b",\"op\":");
    canonical::string(&mut out, Text::plain(event.op.name()));
    out.extend_from_slice(b",\"opTime\":");
    out.extend_from_slice(op_time.as_bytes());
    out.push(b'}');
    out
}

/// A created, updated or recovered record: all of it, and what the platform's own webhook adds to
/// what its API answers.
fn full_record<'a>(
    event: &'a Event<'_>,
    record: Value<'a>,
    fields: &'a Fields,
    form_name: Content<'a>,
) -> Members<'a> {
    let mut data = aliased(record, fields);
    for (name, content) in [
        ("_id", Content::Text(&event.record_id)),
        ("appId", Content::Text(&event.form.app_id)),
        ("entryId", Content::Text(&event.form.entry_id)),
        ("formName", form_name),
        ("deleter", Content::Null),
        ("deleteTime", Content::Null),
        ("flowState", Content::Null),
    ] {
        if record.get(name).is_none() {
            data.push((Text::plain(name), content));
        }
    }
    data
}

fn removed_record<'a>(event: &'a Event<'_>, form_name: Content<'a>) -> Members<'a> {
    let deleter = match &event.actor {
        Some(actor) => Content::Actor(actor),
        None => Content::Null,
    };
    vec![
        (Text::plain("_id"), Content::Text(&event.record_id)),
        (Text::plain("appId"), Content::Text(&event.form.app_id)),
        (Text::plain("deleteTime"), Content::Time(event.time)),
        (Text::plain("deleter"), deleter),
        (Text::plain("entryId"), Content::Text(&event.form.entry_id)),
        (Text::plain("formName"), form_name),
    ]
}

/// The members of a record or of a sub-form's row, under their aliases.
fn aliased<'a>(object: Value<'a>, fields: &'a Fields) -> Members<'a> {
    // A platform may apply aliases itself. Where a record has both the id and a member that is
    // named like its alias, the id stays: one of the two values would be lost otherwise.
    let mut taken = Vec::new();
    for (name, _) in object.members() {
        if let Some(alias) = fields.get(name).and_then(|field| field.alias.as_ref())
            && name.is(alias.as_str())
        {
            taken.push(alias);
        }
    }
    let members = object.members().filter_map(|(name, value)| {
        let Some(field) = fields.get(name) else {
            return Some((name, Content::Sent(value)));
        };
        if !field.is_pushed() {
            return None;
        }
        let name = match &field.alias {
            Some(alias) if !taken.contains(&alias) => Text::plain(alias.as_str()),
            _ => name,
        };
        let content = match value.kind() {
            Kind::Array => Content::Rows(value, &field.rows),
            _ => Content::Sent(value),
        };
        Some((name, content))
    });
    members.collect()
}

fn write(out: &mut Vec<u8>, content: Content<'_>) {
    match content {
        Content::Sent(value) => canonical::value(out, value),
        Content::Rows(rows, fields) => array(out, rows.items(), |out, row| match row.kind() {
            Kind::Object => object(out, aliased(row, fields), write),
            _ => canonical::value(out, row),
        }),
        Content::Text(text) => canonical::text(out, text),
        Content::Time(time) => canonical::text(out, &time.to_string()),
        Content::Actor(Actor::Sent(value)) => canonical::value(out, *value),
        Content::Actor(Actor::Named(name)) => {
            let member = ["name", "username"].map(|key| (Text::plain(key), Content::Text(name)));
            object(out, member.into(), write);
        }
        Content::Null => out.extend_from_slice(b"null"),
    }
}
