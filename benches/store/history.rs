//! Questions about a long history, as the admin asks them.

use super::figures::{number, percentile};
use super::{Setup, config, info};
use crate::orders::platform;
use crate::support::gateway::{Gateway, root};
use crate::support::store::{Fsync, RedisServer, WEBDIS_AUTH, Webdis};
use formhook::history::{Outcome, Record};
use formhook::host::UnixMillis;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RECORDS_AT_ONCE: usize = 500;
const QUESTIONS: usize = 500;

/// A record as a push of this number leaves it. One of ten failed; there are twenty webhooks.
fn record(number: usize) -> Record {
    let ended = UnixMillis(1_790_000_000_000 + number as u64);
    let is_failure = number.is_multiple_of(10);
    let outcome = if is_failure { Outcome::Failure } else { Outcome::Success };
    let id = format!("{:08x}-7b1d-4a4e-9f34-{number:012x}", number);
    let text = |text: &str| -> Box<str> { text.into() };
    Record {
        webhook: format!("w{}", number % 20).into(),
        op: text(["data_create", "data_update"][number % 2]),
        app_id: text("59264073a2a60c0c08e20bfb"),
        entry_id: format!("59264073a2a60c0c08e2{:04x}", number % 50).into(),
        record_id: format!("{:024x}", number % 100_000).into(),
        url: text("https://crm.example.com/hooks/orders"),
        attempts: if is_failure { 6 } else { 1 },
        status: Some(if is_failure { 500 } else { 200 }),
        cause: text(if is_failure { "HTTP 500" } else { "" }),
        answer: text(r#"{"ok":true}"#),
        headers: vec![
            (text("content-type"), text("application/json")),
            (text("webhook-id"), id.as_str().into()),
        ],
        body: "x".repeat(430).into(),
        ..Record::new(&id, outcome, ended, ended)
    }
}

/// Puts records into Redis as the filter's script does.
async fn fill(webdis: &Webdis, records: usize) {
    let (user, password) = WEBDIS_AUTH.split_once(':').unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = async |path: &str, body: String| {
        let call = client.put(webdis.url(path)).basic_auth(user, Some(password)).body(body);
        let text = call.send().await.unwrap().text().await.unwrap();
        assert!(text.starts_with('$'), "{text}");
        text
    };
    let script = std::fs::read_to_string(root().join("src/store/redis/script.lua")).unwrap();
    let name = put("/SCRIPT/LOAD.raw", script).await;
    let path = format!("/EVALSHA/{}/1/%7Bformhook%7D.raw", name.lines().nth(1).unwrap());
    for first in (0..records).step_by(RECORDS_AT_ONCE) {
        let ops: Vec<Value> = (first..records.min(first + RECORDS_AT_ONCE))
            .map(|number| {
                let record = record(number);
                let found_by = [&record.op, &record.app_id, &record.entry_id, &record.record_id]
                    .map(|name| &**name);
                let result = if record.outcome == Outcome::Success { "s" } else { "f" };
                let text = String::from_utf8(record.encode()).unwrap();
                json!(["record", number, record.webhook, result, found_by.join("\n"), text])
            })
            .collect();
        let retention = 183_u64 * 24 * 60 * 60 * 1000;
        let batch =
            json!({"gateway": "filled", "ops": ops, "max_failed": 10, "retention": retention});
        let answer = put(&path, batch.to_string()).await;
        assert!(!answer.contains("error"), "{answer}");
    }
}

async fn ask(gateway: &Gateway, path: &str) -> (Duration, Value) {
    let begin = Instant::now();
    let answer = gateway.admin(Method::GET, path).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let took = begin.elapsed();
    assert_eq!(status, 200, "{path}: {text}");
    (took, serde_json::from_str(&text).unwrap())
}

pub async fn query() {
    let records = number("RECORDS", 1_000_000);
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let before = info(&redis, "memory", "used_memory").await;
    let begin = Instant::now();
    fill(&webdis, records).await;
    let each = begin.elapsed().as_secs_f64() * 1e6 / records as f64;
    let bytes = (info(&redis, "memory", "used_memory").await - before) / records as f64;
    println!(
        "\n{records} records of {} bytes: {bytes:.0} bytes of Redis and {each:.0} µs each\n",
        record(1).encode().len()
    );
    let platform = platform().await;
    let setup = Setup::new(platform.address(), &config(1, Some(&json!({}))));
    let gateway = setup.with_webdis(webdis.port()).start().await;
    println!("| `GET /api/v1/history` | records found | median | p99 | longest |");
    println!("|---|--:|--:|--:|--:|");
    // Ids of Redis' streams begin with the time at which they were written.
    let (_, page) = ask(&gateway, "/history?limit=1").await;
    let newest = page["items"][0]["id"].as_str().unwrap();
    assert!(newest.starts_with(&format!("{:08x}", records - 1)), "{newest}");
    for (name, parameters) in [
        ("the newest", String::new()),
        ("100 at once", "limit=100".to_owned()),
        ("of a webhook", "webhook=w7".to_owned()),
        ("failures", "result=failure".to_owned()),
        ("failures of a webhook", "webhook=w10&result=failure".to_owned()),
        ("of a time", "from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z".to_owned()),
        ("of an operation", "op=data_update".to_owned()),
        (
            "of a form",
            "app_id=59264073a2a60c0c08e20bfb&entry_id=59264073a2a60c0c08e20007".to_owned(),
        ),
        ("of a record, 10 in 1,000,000", format!("record_id={:024x}", 77_777)),
        ("pages of a webhook, one after the other", "webhook=w7&limit=100".to_owned()),
    ] {
        let mut took = Vec::new();
        let mut found = 0;
        let mut cursor = None;
        for _ in 0..QUESTIONS {
            let mut path = format!("/history?{parameters}");
            if name.starts_with("pages")
                && let Some(cursor) = &cursor
            {
                path = format!("{path}&cursor={cursor}");
            }
            let (duration, page) = ask(&gateway, &path).await;
            took.push(duration);
            found = page["items"].as_array().unwrap().len();
            cursor = page["next"].as_str().map(str::to_owned);
        }
        took.sort_unstable();
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        println!(
            "| {name} | {found} | {:.1} ms | {:.1} ms | {:.1} ms |",
            millis(percentile(&took, 50.0)),
            millis(percentile(&took, 99.0)),
            millis(percentile(&took, 100.0))
        );
    }
}
