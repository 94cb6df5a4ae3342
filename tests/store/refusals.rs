//! What Webdis answers when Redis is not there, does not answer, or refuses.

use super::{
    a_push, batch, batch_of_session, call, load, put, redis_said, run, run_unknown, script, stored,
};
use crate::store::{Fsync, RedisServer, Value, Webdis};
use crate::wait;
use reqwest::StatusCode;
use std::time::{Duration, Instant};

/// So long is at once.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_redis_that_is_not_there_is_told_at_once() {
    let mut redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    redis.kill();
    for _ in 0..10 {
        let begin = Instant::now();
        let unavailable = (StatusCode::SERVICE_UNAVAILABLE, Vec::new());
        assert_eq!(put(&webdis, &run_unknown(), "{}").await, unavailable);
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    }
    // One that starts without it finds it later.
    let late = Webdis::start(&redis).await;
    assert_eq!(put(&late, &run_unknown(), "{}").await.0, 503);
    redis.start_again().await;
    wait::until("Redis to be found", async || {
        (put(&late, &run_unknown(), "{}").await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let name = load(&webdis, &script()).await;
    redis.pause().await;
    // Connected before the other goes: Webdis would give the other's late answer to who comes after it.
    let waiting = tokio::spawn(call(&webdis, &run_unknown(), "{}").send());
    let request = call(&webdis, &run(&name), batch("1").to_string());
    let given_up = request.timeout(Duration::from_millis(300)).send().await.unwrap_err();
    assert!(given_up.is_timeout(), "{given_up}");
    assert!(!waiting.is_finished());
    redis.resume();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    // What its caller gave up was done all the same.
    wait::until("the batch", async || (stored(&redis, "1").await == a_push()).then_some(())).await;
}

#[tokio::test]
async fn whoever_waits_for_a_redis_that_ends_is_told() {
    let mut redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    redis.pause().await;
    let waiting = tokio::spawn(call(&webdis, &run_unknown(), "{}").send());
    let request = call(&webdis, &run_unknown(), "{}").timeout(Duration::from_millis(300));
    assert!(request.send().await.unwrap_err().is_timeout());
    redis.kill();
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.bytes().await.unwrap(), "");
}

#[tokio::test]
async fn what_redis_refuses_comes_in_its_own_words() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let no_script = redis_said("NOSCRIPT No matching script. Please use EVAL.");
    assert_eq!(put(&webdis, &run_unknown(), "{}").await, no_script);
    let name = load(&webdis, &script()).await;
    let writes = load(&webdis, "return redis.call('SET', KEYS[1], ARGV[1])").await;
    let refused = async |code: &str| {
        for batch in [batch("1"), batch_of_session(1)] {
            for path in [run(&name), run(&writes)] {
                let (status, body) = put(&webdis, &path, batch.to_string()).await;
                let body = String::from_utf8(body).unwrap();
                assert_eq!(status, 200, "{body}");
                // The script may tell what Redis told it.
                let text = body.strip_prefix("-ERR ").or(body.strip_prefix('-'));
                assert!(text.is_some_and(|text| text.starts_with(code)), "{body}");
            }
        }
    };
    let set = async |name, value| {
        assert_eq!(redis.command(&["CONFIG", "SET", name, value]).await.text(), "OK");
    };

    set("maxmemory", "1").await;
    refused("OOM command not allowed when used memory > 'maxmemory'.").await;
    set("maxmemory", "0").await;

    set("min-replicas-to-write", "1").await;
    refused("NOREPLICAS Not enough good replicas to write.").await;
    set("min-replicas-to-write", "0").await;

    // The port is one where nobody listens.
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    refused("READONLY You can't write against a read only replica.").await;
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;

    assert_eq!(stored(&redis, "1").await, Value::Nil);
    put(&webdis, &run(&name), batch("1").to_string()).await;
    assert_eq!(stored(&redis, "1").await, a_push());
}

#[tokio::test]
async fn a_script_that_takes_too_long_makes_redis_busy_for_all() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    redis.command(&["CONFIG", "SET", "busy-reply-threshold", "50"]).await;
    // On a connection of its own: on one of Webdis, others would wait behind it.
    let endless = redis.command_of_gateway(&["SCRIPT", "LOAD", "while true do end"]).await.text();
    let endless = ["EVALSHA", &endless, "0"];
    let look = async {
        let busy = redis_said(
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        );
        wait::until("Redis to be busy", async || {
            let answer = put(&webdis, &run_unknown(), "{}").await;
            assert_eq!(answer.0, 200);
            (answer == busy).then_some(())
        })
        .await;
        assert_eq!(put(&webdis, "/SCRIPT/LOAD.raw", "return 1").await, busy);
        assert_eq!(redis.command(&["SCRIPT", "KILL"]).await.text(), "OK");
    };
    let (killed, ()) = tokio::join!(redis.command_of_gateway(&endless), look);
    let Value::Error(killed) = killed else { panic!("{killed:?}") };
    assert!(killed.starts_with("ERR Script killed by user with SCRIPT KILL"), "{killed}");
}

#[tokio::test]
async fn a_redis_that_loads_its_data_says_so() {
    let mut redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let many = "for key = 1, 4000 do redis.call('SET', key, '') end";
    redis.command(&["EVAL", many, "0"]).await;
    redis.kill();
    // 0.3 ms for each change, and after every 1,024 Redis looks who is asking.
    redis.begin_again(&["--key-load-delay", "300"]);
    let loading = redis_said("LOADING Redis is loading the dataset in memory");
    wait::until("Redis to load", async || {
        let answer = put(&webdis, &run_unknown(), "{}").await;
        assert!(answer == loading || answer.0 == 503, "{answer:?}");
        (answer == loading).then_some(())
    })
    .await;
    assert_eq!(put(&webdis, "/SCRIPT/LOAD.raw", "return 1").await, loading);
    wait::until("Redis to be ready", async || {
        (put(&webdis, &run_unknown(), "{}").await != loading).then_some(())
    })
    .await;
    assert_eq!(redis.command(&["DBSIZE"]).await.text(), "4000");
}
