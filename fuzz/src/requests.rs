//! Requests to the admin API as an input has them, and what their answers must be.

use crate::canonical::read;
use formhook::admin::{Answer, Request};
use serde_json::json;

/// What the configuration has, and nobody may see.
pub const SECRET: &str = "c0nfigured-s3cret";
/// What lets a request in.
pub const TOKEN: &str = "0123456789abcdef";

/// A request: its first letter says which token it has; then come method, path, a line's end, and the body.
pub struct Asked {
    pub is_allowed: bool,
    pub request: Request,
}

/// Reads a request; `None` if it is none.
pub fn asked(text: &[u8]) -> Option<Asked> {
    let (head, body) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[][..]),
    };
    let (token, head) = str::from_utf8(head).ok()?.split_at_checked(1)?;
    let (method, target) = head.split_once(' ')?;
    let (authorization, is_allowed) = match token {
        "a" => (Some(format!("Bearer {TOKEN}")), true),
        "b" => (Some(format!("bEARER  {TOKEN} ")), true),
        "c" => (Some(format!("Bearer {TOKEN}0")), false),
        "d" => (Some(format!("Basic {TOKEN}")), false),
        "e" => (Some(TOKEN.to_owned()), false),
        _ => (None, false),
    };
    let target = match target.starts_with('/') {
        true => format!("/api/v1{target}"),
        false => target.to_owned(),
    };
    let authorization = authorization.map(String::into_bytes);
    let (method, target, body) = (method.into(), target.into(), body.to_vec());
    let (authority, source) = ("localhost".into(), "192.0.2.1".into());
    let request = Request { method, target, authority, authorization, source, body };
    Some(Asked { is_allowed, request })
}

/// Whatever was asked, the answer is one that the API's description has, and shows no secret but one that the
/// input had.
///
/// # Panics
/// If it is not.
pub fn judge_answer(request: &Request, answer: &Answer, repeats_secret: bool) {
    let Answer { status, headers, body } = answer;
    assert!((200..600).contains(status), "{request:?}: {answer:?}");
    for (name, value) in headers {
        assert!(value.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{name}: {value}");
    }
    let kind = headers.iter().find(|(name, _)| *name == "content-type").map(|(_, kind)| &**kind);
    match kind {
        Some("application/json" | "application/problem+json") => {
            let said = read(body).unwrap_or_else(|error| panic!("{request:?}: {error}: {body:?}"));
            assert_eq!(kind == Some("application/problem+json"), *status >= 400, "{request:?}");
            if *status >= 400 {
                assert_eq!(said["status"], json!(status));
                let has = |name: &str| said[name].as_str().is_some_and(|text| !text.is_empty());
                assert!(has("title") && has("detail"), "{said}");
            }
        }
        Some(_) => assert_eq!(*status, 200),
        None => assert!(*status == 204 && body.is_empty(), "{request:?}: {answer:?}"),
    }
    assert!(repeats_secret || !shows(body, SECRET), "{request:?} shows a secret");
}

/// Whether bytes have this text in them.
pub fn shows(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}
