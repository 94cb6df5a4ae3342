//! Whatever bytes stand in the store in place of Formhook's own, or come as answers of Redis, pushes go on.

#![no_main]

use arbitrary::Arbitrary;
use formhook::codec::Reader;
use formhook::config::Config;
use formhook::form::Schema;
use formhook::history::Record;
use formhook::host::{Answer, QueueId, Reply, UnixMillis};
use formhook::pipeline::Pipeline;
use formhook::platform::{Job, Refusal};
use formhook::store::{Coalescer, PushId};
use formhook_fuzz::canonical::read;
use formhook_fuzz::gateway::{Gateway, event};
use libfuzzer_sys::fuzz_target;
use std::rc::Rc;
use std::time::Duration;

#[derive(Arbitrary, Debug)]
struct Input<'d> {
    with_redis: bool,
    steps: Vec<Step<'d>>,
    value: &'d [u8],
}

#[derive(Arbitrary, Debug)]
enum Step<'d> {
    Event {
        record: u8,
    },
    Woken,
    Timer {
        millis: u16,
    },
    /// A value of the shared map is another one.
    Forged {
        number: u8,
        value: &'d [u8],
    },
    /// A value of the shared map is cut, or has another byte.
    Broken {
        number: u8,
        at: u16,
        byte: Option<u8>,
    },
    Reply {
        call: u8,
        status: u16,
        body: &'d [u8],
        is_broken: bool,
    },
    /// Redis answers as Webdis gives bulk strings; what an answer has to repeat stands for `@`.
    Bulk {
        call: u8,
        text: &'d str,
    },
    Restart,
}

const MEMORY: &str = r#"{"platform":"jodoo","webhooks":[
    {"id":"crm","url":"https://crm.example/","secret":"s","events":["data_update"],"changes":true,"retry":["1s","2s"]},
    {"id":"erp","url":"http://erp.example/","disable_after":2,"retry":[]}]}"#;

const REDIS: &str = r#"{"platform":"jodoo","store":{"redis":{"cluster":"webdis","auth_env":"AUTH"}},"webhooks":[
    {"id":"crm","url":"https://crm.example/","secret":"s","retry":["1s","2s"]}]}"#;

fuzz_target!(|input: Input<'_>| {
    judge_decoders(input.value);
    let gateway = Gateway::default();
    let text = if input.with_redis { REDIS } else { MEMORY };
    let env = |_: &str| Some("user:password".to_owned());
    let config = Rc::new(Config::parse(text.as_bytes(), &env).unwrap());
    let start = || {
        let mut pipeline = Pipeline::new(Rc::clone(&config), &gateway, "fuzz", Some(QueueId(1)));
        pipeline.publish(&gateway, text.as_bytes());
        pipeline
    };
    let mut pipeline = start();
    for step in input.steps.iter().take(48) {
        match step {
            Step::Event { record } => {
                pipeline.captured(&gateway, event(&config, *record), PushId::random(&gateway));
            }
            Step::Woken => pipeline.woken(&gateway),
            Step::Timer { millis } => {
                gateway.pass(Duration::from_millis(u64::from(*millis)));
                pipeline.timer_fired(&gateway);
            }
            Step::Forged { number, value } => gateway.forge(usize::from(*number), value),
            Step::Broken { number, at, byte } => {
                let kept = gateway.kept();
                let Some(value) = kept.values().nth(usize::from(*number) % kept.len()) else {
                    continue;
                };
                let (mut value, at) = (value.clone(), usize::from(*at) % value.len().max(1));
                match (byte, value.get_mut(at)) {
                    (Some(new), Some(old)) => *old = *new,
                    _ => value.truncate(at),
                }
                gateway.forge(usize::from(*number), &value);
            }
            Step::Reply { call, status, body, is_broken } => {
                let answer = (!is_broken).then_some((*status, *body));
                reply(&gateway, &mut pipeline, usize::from(*call), answer);
            }
            Step::Bulk { call, text } => {
                let call = usize::from(*call);
                let Some(body) = gateway.bulk(call, text) else { continue };
                reply(&gateway, &mut pipeline, call, Some((200, body.as_bytes())));
            }
            Step::Restart => {
                gateway.forget_calls();
                pipeline = start();
            }
        }
    }
    judge_going_on(&gateway, &mut pipeline, &config);
});

fn reply(gateway: &Gateway, pipeline: &mut Pipeline, call: usize, answer: Option<(u16, &[u8])>) {
    let Some(call) = gateway.take_call(call) else { return };
    let reply = match answer {
        Some((status, body)) => {
            gateway.set_reply(body);
            let excerpt = body.get(..1024).unwrap_or(body).to_vec();
            Reply::Answer(Answer { status, excerpt, ..Answer::default() })
        }
        None => Reply::Broken,
    };
    pipeline.reply(gateway, call.id, &reply);
}

/// What is done with pushes, in sum.
fn done(gateway: &Gateway, webhook: &str) -> i64 {
    let results = ["failure", "success", "not_attempted", "dropped"];
    let of = |result| format!("formhook_pushes_total.webhook.{webhook}.result.{result}");
    let attempts = gateway.metric_value(&format!("formhook_attempts_total.webhook.{webhook}"));
    attempts + results.map(|result| gateway.metric_value(&of(result))).iter().sum::<i64>()
}

/// After all that, a change is still pushed, or it is counted why not.
fn judge_going_on(gateway: &Gateway, pipeline: &mut Pipeline, config: &Config) {
    while gateway.calls() > 0 {
        reply(gateway, pipeline, 0, None);
    }
    let before = done(gateway, "crm");
    pipeline.captured(gateway, event(config, 255), PushId::random(gateway));
    for _ in 0..40 {
        pipeline.woken(gateway);
        if done(gateway, "crm") > before {
            return;
        }
        reply(gateway, pipeline, 0, None);
        gateway.pass(Duration::from_secs(1));
        pipeline.timer_fired(gateway);
    }
    panic!("nothing was done with a push in forty seconds");
}

/// What a decoder takes it can write, and takes again.
fn judge_decoders(value: &[u8]) {
    if let Some(record) = Record::decode(value) {
        let written = record.encode();
        assert_eq!(Record::decode(&written).as_ref(), Some(&record));
        let mut json = Vec::new();
        record.json(&mut json);
        assert!(read(&json).is_ok(), "{json:?}");
        let line = record.log_line();
        let json = line.strip_prefix("formhook.push ").expect("a line begins with its kind");
        assert!(read(json.as_bytes()).is_ok() && !line.contains('\n'), "{line}");
    }
    if let Some(job) = Job::decode(value) {
        assert_eq!(Job::decode(&job.encode()).map(|again| again.encode()), Some(job.encode()));
        assert!(read(&job.request()).is_ok());
    }
    if let Some(schema) = str::from_utf8(value).ok().and_then(Schema::decode) {
        assert_eq!(Schema::decode(&schema.encode()), Some(schema));
    }
    if let Some(mut reader) = Reader::new(value, 1) {
        let mut notices = Coalescer::decode(&mut reader);
        let _ = notices.flush(UnixMillis(u64::MAX)).count();
    }
    let _ = Refusal::of(200, value);
}
