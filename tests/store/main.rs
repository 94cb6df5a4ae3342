//! Redis and what speaks HTTP before it, as they are shipped in `envoy/redis/`: what the filter's script needs
//! of them, and what they say when something is wrong.
//!
//! Needs real Redis and Webdis, which `$REDIS_SERVER` and `$WEBDIS` name (`.ci/get-store`).

#[allow(dead_code)] // other tests use the rest
#[path = "../support/store.rs"]
mod store;

#[path = "../support/process.rs"]
mod process;

#[path = "../support/wait.rs"]
mod wait;

mod refusals;
mod webdis;

use reqwest::{Method, StatusCode};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::Path;
use store::{Fsync, RedisServer, UPSTASH_TOKEN, Upstash, Value, WEBDIS_AUTH, Webdis};

/// A client that keeps nothing between calls.
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    builder.timeout(wait::PATIENCE).build().unwrap()
}

/// What was answered: the status and the bytes.
type Answer = (StatusCode, Vec<u8>);

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    (response.status(), response.bytes().await.unwrap().into())
}

/// A call of Webdis with the right password.
fn call(webdis: &Webdis, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let (user, password) = WEBDIS_AUTH.split_once(':').unwrap();
    client().put(webdis.url(path)).basic_auth(user, Some(password)).body(body)
}

async fn put(webdis: &Webdis, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    answer(call(webdis, path, body)).await
}

/// Has Redis learn a script; its name.
async fn load(webdis: &Webdis, script: &str) -> String {
    let (status, body) = put(webdis, "/SCRIPT/LOAD.raw", script.to_owned()).await;
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{body}");
    body.strip_prefix("$40\r\n").unwrap().trim_end().to_owned()
}

/// Where a script is run with the key of the namespace.
fn run(name: &str) -> String {
    format!("/EVALSHA/{name}/1/%7Bformhook%7D.raw")
}

/// Where a script is run that nobody has loaded.
fn run_unknown() -> String {
    run(&"0".repeat(40))
}

/// An answer of Webdis that is an error of Redis.
fn redis_said(error: &str) -> Answer {
    (StatusCode::OK, format!("-{error}\r\n").into_bytes())
}

/// The script of the filter.
fn script() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/redis/script.lua");
    std::fs::read_to_string(path).unwrap()
}

/// A batch that stores a push.
fn batch(id: &str) -> Json {
    json!({
        "gateway": "g",
        "ops": [["put", id, "a push"]],
        "max_failed": 10,
        "retention": 86_400_000,
    })
}

async fn stored(redis: &RedisServer, id: &str) -> Value {
    redis.command(&["HGET", "{formhook}:waiting:g", id]).await
}

fn a_push() -> Value {
    Value::Bytes(b"a push".into())
}

#[tokio::test]
async fn the_script_runs_through_webdis() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let name = load(&webdis, &script()).await;
    let (status, body) = put(&webdis, &run(&name), batch("1").to_string()).await;
    let body = String::from_utf8(body).unwrap();
    let (length, text) = body.strip_prefix('$').unwrap().split_once("\r\n").unwrap();
    let text = text.strip_suffix("\r\n").unwrap();
    assert_eq!((status, length.parse()), (StatusCode::OK, Ok(text.len())));
    let answer: Json = serde_json::from_str(text).unwrap();
    assert_eq!(answer["results"], json!([1]));
    assert_eq!(stored(&redis, "1").await, a_push());
}

#[tokio::test]
async fn the_script_runs_through_upstash() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let upstash = Upstash::start(&redis).await;
    let post = async |path: &str, body: Json| {
        let url = upstash.url(path);
        let request = client().post(url).bearer_auth(UPSTASH_TOKEN).body(body.to_string());
        let (status, body) = answer(request).await;
        (status, serde_json::from_slice::<Json>(&body).unwrap())
    };
    let unknown = json!(["EVALSHA", "0".repeat(40), 0]);
    let no_script = json!({"error": "NOSCRIPT No matching script. Please use EVAL."});
    assert_eq!(post("/", unknown.clone()).await, (StatusCode::BAD_REQUEST, no_script.clone()));

    let commands = json!([unknown, ["SCRIPT", "LOAD", script()], ["FLUSHALL"]]);
    let (status, answers) = post("/pipeline", commands).await;
    assert_eq!((status, &answers[0]), (StatusCode::OK, &no_script));
    let refused = "NOPERM this user has no permissions to run the 'flushall' command";
    assert_eq!(answers[2], json!({"error": refused}));
    let name = answers[1]["result"].as_str().unwrap();

    let command = json!(["EVALSHA", name, "1", "{formhook}", batch("1").to_string()]);
    let (status, answers) = post("/pipeline", json!([command])).await;
    assert_eq!((status, answers.as_array().unwrap().len()), (StatusCode::OK, 1));
    let answer: Json = serde_json::from_str(answers[0]["result"].as_str().unwrap()).unwrap();
    assert_eq!(answer["results"], json!([1]));
    assert_eq!(stored(&redis, "1").await, a_push());
}

/// Waits until the log of changes is complete. While it is synced, Redis goes on answering and keeps in
/// memory what is to be written.
async fn written(redis: &RedisServer) {
    wait::until("the log to be written", async || {
        let info = redis.command(&["INFO", "persistence"]).await.text();
        let is_written = ["aof_buffer_length:0\r", "aof_pending_bio_fsync:0\r"];
        is_written.iter().all(|line| info.contains(line)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_killed_redis_comes_back_with_its_data() {
    for fsync in [Fsync::EverySecond, Fsync::Always] {
        let mut redis = RedisServer::start(fsync).await;
        let mut webdis = Webdis::start(&redis).await;
        let name = load(&webdis, &script()).await;
        for id in ["1", "2", "3"] {
            put(&webdis, &run(&name), batch(id).to_string()).await;
        }
        written(&redis).await;
        redis.kill();
        assert_eq!(put(&webdis, &run(&name), "{}").await.0, 503);
        redis.start_again().await;
        assert_eq!(stored(&redis, "1").await, a_push());
        assert_eq!(redis.command(&["HLEN", "{formhook}:waiting:g"]).await.text(), "3", "{fsync:?}");

        // Webdis finds it again by itself. Scripts are no data.
        let again = wait::until("Webdis to reach Redis", async || {
            let answer = put(&webdis, &run(&name), "{}").await;
            (answer.0 != 503).then_some(answer)
        });
        assert_eq!(again.await, redis_said("NOSCRIPT No matching script. Please use EVAL."));

        webdis.kill();
        assert!(call(&webdis, &run(&name), "{}").send().await.unwrap_err().is_connect());
        webdis.start_again().await;
        load(&webdis, &script()).await;
        put(&webdis, &run(&name), batch("4").to_string()).await;
        assert_eq!(stored(&redis, "4").await, a_push());
    }
}

/// A batch of a session, which stores a push and a record and counts a failure.
fn batch_of_session(number: u32) -> Json {
    let mut batch = batch("a");
    batch["session"] = json!("s");
    batch["number"] = json!(number);
    batch["lease"] = json!(10_000);
    let ops = json!([
        ["put", format!("{number}"), "a push"],
        ["put", format!("failed {number}"), "a push"],
        ["fail", format!("failed {number}"), "crm", "a push", 1, 100, "HTTP 500"],
        ["record", number, "crm", "success", "\n\n\n", "a record"],
    ]);
    batch["ops"] = ops;
    batch
}

/// Redis reads its log of changes as the gateway's user, and leaves out what that one may not do.
#[tokio::test]
async fn nothing_is_left_out_of_a_log_of_changes() {
    let mut redis = RedisServer::start(Fsync::Always).await;
    let debugging = ["--enable-debug-command", "local"];
    redis.begin_again(&debugging);
    let webdis = Webdis::start(&redis).await;
    let name = load(&webdis, &script()).await;
    for number in 1..=20 {
        let (_, body) = put(&webdis, &run(&name), batch_of_session(number).to_string()).await;
        let body = String::from_utf8(body).unwrap();
        assert!(body.starts_with('$') && !body.contains("error"), "{body}");
    }
    let digest = redis.command(&["DEBUG", "DIGEST"]).await;
    let keys = redis.command(&["DBSIZE"]).await;
    redis.begin_again(&debugging);
    wait::until("Redis to be ready", async || {
        (put(&webdis, &run_unknown(), "{}").await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(redis.command(&["DBSIZE"]).await, keys);
    assert_eq!(redis.command(&["DEBUG", "DIGEST"]).await, digest);
}

/// The commands of a category of Redis.
async fn commands_of(redis: &RedisServer, category: &str) -> BTreeSet<String> {
    match redis.command(&["ACL", "CAT", category]).await {
        Value::List(commands) => commands.iter().map(Value::text).collect(),
        answer => panic!("{category}: {answer:?}"),
    }
}

#[tokio::test]
async fn the_script_asks_for_no_more_than_the_gateway_may() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let mut allowed = commands_of(&redis, "read").await;
    allowed.extend(commands_of(&redis, "write").await);
    let dangerous = commands_of(&redis, "dangerous").await;
    allowed.retain(|command| !dangerous.contains(command));
    allowed.insert("time".to_owned());
    let script = script();
    let calls = script.split("call('").skip(1);
    let asked: BTreeSet<_> =
        calls.map(|call| call.split('\'').next().unwrap().to_lowercase()).collect();
    assert!(asked.len() > 20, "{asked:?}");
    assert!(asked.is_subset(&allowed), "{:?}", &asked - &allowed);
}

#[tokio::test]
async fn redis_lets_the_gateway_run_scripts_that_read_and_write_and_nothing_else() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    for command in [
        &["FLUSHALL"][..],
        &["FLUSHDB"],
        &["KEYS", "*"],
        &["EVAL", "return 1", "0"],
        &["SCRIPT", "FLUSH"],
        &["SCRIPT", "KILL"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["INFO"],
        &["SHUTDOWN"],
        &["REPLICAOF", "NO", "ONE"],
        &["SUBSCRIBE", "a"],
        &["MULTI"],
    ] {
        let answer = redis.command_of_gateway(command).await;
        let Value::Error(error) = answer else { panic!("{command:?}: {answer:?}") };
        assert!(error.starts_with("NOPERM this user has no permissions to run "), "{error}");
    }
    let code = "return redis.call('FLUSHALL')";
    let name = redis.command_of_gateway(&["SCRIPT", "LOAD", code]).await.text();
    let answer = redis.command_of_gateway(&["EVALSHA", &name, "0"]).await;
    let Value::Error(error) = answer else { panic!("{answer:?}") };
    let refused = "ERR The user executing the script can't run this command or subcommand";
    assert!(error.starts_with(refused), "{error}");
}

#[tokio::test]
async fn each_layer_refuses_who_says_no_password_or_a_wrong_one() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let forbidden = (StatusCode::FORBIDDEN, Vec::new());
    let request = || client().put(webdis.url(&run_unknown())).body("{}");
    assert_eq!(answer(request()).await, forbidden);
    assert_eq!(answer(request().basic_auth("formhook", Some("wrong"))).await, forbidden);
    assert_eq!(answer(request().bearer_auth(UPSTASH_TOKEN)).await, forbidden);

    for password in [json!(null), json!("wrong")] {
        let webdis = Webdis::edited(&redis, |config| config["redis_auth"] = password.clone()).await;
        let no_auth = redis_said("NOAUTH Authentication required.");
        assert_eq!(put(&webdis, &run_unknown(), "{}").await, no_auth);
        assert_eq!(put(&webdis, "/SCRIPT/LOAD.raw", "return 1").await, no_auth);
        // What is larger than 16 KB is not even read.
        let large = put(&webdis, &run_unknown(), "x".repeat(16_385)).await;
        assert_eq!(large, redis_said("ERR Protocol error: unauthenticated bulk length"));
    }

    let upstash = Upstash::start(&redis).await;
    for path in ["/", "/pipeline"] {
        let request = || client().post(upstash.url(path)).body(r#"[["EVALSHA","0","0"]]"#);
        let wrong_pass = br#"{"error":"WRONGPASS invalid or missing auth token"}"#;
        let unauthorized = (StatusCode::UNAUTHORIZED, wrong_pass.to_vec());
        assert_eq!(answer(request()).await, unauthorized);
        assert_eq!(answer(request().bearer_auth("wrong")).await, unauthorized);
    }
}

#[tokio::test]
async fn upstash_refuses_what_is_no_command() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let upstash = Upstash::start(&redis).await;
    let huge = json!([["GET", "x".repeat(10 * 1024 * 1024)]]).to_string();
    for (path, body, status, error) in [
        ("/pipeline", "", 400, "ERR failed to parse pipeline request"),
        ("/pipeline", "{}", 400, "ERR failed to parse pipeline request"),
        ("/pipeline", r#"["GET","a"]"#, 400, "ERR failed to parse pipeline request"),
        ("/pipeline", "[]", 400, "ERR empty pipeline request"),
        ("/pipeline", "[[]]", 400, "ERR empty pipeline command"),
        ("/pipeline", &huge, 413, "ERR max request size exceeded."),
        ("/", "{", 400, "ERR failed to parse command"),
        ("/", "[]", 400, "ERR empty command"),
        ("/", r#"[["GET","a"]]"#, 400, r#"ERR unsupported arg type: "["#),
    ] {
        let url = format!("http://127.0.0.1:{}{path}", upstash.port());
        let request = client().post(url).bearer_auth(UPSTASH_TOKEN).body(body.to_owned());
        let (said, body) = answer(request).await;
        let body: Json = serde_json::from_slice(&body).unwrap();
        assert_eq!(said, status, "{body}");
        assert!(body["error"].as_str().unwrap().starts_with(error), "{body}");
    }
    let request = client().request(Method::DELETE, upstash.url("/pipeline"));
    assert_eq!(answer(request.bearer_auth(UPSTASH_TOKEN)).await.0, 405);
}
