//! Requests to the admin API of a gateway whose state is in Redis, and whatever Redis answers to what they ask.

#![no_main]

use formhook::admin::{Admin, Answer, Handled, Request};
use formhook::config::{Config, Plugin};
use formhook::delivery::Heard;
use formhook::host::{self, QueueId, Reply};
use formhook::pipeline::Pipeline;
use formhook_fuzz::gateway::Gateway;
use formhook_fuzz::requests::{SECRET, TOKEN, asked, judge_answer, shows};
use libfuzzer_sys::fuzz_target;
use std::rc::Rc;

const CONFIG: &str = r#"{"platform":"jodoo","store":{"redis":{"cluster":"webdis"}},
    "forms":[{"app_id":"a","entry_id":"e","fields":[{"id":"_widget_1","alias":"x"}]}],
    "webhooks":[{"id":"crm","url":"https://crm.example/","secret":"c0nfigured-s3cret","headers":{"x-a":"c0nfigured-s3cret"},
        "retry":[]}]}"#;
const ADMIN: &str = r#"{"role":"admin","token_env":"TOKEN","clusters":["c"]}"#;

/// More often than this nobody has to ask Redis to answer one request.
const MOST_QUESTIONS: usize = 64;

struct Play<'i> {
    gateway: Gateway,
    admin: Admin,
    /// What Redis says: the results as JSON after `=`, any body after `#`.
    said: std::vec::IntoIter<&'i str>,
}

impl Play<'_> {
    fn answer(&mut self, request: &Request) -> Answer {
        if let Err(answer) = self.admin.admit(&self.gateway, request) {
            return answer;
        }
        let mut handled = self.admin.handle(&self.gateway, request);
        for _ in 0..MOST_QUESTIONS {
            handled = match handled {
                Handled::Answered(answer) => return answer,
                Handled::Sent(_, mut probe) => {
                    let probed = loop {
                        match probe.hear(&self.gateway, &Reply::Broken) {
                            Heard::Again(_, again) => probe = again,
                            Heard::Over(probed) => break probed,
                        }
                    };
                    return self.admin.probed(&self.gateway, &probed);
                }
                Handled::Asked(id, pending) => {
                    let call = self.gateway.take(id).expect("what was asked was sent");
                    assert_eq!(call.cluster, "webdis");
                    let body = self.said.next().map(|said| match said.split_at(1) {
                        ("=", results) => {
                            call.bulk(&format!(r#"{{"echo":"@","results":[{results}]}}"#))
                        }
                        (_, body) => body.to_owned(),
                    });
                    let reply = match &body {
                        Some(body) => {
                            self.gateway.set_reply(body.as_bytes());
                            Reply::Answer(host::Answer { status: 200, ..host::Answer::default() })
                        }
                        None => Reply::Broken,
                    };
                    self.admin.told(&self.gateway, request, pending, &reply)
                }
            };
        }
        panic!("{request:?} asks Redis again and again");
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let (said, requests): (Vec<_>, Vec<_>) =
        text.split('\0').partition(|part| part.starts_with(['=', '#']));
    let gateway = Gateway::default();
    let config = Rc::new(Config::parse(CONFIG.as_bytes(), &|_| None).unwrap());
    Pipeline::new(Rc::clone(&config), &gateway, "formhook", Some(QueueId(1)))
        .publish(&gateway, CONFIG.as_bytes());
    let env = |_: &str| Some(TOKEN.to_owned());
    let Ok(Plugin::Admin(config)) = Plugin::parse(ADMIN.as_bytes(), &env) else {
        unreachable!("this is an admin's configuration")
    };
    let admin = Admin::new(config, "formhook");
    let mut play = Play { gateway, admin, said: said.into_iter() };
    let repeats_secret = shows(input, SECRET);
    let requests = requests.into_iter().filter_map(|request| asked(request.as_bytes()));
    for request in requests.take(24).map(|asked| asked.request) {
        let answer = play.answer(&request);
        judge_answer(&request, &answer, repeats_secret);
    }
});
