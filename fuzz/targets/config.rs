//! Any bytes as a configuration, and a whole one that is changed here and there: it is taken, or refused with
//! a reason for each fault, and shows no secret either way.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use formhook::config::{Config, Fault, Plugin, as_json};
use formhook_fuzz::canonical::read;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const SECRET: &str = "t0p-s3cret-of-32-letters-or-more";
const WHOLE: &str = include_str!("../seeds/config/full.json");
const ADMIN: &str = include_str!("../seeds/config/admin.json");

#[derive(Arbitrary, Debug)]
enum Change {
    Replace(Odd),
    Remove,
    Rename,
    Repeat,
}

/// What may stand in place of a value.
#[derive(Arbitrary, Debug)]
enum Odd {
    Null,
    Flag(bool),
    Number(i32),
    Double(f64),
    Text(String),
    Long(u16),
    List,
    Object,
    Known(u8),
}

const KNOWN: [&str; 12] = [
    "jodoo",
    "watch",
    "admin",
    "all",
    "data_create",
    "form_update",
    "path:x",
    "request:/a",
    "{*rest}",
    "1s",
    "UNSET",
    "subform",
];

fn env(name: &str) -> Option<String> {
    (!name.contains("UNSET")).then(|| SECRET.to_owned())
}

fuzz_target!(|input: &[u8]| {
    let holds_it = input.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    if holds_it || input.windows(12).any(|part| part == b"$serde_json:") {
        return;
    }
    let Some((how, rest)) = input.split_first() else { return };
    let base = match how {
        b'!' => WHOLE,
        b'?' => ADMIN,
        _ => return judge(input),
    };
    let mut config: Value = serde_json::from_str(base).unwrap();
    let mut changes = Unstructured::new(rest);
    for _ in 0..8 {
        if let (Ok(at), Ok(change)) = (changes.arbitrary(), changes.arbitrary()) {
            apply(&mut config, at, &change);
        }
    }
    let text = config.to_string();
    judge(text.as_bytes());
});

fn judge(text: &[u8]) {
    match Plugin::parse(text, &env) {
        Ok(Plugin::Watch(config)) => {
            assert!(!format!("{config:?}").contains(SECRET), "a secret is shown");
            // The admin's filter reads it again.
            assert!(Config::parse(text, &env).is_ok());
        }
        Ok(Plugin::Admin(admin)) => {
            assert!(!format!("{admin:?}").contains(SECRET), "the token is shown");
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            let json = as_json(text).ok().and_then(|json| read(&json).ok());
            // A tree has only the last of two members with the same name.
            let is_whole = !faults.iter().any(|fault| fault.message.starts_with("given twice"));
            let json = json.filter(|_| is_whole);
            faults.iter().for_each(|fault| judge_fault(fault, json.as_ref()));
        }
    }
}

/// A fault has words, shows no secret, and is of a place that is there, or is missing in one that is.
fn judge_fault(fault: &Fault, json: Option<&Value>) {
    assert!(!fault.message.trim().is_empty(), "{fault:?}");
    assert!(!fault.to_string().contains(SECRET), "{fault:?}");
    assert!(fault.message.len() < 8192, "{fault:?} is too long to be read");
    if let Some(json) = json {
        assert!(is_of(json, &fault.path), "{fault:?} is nowhere in {json}");
    }
}

fn is_of(value: &Value, path: &str) -> bool {
    let in_members = |members: &serde_json::Map<String, Value>, path: &str| {
        let begins = |name: &str| path.strip_prefix(name);
        // A name may have dots and brackets in it.
        members.iter().any(|(name, value)| begins(name).is_some_and(|rest| is_of(value, rest)))
            || !path.contains(['.', '['])
    };
    match value {
        _ if path.is_empty() => true,
        Value::Object(members) => {
            in_members(members, path.strip_prefix('.').unwrap_or(path)) || in_members(members, path)
        }
        Value::Array(items) => path
            .strip_prefix('[')
            .and_then(|path| path.split_once(']'))
            .and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest)))
            .is_some_and(|(item, rest)| is_of(item, rest)),
        _ => false,
    }
}

/// The JSON pointers of all values.
fn pointers(value: &Value, here: &str, all: &mut Vec<String>) {
    let mut child = |name: &str, value: &Value| {
        let pointer = format!("{here}/{}", name.replace('~', "~0").replace('/', "~1"));
        all.push(pointer.clone());
        pointers(value, &pointer, all);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| child(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| child(&at.to_string(), value));
        }
        _ => {}
    }
}

fn apply(config: &mut Value, at: u16, change: &Change) {
    let mut all = Vec::new();
    pointers(config, "", &mut all);
    let Some(pointer) = all.get(usize::from(at) % all.len().max(1)) else { return };
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match (config.pointer_mut(parent).unwrap(), change) {
        (_, Change::Replace(odd)) => *config.pointer_mut(pointer).unwrap() = value(odd),
        (Value::Object(members), Change::Remove) => drop(members.remove(&name)),
        (Value::Object(members), _) => {
            let value = members.remove(&name).unwrap();
            members.insert(format!("{name}_x"), value);
        }
        (Value::Array(items), Change::Remove) => drop(items.remove(name.parse().unwrap())),
        (Value::Array(items), _) => items.push(items[name.parse::<usize>().unwrap()].clone()),
        _ => unreachable!("the parent of a value is an object or an array"),
    }
}

fn value(odd: &Odd) -> Value {
    match odd {
        Odd::Null => Value::Null,
        Odd::Flag(flag) => json!(flag),
        Odd::Number(number) => json!(number),
        Odd::Double(number) => json!(number),
        Odd::Text(text) => json!(text),
        Odd::Long(length) => json!("x".repeat(usize::from(*length) % 3000)),
        Odd::List => json!([[], {}, "x"]),
        Odd::Object => json!({"": {"a.b": null}}),
        Odd::Known(which) => json!(KNOWN[usize::from(*which) % KNOWN.len()]),
    }
}
