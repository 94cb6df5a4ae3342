//! Real Redis, and what speaks HTTP before it: real Webdis, and a stand-in for Upstash's REST API.
//!
//! Redis and Webdis run from the shipped `envoy/redis/`, with the passwords put in and their ports and
//! folders changed. `$REDIS_SERVER` and `$WEBDIS` name the programs. All of them end when they are dropped.

#[path = "store/process.rs"]
mod process;
#[path = "store/resp.rs"]
mod resp;
#[path = "store/upstash.rs"]
mod upstash;
#[path = "store/webdis.rs"]
mod webdis;

pub use resp::Value;
pub use upstash::Upstash;
pub use webdis::Webdis;

use super::process::cpu;
use super::wait;
use process::{Process, free_port, program};
use resp::{ask, words};
use std::path::Path;
use std::time::Duration;

/// `user:password`, as callers of Webdis have to say it.
pub const WEBDIS_AUTH: &str = "formhook:b3c1b5d0f6a94b1f8f0e";

/// What callers of Upstash have to say.
pub const UPSTASH_TOKEN: &str = "AYNgASQgN2RkMzM0ZjYtOGJmYS00";

/// What Webdis and Upstash say to Redis.
const GATEWAY_PASSWORD: &str = "5f0b7c4e9d2a4c38";

/// What tests say to Redis.
const ADMIN_PASSWORD: &str = "e1d9a7b2c6f84035";

/// When Redis syncs its log to the disk.
#[derive(Clone, Copy, Debug)]
pub enum Fsync {
    EverySecond,
    Always,
}

impl Fsync {
    /// As Redis' configuration says it.
    pub fn option(self) -> &'static str {
        match self {
            Fsync::EverySecond => "everysec",
            Fsync::Always => "always",
        }
    }
}

/// A running Redis with data of its own.
pub struct RedisServer {
    process: Process,
    port: u16,
    fsync: Fsync,
}

impl RedisServer {
    /// Starts one with no data, and waits until it answers.
    pub async fn start(fsync: Fsync) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = shipped("redis.conf")
            .replace("#SHA256_OF_THE_GATEWAY_PASSWORD", &format!(">{GATEWAY_PASSWORD}"))
            .replace("#SHA256_OF_THE_ADMIN_PASSWORD", &format!(">{ADMIN_PASSWORD}"))
            // An option could not say this: Redis enters this folder while it reads the file.
            .replace("dir /var/lib/redis", &format!("dir {}", folder.path().display()));
        std::fs::write(folder.path().join("redis.conf"), config).unwrap();
        let process = Process { child: None, program: program("REDIS_SERVER"), folder };
        let mut server = RedisServer { process, port: 0, fsync };
        loop {
            server.port = free_port();
            server.begin_again(&[]);
            match server.answering().await {
                Ok(()) => return server,
                Err(why) if server.process.found_its_port_taken() => eprintln!("{why}"),
                Err(why) => panic!("{why}"),
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, and waits until it answers.
    pub async fn start_again(&mut self) {
        self.begin_again(&[]);
        self.answering().await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// The same with further options, such as `--key-load-delay 1000`, and without waiting.
    pub fn begin_again(&mut self, options: &[&str]) {
        self.process.kill();
        let (folder, port) = (self.process.folder.path().to_owned(), self.port.to_string());
        self.process.start(|redis| {
            redis.arg(folder.join("redis.conf")).args(["--port", &port]);
            redis.args(["--appendfsync", self.fsync.option()]).args(options);
        });
    }

    /// Waits until it answers and has all of its data.
    async fn answering(&mut self) -> Result<(), String> {
        let login = ["AUTH", "admin", ADMIN_PASSWORD];
        let ping = [words(&login), words(&["PING"])];
        let port = self.port;
        let answers = async || {
            let answers = ask(port, &ping).await.ok()?;
            (answers.last()? == &Value::Status("PONG".into())).then_some(())
        };
        self.process.until("Redis to answer", answers).await
    }

    /// Stops it without ending it: whoever asks waits.
    pub async fn pause(&self) {
        self.process.signal("STOP");
        let state = format!("/proc/{}/stat", self.process.id());
        wait::until("Redis to stand still", async || {
            let state = std::fs::read_to_string(&state).unwrap();
            // "1234 (redis-server) T ..."
            state.rsplit_once(") ")?.1.starts_with('T').then_some(())
        })
        .await;
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// How long it has used a processor.
    pub fn cpu(&self) -> Duration {
        cpu(self.process.id())
    }

    /// Has a command done, by a user who may do anything.
    ///
    /// # Panics
    /// If Redis does not answer.
    pub async fn command(&self, command: &[&str]) -> Value {
        let login = ["AUTH", "admin", ADMIN_PASSWORD];
        self.ask([words(&login), words(command)]).await
    }

    /// Has a command done by the user that the gateway is.
    ///
    /// # Panics
    /// If Redis does not answer.
    pub async fn command_of_gateway(&self, command: &[&str]) -> Value {
        self.ask([words(&["AUTH", GATEWAY_PASSWORD]), words(command)]).await
    }

    async fn ask(&self, commands: [Vec<Vec<u8>>; 2]) -> Value {
        let answers = tokio::time::timeout(wait::PATIENCE, ask(self.port, &commands)).await;
        let answers = answers.expect("Redis says nothing").expect("Redis is there");
        answers.into_iter().next_back().expect("each command has an answer")
    }
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/redis").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
