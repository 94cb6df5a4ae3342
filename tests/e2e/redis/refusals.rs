//! A store that is there and does not do what it should. Pushes go on, the log says why in words, and
//! what happened meanwhile gets to Redis when that is well again.

use super::{gateway, refusing, setup};
use crate::orders::create;
use crate::support::gateway::Gateway;
use crate::support::platform::Platform;
use crate::support::receiver::Receiver;
use crate::support::store::{Fsync, RedisServer, Upstash, Value as Answer, Webdis};
use crate::support::wait;
use crate::{PUSHED, orders_platform};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _};
use serde_json::json;
use std::cell::Cell;

const ERRORS: &str = "formhook_store_errors_total{}";

/// Pushes that this gateway has told Redis the end of.
async fn recorded(redis: &RedisServer) -> u64 {
    redis.command(&["XLEN", "{formhook}:history"]).await.text().parse().unwrap()
}

/// A gateway before a store that is well, and how many pushes it had.
struct Bench {
    redis: RedisServer,
    platform: Platform,
    receiver: Receiver,
    gateway: Gateway,
    pushes: Cell<usize>,
}

impl Bench {
    /// A push is made and delivered, whatever the store does, and it is said what that says.
    async fn goes_on(&self, words: &str) {
        let log = self.gateway.log().len();
        self.create().await;
        self.receiver.wait_for(self.pushes.get()).await;
        wait::until(&format!("the log to say {words:?}"), async || {
            let log = self.gateway.log().split_off(log);
            log.lines().any(|line| line.contains("the store") && line.contains(words)).then_some(())
        })
        .await;
    }

    async fn create(&self) {
        create(&self.gateway, &self.platform, "Ada").await;
        self.pushes.set(self.pushes.get() + 1);
    }

    /// All that happened gets to Redis.
    async fn heals(&self) {
        wait::until("the records of all pushes", async || {
            (recorded(&self.redis).await == self.pushes.get() as u64).then_some(())
        })
        .await;
        self.gateway.assert_vm_alive();
    }

    async fn set(&self, name: &str, value: &str) {
        assert_eq!(self.redis.command(&["CONFIG", "SET", name, value]).await.text(), "OK");
    }
}

#[tokio::test]
async fn what_redis_refuses_is_said_and_told_again_when_it_does_not() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &webdis, &receiver.url("/"), json!({})).await;
    let bench = Bench { redis, platform, receiver, gateway, pushes: Cell::default() };
    bench.heals().await;

    bench.set("maxmemory", "1").await;
    bench.goes_on("OOM command not allowed when used memory > 'maxmemory'").await;
    bench.set("maxmemory", "0").await;
    bench.heals().await;

    // The port is one where nobody listens.
    bench.redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    bench.goes_on("READONLY You can't write against a read only replica").await;
    bench.redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    bench.heals().await;

    bench.set("min-replicas-to-write", "1").await;
    bench.goes_on("NOREPLICAS Not enough good replicas to write").await;
    bench.set("min-replicas-to-write", "0").await;
    bench.heals().await;

    bench.set("busy-reply-threshold", "50").await;
    let endless = bench.redis.command_of_gateway(&["SCRIPT", "LOAD", "while true do end"]).await;
    let endless = endless.text();
    let endless = ["EVALSHA", &endless, "0"];
    let (killed, ()) = tokio::join!(bench.redis.command_of_gateway(&endless), async {
        bench.goes_on("BUSY Redis is busy running a script").await;
        assert_eq!(bench.redis.command(&["SCRIPT", "KILL"]).await.text(), "OK");
    });
    assert!(matches!(killed, Answer::Error(_)));
    bench.heals().await;

    // It is no fault that Redis does not know the script, so nothing is said of it.
    let errors = bench.gateway.metric(ERRORS).await;
    assert_eq!(bench.redis.command(&["SCRIPT", "FLUSH"]).await.text(), "OK");
    bench.create().await;
    bench.heals().await;
    assert_eq!(bench.gateway.metric(ERRORS).await, errors);
    assert_eq!(bench.receiver.received().len(), bench.pushes.get());
}

#[tokio::test]
async fn foreign_values_in_redis_are_told_and_harm_nothing_else() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = refusing("Eve").await;
    for foreign in [
        ["SET", "{formhook}:waiting:", "foreign", ""],
        ["SET", "{formhook}:failed_count", "foreign", ""],
        ["SET", "{formhook}:additions", "foreign", ""],
        ["SET", "{formhook}:additions_mark", "foreign", ""],
        ["HSET", "{formhook}:webhook:crm", "failures", "foreign"],
        ["HSET", "{formhook}:failed", "foreign", "foreign"],
        ["ZADD", "{formhook}:failed_index", "0", "foreign"],
    ] {
        let words: Vec<&str> = foreign.into_iter().filter(|word| !word.is_empty()).collect();
        assert!(!matches!(redis.command(&words).await, Answer::Error(_)), "{foreign:?}");
    }
    let more = json!({"webhook": {"retry": []}});
    let gateway = gateway(&platform, &webdis, &receiver.url("/"), more).await;
    for customer in ["Ada", "Eve", "Bob"] {
        create(&gateway, &platform, customer).await;
    }
    receiver.wait_for(3).await;
    wait::until("all records", async || (recorded(&redis).await == 3).then_some(())).await;
    gateway.wait_for_log(&["the store cannot", "WRONGTYPE"]).await;
    gateway.wait_for_log(&["the store holds something foreign", ":additions"]).await;
    // What is there of the failed push can be seen all the same.
    let failed = gateway.admin(reqwest::Method::GET, "/failed").send().await.unwrap();
    assert_eq!(failed.status(), 200);
    assert!(gateway.metric(ERRORS).await > 0.0);
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn what_is_no_webdis_is_told_by_what_it_answers() {
    let platform = orders_platform().await;
    let page =
        Receiver::answering(|_| Html("<html>Welcome to nginx!</html>").into_response()).await;
    let receiver = Receiver::start().await;
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let shut =
        Webdis::edited(&redis, |config| config["acl"][1]["http_basic_auth"] = json!("a:b")).await;
    let wrong = Webdis::edited(&redis, |config| config["redis_auth"] = json!("wrong")).await;
    let mut delivered = 0;
    for (port, words) in [
        (page.address.port(), "HTTP 200: <html>Welcome to nginx!</html>"),
        (shut.port(), "HTTP 403: is the password right that `auth_env` names?"),
        (wrong.port(), "NOAUTH Authentication required."),
    ] {
        let setup = setup(&platform, &webdis, &receiver.url("/"), json!({}));
        let gateway = setup.with_webdis(port).start().await;
        for _ in 0..3 {
            create(&gateway, &platform, "Ada").await;
        }
        delivered += 3;
        receiver.wait_for(delivered).await;
        gateway.wait_for_log(&["the store does not answer", words]).await;
        gateway.wait_for_metric(PUSHED, 3.0).await;
        let asked = gateway.admin(reqwest::Method::GET, "/failed").send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::SERVICE_UNAVAILABLE);
        gateway.assert_vm_alive();
    }
}

#[tokio::test]
async fn upstash_is_spoken_to_in_its_own_way() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let upstash = Upstash::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = refusing("Eve").await;
    let webdis = Webdis::start(&redis).await;
    let more = json!({
        "redis": {"protocol": "upstash", "ack": "before_response"},
        "webhook": {"retry": []},
    });
    let setup = setup(&platform, &webdis, &receiver.url("/"), more);
    let gateway = setup.with_upstash(upstash.port()).start().await;
    for customer in ["Ada", "Eve"] {
        create(&gateway, &platform, customer).await;
    }
    receiver.wait_for(2).await;
    wait::until("both records", async || (recorded(&redis).await == 2).then_some(())).await;
    let failed = redis.command(&["HLEN", "{formhook}:failed"]).await.text();
    assert_eq!(failed, "1");
    assert_eq!(gateway.metric(ERRORS).await, 0.0);
    assert_eq!(gateway.metric("formhook_ack_timeouts_total{}").await, 0.0);
    gateway.assert_vm_alive();
}
