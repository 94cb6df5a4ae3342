//! The form "Orders", an API call that changes it, and a plugin's configuration that knows it.

// Each of the programs that include this uses its own part of it.
#![allow(dead_code)]

use crate::support::gateway::Gateway;
use crate::support::platform::{Form, Platform};
use serde_json::{Value, json};

pub const APP: &str = "59264073a2a60c0c08e20bfb";
pub const ORDERS: &str = "59264073a2a60c0c08e20bfd";
pub const CUSTOMER: &str = "_widget_1432728651402";
pub const AMOUNT: &str = "_widget_1432728651403";

pub const CREATE: &str = "/api/v5/app/entry/data/create";

/// The platform with the form.
pub async fn platform() -> Platform {
    Platform::start(vec![Form::orders()]).await
}

/// The plugin's configuration with these webhooks. Of the form's fields only the customer has an alias.
pub fn plugin(webhooks: &[Value]) -> Value {
    json!({
        "platform": "jodoo",
        "forms": [{
            "app_id": APP,
            "entry_id": ORDERS,
            "name": "Orders",
            "fields": [
                {"id": CUSTOMER, "alias": "customer", "type": "text", "label": "Customer"},
                {"id": AMOUNT, "type": "number", "label": "Amount"},
            ],
        }],
        "webhooks": webhooks,
    })
}

/// Creates an order of this customer by an API call through the gateway.
pub async fn create(gateway: &Gateway, platform: &Platform, customer: &str) {
    let data = json!({CUSTOMER: {"value": customer}, AMOUNT: {"value": 12.5}});
    let order = json!({"app_id": APP, "entry_id": ORDERS, "data": data});
    let answer = gateway.call(CREATE, platform.api_key(), &order).await;
    assert_eq!(answer.status(), 200);
    // Until the end of it.
    answer.bytes().await.unwrap();
}
