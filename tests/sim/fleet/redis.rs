//! What gateways and an admin ask of Redis, and what becomes of that.

use super::{Event, Fleet, LATEST_MILLIS, WELL};
use crate::call::change_in;
use crate::host::{Sent, SimHost};
use formhook::host::{Answer, Reply};
use formhook::store::{Asked, Bounds, Selection, Tiers, Turn};
use std::rc::Rc;

impl Fleet {
    pub(super) fn send_to_redis(&mut self, owner: u32, sent: Sent) {
        let to = (owner, sent.id);
        let timeout = u64::try_from(sent.timeout.as_millis()).unwrap();
        let times_out = |fleet: &mut Fleet| {
            let answer = Answer { status: 504, ..Answer::default() };
            fleet.after(timeout, Event::Reply(to.0, to.1, Reply::Answer(answer), Vec::new()));
        };
        let after = 1 + self.dice.below(20);
        if self.dice.percent(self.health.down) {
            let reply = match self.dice.below(3) {
                0 => Reply::Broken,
                1 => Reply::Answer(Answer { status: 503, ..Answer::default() }),
                _ => return times_out(self),
            };
            return self.after(after, Event::Reply(to.0, to.1, reply, Vec::new()));
        }
        if self.dice.percent(self.health.answer_is_lost) {
            self.seen.lost_answers += 1;
            times_out(self);
            return self.after(after, Event::Command(None, sent));
        }
        if self.dice.percent(self.health.late) {
            self.seen.late_batches += 1;
            times_out(self);
            let after = timeout + 1 + self.dice.below(LATEST_MILLIS - timeout);
            return self.after(after, Event::Command(None, sent));
        }
        self.after(after, Event::Command(Some(to), sent));
    }

    pub(super) fn run_in_redis(&mut self, sent: &Sent) -> (u16, Vec<u8>) {
        let refuses = self.dice.percent(self.health.refuses);
        self.seen.refused += u64::from(refuses);
        let oom = "OOM command not allowed when used memory > 'maxmemory'.";
        self.redis.refuse(refuses.then_some(oom));
        let (method, path) = (&sent.headers[":method"], &sent.headers[":path"]);
        let answer = self.redis.http(method, path, &sent.body, 1_800_000_000_000 + self.now);
        let text = String::from_utf8_lossy(&answer.1);
        self.seen.forgotten += u64::from(text.contains("NOSCRIPT"));
        let is_refusal = text.starts_with("-OOM") || text.starts_with("-NOSCRIPT");
        assert!(!text.starts_with('-') || is_refusal, "the script broke: {text}");
        answer
    }

    /// Redis, as `appendfsync everysec` has it: it may lose two seconds. Perhaps a VM crashes, too.
    pub(super) fn crash_redis(&mut self) {
        if self.dice.percent(10) {
            self.crash_vm();
        }
        let before = self.redis.snapshot();
        let until = self.now + self.dice.below(2_000);
        self.run_until(until);
        self.redis.restore(&before);
        self.redis.forget_scripts();
    }

    /// The admin does something at one of the gateways.
    pub(super) fn command(&mut self) {
        let webhook: Box<str> = format!("w{}", self.dice.below(2)).into();
        let gateway = self.any_gateway();
        let host = Rc::new(SimHost::new(&self.gateways[gateway].process));
        let settings = self.config.redis.clone().unwrap();
        let bounds = Bounds { bytes: 1 << 20, history: 100 };
        let mut store = Tiers::new("formhook", None, bounds, Some(&settings));
        let selection = Selection::Webhook(webhook.clone());
        let what = self.dice.below(3);
        loop {
            let done = match what {
                0 => store.restart_webhook(&*host, &webhook).map(|_| Vec::new()),
                1 => store.retry_failed(&*host, &selection).map(|_| Vec::new()),
                _ => store.abandon_failed(&*host, &selection).map(|(given_up, _)| given_up),
            };
            match done {
                Err(Asked) => {}
                Ok(abandoned) => {
                    self.seen.abandoned += abandoned.len() as u64;
                    let keys = abandoned.iter().filter_map(|entry| {
                        let body = String::from_utf8_lossy(&entry.push.body);
                        Some((change_in(&body)?, entry.push.webhook.to_string()))
                    });
                    self.abandoned.extend(keys);
                    break;
                }
            }
            let mut question = store.take_question(&*host, &settings).unwrap();
            let mut sent = question.send(&*host);
            let answer = loop {
                let id = sent.unwrap();
                let request = host.sent.take().remove(0);
                assert_eq!(request.id, id);
                let health = std::mem::replace(&mut self.health, WELL);
                let (status, body) = self.run_in_redis(&request);
                self.health = health;
                host.body.replace(body);
                let reply = Reply::Answer(Answer { status, ..Answer::default() });
                match question.hear(&*host, &reply) {
                    Turn::Again(id) => sent = Ok(id),
                    Turn::Answered(answer) => break answer,
                    Turn::Failed(words) => panic!("{words}"),
                }
            };
            assert_eq!(store.answered(&*host, question, &answer), Ok(true));
        }
    }
}
