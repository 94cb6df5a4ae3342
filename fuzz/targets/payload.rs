//! Any record as a push, under any aliases: it is what another implementation writes, to the last byte.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use formhook::capture::{Actor, Event, Op};
use formhook::config::parse_form;
use formhook::form::{Field, Fields, Form, FormKey};
use formhook::host::UnixMillis;
use formhook::json::{Document, MAX_DEPTH};
use formhook::payload::{canonical, payload};
use formhook_fuzz::canonical::{alike, depth, number, read, write};
use formhook_fuzz::pieces::texts;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

#[derive(Arbitrary, Debug)]
struct How {
    op: u8,
    /// Whether the actor is text and not JSON.
    is_named: bool,
}

const OPS: [Op; 4] = [Op::Create, Op::Update, Op::Remove, Op::Recover];

fuzz_target!(|input: &[u8]| {
    // serde_json reads numbers by way of a member with such a name.
    if input.windows(12).any(|part| part == b"$serde_json:") {
        return;
    }
    let mut input = Unstructured::new(input);
    let Ok(how) = How::arbitrary(&mut input) else { return };
    let [record, before, form, names, actor] = texts::<5>(input.take_rest());
    judge_canonical(record);
    judge_payload(&how, record, before, form, names, actor);
});

/// What is taken as JSON, and how it is written.
fn judge_canonical(text: &[u8]) {
    let theirs = read(text);
    match (canonical(text), theirs) {
        (Ok(ours), Ok(theirs)) => {
            let ours = String::from_utf8(ours).unwrap();
            assert_eq!(alike(&ours), alike(&write(&theirs)));
            if theirs.is_number() {
                let sent = str::from_utf8(text).unwrap();
                assert_eq!(ours, number(sent.trim_matches([' ', '\t', '\n', '\r'])));
            }
        }
        (Ok(ours), Err(error)) => {
            let is_lone =
                error.to_string().contains("surrogate") || error.to_string().contains("hex escape");
            assert!(is_lone, "taken, but {error}: {ours:?}");
            assert_eq!(canonical(&ours).unwrap(), ours, "what is canonical stays as it is");
        }
        (Err(error), Ok(theirs)) => assert!(depth(&theirs) > MAX_DEPTH, "{error}: {theirs}"),
        (Err(_), Err(_)) => {}
    }
}

fn judge_payload(how: &How, record: &[u8], before: &[u8], form: &[u8], names: &[u8], actor: &[u8]) {
    let (Ok(record), Ok(names)) = (Document::parse(record), str::from_utf8(names)) else { return };
    let [record_id, app_id, entry_id] = texts_of_lines(names);
    let form = parse_form(form).ok().map(|(_, form)| form);
    let before = Document::parse(before).ok();
    let sent = Document::parse(actor).ok();
    let op = OPS[usize::from(how.op) % OPS.len()];
    let event = Event {
        op,
        form: FormKey { app_id: app_id.into(), entry_id: entry_id.into() },
        record_id: record_id.into(),
        record: (op != Op::Remove).then_some(record.root()),
        actor: match (how.is_named, &sent) {
            (true, _) => str::from_utf8(actor).ok().map(|name| Actor::Named(name.into())),
            (false, sent) => sent.as_ref().map(|sent| Actor::Sent(sent.root())),
        },
        time: UnixMillis(1_778_575_509_018),
    };
    let before = before.as_ref().map(|before| before.root());
    // Capture gives nothing else.
    let is_object = |value: &formhook::json::Value<'_>| value.raw().starts_with('{');
    if event.record.as_ref().is_some_and(|record| !is_object(record))
        || before.as_ref().is_some_and(|before| !is_object(before))
    {
        return;
    }
    let pushed = payload(&event, form.as_ref(), before);
    let pushed = String::from_utf8(pushed).expect("a push is text");
    if let Some(expected) = expected(&event, form.as_ref(), before) {
        assert_eq!(alike(&pushed), alike(&write(&expected)));
    } else {
        let document = Document::parse(pushed.as_bytes());
        assert!(document.is_ok() || pushed.len() > MAX_DEPTH, "{pushed}");
    }
}

fn texts_of_lines(names: &str) -> [&str; 3] {
    let mut lines = names.lines();
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}

/// The push, made of trees; `None` where only serde_json cannot read what was sent.
fn expected(
    event: &Event<'_>,
    form: Option<&Form>,
    before: Option<formhook::json::Value<'_>>,
) -> Option<Value> {
    let none = Fields::default();
    let fields = form.map_or(&none, |form| &form.fields);
    let tree = |value: &formhook::json::Value<'_>| read(value.raw().as_bytes()).ok();
    let name = json!(form.and_then(|form| form.name.as_deref()));
    let before = match &before {
        Some(before) => Some(tree(before)?.as_object()?.clone()),
        None => None,
    };
    let mut push = Members::new();
    let mut data = match &event.record {
        Some(record) => {
            let record = tree(record)?.as_object()?.clone();
            let mut data = aliased(&record, fields);
            if let (Op::Update, Some(before)) = (event.op, &before) {
                push.insert("changes".into(), changes(&aliased(before, fields), &data, before));
            }
            for (name, value) in [
                ("_id", json!(event.record_id)),
                ("appId", json!(event.form.app_id)),
                ("entryId", json!(event.form.entry_id)),
                ("formName", name.clone()),
                ("deleter", Value::Null),
                ("deleteTime", Value::Null),
                ("flowState", Value::Null),
            ] {
                if !record.contains_key(name) {
                    data.insert(name.into(), value);
                }
            }
            data
        }
        None => before.map(|before| aliased(&before, fields)).unwrap_or_default(),
    };
    if event.record.is_none() {
        let deleter = match &event.actor {
            None => Value::Null,
            Some(Actor::Sent(value)) => tree(value)?,
            Some(Actor::Named(name)) => json!({"name": name, "username": name}),
        };
        data.extend([
            ("_id".into(), json!(event.record_id)),
            ("appId".into(), json!(event.form.app_id)),
            ("deleteTime".into(), json!(event.time.to_string())),
            ("deleter".into(), deleter),
            ("entryId".into(), json!(event.form.entry_id)),
            ("formName".into(), name),
        ]);
    }
    push.insert("data".into(), Value::Object(data));
    push.insert("op".into(), json!(event.op.name()));
    push.insert("opTime".into(), json!(event.time.0));
    Some(Value::Object(push))
}

fn field<'f>(fields: &'f Fields, name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| *field.id == *name || field.alias_text() == Some(name))
}

fn aliased(record: &Members, fields: &Fields) -> Members {
    let mut members = Members::new();
    for (name, value) in record {
        let Some(field) = field(fields, name) else {
            members.insert(name.clone(), value.clone());
            continue;
        };
        if !field.is_pushed() {
            continue;
        }
        // Where the record has both names of a field, both stay.
        let alias = field.alias_text().filter(|alias| !record.contains_key(*alias));
        let row = |row: &Value| match row {
            Value::Object(row) => Value::Object(aliased(row, &field.rows)),
            other => other.clone(),
        };
        let value = match value {
            Value::Array(rows) => rows.iter().map(row).collect(),
            other => other.clone(),
        };
        members.insert(alias.unwrap_or(name).to_owned(), value);
    }
    members
}

fn changes(before: &Members, after: &Members, sent: &Members) -> Value {
    let names = before.keys().chain(after.keys());
    let mut fields = Members::new();
    for name in names.filter(|name| !["updateTime", "updater"].contains(&name.as_str())) {
        let sides = [("after", after.get(name)), ("before", before.get(name))];
        if sides[0].1.map(write) != sides[1].1.map(write) {
            let sides = sides
                .into_iter()
                .filter_map(|(side, value)| value.map(|value| (side.to_owned(), value.clone())));
            fields.insert(name.clone(), Value::Object(sides.collect()));
        }
    }
    json!({"fields": fields, "since": sent.get("updateTime")})
}
