//! Formhook: a proxy-wasm filter that watches the API of a form platform in Envoy and pushes a
//! signed webhook for every record that is changed through it.
//!
//! The way of the data, in the order of the modules:
//! `filter` (Envoy's callbacks) → `capture` → `payload` → `sign` → `delivery`.

#![warn(missing_docs, unreachable_pub)]
// A panic would end the VM of a worker, and with it every API call on that worker.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unreachable
)]

pub mod admin;
pub mod calendar;
pub mod capture;
pub mod codec;
pub mod config;
pub mod delivery;
pub mod duration;
pub mod form;
pub mod history;
pub mod host;
pub mod json;
pub mod metrics;
mod order;
pub mod payload;
pub mod pipeline;
pub mod platform;
pub mod request_line;
pub mod sign;
pub mod store;
mod text;
pub mod token;
pub mod translate;

/// The release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of git that this was built from, with `-dirty` if files were changed since; or `unknown`.
pub const COMMIT: &str = env!("FORMHOOK_COMMIT");

#[cfg(target_arch = "wasm32")]
mod filter;

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs)] // the macro's own entry point
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
        proxy_wasm::set_root_context(|id| Box::new(crate::filter::Root::new(id)));
    }}
}
