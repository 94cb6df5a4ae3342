//! What state in Redis costs: beside state in memory, per push and per record, and how fast the history
//! is found in. Prints tables; nothing is judged here.
//!
//! `make bench-store` runs it. `PUSHES` and `RECORDS` say how many.

#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/support/orders.rs"]
mod orders;

#[path = "../figures.rs"]
mod figures;

mod delivery;
mod history;

use support::gateway::{STORE_AUTH_ENV, Setup};
use support::store::RedisServer;

/// The plugin's configuration that pushes to this port, with its state in Redis if there are settings
/// for that.
fn config(target: u16, redis: Option<&serde_json::Value>) -> serde_json::Value {
    let url = format!("http://127.0.0.1:{target}/");
    let mut config = orders::plugin(&[serde_json::json!({"id": "crm", "url": url})]);
    if let Some(redis) = redis {
        config["store"] = serde_json::json!({"redis": redis});
        config["store"]["redis"]["cluster"] = "webdis".into();
        config["store"]["redis"]["auth_env"] = STORE_AUTH_ENV.into();
    }
    config
}

/// A number of `INFO`.
async fn info(redis: &RedisServer, section: &str, name: &str) -> f64 {
    let text = redis.command(&["INFO", section]).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("INFO {section} has no {name}")).trim().parse().unwrap()
}

#[tokio::main]
async fn main() {
    let begin = std::time::Instant::now();
    delivery::compare().await;
    history::query().await;
    println!("\n{} seconds", begin.elapsed().as_secs());
}
