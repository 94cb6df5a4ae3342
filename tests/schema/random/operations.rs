//! Random `operations:`.

use super::{choice, maybe, object};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn place() -> impl Strategy<Value = String> {
    prop_oneof![
        body_place(),
        Just("path:id".to_owned()),
        "header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}",
        "literal:.{0,8}",
    ]
}

fn body_place() -> impl Strategy<Value = String> {
    "(request|response):(/([^~/]|~[01]){0,5}){0,3}"
}

fn places(place: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Value> {
    prop_oneof![place.clone().prop_map(Value::from), vec(place, 1..4).prop_map(|list| json!(list))]
}

fn check() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    prop_oneof![
        places(body_place().boxed()).prop_map(|at| json!({"at": at, "is": "object"})),
        (places(place().boxed()), value).prop_map(|(at, value)| json!({"at": at, "equals": value})),
    ]
}

/// Each has a path of its own, with a capture `id`.
pub fn operations() -> impl Strategy<Value = Value> {
    let place = || places(place().boxed());
    let path = "(/[!\"$-)+-.0->@-z|~]{0,5}){0,2}";
    let op = choice(&["data_create", "data_update", "data_remove", "data_recover"]);
    let record = places(body_place().boxed());
    let operation = (
        (maybe(choice(&["POST", "PUT", "M-SEARCH"])), path, any::<bool>(), op),
        (place(), place(), place(), maybe(place()), record, maybe(place()), maybe(place())),
        maybe(vec(check(), 0..3).prop_map(Value::Array)),
    );
    vec(operation, 1..3).prop_map(|operations| {
        let operations = operations.into_iter().enumerate();
        let operations = operations.map(|(at, ((method, path, is_rest, op), places, success))| {
            let (app_id, entry_id, record_id, maybe_id, record, actor, time) = places;
            let star = if is_rest { "*" } else { "" };
            let is_remove = op == "data_remove";
            object([
                ("method", method),
                ("path", Some(json!(format!("/{at}{path}/{{{star}id}}")))),
                ("op", Some(op)),
                ("app_id", Some(app_id)),
                ("entry_id", Some(entry_id)),
                ("record_id", if is_remove { Some(record_id) } else { maybe_id }),
                ("record", Some(record).filter(|_| !is_remove)),
                ("actor", actor),
                ("time", time),
                ("success", success),
            ])
        });
        operations.collect()
    })
}
