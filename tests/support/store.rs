//! Real Redis, and what speaks HTTP before it: real Webdis, and a stand-in for Upstash's REST API.
//!
//! Redis and Webdis run from the shipped `envoy/redis/`, with the passwords put in and their ports and
//! folders changed. `$REDIS_SERVER` and `$WEBDIS` name the programs. All of them end when they are dropped.

use super::process::cpu;
use super::wait;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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

/// A running stand-in for Upstash's REST API
/// (<https://upstash.com/docs/redis/features/restapi>), with its texts as far as they are known.
/// What its token may do is what the gateway's user may in Redis.
pub struct Upstash {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Upstash {
    /// Starts one before this Redis.
    pub async fn start(redis: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(one)).route("/pipeline", post(pipeline));
        let router = router.with_state(redis.port());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Upstash { address, task }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Upstash {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The largest command of the cheaper plans.
const UPSTASH_MAX_COMMAND: usize = 10 * 1024 * 1024;

/// What is answered in place of results: a status and an error.
type Refusal = (StatusCode, String);

fn bad_request(error: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, error.to_owned())
}

fn upstash_says(said: Result<(StatusCode, Json), Refusal>) -> Response {
    let said = said.unwrap_or_else(|(status, error)| (status, json!({"error": error})));
    (said.0, [(CONTENT_TYPE, "application/json")], said.1.to_string()).into_response()
}

/// `POST /`: a command, answered with `{"result":...}`, or with `{"error":...}` and 400.
async fn one(State(redis): State<u16>, request: Request) -> Response {
    let run = async {
        let body = authorized(request).await?;
        let command: Vec<Json> = serde_json::from_slice(&body)
            .map_err(|_| bad_request("ERR failed to parse command"))?;
        if command.is_empty() {
            return Err(bad_request("ERR empty command"));
        }
        let answer = forward(redis, vec![arguments(&command)?]).await?.remove(0);
        let status = match answer {
            Value::Error(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        };
        Ok((status, answer.as_result()))
    };
    upstash_says(run.await)
}

/// `POST /pipeline`: commands, answered with 200 and one such answer for each.
async fn pipeline(State(redis): State<u16>, request: Request) -> Response {
    let run = async {
        let body = authorized(request).await?;
        let commands: Vec<Vec<Json>> = serde_json::from_slice(&body)
            .map_err(|_| bad_request("ERR failed to parse pipeline request"))?;
        if commands.is_empty() {
            return Err(bad_request("ERR empty pipeline request"));
        }
        if commands.iter().any(Vec::is_empty) {
            return Err(bad_request("ERR empty pipeline command"));
        }
        let commands = commands.iter().map(|command| arguments(command));
        let answers = forward(redis, commands.collect::<Result<_, _>>()?).await?;
        Ok((StatusCode::OK, answers.iter().map(Value::as_result).collect()))
    };
    upstash_says(run.await)
}

/// The body of a request with the right token.
async fn authorized(request: Request) -> Result<Vec<u8>, Refusal> {
    let (head, body) = request.into_parts();
    let said = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if said.and_then(|said| said.strip_prefix("Bearer ")) != Some(UPSTASH_TOKEN) {
        let error = "WRONGPASS invalid or missing auth token";
        return Err((StatusCode::UNAUTHORIZED, error.to_owned()));
    }
    let body = to_bytes(body, usize::MAX).await;
    body.map(Into::into).map_err(|error| bad_request(&error.to_string()))
}

/// A command's words for Redis.
fn arguments(command: &[Json]) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut words = Vec::new();
    for argument in command {
        words.push(match argument {
            Json::String(text) => text.clone().into_bytes(),
            Json::Number(_) | Json::Bool(_) => argument.to_string().into_bytes(),
            Json::Null => return Err(bad_request("ERR unsupported arg type: null")),
            Json::Array(_) => {
                return Err(bad_request(r#"ERR unsupported arg type: "[" : json.Delim"#));
            }
            Json::Object(_) => {
                return Err(bad_request(r#"ERR unsupported arg type: "{" : json.Delim"#));
            }
        });
    }
    let (bytes, most) = (words.iter().map(Vec::len).sum::<usize>(), UPSTASH_MAX_COMMAND);
    if bytes > most {
        let error =
            format!("ERR max request size exceeded. Limit: {most} bytes, Actual: {bytes} bytes");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, error));
    }
    Ok(words)
}

/// Has Redis do commands. What Upstash says when it has no Redis is not known.
async fn forward(redis: u16, mut commands: Vec<Vec<Vec<u8>>>) -> Result<Vec<Value>, Refusal> {
    commands.insert(0, words(&["AUTH", GATEWAY_PASSWORD]));
    let answers = ask(redis, &commands).await;
    let unavailable = |error: std::io::Error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let mut answers = answers.map_err(unavailable)?;
    answers.remove(0);
    Ok(answers)
}

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Nil,
    Status(String),
    Error(String),
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    /// As a text.
    ///
    /// # Panics
    /// If it is an error, a list or nil.
    pub fn text(&self) -> String {
        match self {
            Value::Status(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Nil | Value::Error(_) | Value::List(_) => panic!("no text: {self:?}"),
        }
    }

    /// As texts.
    ///
    /// # Panics
    /// If it is no list of them.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Value::List(values) => values.iter().map(Value::text).collect(),
            _ => panic!("no list: {self:?}"),
        }
    }

    /// As Upstash says it.
    fn as_result(&self) -> Json {
        match self {
            Value::Error(error) => json!({"error": error}),
            value => json!({"result": value.as_json()}),
        }
    }

    fn as_json(&self) -> Json {
        match self {
            Value::Nil => Json::Null,
            Value::Status(text) | Value::Error(text) => json!(text),
            Value::Integer(number) => json!(number),
            Value::Bytes(bytes) => json!(String::from_utf8_lossy(bytes)),
            Value::List(values) => values.iter().map(Value::as_json).collect(),
        }
    }

    /// The answer that a text of the Redis protocol begins with, and what follows it; `None` if it is
    /// not complete.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let end = text.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, rest) = (std::str::from_utf8(&text[..end]).unwrap(), &text[end + 2..]);
        let (kind, line) = line.split_at(1);
        Some(match kind {
            "+" => (Value::Status(line.to_owned()), rest),
            "-" => (Value::Error(line.to_owned()), rest),
            ":" => (Value::Integer(line.parse().unwrap()), rest),
            "$" | "*" if line == "-1" => (Value::Nil, rest),
            "$" => {
                let length: usize = line.parse().unwrap();
                let bytes = rest.get(..length)?.to_vec();
                (Value::Bytes(bytes), rest.get(length + 2..)?)
            }
            "*" => {
                let (mut values, mut rest) = (Vec::new(), rest);
                for _ in 0..line.parse().unwrap() {
                    let (value, after) = Value::read(rest)?;
                    values.push(value);
                    rest = after;
                }
                (Value::List(values), rest)
            }
            _ => panic!("Redis says {kind}{line}"),
        })
    }
}

fn words(command: &[&str]) -> Vec<Vec<u8>> {
    command.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Sends commands over a connection of their own; an answer for each.
async fn ask(port: u16, commands: &[Vec<Vec<u8>>]) -> std::io::Result<Vec<Value>> {
    let mut request = Vec::new();
    for command in commands {
        request.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
        for word in command {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(&request).await?;
    let (mut answers, mut text) = (Vec::new(), Vec::new());
    while answers.len() < commands.len() {
        if stream.read_buf(&mut text).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((value, rest)) = Value::read(&text) {
            answers.push(value);
            text = rest.to_vec();
        }
    }
    Ok(answers)
}

/// A port where nobody listens. Somebody may before it is used.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/redis").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The program that an environment variable names.
fn program(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    PathBuf::from(path.unwrap_or_else(|| {
        panic!("${variable} names no program; `make e2e` sets it, or: eval \"$(.ci/get-store)\"")
    }))
}

/// A program in a folder of its own.
struct Process {
    child: Option<Child>,
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Process {
    fn start(&mut self, set_up: impl FnOnce(&mut Command)) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(&self.program);
        set_up(&mut command);
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        self.child = Some(child);
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Waits until `look` finds something; an error when the program ends.
    async fn until<T>(
        &mut self,
        what: &str,
        look: impl AsyncFn() -> Option<T>,
    ) -> Result<T, String> {
        let child = self.child.as_mut().expect("it runs");
        let found = wait::attempt(what, async || {
            // Looked at first: what answers now may be another's.
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Err(format!("it ended with {status}")));
            }
            look().await.map(Ok)
        });
        let found = found.await.and_then(|found| found);
        found.map_err(|why| format!("{}: {why}\n{}", self.program.display(), self.log()))
    }

    fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn found_its_port_taken(&self) -> bool {
        self.log().contains("Address already in use")
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}---", self.program.display(), self.log());
        }
    }
}
