//! Any JSON, written in its canonical form: what it says stays, and its form is the one that
//! `JSON.stringify` gives to sorted members.

#![no_main]

use formhook::json::Document;
use formhook::payload::canonical;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Whether both say the same, but for how numbers are written, which this does not judge.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Whether members are in the order of JavaScript: array indexes first, by their number, then the others
/// by UTF-16 code units.
fn is_sorted(value: &Value) -> bool {
    let key = |name: &String| {
        let index = name.parse::<u32>().ok().filter(|index| *index < u32::MAX);
        let index = index.filter(|index| index.to_string() == **name);
        (index.is_none(), index, name.encode_utf16().collect::<Vec<_>>())
    };
    match value {
        Value::Array(items) => items.iter().all(is_sorted),
        Value::Object(members) => {
            members.keys().is_sorted_by_key(key) && members.values().all(is_sorted)
        }
        _ => true,
    }
}

fuzz_target!(|text: &[u8]| {
    let ours = canonical(text);
    let Ok(theirs) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    // Both have a bound for how deep values may lie in each other, and not the same.
    let Ok(ours) = ours else {
        assert!(Document::parse(text).is_err());
        return;
    };
    let read: Value = serde_json::from_slice(&ours).expect("what is written is JSON");
    assert!(same(&read, &theirs), "{read} is not {theirs}");
    assert!(is_sorted(&read), "{read}");
    assert_eq!(canonical(&ours).unwrap(), ours, "what is canonical stays as it is");
});
