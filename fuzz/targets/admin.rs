//! Any requests to the admin API, one after the other, with and without the token.

#![no_main]

#[path = "../../benches/core/world.rs"]
#[allow(dead_code)]
mod world;

use formhook::admin::{Admin, Handled, Request};
use formhook::config::{Config, Plugin};
use formhook::host::QueueId;
use formhook::pipeline::Pipeline;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::rc::Rc;
use world::World;

const CONFIG: &[u8] = br#"{"platform":"jodoo",
    "forms":[{"app_id":"a","entry_id":"e","fields":[{"id":"_widget_1","alias":"x"}]}],
    "webhooks":[{"id":"crm","url":"https://crm.example/","secret":"s","headers":{"x-a":"b"}}]}"#;

const ADMIN: &[u8] = br#"{"role":"admin","token_env":"TOKEN","clusters":["c"]}"#;

const TOKEN: &str = "0123456789abcdef";

/// A request: method, path and body are parted by a space and a line's end. One whose method is in small
/// letters has no token.
#[derive(Debug)]
struct Asked<'d> {
    method: &'d str,
    has_token: bool,
    path: &'d str,
    body: &'d [u8],
}

fn asked(text: &[u8]) -> Option<Asked<'_>> {
    let mut parts = text.splitn(2, |byte| *byte == b'\n');
    let (method, path) = str::from_utf8(parts.next()?).ok()?.split_once(' ')?;
    let has_token = !method.bytes().any(|letter| letter.is_ascii_lowercase());
    Some(Asked { method, has_token, path, body: parts.next().unwrap_or_default() })
}

/// Requests, with zeros between them.
fuzz_target!(|input: &[u8]| {
    let world = World::default();
    let config = Rc::new(Config::parse(CONFIG, &|_| None).unwrap());
    let mut pipeline = Pipeline::new(config, &world, "formhook", Some(QueueId(1)));
    pipeline.publish(&world, CONFIG);
    let Ok(Plugin::Admin(config)) = Plugin::parse(ADMIN, &|_| Some(TOKEN.to_owned())) else {
        unreachable!("this is an admin's configuration")
    };
    let mut admin = Admin::new(config, "formhook");
    let mut ask = |method: &str, has_token: bool, target: String, body: &[u8]| {
        let authorization = has_token.then(|| format!("Bearer {TOKEN}").into_bytes());
        let (method, target, body) = (method.into(), target.into(), body.into());
        let request = Request { method, target, authorization, source: "192.0.2.1".into(), body };
        match admin.admit(&world, &request) {
            Err(answer) => Some(answer),
            Ok(()) => match admin.handle(&world, &request) {
                Handled::Answered(answer) => Some(answer),
                Handled::Sent(..) => None,
                Handled::Asked(..) => unreachable!("memory answers at once"),
            },
        }
    };
    for asked in input.split(|byte| *byte == 0).filter_map(asked).take(16) {
        let is_for_api = asked.path.starts_with('/');
        let target =
            if is_for_api { format!("/api/v1{}", asked.path) } else { asked.path.to_owned() };
        let Some(answer) = ask(&asked.method.to_uppercase(), asked.has_token, target, asked.body)
        else {
            continue;
        };
        assert!((200..500).contains(&answer.status), "{asked:?}: {answer:?}");
        if is_for_api && !asked.has_token {
            assert!([401, 404, 429].contains(&answer.status), "{asked:?}: {answer:?}");
        }
        let kind = answer.headers.iter().find(|(name, _)| *name == "content-type");
        if kind.is_some_and(|(_, kind)| kind.ends_with("json")) && !answer.body.is_empty() {
            let said = serde_json::from_slice::<Value>(&answer.body);
            assert!(said.is_ok(), "{asked:?}: {:?}", String::from_utf8_lossy(&answer.body));
        }
    }
    // Whatever that was, it can still be read, and the configuration's webhook is there.
    let answer = ask("GET", true, "/api/v1/webhooks".into(), b"").unwrap();
    let webhooks: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(webhooks["items"][0]["source"], "config");
});
