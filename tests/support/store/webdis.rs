//! Real Webdis.

use super::process::{Process, free_port, program};
use super::{GATEWAY_PASSWORD, RedisServer, WEBDIS_AUTH, cpu, shipped, wait};
use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::time::Duration;

/// A running Webdis.
pub struct Webdis {
    process: Process,
    port: u16,
}

impl Webdis {
    /// Starts one before this Redis, and waits until it answers; if Redis runs, until that does, too.
    pub async fn start(redis: &RedisServer) -> Self {
        Self::edited(redis, |_| {}).await
    }

    /// The same with a changed configuration.
    pub async fn edited(redis: &RedisServer, edit: impl Fn(&mut Json)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = shipped("webdis.json")
            .replace("$FORMHOOK_REDIS_PASSWORD", GATEWAY_PASSWORD)
            .replace("$FORMHOOK_STORE_AUTH", WEBDIS_AUTH);
        let mut config: Json = serde_json::from_str(&config).unwrap();
        config["redis_port"] = json!(redis.port());
        edit(&mut config);
        let process = Process { child: None, program: program("WEBDIS"), folder };
        let mut webdis = Webdis { process, port: 0 };
        loop {
            webdis.port = free_port();
            config["http_port"] = json!(webdis.port);
            std::fs::write(webdis.config(), config.to_string()).unwrap();
            webdis.begin_again();
            match webdis.answering(redis.process.child.is_some()).await {
                Ok(()) => return webdis,
                Err(why) if webdis.process.found_its_port_taken() => eprintln!("{why}"),
                Err(why) => panic!("{why}"),
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    /// How long it has used a processor.
    pub fn cpu(&self) -> Duration {
        cpu(self.process.id())
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, and waits until it answers, be it that Redis is not there.
    pub async fn start_again(&mut self) {
        self.begin_again();
        self.answering(false).await.unwrap_or_else(|why| panic!("{why}"));
    }

    fn config(&self) -> PathBuf {
        self.process.folder.path().join("webdis.json")
    }

    fn begin_again(&mut self) {
        let config = self.config();
        self.process.kill();
        self.process.start(|webdis| {
            webdis.arg(config);
        });
    }

    async fn answering(&mut self, with_redis: bool) -> Result<(), String> {
        let url = self.url("/EVALSHA/0/0.raw");
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        let client = client.timeout(wait::PATIENCE).build().unwrap();
        let (user, password) = WEBDIS_AUTH.split_once(':').unwrap();
        let answers = async || {
            // Its two threads take turns, and each has a connection of its own to Redis.
            for _ in 0..2 {
                let request = client.get(&url).basic_auth(user, Some(password));
                let status = request.send().await.ok()?.status();
                if with_redis && status == StatusCode::SERVICE_UNAVAILABLE {
                    return None;
                }
            }
            Some(())
        };
        self.process.until("Webdis to answer", answers).await
    }
}
