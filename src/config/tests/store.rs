//! Where state is kept.

use super::*;
use crate::store::{Ack, Protocol, RedisSettings};

fn with_store(store: Json) -> Json {
    with(minimal(), json!({"store": store}))
}

fn redis(settings: Json) -> RedisSettings {
    let config = good(&with_store(json!({"redis": settings})));
    RedisSettings::clone(config.redis.as_ref().unwrap())
}

#[test]
fn memory_is_the_default() {
    assert!(good(&minimal()).redis.is_none());
    assert!(good(&with_store(json!("memory"))).redis.is_none());
}

#[test]
fn redis_needs_a_cluster_and_nothing_else() {
    let settings = redis(json!({"cluster": "webdis"}));
    assert_eq!((&*settings.cluster, &*settings.authority), ("webdis", "webdis"));
    assert_eq!((&*settings.namespace, settings.protocol), ("formhook", Protocol::Webdis));
    assert_eq!((settings.ack, settings.authorization), (Ack::Async, None));
    assert_eq!(settings.timeout, Duration::from_secs(2));
    assert_eq!(settings.retention, Duration::from_secs(183 * 86_400));
    assert_eq!(settings.max_failed, 100_000);
}

#[test]
fn everything_about_redis_can_be_set() {
    let store = json!({"redis": {
        "cluster": "upstash", "authority": "eu1.upstash.io", "namespace": "prod-1",
        "protocol": "upstash", "auth_env": "TOKEN", "timeout": "500ms",
        "ack": "before_response", "ack_timeout": "200ms", "max_failed": 500.0,
    }});
    let config = with(minimal(), json!({"store": store, "history": {"retention": "30d"}}));
    let env = |name: &str| (name == "TOKEN").then(|| "AX_sASQ".to_owned());
    let config = Config::parse(config.to_string().as_bytes(), &env).unwrap();
    let settings = config.redis.unwrap();
    assert_eq!((&*settings.authority, &*settings.namespace), ("eu1.upstash.io", "prod-1"));
    assert_eq!(settings.authorization.as_deref(), Some("Bearer AX_sASQ"));
    assert_eq!(settings.ack, Ack::BeforeResponse(Duration::from_millis(200)));
    assert_eq!((settings.timeout, settings.max_failed), (Duration::from_millis(500), 500));
    assert_eq!(settings.retention, Duration::from_secs(30 * 86_400));
}

#[test]
fn what_is_wrong_with_a_store_is_told() {
    let faults = |store: Json| {
        let text = with_store(store).to_string();
        let env = |name: &str| (name == "PLAIN").then(|| "password".to_owned());
        let faults = Config::parse(text.as_bytes(), &env).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    for (store, expected) in [
        (json!("redis"), "store: \"redis\": must be `memory` or {redis: {cluster: ...}}"),
        (json!({}), "store.redis: is required"),
        (
            json!({"redis": {"cluster": "webdis", "authority": "a b\n"}}),
            "store.redis.authority: \"a b\\n\": must be a host name, such as api.jodoo.com",
        ),
        (json!({"redis": {}}), "store.redis.cluster: is required"),
        (
            json!({"redis": {"cluster": "w", "namespace": "{a}"}}),
            "store.redis.namespace: \"{a}\": must have at most 64 letters, digits, `-` and `_`",
        ),
        (
            json!({"redis": {"cluster": "w", "ack": "sync"}}),
            "store.redis.ack: \"sync\": must be one of async, before_response",
        ),
        (
            json!({"redis": {"cluster": "w", "ack_timeout": "1s"}}),
            "store.redis.ack_timeout: \"1s\": is for `ack: before_response` only; leave it out",
        ),
    ] {
        assert_eq!(faults(store), expected);
    }
    let unset = faults(json!({"redis": {"cluster": "w", "auth_env": "UNSET"}}));
    assert!(unset.starts_with("store.redis.auth_env: \"UNSET\": this environment variable is not"));
    let plain = faults(json!({"redis": {"cluster": "w", "auth_env": "PLAIN"}}));
    assert!(plain.contains("Webdis wants `user:password`") && !plain.contains("\"password"));
}
