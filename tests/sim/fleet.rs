//! Gateways that share a Redis: workers crash, whole gateways are killed, Redis does not answer, or
//! answers after it was given up, or does what it was told and nobody hears of it. What was stored
//! comes to its end, and is counted once.

mod invariants;
mod redis;
mod time;

use super::call::{Change, capture, change_in};
use super::host::{Crash, Process, Random, Sent, SimHost};
use super::redis::SimRedis;
use super::targets::{Mood, webhook};
use formhook::config::Config;
use formhook::host::{CalloutId, Host as _, QueueId, Reply};
use formhook::pipeline::Pipeline;
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
}
