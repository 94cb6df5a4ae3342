//! Whatever bytes stand in the store in place of Formhook's own, or come as answers of Redis, pushes go on.

#![no_main]

#[path = "../../benches/core/world.rs"]
#[allow(dead_code)]
mod world;

use arbitrary::Arbitrary;
use formhook::capture::{Budget, Captured, Exchange, Head};
use formhook::config::Config;
use formhook::host::{
    Answer, Callout, CalloutError, CalloutId, Expected, Host, MetricId, MetricKind, QueueId, Reply,
    UnixMillis, Version,
};
use formhook::pipeline::Pipeline;
use formhook::store::PushId;
use libfuzzer_sys::fuzz_target;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use world::World;

#[derive(Arbitrary, Debug)]
struct Input<'d> {
    with_redis: bool,
    /// What the store has in place of what was written, by the number of the read.
    forged: Vec<(u8, &'d [u8])>,
    steps: Vec<Step<'d>>,
}

#[derive(Arbitrary, Debug)]
enum Step<'d> {
    Event,
    Woken,
    Timer { millis: u32 },
    Reply { call: u8, status: u16, body: &'d [u8], is_broken: bool },
    Restart,
}

/// A gateway whose store has other values now and then.
struct Hostile<'d> {
    world: World,
    forged: &'d [(u8, &'d [u8])],
    loads: Cell<u8>,
    body: RefCell<Vec<u8>>,
    calls: RefCell<Vec<CalloutId>>,
    uptime: Cell<Duration>,
}

impl Host for Hostile<'_> {
    fn now(&self) -> UnixMillis {
        self.world.now().after(self.uptime.get())
    }

    fn env(&self, _: &str) -> Option<String> {
        Some("user:password".to_owned())
    }

    fn random(&self, bytes: &mut [u8]) {
        self.world.random(bytes);
    }

    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError> {
        let id = self.world.call(callout)?;
        self.calls.borrow_mut().push(id);
        Ok(id)
    }

    fn reply_body(&self, most: usize) -> Vec<u8> {
        let body = self.body.borrow();
        body.get(..most).unwrap_or(&body).to_vec()
    }

    fn set_timer(&self, _: Option<Duration>) {}

    fn uptime(&self) -> Duration {
        self.uptime.get()
    }

    fn load(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let number = self.loads.replace(self.loads.get().wrapping_add(1));
        let (value, version) = self.world.load(key)?;
        let forged = self.forged.iter().find(|(at, _)| *at == number);
        Some((forged.map_or(value, |(_, bytes)| bytes.to_vec()), version))
    }

    fn save(&self, key: &str, value: &[u8], expected: Expected) -> bool {
        self.world.save(key, value, expected)
    }

    fn wake(&self, _: QueueId) {}

    fn metric(&self, kind: MetricKind, name: &str) -> MetricId {
        self.world.metric(kind, name)
    }

    fn add(&self, _: MetricId, _: i64) {}

    fn record(&self, _: MetricId, _: u64) {}
}

const MEMORY: &str = r#"{"platform":"jodoo","webhooks":[
    {"id":"crm","url":"https://crm.example/","secret":"s","retry":["1s","2s"]},
    {"id":"erp","url":"http://erp.example/","disable_after":2,"retry":[]}]}"#;

const REDIS: &str = r#"{"platform":"jodoo","store":{"redis":{"cluster":"webdis","auth_env":"AUTH"}},"webhooks":[
    {"id":"crm","url":"https://crm.example/","secret":"s","retry":["1s","2s"]}]}"#;

/// A record was created.
fn event(config: &Config) -> Captured {
    let budget = Budget::new(1 << 20);
    let matched = config.operations.find(b"POST", b"/api/v5/app/entry/data/create").unwrap();
    let mut call = Exchange::begin(matched, 1 << 16, &budget, Duration::ZERO, |_| None);
    call.response_head(Head { status: Some(200), is_local: false, is_encoded: false });
    let answer = br#"{"data":{"_id":"r","appId":"a","entryId":"e","updateTime":"2026-05-12T08:45:09.018Z"}}"#;
    assert!(call.response().make_room(answer.len()));
    call.response().append(answer.to_vec());
    assert!(call.request().make_room(2));
    call.request().append(b"{}".to_vec());
    call.finish(UnixMillis(0)).unwrap()
}

fuzz_target!(|input: Input<'_>| {
    let host = Hostile {
        world: World::default(),
        forged: &input.forged,
        loads: Cell::default(),
        body: RefCell::default(),
        calls: RefCell::default(),
        uptime: Cell::new(Duration::from_secs(1)),
    };
    let text = if input.with_redis { REDIS } else { MEMORY };
    let env = |_: &str| Some("user:password".to_owned());
    let config = Rc::new(Config::parse(text.as_bytes(), &env).unwrap());
    let start = || Pipeline::new(Rc::clone(&config), &host, "fuzz", Some(QueueId(1)));
    let mut pipeline = start();
    pipeline.publish(&host, text.as_bytes());
    for step in input.steps.iter().take(64) {
        match step {
            Step::Event => pipeline.captured(&host, event(&config), PushId::random(&host)),
            Step::Woken => pipeline.woken(&host),
            Step::Timer { millis } => {
                host.uptime.set(host.uptime.get() + Duration::from_millis(u64::from(*millis)));
                pipeline.timer_fired(&host);
            }
            Step::Reply { call, status, body, is_broken } => {
                let mut calls = host.calls.borrow_mut();
                if calls.is_empty() {
                    continue;
                }
                let at = usize::from(*call) % calls.len();
                let id = calls.swap_remove(at);
                drop(calls);
                *host.body.borrow_mut() = body.to_vec();
                let answer =
                    Answer { status: *status, excerpt: body.to_vec(), ..Answer::default() };
                let reply = if *is_broken { Reply::Broken } else { Reply::Answer(answer) };
                pipeline.reply(&host, id, &reply);
            }
            Step::Restart => {
                host.calls.borrow_mut().clear();
                pipeline = start();
                pipeline.publish(&host, text.as_bytes());
            }
        }
    }
});
