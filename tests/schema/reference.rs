//! `docs/configuration.md`, made of the schema.
//!
//! `WRITE=1 cargo test --test schema` writes it anew.

use super::{root, schema};
use serde_json::Value;
use std::fmt::Write as _;

const BEFORE: &str = "\
# Configuration

In Envoy's `configuration` of the filter, as YAML in a `google.protobuf.Struct` or as JSON in a `StringValue`. A wrong
configuration is refused with every fault at once, each with its path, the value and what is allowed: Envoy does not
start, or keeps the configuration that it has. Unknown keys are faults.

This page is made of [`configuration.schema.json`](configuration.schema.json), a JSON Schema (draft 2020-12) that the
filter's own judgement is tested against. An editor with yaml-language-server completes and checks a file that begins with

```
# yaml-language-server: $schema=configuration.schema.json
```

A schema cannot know everything. What only the filter judges: whether environment variables are set and what is in them,
the bounds of durations, ids and aliases that are there twice, hosts and ports of URLs, Base64 of secrets, captures of
paths.
";

/// The sections: a title, the definition, what stands before each key, and an example.
const SECTIONS: [(&str, &str, &str, &str); 9] = [
    ("The filter that watches", "watch", "", ""),
    ("Forms", "form", "forms[].", ""),
    ("Fields of forms", "field", "forms[].fields[].", "\
forms:
  - app_id: 59264073a2a60c0c08e20bfb
    entry_id: 59264073a2a60c0c08e20bfd
    name: Orders
    fields:
      - {id: _widget_1432728651402, alias: customer, type: text, label: Customer}
      - {id: _widget_1528854613291, alias: items, type: subform, label: Items,
         items: [{id: _widget_1528854614409, alias: sku, type: text, label: SKU}]}
"),
    ("Webhooks", "webhook", "webhooks[].", "\
webhooks:
  - id: crm
    url: https://crm.example.com/hooks/orders
    secret_env: CRM_WEBHOOK_SECRET
    forms: [{app_id: 59264073a2a60c0c08e20bfb, entry_id: 59264073a2a60c0c08e20bfd}]
    events: [data_update, data_remove, data_recover, form_update]
    headers: {x-team: sales}
    retry: [1s, 5s, 30s, 2m, 10m]
"),
    ("Notices", "notified", "notify[].", "\
notify:
  - {url: \"https://chat.example.com/in/abc\", format: slack}
"),
    ("Operations of your own", "operation", "operations[].", "\
operations:
  - method: PUT
    path: /v2/{app}/{form}/restore
    op: data_recover
    app_id: path:app
    entry_id: path:form
    record_id: request:/id
    record: response:/record
    actor: header:x-user
    time: response:/time
    success: [{at: response:/ok, equals: true}]
"),
    ("What shows that such a call did what it was for", "check", "operations[].success[].", ""),
    ("State in Redis", "redis", "store.redis.", "\
store: {redis: {cluster: webdis, namespace: formhook, ack: before_response, auth_env: FORMHOOK_STORE_AUTH}}
"),
    ("The filter that serves the console and the admin API", "admin", "", "\
role: admin
token_env: FORMHOOK_ADMIN_TOKEN
clusters: [partner]
"),
];

/// Objects that are shown as keys of what they are in.
const WITHIN: [&str; 4] = ["actor", "platform_api", "history", "limits"];

fn resolved<'s>(schema: &'s Value, part: &'s Value) -> &'s Value {
    let target = part.get("$ref").and_then(Value::as_str);
    target.map_or(part, |target| schema.pointer(target.trim_start_matches('#')).unwrap())
}

/// What a value may be, in short.
fn kind(schema: &Value, part: &Value) -> String {
    let target = part["$ref"].as_str().unwrap_or_default().rsplit('/').next().unwrap();
    let code = |value: &Value| match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    match target {
        "duration" => return "duration".into(),
        "url" => return "URL".into(),
        "headers" => return "names and texts".into(),
        "places" | "place" => return "place, or list of these".into(),
        "object_places" => return "place in a body, or list of these".into(),
        "secret" => return "text".into(),
        _ => {}
    }
    let part = resolved(schema, part);
    if let Some(values) = part.get("enum").and_then(Value::as_array) {
        return values.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = part.get("const") {
        return code(value);
    }
    if let Some(choices) = part["oneOf"].as_array() {
        return choices.iter().map(|choice| kind(schema, choice)).collect::<Vec<_>>().join(" or ");
    }
    match part["type"].as_str() {
        Some("integer") => format!("{} to {}", part["minimum"], part["maximum"]),
        Some("boolean") => "`true`, `false`".into(),
        Some("array") => format!("list of {}", kind(schema, &part["items"])),
        Some("object") => "object".into(),
        Some("string") => "text".into(),
        _ => "text, number, `true`, `false` or `null`".into(),
    }
}

fn rows(out: &mut String, schema: &Value, part: &Value, before: &str) {
    let required = part["required"].as_array().cloned().unwrap_or_default();
    for (name, key) in part["properties"].as_object().unwrap() {
        if WITHIN.contains(&name.as_str()) && key.get("properties").is_some() {
            rows(out, schema, key, &format!("{before}{name}."));
            continue;
        }
        let default = match (required.iter().any(|one| one == name), key.get("default")) {
            (true, _) => "required".to_owned(),
            (false, Some(Value::String(text))) => format!("`{text}`"),
            (false, Some(Value::Array(items))) if items.is_empty() => "none".to_owned(),
            (false, Some(Value::Array(items))) => {
                let texts: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                format!("`[{}]`", texts.join(", "))
            }
            (false, Some(other)) => format!("`{other}`"),
            (false, None) => "none".to_owned(),
        };
        let text = key["description"].as_str().or(resolved(schema, key)["description"].as_str());
        let text = text.unwrap_or_else(|| panic!("{before}{name} has no description"));
        let kind = kind(schema, key);
        writeln!(out, "| `{before}{name}` | {kind} | {default} | {} |", text.replace('|', "\\|"))
            .unwrap();
    }
}

fn page() -> String {
    let schema = schema();
    let mut out = BEFORE.to_owned();
    for (title, definition, before, example) in SECTIONS {
        let part = &schema["$defs"][definition];
        write!(out, "\n## {title}\n\n{}\n\n", part["description"].as_str().unwrap()).unwrap();
        out += "| key | value | default | meaning |\n|---|---|---|---|\n";
        rows(&mut out, &schema, part, before);
        if !example.is_empty() {
            write!(out, "\n```yaml\n{example}```\n").unwrap();
        }
    }
    out += "\n## Values of more than one place\n";
    for (title, definition) in
        [("duration", "duration"), ("place", "place"), ("URL", "url"), ("headers", "headers")]
    {
        write!(
            out,
            "\n- **{title}**: {}",
            schema["$defs"][definition]["description"].as_str().unwrap()
        )
        .unwrap();
    }
    out + "\n"
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let file = root().join("docs/configuration.md");
    let page = page();
    if std::env::var("WRITE").is_ok_and(|write| write == "1") {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, page, "WRITE=1 cargo test --test schema writes docs/configuration.md anew");
}
