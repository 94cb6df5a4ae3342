//! Formhook in real Envoy: API calls go in at one end, pushes come out at the other.
//!
//! Needs `build/formhook.wasm` (`make wasm`). Runs on the Envoy that `$ENVOY` names, or else on
//! the one that `.ci/get-envoy` finds.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/orders.rs"]
mod orders;

mod addresses;
mod admin;
mod aliases;
mod api_call;
mod attack;
mod batches;
mod configuration;
mod delivery;
mod documentation;
mod early_answers;
mod envoy_admin;
mod events;
mod forms;
mod held_bodies;
mod interop;
mod kubernetes;
mod large_bodies;
mod log_levels;
mod observability;
mod own_side;
mod redis;
mod resilience;
mod rotation;
mod shortcut;
mod sidecar;
mod targets;

pub use orders::{AMOUNT, APP, CREATE, CUSTOMER, ORDERS, platform as orders_platform};
use serde_json::{Value, json};
use support::gateway::{PLATFORM_KEY_ENV, SECRET, SECRET_ENV, Setup};
use support::platform::Platform;
use support::receiver::Received;
use support::verify;

pub const ITEMS: &str = "_widget_1528854613291";
pub const SKU: &str = "_widget_1528854614409";

pub const UPDATE: &str = "/api/v5/app/entry/data/update";
pub const DELETE: &str = "/api/v5/app/entry/data/delete";

/// The plugin's configuration: one webhook, signed, for every event of the form "Orders".
pub fn plugin(url: &str) -> Value {
    json!({
        "platform": "jodoo",
        "forms": [{
            "app_id": APP,
            "entry_id": ORDERS,
            "name": "Orders",
            "fields": [
                {"id": CUSTOMER, "alias": "customer", "type": "text"},
                {"id": ITEMS, "alias": "items", "type": "subform", "items": [
                    {"id": SKU, "alias": "sku", "type": "text"},
                ]},
            ],
        }],
        "webhooks": [webhook("crm", url)],
    })
}

pub fn webhook(id: &str, url: &str) -> Value {
    json!({
        "id": id,
        "url": url,
        "secret_env": SECRET_ENV,
        "events": ["data_update", "data_remove", "data_recover"],
        "retry": ["10ms", "20ms", "40ms"],
    })
}

/// How the plugin may ask the platform, with [`Setup::with_platform_key`].
pub fn platform_api() -> Value {
    json!({"cluster": "form_platform", "authority": "api.jodoo.com", "key_env": PLATFORM_KEY_ENV})
}

/// A gateway before the platform that pushes to this URL.
pub fn gateway(platform: &Platform, url: &str) -> Setup {
    Setup::new(platform.address(), &plugin(url))
}

/// The body of a call that creates an order for this customer.
pub fn order(customer: &str) -> Value {
    json!({"app_id": APP, "entry_id": ORDERS, "data": {CUSTOMER: {"value": customer}}})
}

/// A body as the platform would push it: members sorted, compact.
pub fn pushed(op: &str, time: u64, data: &Value) -> String {
    let mut body = json!({"data": data, "op": op, "opTime": time});
    body.sort_all_objects();
    body.to_string()
}

/// Expects both signatures of a push to hold.
pub fn assert_signed(push: &Received) {
    assert_eq!(verify::standard(SECRET, push), Ok(()));
    assert_eq!(verify::jodoo(SECRET, push), Ok(()));
}

pub const PUSHED: &str = r#"formhook_pushes_total{result="success",webhook="crm"}"#;
pub const FAILED: &str = r#"formhook_pushes_total{result="failure",webhook="crm"}"#;

/// What the log tells of the pushes that ended, of which there are so many.
pub async fn records(gateway: &support::gateway::Gateway, count: usize) -> Vec<Value> {
    let lines = gateway.wait_for_log_lines(&["formhook.push "], count).await;
    assert_eq!(lines.len(), count, "{lines:#?}");
    let records = lines.iter().filter_map(|line| line.split_once("formhook.push "));
    records.map(|(_, json)| serde_json::from_str(json).unwrap()).collect()
}

pub fn misses(reason: &str) -> String {
    format!(r#"formhook_capture_misses_total{{reason="{reason}"}}"#)
}

pub fn events(op: &str) -> String {
    format!(r#"formhook_events_total{{op="{op}"}}"#)
}
