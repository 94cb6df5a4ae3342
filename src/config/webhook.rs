//! `webhooks:` of the configuration.

use super::form;
use super::read::{Field, Members};
use crate::capture::Op;
use crate::delivery::{FormFilter, RESERVED_HEADERS, Schedule, Target, Webhook};
use crate::sign::{Scheme, Secret};
use crate::token::is_token;
use std::ops::RangeInclusive;
use std::time::Duration;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
/// The platform's own: its receivers are told to answer within two seconds.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_DELAY: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
const MAX_RETRIES: usize = 20;
const IN_FLIGHT: RangeInclusive<u32> = 1..=10_000;
const DEFAULT_IN_FLIGHT: u32 = 32;
const MAX_ID_BYTES: usize = 64;

type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

pub(super) fn webhooks(list: Option<&Field<'_>>, env: Env<'_>) -> Vec<Webhook> {
    let Some(list) = list else {
        return Vec::new();
    };
    let items = list.items();
    if items.is_empty() && list.is_list() {
        list.fault("nothing would be pushed: give at least one webhook");
    }
    let mut webhooks: Vec<Webhook> = Vec::new();
    for item in items {
        let Some(webhook) = webhook(&item, env) else {
            continue;
        };
        if webhooks.iter().any(|known| known.id == webhook.id) {
            item.fault(format_args!(
                "the id \"{}\" is taken; give each webhook its own",
                webhook.id
            ));
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn webhook(field: &Field<'_>, env: Env<'_>) -> Option<Webhook> {
    let members = field.object(&[
        "id",
        "enabled",
        "url",
        "cluster",
        "secret",
        "secret_env",
        "previous_secret",
        "previous_secret_env",
        "forms",
        "events",
        "signing",
        "headers",
        "timeout",
        "retry",
        "max_in_flight",
    ])?;
    let id = members.require("id", field).and_then(|id| id.parsed(checked_id));
    let cluster = members.get("cluster").and_then(Field::name);
    let url = members.require("url", field);
    let target = url.and_then(|url| url.parsed(|text| Target::parse(text, cluster.as_deref())));
    let max_in_flight = members.get("max_in_flight").and_then(|field| field.integer(IN_FLIGHT));
    let webhook = Webhook {
        id: "".into(),
        enabled: members.get("enabled").and_then(Field::flag).unwrap_or(true),
        secrets: secrets(field, &members, env),
        signing: members.get("signing").map_or(Scheme::ALL.into(), signing),
        forms: members.get("forms").map_or(FormFilter::All, forms),
        ops: ops(members.get("events")),
        headers: members.get("headers").map(headers).unwrap_or_default(),
        timeout: members
            .get("timeout")
            .and_then(|timeout| timeout.duration(TIMEOUT))
            .unwrap_or(DEFAULT_TIMEOUT),
        retry: members.get("retry").map(retry).unwrap_or_default(),
        max_in_flight: usize::try_from(max_in_flight.unwrap_or(DEFAULT_IN_FLIGHT)).ok()?,
        target: target?,
    };
    Some(Webhook { id: id?, ..webhook })
}

fn checked_id(id: &str) -> Result<Box<str>, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(allowed) {
        return Err(format!("must be 1 to {MAX_ID_BYTES} letters, digits, `_` and `-`"));
    }
    Ok(id.into())
}

/// The live secrets, the newest first.
fn secrets(field: &Field<'_>, members: &Members<'_>, env: Env<'_>) -> Vec<Secret> {
    let current = secret(members.get("secret"), members.get("secret_env"), env);
    let previous = secret(members.get("previous_secret"), members.get("previous_secret_env"), env);
    let given = |name| members.get(name).is_some();
    if (given("previous_secret") || given("previous_secret_env"))
        && !(given("secret") || given("secret_env"))
    {
        field.fault("a previous secret needs a current one: give `secret_env` or `secret`");
    }
    current.into_iter().chain(previous).collect()
}

fn secret(plain: Option<&Field<'_>>, variable: Option<&Field<'_>>, env: Env<'_>) -> Option<Secret> {
    // No fault below repeats a secret.
    if let (Some(plain), Some(_)) = (plain, variable) {
        plain.fault("give the secret itself or the variable that holds it, not both");
    }
    if let Some(plain) = plain {
        let secret = Secret::parse(&plain.secret_text()?);
        return secret.map_err(|error| plain.fault(error)).ok();
    }
    let variable = variable?;
    let name = variable.name()?;
    let Some(value) = env(&name) else {
        variable.wrong("this environment variable is not set; set it for Envoy and list it in the plugin's vm_config.environment_variables.host_env_keys");
        return None;
    };
    let secret = Secret::parse(&value);
    secret
        .map_err(|error| variable.wrong(format_args!("of this environment variable: {error}")))
        .ok()
}

fn signing(field: &Field<'_>) -> Vec<Scheme> {
    let items = field.items();
    if items.is_empty() && field.is_list() {
        field.fault("name at least one scheme; without a secret nothing is signed");
    }
    let choices = Scheme::ALL.map(|scheme| (scheme.name(), scheme));
    items.iter().filter_map(|item| item.choice(choices)).collect()
}

fn forms(field: &Field<'_>) -> FormFilter {
    if field.is_list() {
        let items = field.items();
        if items.is_empty() {
            field.fault("this webhook would get nothing: write `all`, or name at least one form");
        }
        return FormFilter::Only(items.iter().filter_map(form::key).collect());
    }
    field.choice([("all", ())]);
    FormFilter::All
}

/// The kinds of change that are pushed; created records always are.
fn ops(field: Option<&Field<'_>>) -> Vec<Op> {
    let mut ops = vec![Op::Create];
    for item in field.map(Field::items).unwrap_or_default() {
        match item.choice(Op::ALL.map(|op| (op.name(), op))) {
            Some(op) if !ops.contains(&op) => ops.push(op),
            _ => {}
        }
    }
    ops
}

fn headers(field: &Field<'_>) -> Vec<(Box<str>, Box<str>)> {
    if !field.is_object() {
        field.wrong("must be an object of header names and values");
    }
    let members = field.members();
    let headers = members.iter().filter_map(|member| {
        let field = &member.field;
        if !is_token(&member.name) {
            field.fault("this cannot be the name of an HTTP header");
            return None;
        }
        let name = member.name.to_ascii_lowercase();
        let reserved = ["x-envoy-", "x-formhook-", "x-forwarded-"];
        if RESERVED_HEADERS.contains(&name.as_str())
            || reserved.iter().any(|start| name.starts_with(start))
        {
            field
                .fault("this header is set by Formhook or belongs to the connection; leave it out");
            return None;
        }
        // The value may be a credential, so a fault does not repeat it.
        let value = field.secret_text()?;
        if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            field.fault("a header's value holds visible ASCII characters and spaces only");
            return None;
        }
        Some((name.into(), value.into()))
    });
    headers.collect()
}

fn retry(field: &Field<'_>) -> Schedule {
    let items = field.items();
    if items.len() > MAX_RETRIES {
        field.fault(format_args!("{} retries; at most {MAX_RETRIES} are allowed", items.len()));
    }
    let delays = items.iter().filter_map(|item| item.duration(RETRY_DELAY));
    Schedule::new(delays.collect())
}
