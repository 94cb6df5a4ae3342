//! What happens around the pipeline, and what must hold whatever happens.

use super::host::{Random, Sent, SimHost};
use formhook::capture::{Exchange, Head};
use formhook::config::Config;
use formhook::host::{Answer, CalloutId, EgressReport, Host as _, Reply};
use formhook::pipeline::Pipeline;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

const WEBHOOKS: u64 = 3;
const MAX_IN_FLIGHT: usize = 4;
/// Retries of a push: so many attempts and one more.
const RETRIES: usize = 3;

/// As little memory as can be configured.
const TIGHT_MEMORY: usize = 1 << 20;

/// How often out of a hundred times a target does what.
#[derive(Clone, Copy, Debug)]
struct Mood {
    delivers: u64,
    hangs: u64,
}

/// What was seen over all seeds.
#[derive(Debug, Default)]
pub struct Totals {
    pub calls: u64,
    pub pushes: u64,
    pub attempts: u64,
    pub delivered: u64,
    pub failed: u64,
    pub dropped: u64,
    pub virtual_millis: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Totals) {
        self.calls += other.calls;
        self.pushes += other.pushes;
        self.attempts += other.attempts;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.virtual_millis += other.virtual_millis;
    }
}

/// What the world knows about one push.
#[derive(Default)]
struct Known {
    webhook: String,
    body: Vec<u8>,
    attempts: usize,
    delivered: bool,
}

pub struct World {
    host: SimHost,
    config: Rc<Config>,
    pipeline: Pipeline,
    moods: HashMap<String, Mood>,
    /// Replies under way, by when they arrive.
    replies: BTreeMap<(u64, u32), Reply>,
    in_flight: HashMap<CalloutId, String>,
    pushes: HashMap<String, Known>,
    calls: u64,
    attempts: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let host = SimHost::new(seed);
        let webhooks: Vec<String> = (0..WEBHOOKS)
            .map(|number| {
                format!(
                    r#"{{"id":"w{number}","url":"https://w{number}.example/","secret":"s","timeout":"2s",
                        "retry":["1s","5s","1m"],"max_in_flight":{MAX_IN_FLIGHT},
                        "events":["data_update","data_remove"]}}"#
                )
            })
            .collect();
        // Seldom as little memory as is allowed, so that something has to be dropped.
        let memory = if host.random.percent(10) { TIGHT_MEMORY } else { 64 << 20 };
        let config = format!(
            r#"{{"platform":"jodoo","webhooks":[{}],"limits":{{"memory_bytes":{memory}}}}}"#,
            webhooks.join(",")
        );
        let config = Rc::new(Config::parse(config.as_bytes(), &|_| None).unwrap());
        let mood = |random: &Random| match random.below(4) {
            0 => Mood { delivers: 100, hangs: 0 },
            1 => Mood { delivers: 0, hangs: random.below(100) },
            _ => Mood { delivers: random.below(100), hangs: random.below(30) },
        };
        let names = (0..WEBHOOKS).map(|number| format!("w{number}"));
        World {
            moods: names.map(|name| (name, mood(&host.random))).collect(),
            pipeline: Pipeline::new(Rc::clone(&config), &host),
            config,
            host,
            replies: BTreeMap::new(),
            in_flight: HashMap::new(),
            pushes: HashMap::new(),
            calls: 0,
            attempts: 0,
        }
    }

    /// Lets API calls pass for a while, then waits until all is over.
    pub fn run(mut self) -> Totals {
        let steps = 20 + self.host.random.below(100);
        for _ in 0..steps {
            self.host.refusals.set(if self.host.random.percent(5) { 60 } else { 0 });
            for _ in 0..self.host.random.below(6) {
                self.api_call();
            }
            self.pipeline.pump(&self.host);
            self.look();
            let until = self.host.elapsed.get() + self.host.random.below(3_000);
            self.run_until(until);
            if self.host.random.percent(2) {
                self.jump();
            }
        }
        self.host.refusals.set(0);
        self.run_until(u64::MAX);
        self.check_end()
    }

    /// A call that changes a record passes through the gateway.
    fn api_call(&mut self) {
        let tail = ["create", "update", "delete"][self.host.random.below(3) as usize];
        let path = format!("/api/v5/app/entry/data/{tail}");
        let matched = self.config.operations.find(b"POST", path.as_bytes()).unwrap();
        let limit = self.config.limits.max_body_bytes;
        let mut exchange = Exchange::begin(matched, limit, self.pipeline.budget(), |_| None);
        let id = self.host.random.below(50);
        let request = format!(r#"{{"app_id":"a","entry_id":"e","data_id":"{id}","data":{{}}}}"#);
        // Large records only where they use up the memory; elsewhere they would only cost time.
        let is_tight = self.config.limits.memory_bytes == TIGHT_MEMORY;
        let filler =
            "x".repeat(self.host.random.below(if is_tight { 60_000 } else { 100 }) as usize);
        let response = match tail {
            "delete" => r#"{"status":"success"}"#.to_owned(),
            _ => format!(r#"{{"data":{{"_id":"{id}","_widget_1":"{filler}"}}}}"#),
        };
        if exchange.request().make_room(request.len()) {
            exchange.request().append(request.into());
        }
        exchange.response_head(Head { status: Some(200), is_local: false, is_encoded: false });
        for chunk in response.as_bytes().chunks(1 + self.host.random.below(20_000) as usize) {
            if exchange.response().make_room(chunk.len()) {
                exchange.response().append(chunk.into());
            }
        }
        let captured = exchange.finish(self.host.now()).unwrap();
        self.pipeline.captured(&self.host, captured);
        self.calls += 1;
    }

    /// The clock of the machine is set, either way.
    fn jump(&self) {
        let by = self.host.random.below(7_200_000);
        let now = self.host.clock.get();
        self.host.clock.set(if self.host.random.percent(50) { now + by } else { now - by });
    }

    /// Plays replies and timers in the order of time.
    fn run_until(&mut self, end: u64) {
        let mut events = 0u64;
        loop {
            let reply = self.replies.first_key_value().map(|((at, _), _)| *at);
            let timer = self.host.timer.get();
            let next = reply.into_iter().chain(timer).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            events += 1;
            assert!(events < 1_000_000, "the pipeline never comes to rest");
            self.host.advance(next - self.host.elapsed.get());
            if timer == Some(next) {
                self.host.timer.set(None);
                self.pipeline.timer_fired(&self.host);
            } else if let Some(((_, id), reply)) = self.replies.pop_first() {
                let id = CalloutId(id);
                self.in_flight.remove(&id);
                self.pipeline.reply(&self.host, id, &reply);
            }
            self.look();
        }
        if end != u64::MAX {
            self.host.advance(end - self.host.elapsed.get());
        }
    }

    /// Takes note of what was sent, and decides what will come of it.
    fn look(&mut self) {
        for sent in self.host.sent.take() {
            self.attempts += 1;
            let webhook = sent.headers[":authority"].trim_end_matches(".example").to_owned();
            let id = sent.headers["webhook-id"].clone();
            let known = self.pushes.entry(id).or_default();
            if known.attempts == 0 {
                known.webhook.clone_from(&webhook);
                known.body.clone_from(&sent.body);
            }
            assert_eq!(known.webhook, webhook, "a push changed its target");
            assert_eq!(known.body, sent.body, "a push changed its body");
            assert!(!known.delivered, "a delivered push was sent again");
            let (reply, after) = react(&self.host.random, self.moods[&webhook], &sent);
            match &reply {
                Reply::Answer(answer) if (200..300).contains(&answer.status) => {
                    known.delivered = true;
                    known.attempts += 1;
                }
                Reply::Answer(Answer { egress: Some(report), .. }) if report.flags == "UO" => {}
                _ => known.attempts += 1,
            }
            assert!(known.attempts <= RETRIES + 1, "more attempts than the schedule has");
            self.in_flight.insert(sent.id, webhook);
            self.replies.insert((self.host.elapsed.get() + after, sent.id.0), reply.clone());
        }
        for webhook in self.moods.keys() {
            let in_flight = self.in_flight.values().filter(|known| *known == webhook).count();
            assert!(in_flight <= MAX_IN_FLIGHT, "{in_flight} in flight to {webhook}");
        }
    }

    fn check_end(self) -> Totals {
        assert!(self.pipeline.is_idle(), "something is left and nothing will move it");
        assert_eq!(self.host.timer.get(), None, "an idle pipeline asks to be woken");
        assert_eq!(self.pipeline.budget().used(), 0, "memory was not given back");
        let counted = |result: &str| {
            self.host.counted("formhook_pushes_total.", &format!(".result.{result}"))
        };
        let (delivered, failed) = (counted("success"), counted("failure"));
        let dropped = counted("dropped");
        let really = self.pushes.values().filter(|push| push.delivered).count() as u64;
        assert_eq!(delivered, really, "a delivery was miscounted");
        let pushes = self.pushes.len() as u64;
        assert_eq!(pushes, delivered + failed, "a push was lost");
        let events = self.host.counted("formhook_events_total.", "");
        let misses = self.host.counted("formhook_capture_misses_total.", ".reason.overload");
        assert_eq!(events + misses, self.calls, "a call was lost");
        assert_eq!(events * WEBHOOKS, pushes + dropped, "an event was lost");
        for push in self.pushes.values().filter(|push| !push.delivered) {
            assert_eq!(push.attempts, RETRIES + 1, "a push was given up early");
        }
        Totals {
            calls: self.calls,
            pushes,
            attempts: self.attempts,
            delivered,
            failed,
            dropped,
            virtual_millis: self.host.elapsed.get(),
        }
    }
}

/// What a target in this mood makes of an attempt, and after how many milliseconds.
fn react(random: &Random, mood: Mood, sent: &Sent) -> (Reply, u64) {
    let answer = |status, flags: &str, details: &str| {
        let egress = EgressReport {
            flags: flags.into(),
            details: details.into(),
            transport_failure: String::new(),
        };
        Reply::Answer(Answer { status, egress: Some(egress) })
    };
    let timeout = u64::try_from(sent.timeout.as_millis()).unwrap();
    let after = 1 + random.below(timeout - 1);
    if random.percent(mood.delivers) {
        return (answer(200 + random.below(100) as u16, "-", "via_upstream"), after);
    }
    if random.percent(mood.hangs) {
        return (Reply::Answer(Answer { status: 504, egress: None }), timeout);
    }
    let reply = match random.below(6) {
        0 => Reply::Broken,
        1 => answer(
            503,
            "UF,URX",
            "upstream_reset_before_response_started{remote_connection_failure}",
        ),
        2 => answer(503, "DF", "dns_resolution_failure{cares_norecords}"),
        3 => answer(503, "UO", "upstream_reset_before_response_started{overflow}"),
        _ => answer(300 + random.below(300) as u16, "-", "via_upstream"),
    };
    (reply, after)
}
