//! The plugin's configuration: from JSON text to values that need no further check.
//!
//! It arrives as the text of a `google.protobuf.StringValue`, or as a `google.protobuf.Struct`
//! (numbers are doubles, the order of keys is lost). Every fault is reported, each with its path.

mod additions;
mod admin;
mod form;
mod operation;
mod platform_api;
mod protobuf;
mod read;
mod store;
mod webhook;

pub use additions::{InForce, parse_form, parse_webhook};
pub use admin::AdminConfig;
pub(crate) use read::wrong;
pub use read::{Fault, MAX_NAME_CHARS};

use crate::capture::Operations;
use crate::delivery::Webhook;
use crate::form::Forms;
use crate::json::Document;
use crate::platform::PlatformApi;
use crate::store::RedisSettings;
use read::{Faults, Field};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::rc::Rc;

/// What a body may be bounded to.
const BODY_BYTES: RangeInclusive<u32> = 1024..=16 * MIB;
/// What a worker's memory may be bounded to. A wasm VM has 1 GiB at most.
const MEMORY_BYTES: RangeInclusive<u32> = MIB..=512 * MIB;
/// How many records the history may have; each takes up to 4 KiB.
const HISTORY_RECORDS: RangeInclusive<u32> = 0..=100_000;
const MIB: u32 = 1024 * 1024;

/// Looks up environment variables.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The API calls to watch.
    pub operations: Operations,
    /// What stands before the version in the platform's paths, if it is one that is known.
    pub path_prefix: Option<String>,
    /// The forms that have a name or aliases.
    pub forms: Rc<Forms>,
    /// The webhooks and, after them, the targets of notices, and the platform if it is asked.
    pub webhooks: Rc<[Rc<Webhook>]>,
    /// How the platform itself is asked.
    pub platform_api: Option<Rc<PlatformApi>>,
    /// Bounds.
    pub limits: Limits,
    /// Where state is kept; `None` for the memory of the gateway.
    pub redis: Option<Rc<RedisSettings>>,
    /// Ask the platform for plain bodies on watched calls.
    pub strip_accept_encoding: bool,
}

/// Bounds of what one worker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes, that is copied.
    pub max_body_bytes: usize,
    /// All copied bodies together, and all kept pushes together, in bytes.
    pub memory_bytes: usize,
    /// Records of the history, all workers together.
    pub history_records: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_body_bytes: 1024 * 1024,
            memory_bytes: 64 * 1024 * 1024,
            history_records: 10_000,
        }
    }
}

/// What a filter is configured to be.
#[derive(Debug)]
pub enum Plugin {
    /// It watches API calls and pushes.
    Watch(Config),
    /// It is the admin API and the console.
    Admin(AdminConfig),
}

impl Plugin {
    /// Parses and checks a configuration, in whichever form it came.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn parse(text: &[u8], env: Env<'_>) -> Result<Self, Vec<Fault>> {
        let json = as_json(text)?;
        let document = Document::parse(&json).map_err(|error| whole(error.to_string()))?;
        let role = document.root().get("role").and_then(|role| role.string());
        let faults = Faults::default();
        let field = Field::root(document.root(), &faults);
        let plugin = match role.is_some_and(|role| role.is("admin")) {
            true => admin::admin(&field, env).map(Plugin::Admin),
            false => root(&field, env).map(Plugin::Watch),
        };
        match (plugin, faults.into_vec()) {
            (Some(plugin), faults) if faults.is_empty() => Ok(plugin),
            (_, faults) => Err(faults),
        }
    }
}

impl Config {
    /// Parses and checks the configuration of a watching filter.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn parse(text: &[u8], env: Env<'_>) -> Result<Self, Vec<Fault>> {
        match Plugin::parse(text, env)? {
            Plugin::Watch(config) => Ok(config),
            Plugin::Admin(_) => Err(whole("this is the configuration of an admin".to_owned())),
        }
    }
}

/// The configuration as JSON, in whichever form it came.
///
/// # Errors
/// It is empty, or nothing that can be read.
pub fn as_json(text: &[u8]) -> Result<Cow<'_, [u8]>, Vec<Fault>> {
    if text.trim_ascii().is_empty() {
        return Err(whole(
            "the configuration is empty; it needs at least `platform` and `webhooks`".into(),
        ));
    }
    let Err(error) = Document::parse(text) else {
        return Ok(Cow::Borrowed(text));
    };
    // Only what is no JSON may be a Struct; if it is none either, it was meant as JSON.
    match protobuf::json_of_struct(text) {
        Some(json) if Document::parse(&json).is_ok() => Ok(Cow::Owned(json)),
        _ => Err(whole(format!(
            "the configuration is not JSON: {error}; write it as JSON in a StringValue, or as YAML in a Struct"
        ))),
    }
}

fn whole(message: String) -> Vec<Fault> {
    vec![Fault { path: String::new(), message }]
}

fn root(field: &Field<'_>, env: Env<'_>) -> Option<Config> {
    let members = field.object(&[
        "role",
        "platform",
        "path_prefix",
        "actor",
        "operations",
        "forms",
        "webhooks",
        "notify",
        "platform_api",
        "store",
        "history",
        "limits",
        "strip_accept_encoding",
    ])?;
    if let Some(role) = members.get("role") {
        role.choice([("watch", ()), ("admin", ())]);
    }
    let retention = members.get("history").map_or(store::DEFAULT_RETENTION, store::history);
    let mut webhooks = webhook::webhooks(members.require("webhooks", field), env);
    webhooks.extend(members.get("notify").map(webhook::notify).unwrap_or_default());
    let strip = members.get("strip_accept_encoding");
    let (operations, path_prefix) = operation::operations(field, &members);
    let forms = members.get("forms").map(form::forms).unwrap_or_default();
    if path_prefix.is_none() && forms.iter().any(|(_, form)| form.speaks_aliases()) {
        members.get("forms").iter().for_each(|list| form::refuse_aliases(list));
    }
    let platform_api = members
        .get("platform_api")
        .and_then(|field| platform_api::platform_api(field, path_prefix.as_deref(), env));
    let (platform_api, target) = platform_api.unzip();
    webhooks.extend(target);
    Some(Config {
        operations,
        path_prefix,
        platform_api: platform_api.map(Rc::new),
        forms: forms.into(),
        webhooks: webhooks.into_iter().map(Rc::new).collect(),
        limits: members.get("limits").map_or_else(Limits::default, limits),
        redis: members
            .get("store")
            .and_then(|field| store::store(field, retention, env))
            .map(Rc::new),
        strip_accept_encoding: strip.and_then(Field::flag).unwrap_or(true),
    })
}

fn limits(field: &Field<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(members) = field.object(&["max_body_bytes", "memory_bytes", "history_records"]) else {
        return limits;
    };
    let bytes = |name, range| {
        let bytes = members.get(name)?.integer(range)?;
        usize::try_from(bytes).ok()
    };
    if let Some(bytes) = bytes("max_body_bytes", BODY_BYTES) {
        limits.max_body_bytes = bytes;
    }
    if let Some(bytes) = bytes("memory_bytes", MEMORY_BYTES) {
        limits.memory_bytes = bytes;
    }
    let records = members.get("history_records");
    if let Some(records) = records.and_then(|records| records.integer(HISTORY_RECORDS)) {
        limits.history_records = records.into();
    }
    if limits.memory_bytes < limits.max_body_bytes {
        field.fault(format_args!(
            "memory_bytes ({}) must not be smaller than max_body_bytes ({})",
            limits.memory_bytes, limits.max_body_bytes
        ));
    }
    limits
}

#[cfg(test)]
mod tests;
