//! `platform_api:` of the configuration: how the platform itself is asked.

use super::Env;
use super::read::Field;
use super::webhook::beside;
use crate::delivery::{Purpose, Target, Webhook};
use crate::platform::{PlatformApi, TIMEOUT};
use std::ops::RangeInclusive;
use std::time::Duration;

const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
const DEFAULT_EVERY: Duration = Duration::from_secs(10 * 60);

/// How many records are asked for at once, per worker: the platform answers 30 in a second.
const IN_FLIGHT: usize = 4;

/// How it is asked about forms, and the platform as a target: questions for records are kept and
/// repeated as pushes are.
pub(super) fn platform_api(
    field: &Field<'_>,
    prefix: Option<&str>,
    env: Env<'_>,
) -> Option<(PlatformApi, Webhook)> {
    let members = field.object(&["cluster", "authority", "key_env", "every"])?;
    let cluster = members.require("cluster", field).and_then(Field::name);
    let authority = members.require("authority", field).and_then(Field::authority);
    let key = members.require("key_env", field).and_then(|variable| variable.header_variable(env));
    let every = members.get("every").map(|every| every.duration(EVERY));
    if prefix.is_none() {
        field.fault("only a `platform` that is known can be asked; give that");
    }
    let api = PlatformApi {
        cluster: cluster?.into(),
        authority: authority?.into(),
        prefix: prefix?.into(),
        authorization: format!("Bearer {}", key?).into(),
        every: every.flatten().unwrap_or(DEFAULT_EVERY),
    };
    let target = target(&api)?;
    Some((api, target))
}

fn target(api: &PlatformApi) -> Option<Webhook> {
    let url = format!("https://{}{}/v5/app/entry/data/get", api.authority, api.prefix);
    let target = Target::parse(&url, Some(&api.cluster)).ok()?;
    Some(Webhook {
        headers: vec![("authorization".into(), api.authorization.clone())],
        timeout: TIMEOUT,
        max_in_flight: IN_FLIGHT,
        // No webhook's id has a colon in it.
        ..beside("platform:get".into(), target, Purpose::Fetch)
    })
}
