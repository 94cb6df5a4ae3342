//! A stand-in for Upstash's REST API, before a real Redis.

use super::resp::{Value, ask, words};
use super::{GATEWAY_PASSWORD, RedisServer, UPSTASH_TOKEN};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use tokio::net::TcpListener;

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
        Ok((status, as_result(&answer)))
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
        Ok((StatusCode::OK, answers.iter().map(as_result).collect()))
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

/// An answer of Redis as Upstash says it.
fn as_result(value: &Value) -> Json {
    match value {
        Value::Error(error) => json!({"error": error}),
        value => json!({"result": as_json(value)}),
    }
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Status(text) | Value::Error(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Bytes(bytes) => json!(String::from_utf8_lossy(bytes)),
        Value::List(values) => values.iter().map(as_json).collect(),
    }
}
