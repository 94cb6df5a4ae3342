//! The schema has the keys that the parser knows.

use crate::configurations;
use crate::random;
use crate::schema::{SCHEMA, parts};
use crate::verdict::faults;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The keys of each object of the schema, by the object's title.
fn of_schema() -> BTreeMap<String, BTreeSet<String>> {
    let definitions = SCHEMA["$defs"].as_object().unwrap().values();
    let closed = definitions.filter(|part| part.get("properties").is_some()).map(|part| {
        let title = part["title"].as_str().unwrap();
        assert_eq!(part["additionalProperties"], false, "{title} must know its keys");
        (title.to_owned(), part["properties"].as_object().unwrap().keys().cloned().collect())
    });
    closed.collect()
}

/// The keys that the parser says it knows, when it meets one that it does not know.
fn of_parser(config: &Value, pointer: &str) -> BTreeSet<String> {
    let mut config = config.clone();
    config.pointer_mut(pointer).unwrap()["zzz"] = json!(1);
    let faults = faults(&config);
    let known =
        |message: &str| message.strip_prefix("unknown key; known here are ").map(str::to_owned);
    let known = faults.iter().find_map(|fault| known(&fault.message));
    known
        .unwrap_or_else(|| panic!("{pointer}: {faults:?}"))
        .split(", ")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_schema_and_the_parser_know_the_same_keys() {
    let mut known = BTreeMap::new();
    for config in configurations::all() {
        for (pointer, node) in parts(&config) {
            if node.contains_key("properties") {
                let title = node["title"].as_str().unwrap().to_owned();
                known.insert(title, of_parser(&config, &pointer));
            }
        }
    }
    assert_eq!(known, of_schema());
}

fn used(configs: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut used = BTreeMap::<_, BTreeSet<String>>::new();
    for config in configs {
        for (pointer, node) in parts(config) {
            if node.contains_key("properties") {
                let members = config.pointer(&pointer).unwrap().as_object().unwrap();
                let title = node["title"].as_str().unwrap().to_owned();
                used.entry(title).or_default().extend(members.keys().cloned());
            }
        }
    }
    used
}

/// What is not used in them is not compared.
#[test]
fn the_configurations_of_the_tests_use_every_key() {
    assert_eq!(used(&configurations::all()), of_schema());
}

#[test]
fn random_configurations_use_every_key() {
    let mut runner = TestRunner::deterministic();
    let mut random = || random::configuration().new_tree(&mut runner).unwrap().current();
    let configs: Vec<_> = (0..200).map(|_| random()).collect();
    assert_eq!(used(&configs), of_schema());
}

/// An editor shows it beside the key.
#[test]
fn every_key_of_the_schema_has_a_description() {
    for (name, definition) in SCHEMA["$defs"].as_object().unwrap() {
        for (key, part) in definition["properties"].as_object().into_iter().flatten() {
            let description = part["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{name}.{key}: {description:?}");
        }
    }
}
