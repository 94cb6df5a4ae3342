//! The same steps in the way that comes to mind first: a tree of values, sorted, and written again.

use super::cases::{
    ALIASES, CALLS, Case, ID, SECRET, SIGNED, SIZES, TIMESTAMP, answer, body, captured, config,
    field_id, record, size_name,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formhook::capture::{Budget, Lookup, jodoo_operations};
use formhook::history::Record;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::hint::black_box;

fn payload(answer: &[u8], aliases: &HashMap<String, String>) -> Vec<u8> {
    let mut answer: Value = serde_json::from_slice(answer).unwrap();
    let Value::Object(record) = answer["data"].take() else { panic!("the answer has no record") };
    let mut data = Map::new();
    for (name, value) in record {
        data.insert(aliases.get(&name).cloned().unwrap_or(name), value);
    }
    for (name, value) in [
        ("formName", json!("Orders")),
        ("deleter", Value::Null),
        ("deleteTime", Value::Null),
        ("flowState", Value::Null),
    ] {
        data.entry(name).or_insert(value);
    }
    let mut body = json!({"data": data, "op": "data_create", "opTime": 1_778_575_509_018_u64});
    body.sort_all_objects();
    body.to_string().into_bytes()
}

fn aliases() -> HashMap<String, String> {
    (0..ALIASES).map(|n| (field_id(n), format!("field_{n}"))).collect()
}

pub fn payloads() -> impl Iterator<Item = Case> {
    SIZES.into_iter().map(|(bytes, fields)| {
        let aliases = aliases();
        let answer = answer(bytes, fields);
        Case::new(format!("payload/{}, {fields} fields", size_name(bytes)), move || {
            black_box(payload(black_box(&answer), &aliases));
        })
    })
}

/// By a map of all operations.
pub fn matches() -> impl Iterator<Item = Case> {
    CALLS.into_iter().map(|(name, path)| {
        let operations: HashMap<_, _> = jodoo_operations("/api", &Lookup::default())
            .into_iter()
            .map(|(path, operation)| (("POST".to_owned(), path), operation))
            .collect();
        Case::new(format!("match/{name}"), move || {
            let asked = ("POST".to_owned(), black_box(path).to_owned());
            black_box(operations.contains_key(&asked));
        })
    })
}

fn log_line(record: &Record) -> String {
    let line = json!({
        "id": record.id, "webhook": record.webhook, "op": record.op,
        "app_id": record.app_id, "entry_id": record.entry_id, "record_id": record.record_id,
        "url": record.url,
        "accepted": record.accepted.to_string(), "ended": record.ended.to_string(),
        "duration_ms": record.ended.0 - record.accepted.0,
        "attempts": record.attempts, "outcome": record.outcome.name(),
        "status": record.status, "cause": record.cause,
    });
    format!("formhook.push {line}")
}

pub fn histories() -> impl Iterator<Item = Case> {
    let record = record();
    let write = move || {
        black_box(log_line(black_box(&record)));
    };
    std::iter::once(Case::new("history/log line", write))
}

/// With a key that is prepared for each signature.
pub fn signatures() -> impl Iterator<Item = Case> {
    SIGNED.into_iter().map(|bytes| {
        let body = "x".repeat(bytes);
        Case::new(format!("sign/standard, {}", size_name(bytes)), move || {
            let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
            let mut hmac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            hmac.update(format!("{ID}.{TIMESTAMP}.{}", black_box(&body)).as_bytes());
            black_box(format!("v1,{}", STANDARD.encode(hmac.finalize().into_bytes())));
        })
    })
}

/// Whether both ways come to the same bytes.
pub fn check() {
    let config = config();
    for (bytes, fields) in SIZES {
        let aliases = aliases();
        let answer = answer(bytes, fields);
        let call = captured(&config.operations, &Budget::new(1 << 24), &answer);
        let ours = body(&call, &config.forms);
        let naive = payload(&answer, &aliases);
        assert_eq!(String::from_utf8(ours), String::from_utf8(naive), "{bytes} {fields}");
    }
    assert_eq!(record().log_line(), log_line(&record()));
}

pub fn all() -> impl Iterator<Item = Case> {
    matches().chain(payloads()).chain(signatures()).chain(histories())
}
