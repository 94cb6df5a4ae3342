//! No keyword of JSON Schema bounds a duration, so the bounds are told by keywords of its own, which no
//! validator compares with the parser: this does.

use crate::configurations;
use crate::schema::{Node, parts, text};
use crate::verdict::faults;
use std::collections::BTreeSet;

/// A bound in milliseconds.
fn bound(node: &Node, keyword: &str) -> u128 {
    let text = node[keyword].as_str().unwrap();
    humantime::parse_duration(text).unwrap().as_millis()
}

#[test]
fn durations_have_the_bounds_that_the_schema_tells() {
    let mut tried = BTreeSet::new();
    for config in configurations::all() {
        for (pointer, node) in parts(&config) {
            if !node.contains_key("x-minimum") {
                continue;
            }
            let is_accepted = |millis: u128| {
                let mut config = config.clone();
                *config.pointer_mut(&pointer).unwrap() = format!("{millis}ms").into();
                faults(&config).is_empty()
            };
            let (low, high) = (bound(&node, "x-minimum"), bound(&node, "x-maximum"));
            let accepted = [low - 1, low, high, high + 1].map(is_accepted);
            assert_eq!(accepted, [false, true, true, false], "{pointer}: {low} to {high} ms");
            tried.insert(pointer.replace(|letter: char| letter.is_ascii_digit(), ""));
        }
    }
    assert_eq!(tried.len(), text().matches("\"x-minimum\"").count(), "{tried:?}");
}
