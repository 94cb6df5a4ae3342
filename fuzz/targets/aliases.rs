//! Any body with ids in place of aliases and back: only names change, and they change back.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use formhook::config::parse_form;
use formhook::form::{Field, Fields};
use formhook::json::Document;
use formhook::payload::canonical;
use formhook::translate::{Direction, Place, translated};
use formhook_fuzz::canonical::{read, write};
use formhook_fuzz::pieces::texts;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

/// What stands in the place, and in which member of the body.
const PLACES: [(&str, Place); 7] = [
    ("data", Place::Record),
    ("data", Place::Records),
    ("data", Place::Values),
    ("data_list", Place::ValuesList),
    ("fields", Place::Names),
    ("filter", Place::Filter),
    ("widgets", Place::Widgets),
];

#[derive(Arbitrary, Debug)]
struct How {
    place: u8,
}

fuzz_target!(|input: &[u8]| {
    if input.windows(12).any(|part| part == b"$serde_json:") {
        return;
    }
    let mut input = Unstructured::new(input);
    let Ok(how) = How::arbitrary(&mut input) else { return };
    let [form, body] = texts::<2>(input.take_rest());
    let Ok((_, form)) = parse_form(form) else { return };
    let Ok(document) = Document::parse(body) else { return };
    let place = PLACES[usize::from(how.place) % PLACES.len()];
    let [ids, aliases] = [Direction::Ids, Direction::Aliases].map(|direction| {
        let new = translated(&document, &[place], &form.fields, direction);
        judge(document.text(), new.as_deref(), place, &form.fields, direction);
        new.unwrap_or_else(|| body.to_vec())
    });
    if !is_simple(document.text(), &form.fields) {
        return;
    }
    // Whatever the names were, they are the same after one way and back as after one way.
    for (there, first) in [(Direction::Ids, &ids), (Direction::Aliases, &aliases)] {
        let back = if there == Direction::Ids { Direction::Aliases } else { Direction::Ids };
        let mut text = first.clone();
        for direction in [back, there] {
            let document = Document::parse(&text).unwrap();
            let new = translated(&document, &[place], &form.fields, direction);
            text = new.unwrap_or(text);
        }
        assert_eq!(canonical(&text), canonical(first), "{there:?} and back and {there:?}");
    }
});

/// Whether a field's id is not what it seems in a body: it has a dot, or has to be escaped.
fn is_odd(field: &Field) -> bool {
    let is_odd_letter = |letter: char| ".\"\\".contains(letter) || letter.is_control();
    field.id.contains(is_odd_letter) || field.rows.iter().any(is_odd)
}

/// Whether names are written in one way only, and dots in them mean rows.
fn is_simple(body: &str, fields: &Fields) -> bool {
    !body.contains('\\') && !fields.iter().any(is_odd)
}

/// Whether the new body is the old one, but for names.
fn judge(
    old: &str,
    new: Option<&[u8]>,
    place: (&str, Place),
    fields: &Fields,
    direction: Direction,
) {
    let text = str::from_utf8(new.unwrap_or(old.as_bytes())).expect("a translated body is text");
    assert!(new.is_none_or(|new| new != old.as_bytes()), "what stays is said to stay");
    let (before, after) = (tokens(old), tokens(text));
    assert_eq!(before.len(), after.len(), "{old} became {text}");
    for (before, after) in before.iter().zip(&after) {
        let is_string = before.starts_with('"') && after.starts_with('"');
        assert!(before == after || is_string, "{before} became {after}");
    }
    let (Ok(tree), true) = (read(old.as_bytes()), is_simple(old, fields)) else { return };
    // Members that are there twice are one in a tree, and both are translated.
    if write_raw(&tree).len() != tokens(old).concat().len() {
        return;
    }
    let expected = expected(&tree, place, fields, direction);
    assert_eq!(write(&read(text.as_bytes()).unwrap()), write(&expected), "{old} became {text}");
}

/// A tree as text, nothing changed but white space and escapes.
fn write_raw(tree: &Value) -> String {
    serde_json::to_string(tree).unwrap()
}

/// Strings, and what is between them without white space.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut left = text;
    while let Some(start) = left.find('"') {
        tokens.push(left[..start].split_ascii_whitespace().collect());
        let mut is_escaped = false;
        let end = left[start + 1..].find(|character| {
            let is_end = character == '"' && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            is_end
        });
        let end = start + 2 + end.expect("a string ends");
        tokens.push(left[start..end].to_owned());
        left = &left[end..];
    }
    tokens.push(left.split_ascii_whitespace().collect());
    tokens
}

fn expected(body: &Value, (member, place): (&str, Place), fields: &Fields, to: Direction) -> Value {
    let mut body = body.clone();
    let Some(value) = body.as_object_mut().and_then(|body| body.get_mut(member)) else {
        return body;
    };
    let each = |value: &mut Value, change: &dyn Fn(&mut Value)| {
        value.as_array_mut().into_iter().flatten().for_each(change);
    };
    match place {
        Place::Record => record(value, fields, to, false),
        Place::Values => record(value, fields, to, true),
        Place::Records => each(value, &|item| record(item, fields, to, false)),
        Place::ValuesList => each(value, &|item| record(item, fields, to, true)),
        Place::Names => each(value, &|item| path(item, fields, to)),
        Place::Filter => {
            if let Some(conditions) = value.as_object_mut().and_then(|all| all.get_mut("cond")) {
                each(conditions, &|condition| named(condition, "field", fields, to));
            }
        }
        Place::Widgets => each(value, &|widget| {
            let name = widget.get("name").and_then(Value::as_str);
            let rows = name.and_then(|name| find(fields, name)).map(|field| &field.rows);
            if let (Some(rows), Some(items)) =
                (rows, widget.as_object_mut().and_then(|widget| widget.get_mut("items")))
            {
                each(items, &|item| named(item, "name", rows, to));
            }
            named(widget, "name", fields, to);
        }),
    }
    body
}

fn find<'f>(fields: &'f Fields, name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| *field.id == *name || field.alias_text() == Some(name))
}

fn own(field: &Field, to: Direction) -> Option<&str> {
    match to {
        Direction::Ids => Some(&field.id),
        Direction::Aliases => field.alias_text(),
    }
}

fn record(value: &mut Value, fields: &Fields, to: Direction, has_values: bool) {
    let Some(members) = value.as_object_mut() else { return };
    let old = std::mem::take(members);
    let mut new = Map::new();
    for (name, value) in &old {
        let (mut name, mut value) = (name.clone(), value.clone());
        if let Some(field) = find(fields, &name) {
            let rows = match has_values {
                true => value.as_object_mut().and_then(|value| value.get_mut("value")),
                false => Some(&mut value),
            };
            for row in rows.and_then(Value::as_array_mut).into_iter().flatten() {
                record(row, &field.rows, to, has_values);
            }
            // Where the record has both names of a field, both stay.
            if let Some(own) = own(field, to).filter(|own| !old.contains_key(*own)) {
                name = own.to_owned();
            }
        }
        new.insert(name, value);
    }
    *members = new;
}

fn named(object: &mut Value, member: &str, fields: &Fields, to: Direction) {
    if let Some(value) = object.as_object_mut().and_then(|object| object.get_mut(member)) {
        path(value, fields, to);
    }
}

fn path(value: &mut Value, fields: &Fields, to: Direction) {
    let Some(text) = value.as_str() else { return };
    if let Some(field) = find(fields, text) {
        *value = own(field, to).unwrap_or(text).into();
    } else if let Some((first, second)) = text.split_once('.')
        && let Some(field) = find(fields, first)
    {
        let second = find(&field.rows, second).and_then(|row| own(row, to)).unwrap_or(second);
        *value = format!("{}.{second}", own(field, to).unwrap_or(first)).into();
    }
}
