//! A gateway of two workers for short plays with a certain end: who makes a change, what targets answer,
//! and what is kept then.

use super::host::{Process, Sent, SimHost};
use formhook::capture::{Exchange, Head};
use formhook::config::Config;
use formhook::history::Query;
use formhook::host::{Answer, EgressReport, Host as _, QueueId, Reply};
use formhook::pipeline::Pipeline;
use formhook::store::{Bounds, Memory, PushId, State, Store as _};
use std::rc::Rc;

/// Two workers of a gateway with one webhook, `crm`.
pub struct Gateway {
    pub process: Rc<Process>,
    pub config: Rc<Config>,
    pub workers: Vec<(Rc<SimHost>, Pipeline)>,
    pub changes: u64,
}

pub fn gateway(webhook: &str) -> Gateway {
    let config = format!(
        r#"{{"platform":"jodoo","webhooks":[{{"id":"crm","url":"https://crm.example/","secret":"s",
            "retry":[]{webhook}}}]}}"#
    );
    let mut gateway = Gateway {
        process: Process::new(1),
        config: parsed(&config),
        workers: Vec::new(),
        changes: 0,
    };
    gateway.start(&config, 2);
    gateway
}

/// What the platform says when it is asked for a record.
pub const RECORD: &[u8] = br#"{"data":{"_id":"r","appId":"a","entryId":"e"}}"#;

fn parsed(config: &str) -> Rc<Config> {
    Rc::new(Config::parse(config.as_bytes(), &|_| Some("key".to_owned())).unwrap())
}

impl Gateway {
    /// Starts workers with this configuration, in place of those there are.
    fn start(&mut self, config: &str, workers: u32) {
        self.config = parsed(config);
        self.workers = (0..workers).map(|worker| self.worker(worker)).collect();
        for (host, pipeline) in &mut self.workers {
            pipeline.publish(&**host, config.as_bytes());
            pipeline.pump(&**host);
        }
    }

    /// A worker's VM stands still, and is replaced by a new one.
    pub fn stall(&mut self, worker: u32) -> (Rc<SimHost>, Pipeline) {
        let (host, mut pipeline) = self.worker(worker);
        pipeline.pump(&*host);
        std::mem::replace(&mut self.workers[worker as usize], (host, pipeline))
    }

    fn worker(&self, number: u32) -> (Rc<SimHost>, Pipeline) {
        let host = Rc::new(SimHost::new(&self.process));
        let config = Rc::clone(&self.config);
        let pipeline = Pipeline::new(config, &*host, "formhook", Some(QueueId(number)));
        (host, pipeline)
    }

    /// A worker's VM ends, and a new one begins.
    pub fn crash(&mut self, worker: u32) {
        drop(self.stall(worker));
    }

    /// The configuration becomes this; who worked with the old one gives up what it has.
    pub fn configure(&mut self, config: &str) {
        for (host, pipeline) in &mut self.workers {
            pipeline.leave(&**host);
        }
        self.start(config, u32::try_from(self.workers.len()).unwrap());
    }

    /// A record is created through a worker.
    pub fn create(&mut self, worker: usize) {
        self.create_as(worker, &self.changes.to_string());
    }

    /// The same, with this id.
    pub fn create_as(&mut self, worker: usize, id: &str) {
        let number = self.changes;
        self.changes += 1;
        let (host, pipeline) = &mut self.workers[worker];
        pipeline.take_additions(&**host);
        let path = b"/api/v5/app/entry/data/create";
        let matched = self.config.operations.find_by("POST", path).unwrap();
        let mut exchange = Exchange::begin(
            matched,
            1_000_000,
            pipeline.budget(),
            std::time::Duration::ZERO,
            |_| None,
        );
        exchange.response_head(Head { status: Some(200), is_local: false, is_encoded: false });
        let answer =
            format!(r#"{{"data":{{"_id":"{id}","appId":"a","entryId":"e","number":{number}}}}}"#);
        assert!(exchange.response().make_room(answer.len()));
        exchange.response().append(answer.into());
        let id = PushId::random(&**host);
        let captured = exchange.finish(host.now(), || true).captured().unwrap();
        pipeline.captured(&**host, captured, id);
        pipeline.pump(&**host);
    }

    /// Lets all workers go on until they are at rest; `answer` is what the target says. What was
    /// sent to it.
    pub fn run(&mut self, answer: impl Fn(&Sent) -> u16) -> Vec<Sent> {
        self.run_until(answer, |_| false)
    }

    /// The same, or until enough was sent.
    pub fn run_until(
        &mut self,
        answer: impl Fn(&Sent) -> u16,
        is_enough: impl Fn(&[Sent]) -> bool,
    ) -> Vec<Sent> {
        let mut all = Vec::new();
        for _ in 0..1_000 {
            let mut is_at_rest = true;
            for queue in self.process.wakes.take() {
                // A queue stays when its worker is no more.
                let Some((host, pipeline)) = self.workers.get_mut(queue as usize) else { continue };
                pipeline.woken(&**host);
                is_at_rest = false;
            }
            for (host, pipeline) in &mut self.workers {
                for sent in host.sent.take() {
                    is_at_rest = false;
                    let egress =
                        EgressReport { details: "via_upstream".into(), ..Default::default() };
                    let reply =
                        Answer { status: answer(&sent), egress: Some(egress), ..Answer::default() };
                    *host.body.borrow_mut() = RECORD.to_vec();
                    pipeline.reply(&**host, sent.id, &Reply::Answer(reply));
                    all.push(sent);
                }
                if host.timer.take().is_some() {
                    is_at_rest = false;
                    pipeline.timer_fired(&**host);
                }
            }
            if is_at_rest || is_enough(&all) {
                return all;
            }
            self.process.advance(1_000);
        }
        panic!("the workers never come to rest");
    }

    /// The ids in the failed cache, and how often each was tried.
    pub fn failed(&mut self) -> Vec<(Box<str>, u32)> {
        let (host, pipeline) = &mut self.workers[0];
        let mut found = Vec::new();
        pipeline.store().failed(&**host, &mut |loaded| {
            if let State::Failed(failure) = &loaded.entry.state {
                found.push((loaded.entry.push.id.as_str().into(), failure.attempts));
            }
            true
        });
        found.sort();
        found
    }

    pub fn failures(&mut self) -> u32 {
        let (host, pipeline) = &mut self.workers[0];
        pipeline.store().webhook(&**host, "crm").failures
    }

    pub fn is_disabled(&mut self) -> bool {
        let (host, pipeline) = &mut self.workers[0];
        pipeline.store().webhook(&**host, "crm").disabled.is_some()
    }

    /// The outcomes in the history, the oldest first.
    pub fn history(&mut self) -> Vec<&'static str> {
        let (host, pipeline) = &mut self.workers[0];
        let store = pipeline.store();
        let query = Query { limit: 100, ..Query::default() };
        let page = query.page(
            |ring| store.history_bounds(&**host, ring),
            |ring, number| store.history(&**host, ring, number),
        );
        page.records.iter().rev().map(|(_, record)| record.outcome.name()).collect()
    }
}

/// An admin's own view of the store.
pub fn admin() -> Memory {
    Memory::new("formhook", None, Bounds { bytes: 1_000_000, history: 10 })
}

impl Gateway {
    /// An admin sets a webhook, or deletes it.
    pub fn set_webhook(&mut self, id: &str, url: Option<&str>) {
        let host = SimHost::new(&self.process);
        let set = admin().update_additions(&host, |additions| {
            match url {
                Some(url) => additions.set_webhook(
                    id,
                    format!(r#"{{"id":"{id}","url":"{url}","retry":["1s"]}}"#).into(),
                ),
                None => assert!(additions.remove_webhook(id)),
            }
            Ok::<_, ()>(())
        });
        set.unwrap();
    }
}

pub fn authorities(sent: &[Sent]) -> Vec<&str> {
    let mut authorities: Vec<_> = sent.iter().map(|sent| &*sent.headers[":authority"]).collect();
    authorities.sort_unstable();
    authorities
}

pub fn ids(sent: &[Sent]) -> Vec<Box<str>> {
    let mut ids: Vec<Box<str>> =
        sent.iter().map(|sent| sent.headers["webhook-id"].as_str().into()).collect();
    ids.sort();
    ids
}
