//! Configurations with one thing changed: each value by what is at, below and above the bounds that the
//! schema gives it, by other kinds of values and by texts that are almost right; and each key left out,
//! misspelt, or with an unknown one beside it.

use crate::schema::{Node, parts, resolved};
use formhook::delivery::RESERVED_HEADERS;
use proptest::sample::Index;
use serde_json::{Value, json};

/// Texts that some key or other takes, and what comes close to them.
const TEXTS: &[&str] = &[
    "",
    " ",
    "x",
    "X",
    "x ",
    " x",
    "\t",
    "\u{85}x",
    "\u{feff}x",
    "x\u{3000}",
    "ä",
    "名",
    "a b",
    "a.b",
    "a-b",
    "a_b",
    "9a",
    "_a",
    "a\nb",
    "creator",
    "creators",
    "wx_gender",
    "Kunde",
    "all",
    "ALL",
    "memory",
    "admin",
    "watch",
    "subform",
    "data_remove",
    "form_update",
    "whsec_QQ==",
    "UNSET",
    "2",
    "2s",
    "-2s",
    "+2s",
    "1.5s",
    "0s",
    "1m 30s",
    " 2 s ",
    "1h1m1s1ms",
    "1day",
    "2 parsecs",
    "2S",
    "2s 2",
    "2\u{b}s",
    "2\u{a0}s",
    "7 hours",
    "1us",
    "/",
    "//",
    "/x",
    "/x/",
    "x/",
    "/a b",
    "/ä",
    "/x?y",
    "/x#y",
    "/%41",
    "/{id}",
    "/{id",
    "/id}",
    "/{}",
    "/{a}{b}",
    "/{a}b",
    "/x-{a}/y",
    "/{a}/{a}",
    "/{a}/{*a}",
    "/{*a}/b",
    "/{*}",
    "/{**a}",
    "/{a*}",
    "/{{a}}",
    "/{a}/{b}/",
    "/*",
    "POST",
    "post",
    "GET IT",
    "request:",
    "request",
    "request:a",
    "request:/a~",
    "request:/a~1b",
    "response:/a/0",
    "Response:/a",
    "path:",
    "path:id",
    "path:*rest",
    "path:a/b",
    "header:",
    "header:x",
    "header:a b",
    "literal:",
    "literal",
    "http://a",
    "HTTPS://A.B",
    "ftp://a",
    "https://",
    "https://a.b:0",
    "https://a.b:00080/",
    "https://a.b:65535",
    "https://a.b:65536",
    "https://u:p@a.b/",
    "https://a.b/#x",
    "https://a.b/<x>",
    "https://a_b.c./",
    "https://-a/",
    "https://a..b/",
    "https://[::1]:80/x",
    "https://[::1/",
];

/// Names of headers that a request may have, and that it may not.
const HEADERS: [&str; 9] =
    ["x-ok", "X-Envoy", "X-Envoy-A", "x-formhook-id", "X-Forwarded-For", "", "a b", "a:b", "ä"];

/// What a value is replaced by, whatever it is.
fn any_values() -> Vec<Value> {
    let others = [
        json!(null),
        json!(true),
        json!(false),
        json!(-1),
        json!(0),
        json!(-0.0),
        json!(2.5),
        json!(5.0),
        json!(1e300),
        json!([]),
        json!([null]),
        json!([[]]),
        json!(["x"]),
        json!({}),
        json!({"x": 1}),
        json!("x".repeat(64)),
        json!("x".repeat(65)),
        json!("ä".repeat(256)),
        json!("ä".repeat(257)),
        json!("x".repeat(1025)),
        json!(format!("https://a.b/{}", "x".repeat(2048 - 12))),
        json!(format!("https://a.b/{}", "x".repeat(2049 - 12))),
    ];
    others.into_iter().chain(TEXTS.iter().map(|text| Value::from(*text))).collect()
}

/// What a value is replaced by, as its part of the schema has it.
fn values_of(node: &Node, value: &Value) -> Vec<Value> {
    let mut values: Vec<Value> = node.get("const").into_iter().cloned().collect();
    for keyword in ["enum", "examples"] {
        values.extend(node.get(keyword).and_then(Value::as_array).into_iter().flatten().cloned());
    }
    values.extend(node.get("default").cloned());
    for (keyword, beyond) in [("minimum", -1.0), ("maximum", 1.0)] {
        if let Some(bound) = node.get(keyword).and_then(Value::as_f64) {
            values.extend([bound, bound + beyond, bound - 0.5].map(Value::from));
            values.push((bound as i64).into());
        }
    }
    for (keyword, least) in [("x-minimum", true), ("x-maximum", false)] {
        if let Some(bound) = node.get(keyword).and_then(Value::as_str) {
            let millis = humantime::parse_duration(bound).unwrap().as_millis();
            let beyond = if least { millis - 1 } else { millis + 1 };
            values.extend([millis, beyond].map(|millis| format!("{millis}ms").into()));
        }
    }
    for keyword in ["minLength", "maxLength"] {
        if let Some(length) = node.get(keyword).and_then(Value::as_u64) {
            let length = usize::try_from(length).unwrap();
            values.extend([length - 1, length, length + 1].map(|length| "é".repeat(length).into()));
        }
    }
    let texts: Vec<_> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    values.extend(texts.iter().flat_map(|text| {
        [text.to_uppercase(), format!("{text} "), format!("{text}x")].map(Value::from)
    }));
    if let Some([first, ..]) = value.as_array().map(Vec::as_slice) {
        values.extend([1, 2, 20, 21].map(|count| json!(vec![first; count])));
    }
    values
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Insert(String, Value),
    Remove(String),
    Rename(String, String),
}

fn changed(config: &Value, pointer: &str, change: &Change) -> Value {
    let mut config = config.clone();
    match (config.pointer_mut(pointer).unwrap(), change.clone()) {
        (here, Change::Replace(value)) => *here = value,
        (here, Change::Insert(name, value)) => here[&name] = value,
        (here, Change::Remove(name)) => drop(here.as_object_mut().unwrap().remove(&name)),
        (here, Change::Rename(name, other)) => {
            let value = here.as_object_mut().unwrap().remove(&name).unwrap();
            here[&other] = value;
        }
    }
    config
}

/// What can be changed of a value.
fn changes(node: &Node, value: &Value) -> Vec<Change> {
    let values = any_values().into_iter().chain(values_of(node, value));
    let mut changes: Vec<_> = values.map(Change::Replace).collect();
    let Some(members) = value.as_object() else {
        return changes;
    };
    let known = node.get("properties").and_then(Value::as_object);
    for (name, part) in known.into_iter().flatten() {
        // What is right by itself shows what another key excludes or needs.
        let values = values_of(&resolved(part), &Value::Null).into_iter();
        let values = values.chain([json!("http://x"), json!(true), json!([]), json!({})]);
        changes.extend(values.map(|value| Change::Insert(name.clone(), value)));
    }
    changes.push(Change::Insert("zzz".to_owned(), json!(1)));
    for name in members.keys() {
        changes.push(Change::Remove(name.clone()));
        let others = [name.to_uppercase(), format!("{name}s")];
        changes.extend(others.map(|other| Change::Rename(name.clone(), other)));
    }
    if node.contains_key("propertyNames") {
        for name in RESERVED_HEADERS.into_iter().chain(HEADERS) {
            let names = [name.to_owned(), name.to_uppercase(), format!("{name}s")];
            changes.extend(names.map(|name| Change::Insert(name, json!("v"))));
        }
    }
    changes
}

/// The configuration with each thing changed that there is.
pub fn all(config: &Value) -> impl Iterator<Item = Value> {
    parts(config).into_iter().flat_map(move |(pointer, node)| {
        let changes = changes(&node, config.pointer(&pointer).unwrap()).into_iter();
        changes.map(move |change| changed(config, &pointer, &change))
    })
}

/// The configuration with one of these.
pub fn one(config: &Value, part: Index, change: Index) -> Value {
    let parts = parts(config);
    let (pointer, node) = part.get(&parts);
    let changes = changes(node, config.pointer(pointer).unwrap());
    changed(config, pointer, change.get(&changes))
}
