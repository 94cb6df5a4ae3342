//! `webhooks:` of the configuration.

use super::read::{Field, Member, Members};
use super::{Env, form};
use crate::capture::Op;
use crate::delivery::{
    FormFilter, Format, Purpose, RESERVED_HEADERS, Schedule, Target, Webhook, WhileDisabled,
};
use crate::sign::{Scheme, Secret, jodoo};
use crate::store::Counting;
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
const DISABLE_AFTER: RangeInclusive<u32> = 1..=1_000_000;
/// The platform's own.
const DEFAULT_DISABLE_AFTER: u32 = 100;
const MAX_HEADERS: usize = 50;
/// With a URL of 2,048 bytes and all that Formhook adds, a push stays well below the 8 KiB of headers that
/// receivers take by default.
const MAX_HEADER_BYTES: usize = 3072;
/// What a header takes beside its name and value: a colon, a space, and the end of the line.
const HEADER_OVERHEAD: usize = 4;

pub(super) fn webhooks(list: Option<&Field<'_>>, env: Env<'_>) -> Vec<Webhook> {
    let Some(list) = list else {
        return Vec::new();
    };
    let mut ids = Vec::new();
    list.items().iter().filter_map(|item| webhook(item, &mut ids, env)).collect()
}

/// A webhook; its id is added to `ids`, those of the webhooks before it.
pub(super) fn webhook(field: &Field<'_>, ids: &mut Vec<Box<str>>, env: Env<'_>) -> Option<Webhook> {
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
        "batch",
        "changes",
        "remove_with_record",
        "signing",
        "headers",
        "timeout",
        "retry",
        "max_in_flight",
        "disable_after",
        "disable_count",
        "while_disabled",
    ])?;
    let id = members.require("id", field).and_then(|id| new_id(id, ids));
    let cluster = members.get("cluster").and_then(Field::name);
    let url = members.require("url", field);
    let target = url.and_then(|url| target(url, cluster.as_deref()));
    let signing = members.get("signing").map_or(Scheme::ALL.into(), signing);
    if let (Some(url), Some(target)) = (url, &target)
        && signing.contains(&Scheme::Jodoo)
        && let Some(name) = target.parameter_among(&jodoo::PARAMETERS)
    {
        url.fault(format_args!(
            "its query has a parameter `{name}`, but each push has one of the signature `jodoo`, and a receiver could take either; take it out of the URL, or `jodoo` out of `signing`"
        ));
    }
    let max_in_flight = members.get("max_in_flight").and_then(|field| field.integer(IN_FLIGHT));
    let flag = |name| members.get(name).and_then(Field::flag).unwrap_or(false);
    let webhook = Webhook {
        id: "".into(),
        enabled: members.get("enabled").and_then(Field::flag).unwrap_or(true),
        secrets: secrets(field, &members, env),
        signing,
        forms: members.get("forms").map_or(FormFilter::All, forms),
        ops: ops(members.get("events")),
        batch: flag("batch"),
        changes: flag("changes"),
        remove_with_record: flag("remove_with_record"),
        headers: members.get("headers").map(headers).unwrap_or_default(),
        timeout: members
            .get("timeout")
            .and_then(|timeout| timeout.duration(TIMEOUT))
            .unwrap_or(DEFAULT_TIMEOUT),
        retry: members.get("retry").map(retry).unwrap_or_default(),
        max_in_flight: usize::try_from(max_in_flight.unwrap_or(DEFAULT_IN_FLIGHT)).ok()?,
        counting: counting(&members),
        while_disabled: members
            .get("while_disabled")
            .and_then(|choice| {
                choice.choice([("park", WhileDisabled::Park), ("drop", WhileDisabled::Drop)])
            })
            .unwrap_or(WhileDisabled::Park),
        purpose: Purpose::Push,
        target: target?,
    };
    Some(Webhook { id: id?, ..webhook })
}

fn counting(members: &Members<'_>) -> Counting {
    let limit = members.get("disable_after").and_then(|limit| limit.integer(DISABLE_AFTER));
    let total = members.get("disable_count");
    Counting {
        limit: limit.unwrap_or(DEFAULT_DISABLE_AFTER),
        total: total
            .and_then(|choice| choice.choice([("in_a_row", false), ("total", true)]))
            .unwrap_or(false),
    }
}

/// The targets of notices.
pub(super) fn notify(list: &Field<'_>) -> Vec<Webhook> {
    let items = list.items();
    items.iter().enumerate().filter_map(|(position, item)| notify_target(position, item)).collect()
}

fn notify_target(position: usize, field: &Field<'_>) -> Option<Webhook> {
    let members = field.object(&["url", "cluster", "format", "headers", "timeout"])?;
    let cluster = members.get("cluster").and_then(Field::name);
    let url = members.require("url", field);
    let target = url.and_then(|url| target(url, cluster.as_deref()));
    let format = members
        .get("format")
        .and_then(|format| format.choice([("json", Format::Json), ("slack", Format::Slack)]));
    // No webhook's id has a colon in it.
    let webhook = beside(
        format!("notify:{position}").into(),
        target?,
        Purpose::Notify(format.unwrap_or(Format::Json)),
    );
    Some(Webhook {
        headers: members.get("headers").map(headers).unwrap_or_default(),
        timeout: members
            .get("timeout")
            .and_then(|timeout| timeout.duration(TIMEOUT))
            .unwrap_or(DEFAULT_TIMEOUT),
        ..webhook
    })
}

/// A target that is there for something else than pushes.
pub(super) fn beside(id: Box<str>, target: Target, purpose: Purpose) -> Webhook {
    Webhook {
        id,
        enabled: true,
        secrets: Vec::new(),
        signing: Vec::new(),
        forms: FormFilter::All,
        ops: Vec::new(),
        batch: false,
        changes: false,
        remove_with_record: false,
        headers: Vec::new(),
        timeout: DEFAULT_TIMEOUT,
        retry: Schedule::default(),
        max_in_flight: 1,
        counting: Counting { limit: u32::MAX, total: false },
        while_disabled: WhileDisabled::Park,
        purpose,
        target,
    }
}

fn new_id(field: &Field<'_>, taken: &mut Vec<Box<str>>) -> Option<Box<str>> {
    let id = field.parsed(checked_id)?;
    if taken.contains(&id) {
        field.wrong("another webhook has this id; give each its own");
    }
    taken.push(id.clone());
    Some(id)
}

fn checked_id(id: &str) -> Result<Box<str>, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(allowed) {
        return Err(format!("must be 1 to {MAX_ID_BYTES} letters, digits, `_` and `-`"));
    }
    Ok(id.into())
}

fn target(field: &Field<'_>, cluster: Option<&str>) -> Option<Target> {
    let url = field.text()?;
    Target::parse(&url, cluster).map_err(|error| field.wrong_address(error)).ok()
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
    let secret = Secret::parse(&variable.variable(env)?);
    secret
        .map_err(|error| {
            variable.wrong(format_args!("this environment variable cannot be used: {error}"));
        })
        .ok()
}

fn signing(field: &Field<'_>) -> Vec<Scheme> {
    if field.is_empty_list() {
        field.fault("name at least one scheme; without a secret nothing is signed");
    }
    field.choices(Scheme::ALL.map(|scheme| (scheme.name(), scheme)))
}

fn forms(field: &Field<'_>) -> FormFilter {
    if field.is_list() {
        if field.is_empty_list() {
            field.fault("this webhook would get nothing: write `all`, or name at least one form");
        }
        return FormFilter::Only(field.items().iter().filter_map(form::key).collect());
    }
    if !field.is_text("all") {
        field.wrong("must be `all` or a list of {app_id, entry_id}");
    }
    FormFilter::All
}

/// The kinds of change that are pushed; created records always are.
fn ops(field: Option<&Field<'_>>) -> Vec<Op> {
    let names = Op::ALL.map(|op| (op.name(), op));
    let mut ops = field.map(|field| field.choices(names)).unwrap_or_default();
    if !ops.contains(&Op::Create) {
        ops.push(Op::Create);
    }
    ops
}

fn headers(field: &Field<'_>) -> Vec<(Box<str>, Box<str>)> {
    if !field.is_object() {
        field.fault("must be an object of header names and values");
    }
    let mut headers: Vec<(Box<str>, Box<str>)> = Vec::new();
    for member in field.members() {
        let Some((name, value)) = header(&member) else {
            continue;
        };
        if headers.iter().any(|(known, _)| *known == name) {
            member
                .field
                .fault("given twice, as the case of a header's name does not count; give it once");
        }
        headers.push((name, value));
    }
    let bytes = |(name, value): &(Box<str>, Box<str>)| {
        name.len().saturating_add(value.len()).saturating_add(HEADER_OVERHEAD)
    };
    let bytes: usize = headers.iter().map(bytes).sum();
    if bytes > MAX_HEADER_BYTES {
        field.fault(format_args!(
            "{bytes} bytes of names and values ({HEADER_OVERHEAD} more are counted for each); at most {MAX_HEADER_BYTES} are allowed, as receivers refuse a request with too many"
        ));
    }
    if headers.len() > MAX_HEADERS {
        field.fault(format_args!("{} headers; at most {MAX_HEADERS} are allowed", headers.len()));
    }
    headers
}

fn header(member: &Member<'_>) -> Option<(Box<str>, Box<str>)> {
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
        field.fault("this header is set by Formhook or belongs to the connection; leave it out");
        return None;
    }
    // The value may be a credential, so a fault does not repeat it.
    let value = field.secret_text()?;
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        field.fault("a header's value holds visible ASCII characters and spaces only");
        return None;
    }
    Some((name.into(), value.into()))
}

fn retry(field: &Field<'_>) -> Schedule {
    let items = field.items();
    if items.len() > MAX_RETRIES {
        field.fault(format_args!("{} retries; at most {MAX_RETRIES} are allowed", items.len()));
    }
    let delays = items.iter().filter_map(|item| item.duration(RETRY_DELAY));
    Schedule::new(delays.collect())
}
