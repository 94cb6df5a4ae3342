//! Any body, with aliases in place of ids and back.

#![no_main]

use formhook::config::Config;
use formhook::form::FormKey;
use formhook::json::Document;
use formhook::translate::{Direction, Place, translated};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

const CONFIG: &str = r#"{"platform":"jodoo","webhooks":[],"forms":[{"app_id":"a","entry_id":"e","aliases_in_api":true,
    "fields":[{"id":"_w1","alias":"customer"},{"id":"_w2","alias":"items","type":"subform",
        "items":[{"id":"_w3","alias":"sku"},{"id":"_w1","alias":"amount"}]},{"id":"_w4","alias":"amount"}]}]}"#;

const PLACES: [Place; 7] = [
    Place::Record,
    Place::Records,
    Place::Values,
    Place::ValuesList,
    Place::Names,
    Place::Filter,
    Place::Widgets,
];

thread_local! {
    static FORM: LazyLock<Config> = const { LazyLock::new(|| Config::parse(CONFIG.as_bytes(), &|_| None).unwrap()) };
}

/// A byte for the place, a letter in the seeds; then the body.
fuzz_target!(|input: &[u8]| {
    let [place, body @ ..] = input else { return };
    FORM.with(|config| {
        let key = FormKey { app_id: "a".into(), entry_id: "e".into() };
        let fields = &config.forms.get(&key).unwrap().fields;
        let Ok(document) = Document::parse(body) else { return };
        let place = PLACES[usize::from(*place) % PLACES.len()];
        for direction in [Direction::Ids, Direction::Aliases] {
            let Some(new) = translated(&document, &[("data", place)], fields, direction) else {
                continue;
            };
            // It is JSON, and has as many values as before.
            let before: Option<Value> = serde_json::from_slice(body).ok();
            let Some(before) = before else { continue };
            let after: Value = serde_json::from_slice(&new).expect("a translated body is JSON");
            assert!(values(&after) <= values(&before), "{before} became {after}");
            let again = Document::parse(&new).unwrap();
            assert!(
                translated(&again, &[("data", place)], fields, direction)
                    .is_none_or(|more| more == new),
                "what is translated stays so"
            );
        }
    });
});

fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(values).sum::<usize>(),
        _ => 1,
    }
}
