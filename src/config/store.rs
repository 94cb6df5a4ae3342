//! Where state is kept.

use super::Env;
use super::read::Field;
use crate::store::{Ack, Protocol, RedisSettings};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a call may take; Redis answers within milliseconds.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(30);
/// How long a response may be held.
const ACK_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(10);
/// How many pushes the failed cache may have.
const MAX_FAILED: RangeInclusive<u32> = 100..=10_000_000;
/// Webdis 0.1.9 never takes a longer one.
const MAX_BASIC_AUTH: usize = 53;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const RETENTION: RangeInclusive<Duration> = DAY..=DAY.saturating_mul(3660);
/// Six months, as the platform keeps its own.
pub(super) const DEFAULT_RETENTION: Duration = DAY.saturating_mul(183);

/// `None` for the memory of the gateway.
pub(super) fn store(field: &Field<'_>, retention: Duration, env: Env<'_>) -> Option<RedisSettings> {
    if field.is_text("memory") {
        return None;
    }
    if !field.is_object() {
        field.wrong("must be `memory` or {redis: {cluster: ...}}");
        return None;
    }
    let members = field.object(&["redis"])?;
    redis(members.require("redis", field)?, retention, env)
}

fn redis(field: &Field<'_>, retention: Duration, env: Env<'_>) -> Option<RedisSettings> {
    let members = field.object(&[
        "cluster",
        "authority",
        "namespace",
        "protocol",
        "auth_env",
        "timeout",
        "ack",
        "ack_timeout",
        "max_failed",
    ])?;
    let cluster = members.require("cluster", field).and_then(Field::name);
    let authority = members.get("authority").and_then(Field::authority);
    let protocols = [("webdis", Protocol::Webdis), ("upstash", Protocol::Upstash)];
    let protocol = members.get("protocol").and_then(|protocol| protocol.choice(protocols));
    let protocol = protocol.unwrap_or(Protocol::Webdis);
    let duration = |name, range| members.get(name)?.duration(range);
    let acks = [("async", false), ("before_response", true)];
    let is_held = members.get("ack").and_then(|ack| ack.choice(acks)).unwrap_or(false);
    if let Some(timeout) = members.get("ack_timeout").filter(|_| !is_held) {
        timeout.wrong("is for `ack: before_response` only; leave it out");
    }
    let ack_timeout = duration("ack_timeout", ACK_TIMEOUT).unwrap_or(Duration::from_millis(500));
    let most = members.get("max_failed").and_then(|most| most.integer(MAX_FAILED));
    let namespace = members.get("namespace").map_or(Some("formhook".into()), namespace);
    let authorization =
        members.get("auth_env").and_then(|field| authorization(field, protocol, env));
    let cluster: Box<str> = cluster?.into();
    Some(RedisSettings {
        authority: authority.map_or_else(|| cluster.clone(), Into::into),
        cluster,
        namespace: namespace?,
        protocol,
        authorization,
        timeout: duration("timeout", TIMEOUT).unwrap_or(Duration::from_secs(2)),
        ack: if is_held { Ack::BeforeResponse(ack_timeout) } else { Ack::Async },
        max_failed: most.unwrap_or(100_000),
        retention,
    })
}

/// It is a part of keys and of a path, so it has none of the characters that mean something there.
fn namespace(field: &Field<'_>) -> Option<Box<str>> {
    let name = field.name()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.len() > 64 || !name.bytes().all(is_plain) {
        field.wrong("must have at most 64 letters, digits, `-` and `_`");
        return None;
    }
    Some(name.into())
}

fn authorization(field: &Field<'_>, protocol: Protocol, env: Env<'_>) -> Option<Box<str>> {
    let value = field.header_variable(env)?;
    if protocol == Protocol::Webdis && !(value.contains(':') && value.len() <= MAX_BASIC_AUTH) {
        field.wrong("this environment variable cannot be used: Webdis wants `user:password`, at most 53 bytes");
        return None;
    }
    Some(protocol.authorization(&value).into())
}

/// How long the history goes back.
pub(super) fn history(field: &Field<'_>) -> Duration {
    let members = field.object(&["retention"]);
    let retention = members.as_ref().and_then(|members| members.get("retention"));
    let retention = retention.and_then(|retention| retention.duration(RETENTION));
    retention.unwrap_or(DEFAULT_RETENTION)
}
