//! How a script gets to Redis over HTTP, and what the answers mean: as Webdis speaks, or as
//! Upstash's REST API and its likes do.
//!
//! Nothing here knows what is in a batch.

use crate::host::{Callout, CalloutError, CalloutId, Host, Reply};
use crate::json::{Builder, Document, Kind};
use crate::sign::base64;
use crate::text::{hex, split_once};
use sha1::{Digest as _, Sha1};
use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

/// All that is done in Redis, as `build.rs` packed it.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/script.packed"));

/// The largest answer that is read. A batch asks for less.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How much of an answer that is none is shown.
const SHOWN_CHARS: usize = 120;

/// The way to Redis, and what is kept there.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// The gateway's cluster that leads to the HTTP front of Redis.
    pub cluster: Box<str>,
    /// The host name of the requests.
    pub authority: Box<str>,
    /// What all keys begin with: letters, digits, `-` and `_`.
    pub namespace: Box<str>,
    /// What the HTTP front speaks.
    pub protocol: Protocol,
    /// The header `authorization`.
    pub authorization: Option<Box<str>>,
    /// How long a call may take.
    pub timeout: Duration,
    /// Whether API responses wait.
    pub ack: Ack,
    /// Pushes in the failed cache, of all gateways; beyond, the oldest is dropped.
    pub max_failed: u32,
    /// How far the history goes back.
    pub retention: Duration,
}

/// It has no credential in it.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorization = self.authorization.as_ref().map(|_| "[redacted]");
        f.debug_struct("RedisSettings")
            .field("cluster", &self.cluster)
            .field("namespace", &self.namespace)
            .field("authorization", &authorization)
            .finish_non_exhaustive()
    }
}

/// Whether an API response waits for its pushes to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// It does not.
    Async,
    /// It does, so long at most.
    BeforeResponse(Duration),
}

/// What the HTTP front of Redis speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Webdis: the command is the path, its last argument the body, the answer as Redis gives it
    /// (<https://github.com/nicolasff/webdis>).
    Webdis,
    /// JSON both ways (<https://upstash.com/docs/redis/features/restapi>).
    Upstash,
}

impl Protocol {
    /// The header `authorization` for this credential.
    pub fn authorization(self, credential: &str) -> String {
        match self {
            Protocol::Webdis => {
                let mut header = String::from("Basic ");
                base64::encode(credential.as_bytes(), &mut header);
                header
            }
            Protocol::Upstash => format!("Bearer {credential}"),
        }
    }
}

/// What Redis is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Learn the script.
    Load,
    /// Run it.
    Run,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Redis does not know the script; it was not run.
    NoScript,
    /// Anything else, in words. The script may have run.
    Failed(String),
}

/// The script.
fn script() -> String {
    let mut text = Vec::new();
    let mut packed = PACKED.iter();
    while let Some(byte) = packed.next() {
        if byte.is_ascii() {
            text.push(*byte);
            continue;
        }
        // How far back, and how many bytes from there.
        let code = u16::from_be_bytes([byte & 0x7f, *packed.next().unwrap_or(&0)]);
        for _ in 0..(code & 15) + 3 {
            let copy = text.iter().nth_back((code >> 4).into()).copied();
            text.extend(copy);
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The name of the script: Redis knows it by its SHA-1.
pub(super) fn script_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| hex(&Sha1::digest(script())))
}

/// Sends a command; `batch` is for the script.
pub(super) fn send(
    host: &impl Host,
    settings: &RedisSettings,
    command: Command,
    batch: &str,
) -> Result<CalloutId, CalloutError> {
    let RedisSettings { namespace, protocol, authorization, .. } = settings;
    let (method, path, body): (_, _, Cow<'_, str>) = match (protocol, command) {
        (Protocol::Webdis, Command::Load) => ("PUT", "/SCRIPT/LOAD.raw".into(), script().into()),
        (Protocol::Webdis, Command::Run) => {
            let path = format!("/EVALSHA/{}/1/%7B{namespace}%7D.raw", script_name());
            ("PUT", path, batch.into())
        }
        (Protocol::Upstash, _) => {
            let mut json = Builder::new();
            json.open(b'[').open(b'[');
            match command {
                Command::Load => json.text("SCRIPT").text("LOAD").text(&script()),
                Command::Run => {
                    let key = format!("{{{namespace}}}");
                    json.text("EVALSHA").text(script_name()).text("1").text(&key).text(batch)
                }
            };
            json.close(b']').close(b']');
            ("POST", "/pipeline".to_owned(), json.into_text().into())
        }
    };
    let mut headers = vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", &settings.authority),
        (":path", &path),
    ];
    if *protocol == Protocol::Upstash {
        headers.push(("content-type", "application/json"));
    }
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    let (cluster, timeout) = (&settings.cluster, settings.timeout);
    host.call(Callout { cluster, headers, body: body.as_bytes(), timeout })
}

/// What a reply says: the text that a command gave. To be called while the host hands it over.
pub(super) fn hear(host: &impl Host, protocol: Protocol, reply: &Reply) -> Result<String, Trouble> {
    let Reply::Answer(answer) = reply else {
        return Err(Trouble::Failed("the answer broke off".to_owned()));
    };
    let body = host.reply_body(MAX_ANSWER_BYTES);
    let body = String::from_utf8_lossy(&body);
    let said = match protocol {
        Protocol::Webdis => of_webdis(answer.status, &body),
        Protocol::Upstash => of_upstash(&body),
    };
    let is_error = |text: &str| match text.starts_with("NOSCRIPT") {
        true => Trouble::NoScript,
        false => Trouble::Failed(shown(text)),
    };
    match said {
        Some(Ok(text)) => Ok(text.into_owned()),
        Some(Err(error)) => Err(is_error(&error)),
        None => Err(Trouble::Failed(match (answer.status, body.trim()) {
            (504, _) => "no answer in time".to_owned(),
            (401 | 403, "") => {
                let status = answer.status;
                format!("HTTP {status}: is the password right that `auth_env` names?")
            }
            (status, "") => format!("HTTP {status}"),
            (status, body) => format!("HTTP {status}: {}", shown(body)),
        })),
    }
}

fn shown(text: &str) -> String {
    text.trim().chars().take(SHOWN_CHARS).collect()
}

/// A bulk string or an error of the Redis protocol; `None` for anything else.
fn of_webdis(status: u16, body: &str) -> Option<Result<Cow<'_, str>, Cow<'_, str>>> {
    if status != 200 {
        return None;
    }
    if let Some(error) = body.strip_prefix('-') {
        return Some(Err(error.trim_end().into()));
    }
    // The length is of the bytes as Redis has them, which need not be those of the text.
    let (_, text) = split_once(body.strip_prefix('$')?, "\r\n")?;
    Some(Ok(text.strip_suffix("\r\n")?.into()))
}

/// The one result of a pipeline; `None` for anything else.
fn of_upstash(body: &str) -> Option<Result<Cow<'_, str>, Cow<'_, str>>> {
    let document = Document::parse(body.as_bytes()).ok()?;
    let root = document.root();
    // The whole request may be refused, too.
    let answer = if root.kind() == Kind::Object { root } else { root.items().next()? };
    let text = |name| Some(Cow::Owned(answer.get(name)?.as_str()?.into_owned()));
    text("error").map(Err).or_else(|| text("result").map(Ok))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_unpacked_and_known_by_its_sha_1() {
        let trimmed = include_str!(concat!(env!("OUT_DIR"), "/script.lua"));
        assert!(!trimmed.contains("--") && PACKED.len() < 7_000, "{}", PACKED.len());
        assert_eq!(script(), trimmed);
        assert_eq!(script_name().len(), 40);
    }

    #[test]
    fn what_webdis_says_is_told_from_what_others_say() {
        assert_eq!(of_webdis(200, "$2\r\n{}\r\n"), Some(Ok("{}".into())));
        assert_eq!(of_webdis(200, "-OOM no\r\n"), Some(Err("OOM no".into())));
        for body in ["", "<html>", "$2", "$-1\r\n", ":1\r\n", "+OK\r\n", "$2\r\n{}"] {
            assert_eq!(of_webdis(200, body), None, "{body:?}");
        }
        assert_eq!(of_webdis(403, "$2\r\n{}\r\n"), None);
    }

    #[test]
    fn what_upstash_says_is_told_from_what_others_say() {
        assert_eq!(of_upstash(r#"[{"result":"{}"}]"#), Some(Ok("{}".into())));
        assert_eq!(of_upstash(r#"[{"error":"NOSCRIPT x"}]"#), Some(Err("NOSCRIPT x".into())));
        assert_eq!(of_upstash(r#"{"error":"Unauthorized"}"#), Some(Err("Unauthorized".into())));
        for body in ["", "<html>", "[]", "[1]", "{}", r#"[{"result":1}]"#] {
            assert_eq!(of_upstash(body), None, "{body:?}");
        }
    }

    #[test]
    fn a_credential_is_never_shown() {
        let settings = RedisSettings {
            cluster: "webdis".into(),
            authority: "webdis".into(),
            namespace: "formhook".into(),
            protocol: Protocol::Webdis,
            authorization: Some(Protocol::Webdis.authorization("user:password").into()),
            timeout: Duration::from_secs(2),
            ack: Ack::Async,
            max_failed: 1,
            retention: Duration::ZERO,
        };
        // RFC 7617 section 2 has such a value.
        assert_eq!(settings.authorization.as_deref(), Some("Basic dXNlcjpwYXNzd29yZA=="));
        assert!(!format!("{settings:?}").contains("dXNlc"));
    }
}
