//! Any requests to the admin API, one after the other, with the token, with others and with none.

#![no_main]

use formhook::admin::{Admin, Answer, Handled, Request};
use formhook::config::{Config, Plugin};
use formhook::delivery::Heard;
use formhook::host::{QueueId, Reply};
use formhook::pipeline::Pipeline;
use formhook::store::PushId;
use formhook_fuzz::gateway::{Gateway, event};
use formhook_fuzz::requests::{Asked, SECRET, TOKEN, asked, judge_answer, shows};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::rc::Rc;

const CONFIG: &str = r#"{"platform":"jodoo",
    "forms":[{"app_id":"a","entry_id":"e","fields":[{"id":"_widget_1","alias":"x"}]}],
    "webhooks":[{"id":"crm","url":"https://crm.example/","secret":"c0nfigured-s3cret","headers":{"x-a":"c0nfigured-s3cret"},
        "retry":[]}]}"#;
const ADMIN: &str = r#"{"role":"admin","token_env":"TOKEN","clusters":["c"]}"#;

/// Whatever was done, these can be read.
const PAGES: [&str; 9] = [
    "/status",
    "/export",
    "/webhooks",
    "/webhooks/crm",
    "/failed",
    "/history",
    "/forms",
    "/forms/a/e",
    "/forms/a/e/comparison",
];

struct Play {
    gateway: Gateway,
    pipeline: Pipeline,
    admin: Admin,
}

impl Play {
    /// A gateway with one push in its failed cache.
    fn new() -> Self {
        let gateway = Gateway::default();
        let config = Rc::new(Config::parse(CONFIG.as_bytes(), &|_| None).unwrap());
        let mut pipeline =
            Pipeline::new(Rc::clone(&config), &gateway, "formhook", Some(QueueId(1)));
        pipeline.publish(&gateway, CONFIG.as_bytes());
        pipeline.captured(&gateway, event(&config, 0), PushId::random(&gateway));
        pipeline.woken(&gateway);
        let call = gateway.take_call(0).expect("a push is sent");
        pipeline.reply(&gateway, call.id, &Reply::Broken);
        let env = |_: &str| Some(TOKEN.to_owned());
        let Ok(Plugin::Admin(config)) = Plugin::parse(ADMIN.as_bytes(), &env) else {
            unreachable!("this is an admin's configuration")
        };
        Play { gateway, pipeline, admin: Admin::new(config, "formhook") }
    }

    /// The answer, and whether the request was let in.
    fn ask(&mut self, request: &Request) -> (Answer, bool) {
        let gateway = &self.gateway;
        if let Err(answer) = self.admin.admit(gateway, request) {
            return (answer, false);
        }
        let answer = match self.admin.handle(gateway, request) {
            Handled::Answered(answer) => answer,
            Handled::Sent(_, mut probe) => {
                let probed = loop {
                    match probe.hear(gateway, &Reply::Broken) {
                        Heard::Again(_, again) => probe = again,
                        Heard::Over(probed) => break probed,
                    }
                };
                self.admin.probed(gateway, &probed)
            }
            Handled::Asked(..) => unreachable!("memory answers at once"),
        };
        (answer, true)
    }

    fn get(&mut self, path: &str) -> Answer {
        let authorization = Some(format!("Bearer {TOKEN}").into_bytes());
        let (method, target) = ("GET".into(), format!("/api/v1{path}").into());
        // The right token is taken, however many wrong ones came from there.
        let (authority, source) = ("localhost".into(), "192.0.2.1".into());
        self.ask(&Request { method, target, authority, authorization, source, body: Vec::new() }).0
    }
}

fuzz_target!(|input: &[u8]| {
    let mut play = Play::new();
    let repeats_secret = shows(input, SECRET);
    for Asked { is_allowed, request } in input.split(|byte| *byte == 0).filter_map(asked).take(24) {
        let (kept, calls) = (play.gateway.kept(), play.gateway.calls());
        let (answer, is_let_in) = play.ask(&request);
        judge_answer(&request, &answer, repeats_secret);
        let is_same = play.gateway.kept() == kept && play.gateway.calls() == calls;
        if !is_allowed {
            assert!(!is_let_in, "{request:?} was let in");
            let is_console = matches!(answer.status, 200 | 404 | 405);
            assert!(is_console || [401, 429].contains(&answer.status), "{request:?}: {answer:?}");
        }
        if !is_let_in || &*request.method == "GET" || (400..500).contains(&answer.status) {
            assert!(
                is_same,
                "{request:?} was answered with {}, and changed something",
                answer.status
            );
        }
        play.pipeline.take_additions(&play.gateway);
        play.pipeline.woken(&play.gateway);
    }
    judge_rest(&mut play, repeats_secret);
});

/// All that is kept can still be read, and be put into the configuration.
fn judge_rest(play: &mut Play, repeats_secret: bool) {
    for page in PAGES {
        let answer = play.get(page);
        assert_eq!(answer.status, 200, "{page}: {:?}", String::from_utf8_lossy(&answer.body));
        let request = Request { target: page.into(), ..Request::default() };
        judge_answer(&request, &answer, repeats_secret);
    }
    let webhooks: Value = serde_json::from_slice(&play.get("/webhooks").body).unwrap();
    let webhooks = webhooks["items"].as_array().unwrap();
    assert_eq!(webhooks[0]["source"], "config");
    for webhook in webhooks {
        let id = webhook["id"].as_str().unwrap();
        assert_eq!(play.get(&format!("/webhooks/{id}")).status, 200, "{id}");
    }
    let yaml = play.get("/export").body;
    let yaml: Value = serde_yaml_ng::from_slice::<Option<Value>>(&yaml)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&yaml)))
        .unwrap_or_else(|| json!({}));
    let list = |name: &str| yaml.get(name).cloned().unwrap_or(json!([]));
    let config = json!({"platform":"jodoo","webhooks":list("webhooks"),"forms":list("forms")});
    let parsed = Config::parse(config.to_string().as_bytes(), &|_| Some("secret".to_owned()));
    assert!(parsed.is_ok(), "{config} has {:?}", parsed.err());
}
