//! What only the parser can judge: the list of all that a schema cannot say, each with an example.

use crate::configurations::{field_of_depth, minimal, operation, with};
use crate::schema::{SCHEMA, VALIDATOR};
use crate::verdict::{UNSET, Verdict, env, faults, verdict};
use formhook::config::{Fault, Plugin};
use serde_json::{Value, json};

pub struct Rule {
    pub name: &'static str,
    /// Whether a fault of this configuration is one of these.
    pub covers: fn(&Fault, &Value) -> bool,
    examples: fn() -> Vec<Value>,
}

pub const RULES: [Rule; 15] = [
    Rule {
        name: "an environment variable that is not set",
        covers: |fault, _| fault.message.contains("this environment variable is not set"),
        examples: || {
            vec![
                webhook(json!({"secret_env": UNSET})),
                json!({"role": "admin", "token_env": UNSET}),
                with(minimal(), json!({"store": {"redis": {"cluster": "w", "auth_env": UNSET}}})),
            ]
        },
    },
    Rule {
        name: "an environment variable whose content cannot be used",
        covers: |fault, _| fault.message.contains("this environment variable cannot be used"),
        examples: || {
            let api = json!({"cluster": "c", "authority": "a", "key_env": "SPACED"});
            vec![
                json!({"role": "admin", "token_env": "SPACED"}),
                with(minimal(), json!({"platform_api": api})),
            ]
        },
    },
    Rule {
        name: "a secret of `whsec_` and what is not the Base64 of a key",
        covers: |fault, config| {
            let is_of_base64 = text(fault, config).starts_with("whsec_");
            is_of_base64
                && ["Base64", "the secret is empty"].iter().any(|part| fault.message.contains(part))
        },
        examples: || {
            let secrets = ["whsec_", "whsec_?", "whsec_QQ", "whsec_QR=="];
            secrets.map(|secret| webhook(json!({"secret": secret}))).into()
        },
    },
    Rule {
        name: "a duration out of its bounds",
        covers: |fault, config| {
            let is_duration = humantime::parse_duration(text(fault, config).trim()).is_ok();
            is_duration && fault.message.contains("must be a string with a duration from")
        },
        examples: || {
            ["0s", "61s", "1m 1ms", "2 h"].map(|text| webhook(json!({"timeout": text}))).into()
        },
    },
    Rule {
        name: "`memory_bytes` below `max_body_bytes`",
        covers: |fault, _| fault.message.contains("must not be smaller than max_body_bytes"),
        examples: || {
            let limits = json!({"max_body_bytes": 2_000_000, "memory_bytes": 1_500_000});
            vec![with(minimal(), json!({"limits": limits}))]
        },
    },
    Rule {
        name: "two webhooks with one id",
        covers: |fault, _| fault.message.contains("another webhook has this id"),
        examples: || {
            let webhook = |url: &str| json!({"id": "crm", "url": url});
            vec![with(minimal(), json!({"webhooks": [webhook("http://a"), webhook("http://b")]}))]
        },
    },
    Rule {
        name: "two descriptions of one form",
        covers: |fault, _| fault.message.contains("was described before"),
        examples: || {
            let form = |name: &str| json!({"app_id": "a", "entry_id": "e", "name": name});
            vec![with(minimal(), json!({"forms": [form("A"), form("B")]}))]
        },
    },
    Rule {
        name: "two fields with one id or alias, or an alias that is the id of another field",
        covers: |fault, _| {
            ["appears twice", "is given to two fields", "is the id of another field"]
                .iter()
                .any(|part| fault.message.contains(part))
        },
        examples: || {
            [
                json!([{"id": "a"}, {"id": "a"}]),
                json!([{"id": "a", "alias": "x"}, {"id": "b", "alias": "x"}]),
                json!([{"id": "a", "alias": "b"}, {"id": "b"}]),
            ]
            .map(fields)
            .into()
        },
    },
    Rule {
        name: "two headers whose names differ by case alone",
        covers: |fault, _| fault.message.contains("the case of a header's name does not count"),
        examples: || vec![webhook(json!({"headers": {"X-Team": "a", "x-team": "b"}}))],
    },
    Rule {
        name: "more than 3,072 bytes of headers",
        covers: |fault, _| fault.message.contains("at most 3072 are allowed"),
        examples: || vec![webhook(json!({"headers": {"x-long": "x".repeat(3072)}}))],
    },
    Rule {
        name: "a URL with a parameter `nonce` or `timestamp`, where pushes are signed the platform's way",
        covers: |fault, config| {
            text(fault, config).contains('?') && fault.message.contains("its query has a parameter")
        },
        examples: || {
            ["https://a.b/?nonce=1", "https://a.b/?x&%74imestamp"]
                .map(|url| webhook(json!({"url": url})))
                .into()
        },
    },
    Rule {
        name: "two operations with the same paths",
        covers: |fault, _| fault.message.contains("another operation with this method already has"),
        examples: || {
            let paths = ["/rows/{id}", "/rows/{row}"];
            let operations = paths.map(|path| operation(json!({"path": path})));
            vec![with(minimal(), json!({"operations": operations}))]
        },
    },
    Rule {
        name: "a place `path:name` in an operation whose path has no `{name}`",
        covers: |fault, _| {
            fault.message.starts_with("path:") && fault.message.contains(" has no {")
        },
        examples: || {
            ["path:id", "path:rows"]
                .map(|place| operation(json!({"path": "/rows/{row}", "record_id": place})))
                .map(|operation| with(minimal(), json!({"operations": [operation]})))
                .into()
        },
    },
    Rule {
        name: "an address in brackets that is no IPv6 address",
        covers: |fault, config| {
            let is_in_brackets = text(fault, config).contains('[');
            let messages = ["an IP address (IPv6 in brackets)", "must be a host name"];
            is_in_brackets && messages.iter().any(|part| fault.message.contains(part))
        },
        examples: || {
            let api = json!({"cluster": "c", "authority": "[1:2]", "key_env": "KEY"});
            vec![
                webhook(json!({"url": "https://[1::2::3]/"})),
                with(minimal(), json!({"platform_api": api})),
                json!({"role": "admin", "token_env": "TOKEN", "hosts": ["[1::2::3]"]}),
            ]
        },
    },
    Rule {
        name: "more than 512 levels of nesting",
        covers: |fault, _| fault.message.contains("expected nesting of at most 512 levels"),
        examples: || vec![fields(json!([field_of_depth(260)]))],
    },
];

/// The text that a fault is about; empty if it is not about a text.
fn text<'c>(fault: &Fault, config: &'c Value) -> &'c str {
    let pointer = format!("/{}", fault.path.replace(['.', '['], "/").replace(']', ""));
    config.pointer(&pointer).and_then(Value::as_str).unwrap_or_default()
}

fn webhook(changes: Value) -> Value {
    let webhook = with(json!({"id": "crm", "url": "https://crm.example.com/"}), changes);
    with(minimal(), json!({"webhooks": [webhook]}))
}

fn fields(fields: Value) -> Value {
    with(minimal(), json!({"forms": [{"app_id": "a", "entry_id": "e", "fields": fields}]}))
}

#[test]
fn the_parser_refuses_what_it_alone_can_judge() {
    for rule in &RULES {
        let examples = (rule.examples)();
        assert!(!examples.is_empty(), "{}", rule.name);
        for example in examples {
            let name = rule.name;
            assert_eq!(verdict(&example), Ok(Verdict::RefusedByTheParserAlone), "{name}");
            for fault in faults(&example) {
                assert!((rule.covers)(&fault, &example), "{name}: {fault}");
            }
        }
    }
}

#[test]
fn the_schema_tells_what_only_the_parser_can_judge() {
    let description = SCHEMA["description"].as_str().unwrap();
    let told: Vec<_> = description.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    // Of two keys with one name, a schema is shown one.
    names.insert(names.len() - 1, "a key that is given twice");
    assert_eq!(told, names);
}

#[test]
fn a_key_that_is_given_twice_is_seen_by_the_parser_alone() {
    let text = r#"{"platform": "jodoo", "webhooks": [], "webhooks": []}"#;
    assert!(VALIDATOR.is_valid(&serde_json::from_str(text).unwrap()));
    let faults = Plugin::parse(text.as_bytes(), &env).unwrap_err();
    assert_eq!(faults[0].to_string(), "webhooks: given twice; give it once");
}
