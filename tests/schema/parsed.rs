//! All that the parser made of a configuration, as text. `Debug` alone leaves out much, for the secrets in it.
//!
//! Whatever is taken apart here is so by all its fields: another one does not compile until it is here, too.

use crate::verdict::env;
use formhook::config::{Config, Plugin};
use formhook::delivery::Webhook;
use formhook::platform::PlatformApi;
use formhook::store::RedisSettings;
use serde_json::Value;

pub fn parsed(config: &Value) -> String {
    let plugin = Plugin::parse(config.to_string().as_bytes(), &env).unwrap();
    let Plugin::Watch(config) = plugin else {
        return format!("{plugin:?}");
    };
    let Config {
        operations,
        path_prefix,
        forms,
        webhooks,
        platform_api,
        limits,
        redis,
        strip_accept_encoding,
    } = config;
    let webhooks: Vec<_> = webhooks.iter().map(|each| webhook(each)).collect();
    let platform_api = platform_api.as_deref().map(self::platform_api);
    let redis = redis.as_deref().map(self::redis);
    let watched = (operations, path_prefix, forms, strip_accept_encoding);
    format!("{:?}", (watched, webhooks, platform_api, limits, redis))
}

fn webhook(webhook: &Webhook) -> String {
    let Webhook {
        id,
        enabled,
        target,
        secrets,
        signing,
        forms,
        ops,
        batch,
        changes,
        remove_with_record,
        headers,
        timeout,
        retry,
        max_in_flight,
        counting,
        while_disabled,
        purpose,
    } = webhook;
    let whom = (id, enabled, target, secrets, signing, headers, purpose);
    let what = (forms, ops, batch, changes, remove_with_record);
    let when = (timeout, retry, max_in_flight, counting, while_disabled);
    format!("{:?}", (whom, what, when))
}

fn platform_api(api: &PlatformApi) -> String {
    let PlatformApi { cluster, authority, prefix, authorization, every } = api;
    format!("{:?}", (cluster, authority, prefix, authorization, every))
}

fn redis(settings: &RedisSettings) -> String {
    let RedisSettings {
        cluster,
        authority,
        namespace,
        protocol,
        authorization,
        timeout,
        ack,
        max_failed,
        retention,
    } = settings;
    let whom = (cluster, authority, namespace, protocol, authorization);
    format!("{:?}", (whom, timeout, ack, max_failed, retention))
}
