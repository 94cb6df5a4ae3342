//! Configurations without a fault that together use every key.

use serde_json::{Value, json};

pub fn minimal() -> Value {
    json!({"platform": "jodoo", "webhooks": []})
}

/// The members of `changes` replace or join those of `object`.
pub fn with(mut object: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

pub fn operation(changes: Value) -> Value {
    let update = json!({
        "path": "/rows/{id}",
        "op": "data_update",
        "app_id": "literal:app",
        "entry_id": "literal:rows",
        "record": "response:/row",
    });
    with(update, changes)
}

/// Sub-forms in each other.
pub fn field_of_depth(depth: usize) -> Value {
    let sub_form = |field, _| json!({"id": "f", "type": "subform", "items": [field]});
    (0..depth).fold(json!({"id": "f"}), sub_form)
}

/// Between them they use every key of the schema, and every kind of value that a key may have.
pub fn all() -> Vec<Value> {
    let upstash = json!({"redis": {"cluster": "upstash", "protocol": "upstash", "ack": "async"}});
    vec![
        minimal(),
        watching_the_platform(),
        watching_its_own_operations(),
        with(minimal(), json!({"store": upstash})),
        admin(),
    ]
}

fn watching_the_platform() -> Value {
    json!({
        "role": "watch",
        "platform": "jodoo",
        "path_prefix": "/jodoo/api",
        "actor": {"header": "X-User-Name"},
        "forms": [
            {
                "app_id": "a1",
                "entry_id": "e1",
                "name": "Orders",
                "aliases_in_api": true,
                "fields": [
                    {"id": "_widget_1", "alias": "customer", "type": "text", "label": "Customer"},
                    {"id": "_widget_2", "alias": "items", "type": "subform", "label": "Items",
                     "items": [{"id": "_widget_3", "alias": "sku", "type": "text", "label": ""}]},
                ],
            },
            {"app_id": "a1", "entry_id": "e2"},
        ],
        "webhooks": [
            {
                "id": "crm",
                "url": "https://crm.example.com:8443/hooks?dpt=1",
                "enabled": false,
                "cluster": "outbound|443||crm.example.com",
                "secret_env": "CRM_SECRET",
                "previous_secret": "whsec_dDBwLXMzY3JldA==",
                "forms": [{"app_id": "a1", "entry_id": "e1"}],
                "events": ["data_update", "data_recover", "form_update"],
                "batch": true,
                "changes": true,
                "remove_with_record": true,
                "signing": ["jodoo"],
                "headers": {"X-Team": "sales", "authorization": "Bearer t0p-s3cret"},
                "timeout": "1500ms",
                "retry": ["1s", "1m 30s"],
                "max_in_flight": 7,
                "disable_after": 5.0,
                "disable_count": "total",
                "while_disabled": "drop",
            },
            {
                "id": "erp",
                "url": "http://[2001:db8::1]",
                "secret": "two words",
                "previous_secret_env": "CRM_SECRET",
                "forms": "all",
                "retry": [],
            },
        ],
        "notify": [{
            "url": "https://chat.example.com/",
            "cluster": "chat",
            "format": "slack",
            "headers": {"x-a": ""},
            "timeout": "5s",
        }],
        "platform_api": {
            "cluster": "form_platform",
            "authority": "api.jodoo.com:443",
            "key_env": "JODOO_API_KEY",
            "every": "1h",
        },
        "store": {"redis": {
            "cluster": "webdis",
            "authority": "redis.example.com",
            "namespace": "prod-1",
            "protocol": "webdis",
            "auth_env": "STORE_AUTH",
            "timeout": "500ms",
            "ack": "before_response",
            "ack_timeout": "200ms",
            "max_failed": 500,
        }},
        "history": {"retention": "30d"},
        "limits": {"max_body_bytes": 2048, "memory_bytes": 2_097_152, "history_records": 0},
        "strip_accept_encoding": false,
    })
}

fn watching_its_own_operations() -> Value {
    json!({
        "operations": [
            {
                "method": "PUT",
                "path": "/tables/{table}/rows/{*row}",
                "op": "data_recover",
                "app_id": "literal:tables",
                "entry_id": "path:table",
                "record_id": ["response:/row/id", "path:row"],
                "record": ["response:/row", "request:"],
                "actor": "header:X-User",
                "time": "request:/at",
                "success": [
                    {"at": "response:/row", "is": "object"},
                    {"at": ["response:/code", "header:x-code"], "equals": 0},
                ],
            },
            {
                "path": "/remove/{id}",
                "op": "data_remove",
                "app_id": "request:/a~1b",
                "entry_id": "request:/e",
                "record_id": "path:id",
                "success": [],
            },
        ],
        "forms": [{"app_id": "a1", "entry_id": "e1", "aliases_in_api": false}],
        "webhooks": [],
        "store": "memory",
    })
}

fn admin() -> Value {
    json!({"role": "admin", "token_env": "TOKEN", "hosts": ["console.example.com", "[::1]"],
        "clusters": ["crm_internal"]})
}
