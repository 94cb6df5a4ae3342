//! Gateways that share a Redis: workers crash, whole gateways are killed, Redis does not answer, or
//! answers after it was given up, or does what it was told and nobody hears of it. What was stored
//! comes to its end, and is counted once.

use super::call::{Change, capture, change_in, list_fields, version_in};
use super::host::{Crash, Process, Random, Sent, SimHost};
use super::redis::SimRedis;
use super::world::{Mood, react, webhook};
use formhook::config::Config;
use formhook::host::{Answer, CalloutId, Host as _, QueueId, Reply};
use formhook::pipeline::Pipeline;
use formhook::store::{Asked, Bounds, Selection, Tiers, Turn};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

/// The last counts in total, and no command touches its failures.
const WEBHOOKS: u64 = 3;
const COUNTED: &str = "w2";
/// Where Redis is, for the gateways.
const STORE: &str = "webdis";
/// A worker's pushes are adopted later than that, and a lease ends later.
const LATEST_MILLIS: u64 = 3_000;
/// By then everything has come to its end, once nothing disturbs.
const CALM_MILLIS: u64 = 15 * 60_000;

sums! {
    /// What was seen over all seeds.
    Seen {
        calls,
        pushes,
        attempts,
        duplicates,
        delivered,
        failed,
        abandoned,
        crashes,
        kills,
        unstored,
        taken_over,
        batches,
        lost_answers,
        late_batches,
        refused,
        forgotten,
        form_updates,
        virtual_millis,
    }
}

/// A change and who is to hear of it.
type Key = (u64, String);

#[derive(Default)]
struct Known {
    id: String,
    body: Vec<u8>,
    /// How often the target took it.
    taken: u32,
}

/// A pipeline and the host that it sees.
struct Owner {
    number: u32,
    host: Rc<SimHost>,
    pipeline: Pipeline,
}

struct Gateway {
    process: Rc<Process>,
    /// How far its clock is off.
    clock_offset: i64,
    /// The first is the main thread's, which sees no call and does not crash.
    vms: Vec<Option<Owner>>,
}

impl Gateway {
    /// As Redis knows it.
    fn name(&self) -> String {
        let map = self.process.map.borrow();
        let name = map.get("formhook/formhook/g").map(|(name, _)| name.clone());
        String::from_utf8(name.unwrap_or_default()).unwrap()
    }
}

enum Event {
    /// Something comes back to an owner, with this body.
    Reply(u32, CalloutId, Reply, Vec<u8>),
    /// The fields of the form are listed through a gateway's VM as they were at this time.
    Listed(usize, usize, u64, Duration),
    /// A command gets to Redis; the answer goes to an owner, if it still waits.
    Command(Option<(u32, CalloutId)>, Sent),
}

/// How Redis is, out of a hundred times.
#[derive(Clone, Copy)]
struct Health {
    down: u64,
    answer_is_lost: u64,
    late: u64,
    refuses: u64,
}

const WELL: Health = Health { down: 0, answer_is_lost: 0, late: 0, refuses: 0 };

pub struct Fleet {
    dice: Random,
    config: Rc<Config>,
    redis: SimRedis,
    health: Health,
    gateways: Vec<Gateway>,
    moods: HashMap<String, Mood>,
    events: BTreeMap<(u64, u64), Event>,
    now: u64,
    next_number: u64,
    next_owner: u32,
    next_change: u64,
    pushes: HashMap<Key, Known>,
    /// Changes that a worker took in as a whole, and on which gateway.
    accepted: HashMap<u64, usize>,
    /// Pushes that were not stored when their gateway was killed.
    excused: HashSet<Key>,
    abandoned: HashSet<Key>,
    /// How often the form was changed.
    form_version: u64,
    /// The versions of the form that a webhook was told of, and by which push.
    told: HashMap<Key, String>,
    /// Nothing but answers and deliveries happens.
    is_undisturbed: bool,
    /// Redis crashes, and loses what it was told last.
    is_forgetful: bool,
    seen: Seen,
}

impl Fleet {
    /// Every target takes everything, so that nothing is counted that Redis may then have lost.
    pub fn forgetful(seed: u64) -> Self {
        let mut fleet = Fleet::new(seed);
        (fleet.is_undisturbed, fleet.is_forgetful) = (false, true);
        fleet.please_everybody();
        fleet
    }

    pub fn new(seed: u64) -> Self {
        let dice = Random::new(seed);
        let webhooks: Vec<String> = (0..WEBHOOKS).map(|number| webhook(number, "")).collect();
        let config = format!(
            r#"{{"platform":"jodoo","webhooks":[{}],"notify":[{{"url":"https://chat.example/"}}],
                "store":{{"redis":{{"cluster":"{STORE}","namespace":"sim","timeout":"2s"}}}}}}"#,
            webhooks.join(",")
        );
        let config = Rc::new(Config::parse(config.as_bytes(), &|_| None).unwrap());
        let is_undisturbed = dice.percent(20);
        let names = (0..WEBHOOKS).map(|number| format!("w{number}")).chain(["chat".into()]);
        let moods = names.map(|name| {
            let delivers = if is_undisturbed { 100 } else { dice.below(101) };
            (name, Mood { delivers, hangs: dice.below(30) })
        });
        let moods = moods.collect();
        let count = 1 + dice.below(3);
        let mut fleet = Fleet {
            dice,
            config,
            redis: SimRedis::new(),
            health: WELL,
            gateways: Vec::new(),
            moods,
            events: BTreeMap::new(),
            now: 0,
            next_number: 0,
            next_owner: 1,
            next_change: 0,
            pushes: HashMap::new(),
            accepted: HashMap::new(),
            excused: HashSet::new(),
            abandoned: HashSet::new(),
            form_version: 0,
            told: HashMap::new(),
            is_undisturbed,
            is_forgetful: false,
            seen: Seen::default(),
        };
        for _ in 0..count {
            let gateway = fleet.new_gateway();
            fleet.gateways.push(gateway);
        }
        fleet
    }

    fn new_gateway(&mut self) -> Gateway {
        let process = Process::new(self.dice.next());
        let clock_offset = match self.dice.below(3) {
            0 => 0,
            1 => 3_600_000,
            _ => -3_600_000,
        };
        let mut gateway = Gateway { process, clock_offset, vms: Vec::new() };
        self.set_clock(&gateway);
        for _ in 0..2 + self.dice.below(2) {
            let owner = self.new_owner(&gateway.process);
            gateway.vms.push(Some(owner));
        }
        gateway
    }

    fn new_owner(&mut self, process: &Rc<Process>) -> Owner {
        let number = self.next_owner;
        self.next_owner += 1;
        let host = Rc::new(SimHost::new(process));
        let config = Rc::clone(&self.config);
        let pipeline = Pipeline::new(config, &*host, "formhook", Some(QueueId(number)));
        host.set_timer(Some(Duration::from_millis(1)));
        Owner { number, host, pipeline }
    }

    fn set_clock(&self, gateway: &Gateway) {
        gateway.process.uptime.set(self.now);
        let clock = 1_700_000_000_000 + self.now;
        gateway.process.clock.set(clock.checked_add_signed(gateway.clock_offset).unwrap());
    }

    pub fn run(mut self) -> Seen {
        for _ in 0..15 + self.dice.below(40) {
            for _ in 0..self.dice.below(6) {
                self.api_call();
            }
            if self.dice.percent(30) {
                self.ask_for_fields();
            }
            if self.is_forgetful {
                self.crash_redis();
            } else if !self.is_undisturbed {
                self.disturb();
            }
            let until = self.now + self.dice.below(3_000);
            self.run_until(until);
        }
        self.health = WELL;
        self.redis.refuse(None);
        self.please_everybody();
        for owner in self.gateways.iter().flat_map(|gateway| &gateway.vms).flatten() {
            owner.host.crashes_in.set(None);
        }
        self.run_until(self.now + CALM_MILLIS);
        self.check_end()
    }

    /// Every target takes everything.
    fn please_everybody(&mut self) {
        for mood in self.moods.values_mut() {
            *mood = Mood { delivers: 100, hangs: 0 };
        }
    }

    /// Redis, as `appendfsync everysec` has it: it may lose two seconds. Perhaps a VM crashes, too.
    fn crash_redis(&mut self) {
        if self.dice.percent(10) {
            self.crash_vm();
        }
        let before = self.redis.snapshot();
        let until = self.now + self.dice.below(2_000);
        self.run_until(until);
        self.redis.restore(&before);
        self.redis.forget_scripts();
    }

    /// Has a VM crash soon.
    fn crash_vm(&mut self) {
        let gateway = self.any_gateway();
        let vms = self.gateways[gateway].vms.len() as u64;
        let (vm, calls) = (1 + self.dice.below(vms - 1), self.dice.below(300));
        if let Some(owner) = &self.gateways[gateway].vms[vm as usize] {
            owner.host.crashes_in.set(Some(calls));
        }
    }

    fn disturb(&mut self) {
        match self.dice.below(100) {
            0..12 => self.crash_vm(),
            12..17 => self.kill(),
            17..35 => {
                let few = |dice: &Random| if dice.percent(50) { 0 } else { dice.below(60) };
                self.health = Health {
                    down: if self.dice.percent(20) { 100 } else { few(&self.dice) / 3 },
                    answer_is_lost: few(&self.dice),
                    late: few(&self.dice),
                    refuses: few(&self.dice) / 3,
                };
            }
            35..50 => self.health = WELL,
            50..53 => self.redis.forget_scripts(),
            53..60 => self.command(),
            60..66 => {
                let webhook = format!("w{}", self.dice.below(WEBHOOKS));
                let mood = Mood { delivers: self.dice.below(101), hangs: self.dice.below(50) };
                self.moods.insert(webhook, mood);
            }
            _ => {}
        }
    }

    fn any_gateway(&self) -> usize {
        self.dice.below(self.gateways.len() as u64) as usize
    }

    fn api_call(&mut self) {
        let gateway = self.any_gateway();
        let vms = self.gateways[gateway].vms.len() as u64;
        let vm = 1 + self.dice.below(vms - 1) as usize;
        if self.gateways[gateway].vms[vm].is_none() {
            // A crashed VM is made anew by the next call, in Envoy.
            let process = Rc::clone(&self.gateways[gateway].process);
            let owner = self.new_owner(&process);
            self.gateways[gateway].vms[vm] = Some(owner);
        }
        let number = self.next_change;
        self.next_change += 1;
        self.seen.calls += 1;
        let record = self.dice.below(8);
        let tail = ["create", "update"][self.dice.below(2) as usize];
        let filler = "x".repeat(self.dice.below(100) as usize);
        let config = Rc::clone(&self.config);
        let mut is_accepted = false;
        self.with(gateway, vm, |owner| {
            let change = Change { number, record, tail, filler: &filler };
            capture(&config, &owner.host, &mut owner.pipeline, &change);
            is_accepted = true;
            owner.pipeline.pump(&*owner.host);
        });
        if is_accepted {
            self.accepted.insert(number, gateway);
        }
    }

    /// The form may be changed, and its fields are asked for. The answers come in any order.
    fn ask_for_fields(&mut self) {
        self.form_version += u64::from(self.dice.percent(50));
        for _ in 0..1 + self.dice.below(3) {
            let gateway = self.any_gateway();
            let vm = 1 + self.dice.below(self.gateways[gateway].vms.len() as u64 - 1) as usize;
            let began = Duration::from_millis(self.now);
            let listed = Event::Listed(gateway, vm, self.form_version, began);
            self.after(1 + self.dice.below(2_000), listed);
        }
    }

    /// Runs code in a VM; if it crashes, it is gone.
    fn with(&mut self, gateway: usize, vm: usize, run: impl FnOnce(&mut Owner)) {
        let Some(owner) = &mut self.gateways[gateway].vms[vm] else { return };
        let result = catch_unwind(AssertUnwindSafe(|| run(owner)));
        // What was sent before a crash was sent.
        let (number, sent) = (owner.number, owner.host.sent.take());
        for sent in sent {
            self.judge(number, sent);
        }
        if let Err(panic) = result {
            if !panic.is::<Crash>() {
                resume_unwind(panic);
            }
            self.gateways[gateway].vms[vm] = None;
            self.seen.crashes += 1;
        }
    }

    /// A whole gateway ends, and another one comes in its place.
    fn kill(&mut self) {
        self.seen.kills += 1;
        let killed = self.any_gateway();
        let mut stored: HashSet<Key> = HashSet::new();
        let keys = self.redis.keys("{sim}:waiting:").into_iter().chain(["{sim}:failed".into()]);
        for key in keys {
            for (_, push) in self.redis.hash(&key) {
                let push = String::from_utf8_lossy(&push);
                for webhook in 0..WEBHOOKS {
                    // A push names its webhook before its body.
                    let name = format!("w{webhook}");
                    if push.contains(&format!("2 {name}")) {
                        stored.extend(change_in(&push).map(|change| (change, name)));
                    }
                }
            }
        }
        for (change, gateway) in &self.accepted {
            for webhook in 0..WEBHOOKS {
                let key = (*change, format!("w{webhook}"));
                let is_taken = self.pushes.get(&key).is_some_and(|known| known.taken > 0);
                if *gateway == killed && !is_taken && !stored.contains(&key) {
                    self.excused.insert(key);
                    self.seen.unstored += 1;
                }
            }
        }
        let gateway = self.new_gateway();
        self.gateways[killed] = gateway;
    }

    /// What was sent, and what will come of it.
    fn judge(&mut self, owner: u32, sent: Sent) {
        let to = sent.headers[":authority"].trim_end_matches(".example").to_owned();
        if to == STORE {
            self.seen.batches += 1;
            return self.send_to_redis(owner, sent);
        }
        self.seen.attempts += 1;
        let (mut reply, after) = react(&self.dice, self.moods[&to], &sent);
        if let Reply::Answer(answer) = &mut reply {
            // An hour's rest would be thousands of polls.
            answer.retry_after = answer.retry_after.take().filter(|after| after.len() == 1);
        }
        let is_taken =
            matches!(&reply, Reply::Answer(answer) if (200..300).contains(&answer.status));
        // A target may also take a push and be heard too late, or not at all.
        let took = is_taken || (!self.is_undisturbed && self.dice.percent(20));
        if to != "chat" {
            let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
            let id = &sent.headers["webhook-id"];
            if let Some(version) = version_in(&body) {
                // Redis may have lost that it was told of.
                if !self.is_forgetful {
                    let told = self.told.entry((version, to)).or_insert_with(|| id.clone());
                    assert_eq!(told, id, "version {version} of the form was told of twice");
                }
                self.seen.form_updates += 1;
                return self.after(after, Event::Reply(owner, sent.id, reply, Vec::new()));
            }
            let change = body["data"]["change"].as_u64().unwrap();
            let known = self.pushes.entry((change, to)).or_default();
            if known.id.is_empty() {
                known.id.clone_from(id);
                known.body.clone_from(&sent.body);
            }
            assert_eq!(known.id, *id, "a push changed its id");
            assert_eq!(known.body, sent.body, "a push changed its body");
            self.seen.duplicates += u64::from(took && known.taken > 0);
            known.taken += u32::from(took);
        }
        self.after(after, Event::Reply(owner, sent.id, reply, Vec::new()));
    }

    fn send_to_redis(&mut self, owner: u32, sent: Sent) {
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

    fn after(&mut self, millis: u64, event: Event) {
        self.next_number += 1;
        self.events.insert((self.now + millis, self.next_number), event);
    }

    fn run_in_redis(&mut self, sent: &Sent) -> (u16, Vec<u8>) {
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

    /// Plays wakes, events and timers in the order of time.
    fn run_until(&mut self, end: u64) {
        loop {
            self.play_wakes();
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let mut next = event.map(|at| (at, None));
            for (index, gateway) in self.gateways.iter().enumerate() {
                for (vm, owner) in gateway.vms.iter().enumerate() {
                    let timer = owner.as_ref().and_then(|owner| owner.host.timer.get());
                    if let Some(at) = timer
                        && next.is_none_or(|(first, _)| at < first)
                    {
                        next = Some((at, Some((index, vm))));
                    }
                }
            }
            let Some((at, what)) = next.filter(|(at, _)| *at <= end) else { break };
            self.advance_to(at.max(self.now));
            match what {
                Some((gateway, vm)) => self.with(gateway, vm, |owner| {
                    owner.host.timer.set(None);
                    owner.pipeline.timer_fired(&*owner.host);
                }),
                None => self.play_event(),
            }
        }
        self.advance_to(end);
    }

    fn advance_to(&mut self, now: u64) {
        self.now = now;
        self.gateways.iter().for_each(|gateway| self.set_clock(gateway));
    }

    fn play_wakes(&mut self) {
        loop {
            let wakes: Vec<u32> =
                self.gateways.iter().flat_map(|gateway| gateway.process.wakes.take()).collect();
            if wakes.is_empty() {
                return;
            }
            for queue in wakes {
                if let Some((gateway, vm)) = self.find(queue) {
                    self.with(gateway, vm, |owner| owner.pipeline.woken(&*owner.host));
                }
            }
        }
    }

    fn play_event(&mut self) {
        match self.events.pop_first() {
            Some((_, Event::Reply(number, id, reply, body))) => {
                let Some((gateway, vm)) = self.find(number) else { return };
                self.with(gateway, vm, |owner| {
                    owner.host.body.replace(body);
                    owner.pipeline.reply(&*owner.host, id, &reply);
                });
            }
            Some((_, Event::Listed(gateway, vm, version, began))) => {
                let config = Rc::clone(&self.config);
                if self.gateways[gateway].vms.len() > vm {
                    self.with(gateway, vm, |owner| {
                        list_fields(&config, &owner.host, &mut owner.pipeline, began, version);
                        owner.pipeline.pump(&*owner.host);
                    });
                }
            }
            Some((_, Event::Command(to, sent))) => {
                let (status, body) = self.run_in_redis(&sent);
                let taken_over = String::from_utf8_lossy(&sent.body).contains("\"reclaim\"");
                self.seen.taken_over += u64::from(taken_over);
                if let Some((number, id)) = to {
                    let reply = Reply::Answer(Answer { status, ..Answer::default() });
                    self.after(1, Event::Reply(number, id, reply, body));
                }
            }
            None => {}
        }
    }

    fn find(&self, number: u32) -> Option<(usize, usize)> {
        self.gateways.iter().enumerate().find_map(|(index, gateway)| {
            let is_it = |vm: &Option<Owner>| vm.as_ref().is_some_and(|vm| vm.number == number);
            Some((index, gateway.vms.iter().position(is_it)?))
        })
    }

    /// The admin does something at one of the gateways.
    fn command(&mut self) {
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

    fn check_end(mut self) -> Seen {
        for gateway in &self.gateways {
            for owner in gateway.vms.iter().flatten() {
                let number = owner.number;
                assert!(owner.pipeline.is_idle(), "owner {number} has something left");
                let (given, stored) = owner.pipeline.tickets();
                assert_eq!(given, stored, "owner {number} has not told Redis everything");
            }
        }
        for key in self.redis.keys("{sim}:waiting:") {
            let left = self.redis.hash(&key);
            let pushes: Vec<_> =
                left.iter().map(|(_, push)| change_in(&String::from_utf8_lossy(push))).collect();
            let gateways: Vec<_> = self.gateways.iter().map(Gateway::name).collect();
            assert!(
                left.is_empty(),
                "{key} has {pushes:?} that nobody sends; there are {gateways:?}"
            );
        }
        for (_, form) in self.redis.hash("{sim}:forms") {
            let form = String::from_utf8(form).unwrap();
            let version = form.split("\"v").nth(1).unwrap().split('"').next().unwrap();
            let version: u64 = version.parse().unwrap();
            let is_first = form.starts_with("1 ");
            for webhook in 0..WEBHOOKS {
                let is_told = self.told.contains_key(&(version, format!("w{webhook}")));
                assert!(
                    is_told || is_first || !self.is_undisturbed,
                    "w{webhook} was not told of version {version} of the form"
                );
                assert!(!(is_told && is_first), "the first sight of the form was told of");
            }
        }
        let mut cached: HashSet<Key> = HashSet::new();
        let mut counted = 0;
        for (id, value) in self.redis.hash("{sim}:failed") {
            let value = String::from_utf8_lossy(&value).into_owned();
            let mut lines = value.splitn(3, '\n');
            let (member, webhook) = (lines.next().unwrap(), lines.next().unwrap());
            assert!(member.ends_with(&*String::from_utf8_lossy(&id)));
            counted += u32::from(webhook == COUNTED);
            let Some(change) = change_in(lines.next().unwrap()) else { continue };
            let is_new = cached.insert((change, webhook.to_owned()));
            assert!(is_new, "a push is in the failed cache twice");
        }
        let failures = self.redis.hash(&format!("{{sim}}:webhook:{COUNTED}")).into_iter();
        let failures = failures.filter(|(name, _)| name == b"failures");
        let failures = failures.map(|(_, count)| String::from_utf8(count).unwrap()).next();
        let failures: u32 = failures.map_or(0, |count| count.parse().unwrap());
        assert_eq!(failures, counted, "the failures of {COUNTED} were miscounted");
        for change in self.accepted.keys() {
            for webhook in 0..WEBHOOKS {
                let key = (*change, format!("w{webhook}"));
                let taken = self.pushes.get(&key).map_or(0, |known| known.taken);
                let is_cached = cached.contains(&key);
                assert!(
                    taken > 0
                        || is_cached
                        || self.abandoned.contains(&key)
                        || self.excused.contains(&key),
                    "push {key:?} was lost"
                );
                if self.is_undisturbed {
                    assert_eq!(taken, 1, "push {key:?} was sent twice though nothing happened");
                }
                self.seen.pushes += 1;
                self.seen.delivered += u64::from(taken > 0);
                self.seen.failed += u64::from(is_cached);
            }
        }
        self.seen.virtual_millis = self.now;
        self.seen
    }
}
