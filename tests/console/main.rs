//! The console in real Chromium, served by the filter in real Envoy.
//!
//! Needs `build/formhook.wasm` (`make wasm`), and Chromium with axe-core (`.ci/get-browser`). Pictures of
//! each view are written to `build/screens`.

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/orders.rs"]
mod orders;
#[path = "../support/mod.rs"]
mod support;

mod failed;
mod forms;
mod history;
mod hostile_text;
mod keyboard;
mod looks;
mod redis;
mod sign_in;
mod webhooks;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use browser::Browser;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::gateway::{ADMIN_TOKEN, Gateway, Setup};
use support::platform::Platform;
use support::receiver::{Received, Receiver};
use support::wait;

/// A gateway, the platform behind it, and its console in a browser, signed in.
pub struct Console {
    pub page: Browser,
    pub gateway: Gateway,
    pub platform: Platform,
}

impl Console {
    /// The console of a gateway with these webhooks.
    pub async fn with(webhooks: &[Value]) -> Self {
        Self::of(orders::plugin(webhooks), |setup| setup).await
    }

    /// The same with any other configuration, and a change of the gateway.
    pub async fn of(plugin: Value, edit: impl FnOnce(Setup) -> Setup) -> Self {
        let platform = orders::platform().await;
        let gateway = edit(Setup::new(platform.address(), &plugin)).start().await;
        let page = Browser::open(&address(&gateway, &format!("token={ADMIN_TOKEN}"))).await;
        page.find("heading", "Webhooks").await;
        Console { page, gateway, platform }
    }

    /// Goes to a view by its address.
    pub async fn visit(&self, view: &str) {
        self.page.go(&address(&self.gateway, &format!("/{view}"))).await;
    }

    /// Creates an order for this customer by an API call through the gateway.
    pub async fn create_order(&self, customer: &str) {
        orders::create(&self.gateway, &self.platform, customer).await;
    }

    /// The configuration that is shown.
    pub async fn shown_yaml(&self) -> Value {
        let yaml = self.page.find("group", "YAML").await.text().await.unwrap();
        serde_yaml_ng::from_str(&yaml).unwrap()
    }

    /// Creates orders until a push of one is as wanted: what is set in the console is in force on all
    /// workers within a second.
    pub async fn push(
        &self,
        what: &str,
        receiver: &Receiver,
        is_wanted: impl Fn(&Received) -> bool,
    ) -> Received {
        wait::until(what, async || {
            self.create_order("a").await;
            receiver.received().pop().filter(|push| is_wanted(push))
        })
        .await
    }
}

/// The address of the console with this fragment.
pub fn address(gateway: &Gateway, fragment: &str) -> String {
    format!("http://{}/#{fragment}", gateway.admin_api)
}

/// A target server that refuses all pushes until it is mended.
pub struct Breakable {
    pub receiver: Receiver,
    is_broken: Arc<AtomicBool>,
}

impl Breakable {
    pub async fn broken() -> Self {
        let is_broken = Arc::new(AtomicBool::new(true));
        let rule = Arc::clone(&is_broken);
        let receiver = Receiver::answering(move |_| match rule.load(Ordering::SeqCst) {
            true => (StatusCode::INTERNAL_SERVER_ERROR, "out of order").into_response(),
            false => StatusCode::OK.into_response(),
        });
        Breakable { receiver: receiver.await, is_broken }
    }

    pub fn mend(&self) {
        self.is_broken.store(false, Ordering::SeqCst);
    }
}

/// A webhook that gives a push up at its first failure.
pub fn impatient(id: &str, url: &str) -> Value {
    json!({"id": id, "url": url, "retry": []})
}
