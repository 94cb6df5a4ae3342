//! `platform:` and `operations:` of the configuration.

use super::read::{Field, Members};
use crate::capture::{
    Change, Check, Condition, Expected, Lookup, Op, Operation, Operations, Source, Sources,
    jodoo_operations,
};
use crate::token::is_token;
use std::collections::HashSet;
use std::rc::Rc;

/// What stands before the version in the platform's paths.
const JODOO_PREFIX: &str = "/api";

pub(super) fn operations(root: &Field<'_>, members: &Members<'_>) -> Operations {
    let mut operations = Operations::default();
    // The operator's own come first and so replace those of the preset that have the same path.
    for item in members.get("operations").map(Field::items).unwrap_or_default() {
        own(&item, &mut operations);
    }
    let prefix = members.get("path_prefix");
    let platform = members.get("platform");
    match platform.map(|platform| platform.choice([("jodoo", ())])) {
        Some(_) => {
            let prefix = prefix.and_then(path_prefix).unwrap_or(JODOO_PREFIX.into());
            for (path, operation) in jodoo_operations(&prefix) {
                // An error here is a path that the operator has taken.
                let _ = operations.add("POST", &path, operation);
            }
        }
        None => {
            if let Some(prefix) = prefix {
                prefix.fault("only a `platform` has a path prefix; write it into each path");
            }
            if members.get("operations").is_none() {
                root.fault(
                    "nothing would be watched: give `platform: jodoo`, or `operations`, or both",
                );
            }
        }
    }
    operations
}

fn path_prefix(field: &Field<'_>) -> Option<String> {
    let prefix = field.text()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let is_path = prefix.starts_with('/') && !prefix.ends_with('/') && prefix.bytes().all(allowed);
    if !prefix.is_empty() && !is_path {
        field.wrong("must be empty or begin with `/`, not end with `/`, and hold only letters, digits and -._~/");
        return None;
    }
    Some(prefix)
}

fn own(field: &Field<'_>, operations: &mut Operations) -> Option<()> {
    let members = field.object(&[
        "method",
        "path",
        "op",
        "app_id",
        "entry_id",
        "record_id",
        "record",
        "actor",
        "time",
        "success",
    ])?;
    let method = match members.get("method") {
        Some(method) => method.parsed(|name| {
            let is_method = is_token(name) && !name.contains(|c: char| c.is_ascii_lowercase());
            is_method.then(|| name.to_owned()).ok_or("must be an HTTP method, such as POST")
        }),
        None => Some("POST".to_owned()),
    };
    let path = members.require("path", field);
    let path_text = path.and_then(Field::name);
    let op = members.require("op", field);
    let op = op.and_then(|op| op.choice(Op::ALL.map(|op| (op.name(), op))));
    let required = |name| members.require(name, field).map(lookup).unwrap_or_default();
    let optional = |name| members.get(name).map(lookup).unwrap_or_default();
    let sources = Sources {
        app_id: required("app_id"),
        entry_id: required("entry_id"),
        record_id: if op == Some(Op::Remove) {
            required("record_id")
        } else {
            optional("record_id")
        },
        record: match op {
            Some(Op::Remove) => Lookup::default(),
            _ => required("record"),
        },
        actor: optional("actor"),
        time: optional("time"),
    };
    if let (Some(Op::Remove), Some(record)) = (op, members.get("record")) {
        record.fault("the push of a removed record has no record in it; leave this out");
    }
    let success = members.get("success").map(condition).unwrap_or_default();
    let (path_text, op) = (path_text?, op?);
    captures_exist(field, &path_text, &sources, &success);
    let operation = Operation { change: Change::Record(op), sources, success };
    if !path_text.starts_with('/') {
        path?.wrong("must begin with `/`");
    } else if let Err(error) = operations.add(&method?, &path_text, Rc::new(operation)) {
        path?.wrong(error);
    }
    Some(())
}

/// A place, or a list of places of which the first that has something counts.
fn lookup(field: &Field<'_>) -> Lookup {
    let places = if field.is_list() { field.items() } else { vec![field.clone()] };
    let places = places.iter().filter_map(|place| place.parsed(Source::parse));
    Lookup(places.collect())
}

/// A list of checks `{at, is: object}` or `{at, equals: text}`, one of which must hold.
fn condition(field: &Field<'_>) -> Condition {
    let checks = field.items();
    Condition { any_of: checks.iter().filter_map(check).collect() }
}

fn check(field: &Field<'_>) -> Option<Check> {
    let members = field.object(&["at", "is", "equals"])?;
    let at = members.require("at", field).map(lookup);
    let expect = match (members.get("is"), members.get("equals")) {
        (Some(is), None) => is.choice([("object", ())]).map(|()| Expected::Object),
        (None, Some(equals)) => equals.scalar().map(|text| Expected::Text(text.into())),
        _ => {
            field.fault("give either `is: object` or `equals` and a value");
            None
        }
    };
    Some(Check { at: at?, expect: expect? })
}

/// Every `path:` place must be a capture of the path.
fn captures_exist(field: &Field<'_>, path: &str, sources: &Sources, success: &Condition) {
    let checked = success.any_of.iter().flat_map(|check| &check.at.0);
    let mut reported = HashSet::new();
    for source in sources.all().chain(checked) {
        if let Source::Path(name) = source
            && !path.contains(&format!("{{{name}}}"))
            && reported.insert(name)
        {
            field.fault(format_args!("path:{name}: the path \"{path}\" has no {{{name}}} in it"));
        }
    }
}
