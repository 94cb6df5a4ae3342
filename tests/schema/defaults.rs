//! A default of the schema is what the parser takes for a key that is left out, and its examples are valid.

use crate::configurations;
use crate::parsed::parsed;
use crate::schema::{Node, SCHEMA, parts, resolved};
use crate::verdict::assert_accepted;
use serde_json::{Value, json};

/// Each key of each object of a configuration: the object's pointer, the key, its part of the schema.
fn keys(config: &Value) -> Vec<(String, String, Node)> {
    let objects = parts(config).into_iter();
    let keys = objects.flat_map(|(pointer, node)| {
        let properties = node.get("properties").and_then(Value::as_object).cloned();
        let properties = properties.unwrap_or_default().into_iter();
        properties.map(move |(key, part)| (pointer.clone(), key, resolved(&part)))
    });
    keys.collect()
}

#[test]
fn a_default_is_what_is_taken_for_a_key_that_is_left_out() {
    let mut compared = 0;
    for config in configurations::all() {
        for (pointer, key, node) in keys(&config) {
            let Some(default) = node.get("default") else {
                continue;
            };
            let (mut without, mut given) = (config.clone(), config.clone());
            without.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(&key);
            given.pointer_mut(&pointer).unwrap()[&key] = default.clone();
            let is_left_to_others = match &*key {
                // Without these, something else in the configuration is a fault.
                "operations" => config.get("platform").is_none(),
                "ack" => config.pointer("/store/redis/ack_timeout").is_some(),
                // These are faults without what they are for.
                "path_prefix" => config.get("platform").is_none(),
                "ack_timeout" => {
                    config.pointer("/store/redis/ack") != Some(&json!("before_response"))
                }
                // What is left out can be said in the console.
                "aliases_in_api" => true,
                _ => false,
            };
            if is_left_to_others {
                continue;
            }
            assert_accepted(&given, &format!("{pointer}/{key}"));
            assert!(parsed(&given) == parsed(&without), "{pointer}/{key}: {default} is another");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn every_example_is_valid() {
    let is_valid = |part: &Value, example: &Value| {
        let mut part = part.clone();
        part["$defs"] = SCHEMA["$defs"].clone();
        jsonschema::draft202012::is_valid(&part, example)
    };
    let mut tried = 0;
    for (name, definition) in SCHEMA["$defs"].as_object().unwrap() {
        let keys = definition["properties"].as_object().into_iter().flatten();
        let parts = keys.map(|(key, part)| (format!("{name}.{key}"), part));
        for (name, part) in parts.chain([(name.clone(), definition)]) {
            for example in part["examples"].as_array().into_iter().flatten() {
                assert!(is_valid(part, example), "{name}: {example}");
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}
