//! Configurations, whole and changed.

use super::root;
use proptest::sample::Index;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Every file of `envoy/` that has a configuration in it.
pub fn shipped_files() -> Vec<PathBuf> {
    let mut folders = vec![root().join("envoy")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    found
}

/// The documents of a YAML file.
pub fn documents(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|one| Value::deserialize(one).unwrap())
        .collect()
}

/// The configurations of the filter in it: what Envoy has in a `Struct`, and what Istio and Envoy Gateway hand
/// over in their own resources.
pub fn plugins(document: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match document {
        Value::Object(members) => {
            let is_struct =
                members.get("@type") == Some(&json!("type.googleapis.com/google.protobuf.Struct"));
            let is_plugin =
                |value: &Value| value.get("webhooks").is_some() || value.get("token_env").is_some();
            for (name, value) in members {
                let is_config =
                    (name == "value" && is_struct) || name == "pluginConfig" || name == "config";
                if is_config && is_plugin(value) {
                    found.push(value.clone());
                } else {
                    found.extend(plugins(value));
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| found.extend(plugins(item))),
        _ => {}
    }
    found
}

fn resolved<'s>(schema: &'s Value, mut part: &'s Value) -> &'s Value {
    while let Some(Value::String(target)) = part.get("$ref") {
        part = schema.pointer(target.trim_start_matches('#')).unwrap();
    }
    part
}

/// The objects of a configuration whose keys are known: where they are, and the keys.
pub fn objects(schema: &Value, config: &Value) -> Vec<(String, Vec<String>)> {
    let role = if config.get("role") == Some(&json!("admin")) { "admin" } else { "watch" };
    let mut found = Vec::new();
    collect(schema, &schema["$defs"][role], config, String::new(), &mut found);
    found
}

fn collect(
    schema: &Value,
    part: &Value,
    value: &Value,
    at: String,
    found: &mut Vec<(String, Vec<String>)>,
) {
    let part = resolved(schema, part);
    if let Some(choices) = part.get("oneOf").and_then(Value::as_array)
        && part.get("properties").is_none()
    {
        let kind = if value.is_array() { "array" } else { "object" };
        let choice = choices.iter().find(|choice| resolved(schema, choice)["type"] == kind);
        if let Some(choice) = choice {
            collect(schema, choice, value, at, found);
        }
        return;
    }
    match value {
        Value::Object(members) => {
            let Some(properties) = part.get("properties").and_then(Value::as_object) else {
                return;
            };
            found.push((at.clone(), properties.keys().cloned().collect()));
            for (name, value) in members {
                collect(schema, &properties[name], value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                collect(schema, &part["items"], item, format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// Where every value of a configuration is.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut inside = |name: &str, value: &Value| {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(at.clone());
        places(value, &at, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| inside(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, item)| inside(&place.to_string(), item));
        }
        _ => {}
    }
}

fn split(pointer: &str) -> (&str, String) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    (parent, name.replace("~1", "/").replace("~0", "~"))
}

/// Puts a value where it was not.
pub fn put(config: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = split(pointer);
    match config.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.push(value),
        parent => parent[name] = value,
    }
}

fn remove(config: &mut Value, pointer: &str) {
    let (parent, name) = split(pointer);
    match config.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.shift_remove(&name)),
        Some(Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
        _ => {}
    }
}

/// Values of all kinds, and at the edges of what is allowed somewhere.
fn values() -> Vec<Value> {
    let long = "x".repeat(257);
    vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1),
        json!(1.5),
        json!(5.0),
        json!(100),
        json!(1_000_000),
        json!(1_000_001),
        json!(16_777_217),
        json!(536_870_912),
        json!(1e300),
        json!(""),
        json!("x"),
        json!(" "),
        json!("é"),
        json!("A b"),
        json!("a-b_C"),
        json!(long),
        json!("x".repeat(1025)),
        json!("https://x.example/"),
        json!("https://u:p@x.example/"),
        json!("ftp://x/"),
        json!("HTTPS://X.example/#a"),
        json!("/api"),
        json!("api/"),
        json!("/a{b}c"),
        json!("all"),
        json!("memory"),
        json!("2s"),
        json!("2"),
        json!("1m 30s"),
        json!("2 parsecs"),
        json!("0s"),
        json!("response:/a~1b"),
        json!("request:a"),
        json!("response:/~2"),
        json!("path:app"),
        json!("header:a b"),
        json!("literal:"),
        json!("nowhere:"),
        json!("data_remove"),
        json!("jodoo"),
        json!("admin"),
        json!("subform"),
        json!("creator"),
        json!("async"),
        json!([]),
        json!([1]),
        json!(["x"]),
        json!(["2s"]),
        json!(["standard", "standard"]),
        json!({}),
        json!({"no_such_key": 1}),
        json!({"content-length": "1"}),
        json!({"X-Envoy-A": "1"}),
        json!({"x-a": "é"}),
        json!({"x-a": null}),
        json!({"a b": "c"}),
        json!({"redis": {}}),
    ]
}

/// The configuration with one value left out, or another in its place, or one key more.
pub fn at_one_place(config: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    places(config, "", &mut found);
    let mut changed = Vec::new();
    for pointer in found {
        let mut without = config.clone();
        remove(&mut without, &pointer);
        changed.push((format!("without {pointer}"), without));
        for value in values() {
            let mut other = config.clone();
            let what = format!("{pointer} = {value}");
            *other.pointer_mut(&pointer).unwrap() = value;
            changed.push((what, other));
        }
    }
    for key in ["secret", "previous_secret", "no_such_key"] {
        let mut more = config.clone();
        put(&mut more, &format!("/{key}"), json!("x"));
        changed.push((format!("with {key}"), more));
    }
    changed.push(("empty".into(), Value::Object(Map::new())));
    changed
}

/// Leaves something out, or puts another value in its place.
pub fn change(config: &mut Value, place: &Index, value: Option<&Index>) {
    let mut found = Vec::new();
    places(config, "", &mut found);
    if found.is_empty() {
        return;
    }
    let pointer = place.get(&found);
    match value {
        Some(value) => *config.pointer_mut(pointer).unwrap() = value.get(&values()).clone(),
        None => remove(config, pointer),
    }
}
