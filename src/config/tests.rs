//! What the configuration parser takes, what it makes of it, and what it says of every fault.

mod arbitrary;
mod forms;
mod operations;
mod platform_api;
mod store;
mod webhooks;

use super::*;
use crate::capture::{Change, Op};
use crate::delivery::{FormFilter, Schedule};
use crate::form::FormKey;
use crate::json::Text;
use crate::sign::Scheme;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// The secrets of the fixtures: no fault may hold this text.
const SECRET: &str = "t0p-s3cret";

/// The environment of the tests.
fn env(name: &str) -> Option<String> {
    match name {
        "CRM_SECRET" => Some("whsec_dDBwLXMzY3JldA==".into()),
        "EMPTY" => Some(String::new()),
        "NOT_BASE64" => Some(format!("whsec_{SECRET}")),
        _ => None,
    }
}

fn parse_text(text: &str) -> Result<Config, Vec<Fault>> {
    Config::parse(text.as_bytes(), &env)
}

fn parse(config: &Json) -> Result<Config, Vec<Fault>> {
    parse_text(&config.to_string())
}

/// A configuration without a fault.
fn good(config: &Json) -> Config {
    parse(config).unwrap_or_else(|faults| panic!("{config}\n{faults:#?}"))
}

/// The faults of a configuration as the log shows them, sorted.
fn faults_of_text(text: &str) -> Vec<String> {
    let faults = parse_text(text).err().unwrap_or_default();
    let mut faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
    faults.sort();
    faults
}

/// Exactly these faults are found, in any order.
#[track_caller]
fn assert_faults(config: &Json, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(faults_of_text(&config.to_string()), expected, "{config}");
}

/// The members of `changes` replace or join those of `object`.
fn with(mut object: Json, changes: Json) -> Json {
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn minimal() -> Json {
    json!({
        "platform": "jodoo",
        "webhooks": [{"id": "crm", "url": "https://crm.example.com/hooks"}],
    })
}

/// A configuration that uses every key.
fn full() -> Json {
    json!({
        "role": "watch",
        "platform": "jodoo",
        "path_prefix": "/jodoo/api",
        "strip_accept_encoding": false,
        "limits": {"max_body_bytes": 2048, "memory_bytes": 1_048_576},
        "operations": [{
            "method": "PUT",
            "path": "/tables/{table}/rows/{row}/restore",
            "op": "data_recover",
            "app_id": "literal:tables",
            "entry_id": "path:table",
            "record_id": ["response:/row/id", "path:row"],
            "record": "response:/row",
            "actor": "header:X-User",
            "time": "request:/at",
            "success": [
                {"at": "response:/row", "is": "object"},
                {"at": ["response:/code", "response:/status"], "equals": 0},
            ],
        }],
        "forms": [{
            "app_id": "a1",
            "entry_id": "e1",
            "name": "Orders",
            "fields": [
                {"id": "_widget_1", "alias": "customer", "type": "text", "label": "Customer"},
                {"id": "_widget_2", "alias": "items", "type": "subform", "label": "Items",
                 "items": [{"id": "_widget_3", "alias": "sku", "type": "text", "label": "SKU"}]},
            ],
        }],
        "webhooks": [
            {
                "id": "crm",
                "enabled": false,
                "url": "https://crm.example.com:8443/hooks?dpt=1",
                "cluster": "crm_cluster",
                "secret_env": "CRM_SECRET",
                "previous_secret": "t0p-s3cret",
                "forms": [{"app_id": "a1", "entry_id": "e1"}],
                "events": ["data_update", "data_recover"],
                "signing": ["jodoo"],
                "headers": {"X-Team": "sales", "authorization": "Bearer t0p-s3cret"},
                "timeout": "1500ms",
                "retry": ["1s", "1m 30s"],
                "max_in_flight": 7,
            },
            {
                "id": "erp",
                "url": "http://10.0.0.1",
                "secret": "t0p-s3cret",
                "previous_secret_env": "CRM_SECRET",
                "forms": "all",
                "retry": [],
            },
        ],
    })
}

#[test]
fn a_minimal_configuration_has_all_the_defaults() {
    let config = good(&minimal());
    assert_eq!(config.limits, Limits::default());
    assert!(config.strip_accept_encoding);
    assert!(config.operations.find_by("POST", b"/api/v5/app/entry/data/create").is_some());
    let [webhook] = &*config.webhooks else { panic!("{:?}", config.webhooks) };
    assert_eq!(&*webhook.id, "crm");
    assert!(webhook.enabled);
    assert!(webhook.target.is_by_egress());
    assert!(webhook.secrets.is_empty());
    assert_eq!(webhook.signing, [Scheme::Standard, Scheme::Jodoo]);
    assert!(matches!(webhook.forms, FormFilter::All));
    assert_eq!(webhook.ops, [Op::Create]);
    assert!(webhook.headers.is_empty());
    assert_eq!(webhook.timeout, Duration::from_secs(2));
    assert_eq!(webhook.retry, Schedule::default());
    assert_eq!(webhook.max_in_flight, 32);
}

#[test]
fn every_key_arrives_at_its_value() {
    let config = good(&full());
    assert_eq!(
        config.limits,
        Limits { max_body_bytes: 2048, memory_bytes: 1_048_576, ..Limits::default() }
    );
    assert!(!config.strip_accept_encoding);

    let watched = |method: &str, path: &str| {
        let found = config.operations.find_by(method, path.as_bytes());
        found.map(|found| found.operation.change)
    };
    let create = Some(Change::Record(Op::Create));
    assert_eq!(watched("POST", "/jodoo/api/v5/app/entry/data/create"), create);
    assert_eq!(watched("POST", "/api/v5/app/entry/data/create"), None);
    assert_eq!(watched("POST", "/tables/t/rows/r/restore"), None);
    let recover = Some(Change::Record(Op::Recover));
    assert_eq!(watched("PUT", "/tables/t/rows/r/restore"), recover);

    let key = FormKey { app_id: "a1".into(), entry_id: "e1".into() };
    let form = config.forms.get(&key).unwrap();
    assert_eq!(form.name.as_deref(), Some("Orders"));
    let field = |name| form.fields.get(Text::plain(name)).unwrap();
    assert_eq!(&*field("customer").id, "_widget_1");
    let rows = &field("_widget_2").rows;
    assert_eq!(rows.get(Text::plain("_widget_3")).unwrap().alias.as_ref().unwrap().as_str(), "sku");

    let [crm, erp] = &*config.webhooks else { panic!("{:?}", config.webhooks) };
    assert!(!crm.enabled);
    assert_eq!(crm.target.to_string(), "https://crm.example.com:8443/hooks?dpt=1");
    assert_eq!(crm.target.cluster(), "crm_cluster");
    let FormFilter::Only(forms) = &crm.forms else { panic!("{:?}", crm.forms) };
    assert_eq!(forms.iter().collect::<Vec<_>>(), [&key]);
    assert_eq!((crm.secrets.len(), erp.secrets.len()), (2, 2));
    assert_eq!(crm.ops, [Op::Update, Op::Recover, Op::Create]);
    assert_eq!(crm.signing, [Scheme::Jodoo]);
    let headers: Vec<_> = crm.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(headers, [("x-team", "sales"), ("authorization", "Bearer t0p-s3cret")]);
    assert_eq!(crm.timeout, Duration::from_millis(1500));
    assert_eq!(crm.retry, Schedule::new(vec![Duration::from_secs(1), Duration::from_secs(90)]));
    assert_eq!(crm.max_in_flight, 7);
    assert_eq!(erp.target.to_string(), "http://10.0.0.1/");
    assert!(matches!(erp.forms, FormFilter::All));
    assert_eq!(erp.retry.delay_after(1), None);
}

#[test]
fn whole_numbers_may_be_written_as_doubles() {
    let config = with(minimal(), json!({"limits": {"max_body_bytes": "number"}})).to_string();
    for (number, bytes) in [("5000", 5000), ("5000.0", 5000), ("5e3", 5000), ("1.6384E4", 16384)] {
        let config = parse_text(&config.replace("\"number\"", number)).unwrap();
        assert_eq!(config.limits.max_body_bytes, bytes, "{number}");
    }
}

#[test]
fn five_faults_are_five_errors_each_with_its_path() {
    assert_faults(
        &json!({
            "platform": "joodo",
            "limit": {},
            "forms": [{"app_id": "a", "entry_id": "e", "fields": [{"id": "f", "alias": "Kunde"}]}],
            "webhooks": [{"id": "crm", "url": "crm.example.com", "max_in_flight": 0}],
        }),
        &[
            "platform: \"joodo\": must be one of jodoo",
            "limit: unknown key; known here are role, platform, path_prefix, actor, operations, forms, webhooks, notify, platform_api, store, history, limits, strip_accept_encoding",
            "forms[0].fields[0].alias: \"Kunde\": an alias begins with a lowercase letter and holds only lowercase letters, digits and `_`",
            "webhooks[0].url: \"crm.example.com\": write a full URL, such as https://crm.example.com/hooks",
            "webhooks[0].max_in_flight: 0: must be a whole number from 1 to 10000",
        ],
    );
}

#[test]
fn what_is_no_configuration_at_all_says_what_one_is() {
    let empty = "the configuration is empty; it needs at least `platform` and `webhooks`";
    let not_json = |error: &str| {
        format!(
            "the configuration is not JSON: {error}; write it as JSON in a StringValue, or as YAML in a Struct"
        )
    };
    let deep = |open: &str| open.repeat(600);
    for (text, fault) in [
        ("", empty.to_owned()),
        (" \r\n\t", empty.to_owned()),
        ("{", not_json("expected a member name in double quotes at byte 1")),
        ("platform: jodoo", not_json("expected a value at byte 0")),
        ("{} {}", not_json("expected the end of the text at byte 3")),
        (&deep("["), not_json("expected nesting of at most 512 levels at byte 512")),
        (&deep("{\"a\":"), not_json("expected nesting of at most 512 levels at byte 2560")),
        ("[1]", "[...]: must be an object".to_owned()),
        ("\"x\"", "\"x\": must be an object".to_owned()),
        ("null", "null: must be an object".to_owned()),
    ] {
        assert_eq!(faults_of_text(text), [fault], "{text}");
    }
    let faults = Config::parse(b"{\"a\":\"\xff\"}", &env).unwrap_err();
    assert_eq!(faults[0].to_string(), not_json("expected UTF-8 text at byte 6"));
}

#[test]
fn an_empty_object_is_told_what_it_lacks() {
    assert_faults(
        &json!({}),
        &[
            "nothing would be watched: give `platform: jodoo`, or `operations`, or both",
            "webhooks: is required",
        ],
    );
}

#[test]
fn every_fault_of_the_outermost_keys_is_named() {
    let body = "must be a whole number from 1024 to 16777216";
    let memory = "must be a whole number from 1048576 to 536870912";
    for (changes, expected) in [
        (json!({"role": "admn"}), vec!["role: \"admn\": must be one of watch, admin".to_owned()]),
        (json!({"role": 1}), vec!["role: 1: must be one of watch, admin".into()]),
        (json!({"platform": null}), vec!["platform: null: must be one of jodoo".into()]),
        (json!({"platform": ["jodoo"]}), vec!["platform: [...]: must be one of jodoo".into()]),
        (json!({"forms": {}}), vec!["forms: {...}: must be a list".into()]),
        (json!({"operations": "all"}), vec!["operations: \"all\": must be a list".into()]),
        (json!({"webhooks": {}}), vec!["webhooks: {...}: must be a list".into()]),
        (
            json!({"strip_accept_encoding": "false"}),
            vec!["strip_accept_encoding: \"false\": must be true or false".into()],
        ),
        (json!({"limits": 5}), vec!["limits: 5: must be an object".into()]),
        (
            json!({"limits": {"history": 5}}),
            vec!["limits.history: unknown key; known here are max_body_bytes, memory_bytes, history_records".into()],
        ),
        (
            json!({"limits": {"max_body_bytes": 1023, "memory_bytes": 1_048_575}}),
            vec![
                format!("limits.max_body_bytes: 1023: {body}"),
                format!("limits.memory_bytes: 1048575: {memory}"),
            ],
        ),
        (
            json!({"limits": {"max_body_bytes": 16_777_217, "memory_bytes": 536_870_913}}),
            vec![
                format!("limits.max_body_bytes: 16777217: {body}"),
                format!("limits.memory_bytes: 536870913: {memory}"),
            ],
        ),
        (
            json!({"limits": {"max_body_bytes": "1MiB", "memory_bytes": 1e300}}),
            vec![
                format!("limits.max_body_bytes: \"1MiB\": {body}"),
                format!("limits.memory_bytes: 1e+300: {memory}"),
            ],
        ),
        (
            json!({"limits": {"max_body_bytes": 2048.5, "memory_bytes": -5_000_000}}),
            vec![
                format!("limits.max_body_bytes: 2048.5: {body}"),
                format!("limits.memory_bytes: -5000000: {memory}"),
            ],
        ),
        (
            json!({"limits": {"max_body_bytes": 2_000_000, "memory_bytes": 1_500_000}}),
            vec![
                "limits: memory_bytes (1500000) must not be smaller than max_body_bytes (2000000)"
                    .into(),
            ],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_faults(&with(minimal(), changes), &expected);
    }
}

#[test]
fn the_limits_may_be_at_their_bounds() {
    for (body, memory) in [(1024, 1_048_576), (16_777_216, 16_777_216), (1024, 536_870_912)] {
        let limits = json!({"max_body_bytes": body, "memory_bytes": memory});
        good(&with(minimal(), json!({"limits": limits})));
    }
}

#[test]
fn a_key_given_twice_is_a_fault_at_every_level() {
    let text = r#"{
        "platform": "jodoo", "platform": "jodoo",
        "limits": {"memory_bytes": 1048576, "memory\u005fbytes": 1048576},
        "forms": [{"app_id": "a", "app_id": "b", "entry_id": "e", "fields": [{"id": "f", "id": "g"}]}],
        "webhooks": [{"id": "crm", "url": "https://a.b", "url": "https://c.d", "headers": {"x-a": "1", "x-a": "2"}}]
    }"#;
    let paths = [
        "forms[0].app_id",
        "forms[0].fields[0].id",
        "limits.memory_bytes",
        "platform",
        "webhooks[0].headers.x-a",
        "webhooks[0].url",
    ];
    assert_eq!(
        faults_of_text(text),
        paths.map(|path| format!("{path}: given twice; give it once"))
    );
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    let text = r#"{"platform": "jodoo", "\udc00": 1, "webhooks": [
        {"id": "\ud800", "url": "https://a.b", "secret": "t0p-s3cret\ud800"}]}"#;
    assert_eq!(
        faults_of_text(text),
        [
            "a key has a lone surrogate in it",
            "webhooks[0].id: \"\\ud800\": must not have a lone surrogate in it",
            "webhooks[0].secret: must not have a lone surrogate in it",
        ]
    );
}

#[test]
fn of_a_long_value_the_beginning_is_shown() {
    let long = "ä".repeat(500);
    let shown = format!("platform: \"{}...: must be one of jodoo", "ä".repeat(79));
    assert_faults(&with(minimal(), json!({"platform": long})), &[&shown]);
}
