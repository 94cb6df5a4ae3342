//! State in real Redis, behind real Webdis.

mod fleet;
mod kills;
mod refusals;

use crate::plugin;
use crate::support::gateway::{Gateway, STORE_AUTH_ENV, Setup};
use crate::support::platform::Platform;
use crate::support::receiver::Receiver;
use crate::support::store::Webdis;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

/// A gateway in front of this platform, with its state behind this Webdis. `more` has what the
/// configuration says beside that, of `redis` and of the `webhook`.
fn setup(platform: &Platform, webdis: &Webdis, target: &str, more: Value) -> Setup {
    let mut config = plugin(target);
    config["store"] = json!({"redis": {"cluster": "webdis", "auth_env": STORE_AUTH_ENV}});
    for (name, value) in more["redis"].as_object().into_iter().flatten() {
        config["store"]["redis"][name] = value.clone();
    }
    for (name, value) in more["webhook"].as_object().into_iter().flatten() {
        config["webhooks"][0][name] = value.clone();
    }
    Setup::new(platform.address(), &config).with_webdis(webdis.port())
}

async fn gateway(platform: &Platform, webdis: &Webdis, target: &str, more: Value) -> Gateway {
    setup(platform, webdis, target, more).start().await
}

/// A target that refuses the pushes about this customer for good.
async fn refusing(customer: &'static str) -> Receiver {
    Receiver::answering(move |push| {
        let is_bad = String::from_utf8_lossy(&push.body).contains(customer);
        if is_bad { StatusCode::BAD_REQUEST } else { StatusCode::OK }.into_response()
    })
    .await
}
