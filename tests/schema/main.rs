//! `docs/configuration.schema.json` and the code that reads a configuration agree: on every example, on every
//! key, and on what is wrong. And `docs/configuration.md` is what the schema says.

mod changes;
mod reference;

use formhook::config::Plugin;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn schema() -> Value {
    let text = std::fs::read_to_string(root().join("docs/configuration.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&schema()).unwrap());

/// What the filter says of a configuration, with whatever variables it names.
fn faults(config: &Value) -> Vec<String> {
    let env = |_: &str| Some("user:0123456789abcdef".to_owned());
    match Plugin::parse(config.to_string().as_bytes(), &env) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// What the schema says of it.
fn errors(config: &Value) -> Vec<String> {
    VALIDATOR
        .iter_errors(config)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Faults that only the filter can find, by a part of their message.
const ONLY_THE_FILTER: [&str; 12] = [
    "must be a string with a duration from",
    "another webhook has this id",
    "this form (app_id and entry_id) was described before",
    "must not be smaller than max_body_bytes",
    "must go on with Base64",
    "write a full URL",
    "the port must be a number",
    "must be a host name, such as api.jodoo.com",
    "the path \"/",
    "between two slashes there may be one capture",
    "given twice",
    "the same field",
];

/// Why both do not agree, if they do not.
fn disagreement(config: &Value) -> Option<String> {
    let (faults, errors) = (faults(config), errors(config));
    match (faults.is_empty(), errors.is_empty()) {
        (true, false) => Some(format!("only the schema refuses this: {errors:?}")),
        (false, true) => {
            let is_known =
                |fault: &&String| ONLY_THE_FILTER.iter().any(|part| fault.contains(part));
            let unknown: Vec<_> = faults.iter().filter(|fault| !is_known(fault)).collect();
            (!unknown.is_empty()).then(|| format!("only the filter refuses this: {unknown:?}"))
        }
        _ => None,
    }
}

fn assert_agreed(config: &Value) {
    if let Some(why) = disagreement(config) {
        panic!("{why}");
    }
}

/// A configuration with every key in it, and one of an admin.
pub fn full() -> [Value; 2] {
    let file = |name: &str| {
        let text = std::fs::read_to_string(root().join("tests/schema").join(name)).unwrap();
        serde_yaml_ng::from_str(&text).unwrap()
    };
    [file("watch.yaml"), file("admin.yaml")]
}

#[test]
fn the_schema_is_one() {
    jsonschema::draft202012::meta::validate(&schema()).unwrap();
}

#[test]
fn every_configuration_that_is_shipped_is_taken_by_both() {
    let mut count = 0;
    for file in changes::shipped_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        for document in changes::documents(&text) {
            for config in changes::plugins(&document) {
                assert_eq!(errors(&config), [""; 0], "{}", file.display());
                assert_eq!(faults(&config), [""; 0], "{}", file.display());
                count += 1;
            }
        }
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn the_schema_has_every_key_that_the_filter_knows_and_no_other() {
    let schema = schema();
    let mut seen = 0;
    for config in full() {
        assert_eq!(errors(&config), [""; 0]);
        assert_eq!(faults(&config), [""; 0]);
        for (pointer, known) in changes::objects(&schema, &config) {
            let mut config = config.clone();
            let object = config.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
            let given: Vec<_> = object.keys().cloned().collect();
            object.insert("no_such_key".into(), json!(1));
            let fault =
                faults(&config).into_iter().find(|fault| fault.contains("no_such_key")).unwrap();
            let (_, names) = fault.split_once("known here are ").unwrap();
            let mut names: Vec<_> = names.split(", ").collect();
            let mut known: Vec<_> = known.iter().map(String::as_str).collect();
            names.sort_unstable();
            known.sort_unstable();
            assert_eq!(names, known, "{pointer}");
            assert!(!errors(&config).is_empty(), "{pointer}");
            for name in &known {
                let is_excluded = ["secret", "previous_secret"].contains(name)
                    || *name == "is"
                    || *name == "record";
                seen += usize::from(given.iter().any(|given| given == name) || is_excluded);
            }
        }
    }
    assert!(seen > 70, "{seen}");
}

#[test]
fn what_is_wrong_at_one_place_is_refused_by_both_or_by_neither() {
    let (mut refused, mut taken) = (0, 0);
    let mut disagreements = Vec::new();
    for config in full() {
        for (what, changed) in changes::at_one_place(&config) {
            disagreements.extend(disagreement(&changed).map(|why| format!("{what}: {why}")));
            if faults(&changed).is_empty() {
                taken += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert!(refused > 500 && taken > 50, "{refused} refused, {taken} taken");
}

#[test]
fn what_only_the_filter_can_judge_is_taken_by_the_schema() {
    let base =
        || json!({"platform": "jodoo", "webhooks": [{"id": "a", "url": "https://a.example/"}]});
    let form = json!({"app_id": "a", "entry_id": "e", "fields": [{"id": "f", "alias": "x"}]});
    let operation = json!({"path": "/{app}", "op": "data_update", "app_id": "path:other", "entry_id": "literal:e",
        "record": "request:/r"});
    for (pointer, value) in [
        ("/webhooks/0/timeout", json!("61s")),
        ("/webhooks/0/retry", json!(["25h"])),
        ("/webhooks/1", json!({"id": "a", "url": "https://b.example/"})),
        ("/webhooks/0/secret", json!("whsec_!")),
        ("/webhooks/0/url", json!("https://a.example:99999/")),
        ("/webhooks/0/url", json!("https://:80/")),
        ("/webhooks/0/headers", json!({"x-a": "1", "X-A": "2"})),
        ("/forms", json!([form, form])),
        ("/operations", json!([operation])),
        ("/limits", json!({"max_body_bytes": 16_777_216, "memory_bytes": 1_048_576})),
    ] {
        let mut config = base();
        changes::put(&mut config, pointer, value);
        assert_eq!(errors(&config), [""; 0], "{pointer}");
        assert!(!faults(&config).is_empty(), "{pointer}");
        assert_agreed(&config);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is left out of a configuration, or is changed at several places.
    #[test]
    fn both_agree_on_whatever_is_made_of_a_configuration(
        which in 0..2_usize,
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..30),
        is_changed in prop::bool::weighted(0.2),
    ) {
        let mut config = full()[which].clone();
        for (place, value) in steps {
            changes::change(&mut config, &place, is_changed.then_some(&value));
        }
        if let Some(why) = disagreement(&config) {
            prop_assert!(false, "{why}\n{config:#}");
        }
    }
}
