//! `platform:` and `operations:` of the configuration.

use super::read::{Field, Members};
use crate::capture::{
    Change, Check, Condition, Expected, Lookup, Op, Operation, Operations, Source, Sources,
    jodoo_operations,
};
use crate::text::has;
use crate::token::is_token;
use std::rc::Rc;

/// What stands before the version in the platform's paths.
const JODOO_PREFIX: &str = "/api";

/// The operations, and what stands before the version in the platform's paths.
pub(super) fn operations(root: &Field<'_>, members: &Members<'_>) -> (Operations, Option<String>) {
    let mut operations = Operations::default();
    // The operator's own come first and so replace those of the preset that have the same path.
    let list = members.get("operations");
    for item in list.map(Field::items).unwrap_or_default() {
        own(&item, &mut operations);
    }
    let (prefix, actor) = (members.get("path_prefix"), members.get("actor"));
    let platform = members.get("platform");
    let prefix = match platform.map(|platform| platform.choice([("jodoo", ())])) {
        Some(_) => {
            let prefix = prefix.and_then(path_prefix).unwrap_or(JODOO_PREFIX.into());
            let actor = actor.and_then(self::actor).unwrap_or_default();
            for (path, operation) in jodoo_operations(&prefix, &actor) {
                // An error here is a path that the operator has taken.
                let _ = operations.add("POST", &path, operation);
            }
            Some(prefix)
        }
        None => {
            if let Some(prefix) = prefix {
                prefix.fault("only a `platform` has a path prefix; write it into each path");
            }
            if let Some(actor) = actor {
                actor.fault("this is for the calls of a `platform`; write it into each operation");
            }
            if list.is_none_or(Field::is_empty_list) {
                root.fault(
                    "nothing would be watched: give `platform: jodoo`, or `operations`, or both",
                );
            }
            None
        }
    };
    (operations, prefix)
}

/// `{header: x-user-name}`: where a call of the platform's API says who makes it.
fn actor(field: &Field<'_>) -> Option<Lookup> {
    let members = field.object(&["header"])?;
    let header = members.require("header", field)?;
    let name = |name: &str| Source::parse(&format!("header:{name}"));
    Some(Lookup(vec![header.parsed(name)?]))
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
    let method = members.get("method").map_or(Some("POST".to_owned()), http_method);
    let path = members.require("path", field);
    let template = path.and_then(path_template);
    let op = members.require("op", field);
    let op = op.and_then(|op| op.choice(Op::OF_RECORDS.map(|op| (op.name(), op))));
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
            Some(_) => members.require("record", field).map(object).unwrap_or_default(),
            None => members.get("record").map(object).unwrap_or_default(),
        },
        actor: optional("actor"),
        time: optional("time"),
    };
    if let (Some(Op::Remove), Some(record)) = (op, members.get("record")) {
        record.fault("the push of a removed record has no record in it; leave this out");
    }
    let success = members.get("success").map(condition).unwrap_or_default();
    let (path, template) = (path?, template?);
    captures_exist(field, &template, &sources, &success);
    // Without an op the configuration is refused, but the path is still compared with the others.
    let change = op.map_or(Change::ListsForms, Change::Record);
    let operation = Operation { change, sources, success };
    if let Err(error) = operations.add(&method?, &template, Rc::new(operation)) {
        path.wrong(error);
    }
    Some(())
}

/// A path template; whether its captures are well formed is for [`Operations::add`] to say.
fn path_template(field: &Field<'_>) -> Option<String> {
    let path = field.text()?;
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    if !path.starts_with('/') || !path.bytes().all(allowed) {
        field.wrong("must begin with `/` and hold visible ASCII characters, but no `?` or `#`");
        return None;
    }
    Some(path)
}

/// A method, even if it is a wrong one: so its path is still compared with the others.
fn http_method(field: &Field<'_>) -> Option<String> {
    let method = field.text()?;
    if !is_token(&method) || method.contains(|c: char| c.is_ascii_lowercase()) {
        field.wrong("must be an HTTP method in capital letters, such as POST");
    }
    Some(method)
}

/// A place, or a list of places of which the first that has something counts.
fn lookup(field: &Field<'_>) -> Lookup {
    if field.is_empty_list() {
        field.fault("name at least one place");
    }
    let places = if field.is_list() { field.items() } else { vec![field.clone()] };
    let places = places.iter().filter_map(|place| place.parsed(Source::parse));
    Lookup(places.collect())
}

/// Places where an object can be, which are the bodies.
fn object(field: &Field<'_>) -> Lookup {
    let lookup = lookup(field);
    let in_body = |source: &Source| matches!(source, Source::Request(_) | Source::Response(_));
    if !lookup.0.iter().all(in_body) {
        field.wrong("only a body has an object in it; begin with `request:` or `response:`");
    }
    lookup
}

/// A list of checks `{at, is: object}` or `{at, equals: text}`, one of which must hold.
fn condition(field: &Field<'_>) -> Condition {
    let checks = field.items();
    Condition::AnyOf(checks.iter().filter_map(check).collect())
}

fn check(field: &Field<'_>) -> Option<Check> {
    let members = field.object(&["at", "is", "equals"])?;
    let (is, equals) = (members.get("is"), members.get("equals"));
    let places = if is.is_some() { object } else { lookup };
    let at = members.require("at", field).map(places);
    let expect = match (is, equals) {
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
    let checked = success.checks().iter().flat_map(|check| &check.at.0);
    let mut reported = Vec::new();
    for source in sources.all().chain(checked) {
        if let Source::Path(name) = source
            && !is_capture(name, path)
            && !reported.contains(&name)
        {
            reported.push(name);
            field.fault(format_args!("path:{name}: the path \"{path}\" has no {{{name}}} in it"));
        }
    }
}

fn is_capture(name: &str, path: &str) -> bool {
    // Otherwise the `*` before a capture's name would be taken for a part of it.
    let is_name = !name.contains(['{', '}', '*']);
    is_name && (has(path, &format!("{{{name}}}")) || has(path, &format!("{{*{name}}}")))
}
