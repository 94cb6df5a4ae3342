//! Calls, answers and pushes as lines of text, shortened to what they are about.

use super::layout::{Line, Style, columns_of, wrapped};
use super::support::receiver::Received;
use reqwest::StatusCode;
use serde_json::{Map, Value};

/// The rows of an answer that are shown.
const ANSWER_ROWS: usize = 3;

/// The headers of a push that a receiver works with.
const HEADERS: [&str; 5] =
    ["webhook-id", "webhook-timestamp", "webhook-signature", "x-jdy-signature", "x-jdy-deliverid"];

/// What a record tells of itself, the same in every record.
const OF_THE_RECORD: [&str; 6] =
    ["appId", "entryId", "creator", "createTime", "updater", "updateTime"];

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub text: String,
}

impl Answer {
    /// The value at a JSON pointer; null if there is none.
    pub fn at(&self, pointer: &str) -> Value {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        body.pointer(pointer).cloned().unwrap_or_default()
    }
}

/// A call and its answer.
pub fn call(path: &str, body: &Value, answer: &Answer, width: usize) -> Vec<Line> {
    let mut lines = vec![
        Style::Aside.line("API call, sent to the gateway:"),
        Style::Title.line(format!("POST {path}")),
    ];
    lines.extend(json(body, width));
    lines.push(Style::Plain.line(""));
    lines.push(Style::Aside.line("Answer of the platform:"));
    lines.push(Style::Title.line(answer.status.to_string()));
    lines.extend(beginning(&answer.text, width).map(|row| Style::Plain.line(row)));
    lines
}

/// A push, and what became of the verification of each of its signatures.
pub fn push(push: &Received, verified: &[(&str, Result<(), &str>)], width: usize) -> Vec<Line> {
    let mut lines = vec![
        Style::Aside.line("Push, as the receiver got it:"),
        Style::Title.line(format!("POST {}", push.path_and_query)),
    ];
    let present = HEADERS.iter().filter(|name| push.headers.contains_key(**name));
    lines.extend(present.map(|name| Style::Plain.line(format!("{name}: {}", push.header(name)))));
    match serde_json::from_slice(&push.body) {
        Ok(body) => lines.extend(json(&body, width)),
        Err(_) => lines.push(Style::Plain.line(String::from_utf8_lossy(&push.body))),
    }
    lines.push(Style::Plain.line(""));
    lines.extend(verified.iter().map(|(name, result)| match result {
        Ok(()) => Style::Good.line(format!("{name} signature: verified")),
        Err(why) => Style::Bad.line(format!("{name} signature: NOT VERIFIED, {why}")),
    }));
    lines
}

/// The first rows of a long text.
fn beginning(text: &str, width: usize) -> impl Iterator<Item = String> {
    let mut rows = wrapped(text, 2, width.saturating_sub(2));
    if rows.len() > ANSWER_ROWS {
        rows.truncate(ANSWER_ROWS);
        rows.iter_mut().skip(ANSWER_ROWS - 1).for_each(|last| last.push_str(" …"));
    }
    rows.into_iter()
}

fn json(value: &Value, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    spread(&mut lines, "", value, "", width);
    lines
}

/// A value in one line if it fits, else one line for each of its parts. `lead` is what stands
/// before the value, `tail` what follows.
fn spread(lines: &mut Vec<Line>, lead: &str, value: &Value, tail: &str, width: usize) {
    let flat = format!("{lead}{}{tail}", in_one_line(value));
    let indent = " ".repeat(lead.len() - lead.trim_start().len() + 2);
    let comma = |is_last: bool| if is_last { "" } else { "," };
    match value {
        Value::Object(object) if columns_of(&flat) > width => {
            let (shown, aside) = parts(object);
            // `{"value": [` needs no lines of its own, and `{"value": 1}` gains nothing by them.
            if let ([(name, value)], []) = (shown.as_slice(), aside.as_slice())
                && (!value.is_object() || holds_only_a_list(value))
            {
                let (lead, tail) = (format!("{lead}{{\"{name}\": "), format!("}}{tail}"));
                return spread(lines, &lead, value, &tail, width);
            }
            lines.push(Style::Plain.line(format!("{lead}{{")));
            for (at, (name, value)) in shown.iter().enumerate() {
                let tail = comma(at + 1 == shown.len() && aside.is_empty());
                spread(lines, &format!("{indent}\"{name}\": "), value, tail, width);
            }
            if !aside.is_empty() {
                lines.push(Style::Aside.line(format!("{indent}… {}", some_of(&aside))));
            }
            lines.push(Style::Plain.line(format!("{}}}{tail}", &indent[2..])));
        }
        Value::Array(items) if columns_of(&flat) > width => {
            lines.push(Style::Plain.line(format!("{lead}[")));
            for (at, item) in items.iter().enumerate() {
                spread(lines, &indent, item, comma(at + 1 == items.len()), width);
            }
            lines.push(Style::Plain.line(format!("{}]{tail}", &indent[2..])));
        }
        _ => lines.push(Style::Plain.line(flat)),
    }
}

/// Whether this is a list in any number of objects that have nothing but it.
fn holds_only_a_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(object) if object.len() == 1 => object.values().all(holds_only_a_list),
        _ => false,
    }
}

fn in_one_line(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let (shown, aside) = parts(object);
            let shown = shown.iter().map(|(name, value)| {
                let value = in_one_line(value);
                format!("\"{name}\": {value}")
            });
            let rest = (!aside.is_empty()).then(|| "…".to_owned());
            format!("{{{}}}", shown.chain(rest).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(in_one_line).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The members that are shown, and the names of those that are left out.
fn parts(object: &Map<String, Value>) -> (Vec<(&String, &Value)>, Vec<&str>) {
    let is_record = object.contains_key("appId");
    let is_aside = |name: &str, value: &Value| {
        let is_id_of_row = name == "_id" && !is_record;
        is_id_of_row || OF_THE_RECORD.contains(&name) || is_empty(value)
    };
    let (aside, shown): (Vec<_>, Vec<_>) =
        object.iter().partition(|(name, value)| is_aside(name, value));
    (shown, aside.into_iter().map(|(name, _)| name.as_str()).collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

fn some_of(names: &[&str]) -> String {
    match names {
        [a, b, c, rest @ ..] if rest.len() > 1 => format!("{a}, {b}, {c} and {} more", rest.len()),
        all => all.join(", "),
    }
}
