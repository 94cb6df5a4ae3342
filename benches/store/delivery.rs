//! The same pushes with each store, in turns.

use super::figures::{median, number, percentile};
use super::{Setup, config, info};
use crate::orders::{AMOUNT, APP, CREATE, CUSTOMER, ORDERS, platform};
use crate::support::gateway::Gateway;
use crate::support::platform::Platform;
use crate::support::store::{Fsync, RedisServer, Webdis};
use crate::support::wait;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const ROUNDS: usize = 5;
const CLIENTS: usize = 16;

/// A target that only counts.
struct Target {
    port: u16,
    pushes: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Target {
    /// One that answers each push so.
    async fn start(status: StatusCode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Target { port, pushes: Arc::default(), bytes: Arc::default() };
        let (pushes, bytes) = (Arc::clone(&target.pushes), Arc::clone(&target.bytes));
        let router = Router::new().fallback(move |body: Bytes| async move {
            bytes.fetch_add(body.len(), Ordering::SeqCst);
            pushes.fetch_add(1, Ordering::SeqCst);
            status
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        target
    }

    async fn wait_for(&self, pushes: usize) {
        wait::until("all pushes", async || {
            (self.pushes.load(Ordering::SeqCst) >= pushes).then_some(())
        })
        .await;
    }
}

/// Makes so many calls, some at once. How long each took.
async fn calls(gateway: &Gateway, platform: &Platform, calls: usize) -> Vec<Duration> {
    let data = json!({CUSTOMER: {"value": "Ada Lovelace, London"}, AMOUNT: {"value": 12.5}});
    let order = json!({"app_id": APP, "entry_id": ORDERS, "data": data}).to_string();
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let http = reqwest::Client::builder().no_proxy().timeout(wait::PATIENCE).build().unwrap();
        let call = http.post(gateway.url(CREATE)).bearer_auth(platform.api_key());
        let call = call.header("content-type", "application/json").body(order.clone());
        let next = Arc::clone(&next);
        clients.spawn(async move {
            let mut took = Vec::new();
            while next.fetch_add(1, Ordering::SeqCst) < calls {
                let begin = Instant::now();
                let answer = call.try_clone().unwrap().send().await.unwrap();
                assert_eq!(answer.status(), 200);
                answer.bytes().await.unwrap();
                took.push(begin.elapsed());
            }
            took
        });
    }
    clients.join_all().await.concat()
}

/// What one round was like.
struct Round {
    pushes_per_second: f64,
    envoy: f64,
    webdis: f64,
    redis: f64,
    took: Vec<Duration>,
    batches: f64,
    commands: f64,
}

/// One store, beside memory: its name and settings.
type Store = (&'static str, Option<Value>);

/// A round with one store, of a gateway that nobody has used.
async fn round(store: &Store, name: &str, redis: &RedisServer, webdis: &Webdis) -> Round {
    let pushes = number("PUSHES", 4_000);
    let platform = platform().await;
    let target = Target::start(StatusCode::OK).await;
    let mut settings = store.1.clone();
    if let Some(settings) = &mut settings {
        settings["namespace"] = name.into();
    }
    let setup = Setup::new(platform.address(), &config(target.port, settings.as_ref()));
    let gateway = setup.with_webdis(webdis.port()).start().await;
    calls(&gateway, &platform, pushes / 10).await;
    let is_told = async |pushes: usize| {
        target.wait_for(pushes).await;
        if settings.is_some() {
            let history = format!("{{{name}}}:history");
            wait::until("all to be told", async || {
                let records = redis.command(&["XLEN", &history]).await.text();
                (records == pushes.to_string()).then_some(())
            })
            .await;
        }
    };
    is_told(pushes / 10).await;
    let cpu = || [gateway.cpu(), webdis.cpu(), redis.cpu()].map(|cpu| cpu.as_secs_f64());
    let commands = async || {
        let text = redis.command(&["INFO", "commandstats"]).await.text();
        let of = |name: &str| {
            let begin = format!("cmdstat_{name}:calls=");
            let line = text.lines().find_map(|line| line.strip_prefix(&begin));
            line.map_or(0.0, |line| line.split(',').next().unwrap().parse().unwrap())
        };
        [of("evalsha"), info(redis, "stats", "total_commands_processed").await]
    };
    let (cpu_before, commands_before, begin) = (cpu(), commands().await, Instant::now());
    let mut took = calls(&gateway, &platform, pushes).await;
    is_told(pushes / 10 + pushes).await;
    let elapsed = begin.elapsed().as_secs_f64();
    let (cpu_after, commands_after) = (cpu(), commands().await);
    took.sort_unstable();
    let each = |position: usize| (cpu_after[position] - cpu_before[position]) * 1e6 / pushes as f64;
    let each_command =
        |position: usize| (commands_after[position] - commands_before[position]) / pushes as f64;
    Round {
        pushes_per_second: pushes as f64 / elapsed,
        envoy: each(0),
        webdis: each(1),
        redis: each(2),
        took,
        batches: each_command(0),
        commands: each_command(1),
    }
}

pub async fn compare() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let synced = RedisServer::start(Fsync::Always).await;
    let before_synced = Webdis::start(&synced).await;
    let stores: [Store; 4] = [
        ("memory", None),
        ("redis, async", Some(json!({"ack": "async"}))),
        ("redis, before_response", Some(json!({"ack": "before_response"}))),
        ("the same, appendfsync always", Some(json!({"ack": "before_response"}))),
    ];
    let mut rounds: Vec<Vec<Round>> = stores.iter().map(|_| Vec::new()).collect();
    for number in 0..ROUNDS {
        for (position, store) in stores.iter().enumerate() {
            let name = format!("s{position}-{number}");
            let (redis, webdis) = match position {
                3 => (&synced, &before_synced),
                _ => (&redis, &webdis),
            };
            rounds[position].push(round(store, &name, redis, webdis).await);
        }
    }
    println!("\nMedians of {ROUNDS} rounds in turns, one worker, {CLIENTS} clients at once:\n");
    println!(
        "| store | pushes/s | CPU of Envoy per push | of Webdis | of Redis | batches per push | commands \
         per push | API call, median | p99 |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for ((name, _), rounds) in stores.iter().zip(&rounds) {
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let millis = |percent: f64| {
            let of_round = |round: &Round| percentile(&round.took, percent).as_secs_f64() * 1e3;
            median(rounds.iter().map(of_round).collect())
        };
        println!(
            "| {name} | {:.0} | {:.0} µs | {:.0} µs | {:.0} µs | {:.2} | {:.1} | {:.1} ms | {:.1} ms |",
            of(|round| round.pushes_per_second),
            of(|round| round.envoy),
            of(|round| round.webdis),
            of(|round| round.redis),
            of(|round| round.batches),
            of(|round| round.commands),
            millis(50.0),
            millis(99.0),
        );
    }
    sizes().await;
}

/// How much of Redis' memory a push takes that waits, and one that failed.
async fn sizes() {
    let pushes = 2_000;
    println!("\n| {pushes} pushes | bytes of each | bytes of Redis for each |");
    println!("|---|--:|--:|");
    for (what, status, retry, keys) in [
        ("that wait", StatusCode::INTERNAL_SERVER_ERROR, json!(["1h"]), "waiting:"),
        ("in the failed cache", StatusCode::BAD_REQUEST, json!([]), "failed"),
    ] {
        let redis = RedisServer::start(Fsync::EverySecond).await;
        let webdis = Webdis::start(&redis).await;
        let platform = platform().await;
        let target = Target::start(status).await;
        let mut config = config(target.port, Some(&json!({"ack": "before_response"})));
        config["webhooks"][0]["retry"] = retry;
        config["webhooks"][0]["disable_after"] = 1_000_000.into();
        let setup = Setup::new(platform.address(), &config).with_webdis(webdis.port());
        let gateway = setup.start().await;
        calls(&gateway, &platform, pushes).await;
        target.wait_for(pushes).await;
        let pattern = format!("{{formhook}}:{keys}*");
        let count = "local most, bytes = 0, 0 for _, key in ipairs(redis.call('KEYS', ARGV[1])) do \
                     local kind = redis.call('TYPE', key).ok \
                     if kind == 'hash' then most = math.max(most, redis.call('HLEN', key)) end \
                     bytes = bytes + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) end \
                     return {tostring(most), tostring(bytes)}";
        let told = wait::until("all to be told", async || {
            let told = redis.command(&["EVAL", count, "0", &pattern]).await.texts();
            (told[0] == pushes.to_string()).then_some(told)
        })
        .await;
        let each = told[1].parse::<usize>().unwrap() / pushes;
        let bytes = target.bytes.load(Ordering::SeqCst) / pushes;
        println!("| {what} | {bytes} | {each} |");
    }
}
