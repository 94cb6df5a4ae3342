//! The schema, and which part of it describes which part of a configuration.

use jsonschema::Validator;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

pub static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&text()).expect("the schema is JSON"));

pub static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA).expect("the schema is a schema"));

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn path() -> PathBuf {
    root().join("docs/configuration.schema.json")
}

pub fn text() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// A part of the schema, with what it refers to.
pub type Node = Map<String, Value>;

/// What a `$ref` refers to becomes a part; what stands beside it counts more.
pub fn resolved(part: &Value) -> Node {
    let mut node = part.as_object().cloned().unwrap_or_default();
    while let Some(name) = node.remove("$ref") {
        let pointer = name.as_str().unwrap().trim_start_matches('#');
        let target = SCHEMA.pointer(pointer).unwrap_or_else(|| panic!("{name} leads nowhere"));
        for (keyword, value) in target.as_object().unwrap() {
            node.entry(keyword).or_insert_with(|| value.clone());
        }
    }
    node
}

/// Each value of a configuration: its JSON pointer, and the part of the schema that describes it.
pub fn parts(config: &Value) -> Vec<(String, Node)> {
    let role = if config["role"] == "admin" { "then" } else { "else" };
    let mut found = Vec::new();
    visit(String::new(), resolved(&SCHEMA[role]), config, &mut found);
    found
}

fn visit(pointer: String, node: Node, value: &Value, found: &mut Vec<(String, Node)>) {
    let node = alternative(node, value);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let properties = node.get("properties").and_then(|known| known.get(name));
                if let Some(part) = properties.or_else(|| node.get("additionalProperties")) {
                    // The name of a header may have a tilde in it.
                    let name = name.replace('~', "~0");
                    visit(format!("{pointer}/{name}"), resolved(part), value, found);
                }
            }
        }
        Value::Array(items) => {
            let part = node.get("items").map(resolved).unwrap_or_default();
            for (position, value) in items.iter().enumerate() {
                visit(format!("{pointer}/{position}"), part.clone(), value, found);
            }
        }
        _ => {}
    }
    found.push((pointer, node));
}

/// Of a part that is one of several, the one for values of this type.
fn alternative(node: Node, value: &Value) -> Node {
    if node.contains_key("type") {
        return node;
    }
    let of_type = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        _ => return node,
    };
    let mut all = node.get("anyOf").and_then(Value::as_array).into_iter().flatten().map(resolved);
    let fitting = all.find(|node| node.get("type").is_some_and(|name| name == of_type));
    fitting.unwrap_or(node)
}
