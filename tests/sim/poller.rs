//! Questions to the platform about forms, through days of virtual time.

use super::host::{Process, Random, Sent, SimHost};
use formhook::form::FormKey;
use formhook::host::{Answer, Reply};
use formhook::platform::{PlatformApi, Polled, Poller};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

const EVERY: u64 = 60_000;
/// A question is asked no sooner after an answer.
const PAUSE: u64 = 250;
const LATENCY: u64 = 400;

struct Play {
    host: SimHost,
    poller: Poller,
    forms: Vec<FormKey>,
    /// When each question was asked: its path and body.
    asked: Vec<(u64, String, Value)>,
}

/// The largest answer that is read.
const MOST: usize = 1 << 20;

fn form(app: u64, entry: u64) -> FormKey {
    FormKey { app_id: format!("app{app}").into(), entry_id: format!("form{entry}").into() }
}

impl Play {
    fn new(seed: u64, forms: Vec<FormKey>) -> Self {
        let api = PlatformApi {
            cluster: "platform".into(),
            authority: "api.example".into(),
            prefix: "/api".into(),
            authorization: "Bearer key".into(),
            every: Duration::from_millis(EVERY),
        };
        let host = SimHost::new(&Process::new(seed));
        Play { host, poller: Poller::new(Rc::new(api), MOST), forms, asked: Vec::new() }
    }

    fn now(&self) -> u64 {
        self.host.process.uptime.get()
    }

    /// Plays until then. `answer` says what the platform answers to a question.
    fn run(&mut self, until: u64, mut answer: impl FnMut(&str, &Value) -> (u16, Value)) {
        while self.now() < until {
            self.poller.pump(&self.host, self.forms.iter(), || true);
            let sent = self.host.sent.take();
            assert!(sent.len() <= 1, "two questions at once");
            let Some(Sent { id, headers, body, .. }) = sent.into_iter().next() else {
                let due = u64::try_from(self.poller.due().unwrap().as_millis()).unwrap();
                assert!(due > self.now(), "it asks to be called at once and has nothing to ask");
                self.host.process.advance(due - self.now());
                continue;
            };
            assert_eq!(headers["authorization"], "Bearer key");
            let (path, body) = (headers[":path"].clone(), serde_json::from_slice(&body).unwrap());
            self.asked.push((self.now(), path.clone(), body));
            assert!(self.poller.due().is_none(), "it does not wait for the answer");
            let body = &self.asked.last().unwrap().2;
            let (status, said) = answer(&path, body);
            self.host.process.advance(1 + self.host.process.random.below(LATENCY));
            let text = said.to_string().into_bytes();
            let retry_after = said["retry_after"].as_str().map(Into::into);
            self.host.body.replace(text.clone());
            let reply =
                Reply::Answer(Answer { status, excerpt: text, retry_after, ..Answer::default() });
            let Polled { is_answered, .. } =
                self.poller.hear(&self.host, id, &reply).expect("the answer is for it");
            let is_read = self.host.body.borrow().len() <= MOST;
            assert_eq!(is_answered, status == 200 && said.get("code").is_none() && is_read);
        }
    }

    /// How often each form was asked for, and the list of an app by how many of it were skipped.
    fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for (_, _, body) in &self.asked {
            let name = match body["entry_id"].as_str() {
                Some(name) => name.to_owned(),
                None => format!("from {}", body["skip"]),
            };
            *counts.entry(name).or_default() += 1;
        }
        counts
    }

    /// How long it was between one question and the next.
    fn gaps(&self) -> Vec<u64> {
        self.asked.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

fn listed(path: &str, _: &Value) -> (u16, Value) {
    (200, if path.ends_with("widget/list") { json!({"widgets": []}) } else { json!({"forms": []}) })
}

#[test]
fn every_form_is_asked_for_in_time_and_nobody_is_flooded() {
    for seed in 0..200 {
        let random = Random::new(seed);
        let apps = 1 + random.below(3);
        let forms: Vec<_> = (0..1 + random.below(20)).map(|n| form(n % apps, n)).collect();
        let mut play = Play::new(seed, forms);
        play.run(20 * EVERY, listed);
        assert!(play.gaps().iter().all(|gap| *gap > PAUSE), "seed {seed}");
        let mut by_question: HashMap<String, Vec<u64>> = HashMap::new();
        for (at, path, body) in &play.asked {
            by_question.entry(format!("{path} {body}")).or_default().push(*at);
        }
        let apps = apps.min(play.forms.len() as u64) as usize;
        assert_eq!(by_question.len(), play.forms.len() + apps, "seed {seed}");
        // All of them may be due at once, and idle time is looked at now and then only.
        let most = EVERY + EVERY / 10 + 30 * (PAUSE + LATENCY + 1_000) + 4_000;
        for times in by_question.values() {
            for pair in times.windows(2) {
                let gap = pair[1] - pair[0];
                assert!((EVERY..=most).contains(&gap), "seed {seed}: {gap} ms");
            }
        }
    }
}

#[test]
fn a_platform_that_refuses_is_asked_later_and_later() {
    for (status, said) in [
        (400, json!({"code": 8303, "msg": "too many"})),
        (429, json!({})),
        (502, json!({})),
        (200, json!({"code": 8304, "msg": "too many"})),
    ] {
        let mut play = Play::new(7, vec![form(1, 1)]);
        play.run(20 * EVERY, |_, _| (status, said.clone()));
        let gaps = play.gaps();
        for (failures, gap) in gaps.iter().enumerate() {
            let pause = (2_000_u64 << failures.min(20)).min(EVERY);
            let bounds = pause..=2 * pause + LATENCY + 1;
            assert!(bounds.contains(gap), "{status}, failure {failures}: {gap} ms");
        }
        assert!(gaps.len() > 8);
    }
}

#[test]
fn a_platform_that_says_when_is_asked_then() {
    let mut play = Play::new(7, vec![form(1, 1)]);
    play.run(40_000, |_, _| (429, json!({"retry_after": "30"})));
    assert!(play.gaps()[0] >= 30_000, "{:?}", play.gaps());
}

#[test]
fn a_form_that_the_platform_does_not_tell_holds_up_no_other() {
    let mut play = Play::new(7, vec![form(1, 1), form(1, 2)]);
    play.run(EVERY / 2, |path, body| {
        if body["entry_id"] == "form1" {
            return (400, json!({"code": 3000, "msg": "no such form"}));
        }
        listed(path, body)
    });
    let bodies: Vec<_> = play.asked.iter().map(|(_, _, body)| body["entry_id"].clone()).collect();
    assert_eq!(bodies, [Value::Null, json!("form1"), json!("form2")]);
}

#[test]
fn a_form_whose_fields_never_come_holds_up_no_other() {
    let huge = json!({"widgets": [], "more": "x".repeat(MOST)});
    for (status, said) in [(500, json!({})), (429, json!({})), (200, huge)] {
        let mut play = Play::new(7, vec![form(1, 1), form(1, 2), form(1, 3)]);
        play.run(20 * EVERY, |path, body| match body["entry_id"].as_str() {
            Some("form1") => (status, said.clone()),
            _ => listed(path, body),
        });
        let counts = play.counts();
        for name in ["form2", "form3", "from 0"] {
            assert!(counts[name] >= 15, "{status}: {counts:?}");
        }
        // It is asked for less and less often, as if it were alone.
        assert!((15..=40).contains(&counts["form1"]), "{status}: {counts:?}");
    }
}

#[test]
fn a_list_of_forms_that_breaks_off_is_asked_for_as_seldom_as_a_whole_one() {
    let page: Vec<_> =
        (0..100).map(|n| json!({"app_id": "app1", "entry_id": format!("e{n}")})).collect();
    for (status, said) in [(400, json!({"code": 3005})), (500, json!({})), (429, json!({}))] {
        let mut play = Play::new(7, vec![form(1, 1)]);
        play.run(20 * EVERY, |path, body| match body["skip"].as_u64() {
            Some(0) => (200, json!({"forms": page})),
            Some(_) => (status, said.clone()),
            None => listed(path, body),
        });
        let counts = play.counts();
        assert!((15..=30).contains(&counts["from 0"]), "{status}: {counts:?}");
        assert!(counts["from 0"].abs_diff(counts["from 100"]) <= 1, "{status}: {counts:?}");
        assert!(counts["form1"] >= 15, "{status}: {counts:?}");
    }
}

#[test]
fn a_list_of_forms_without_an_end_is_left_where_no_more_can_be_learned() {
    // None of them has a name, and each page is the first.
    let page = json!({"forms": vec![json!({"app_id": "app1", "entry_id": "e"}); 100]});
    let mut play = Play::new(7, vec![form(1, 1)]);
    play.run(EVERY / 2, |path, body| match body["skip"].as_u64() {
        Some(_) => (200, page.clone()),
        None => listed(path, body),
    });
    let skipped: Vec<_> =
        play.asked.iter().filter_map(|(_, _, body)| body["skip"].as_u64()).collect();
    assert_eq!(skipped, [0, 100, 200, 300, 400]);
}

#[test]
fn a_long_list_of_forms_is_read_to_its_end() {
    let mut play = Play::new(7, vec![form(1, 1)]);
    play.run(EVERY / 2, |path, body| {
        if path.ends_with("widget/list") {
            return listed(path, body);
        }
        let skipped = body["skip"].as_u64().unwrap();
        let page = skipped..(skipped + body["limit"].as_u64().unwrap()).min(250);
        let page =
            page.map(|n| json!({"app_id": "app1", "entry_id": format!("e{n}"), "name": "n"}));
        (200, json!({"forms": page.collect::<Vec<_>>()}))
    });
    let skipped: Vec<_> =
        play.asked.iter().filter_map(|(_, _, body)| body["skip"].as_u64()).collect();
    assert_eq!(skipped, [0, 100, 200]);
}

#[test]
fn who_may_not_ask_asks_nothing() {
    let mut play = Play::new(7, vec![form(1, 1)]);
    for _ in 0..100 {
        play.poller.pump(&play.host, play.forms.iter(), || false);
        play.host.process.advance(1_000);
    }
    assert!(play.host.sent.take().is_empty());
}
