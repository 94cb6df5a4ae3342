//! A gateway with several VMs over virtual hours, what happens to it, and what must hold whatever
//! happens.

use super::call::{Change, capture, change_in};
use super::host::{Crash, Process, Random, Sent, SimHost};
use formhook::config::Config;
use formhook::host::{Answer, CalloutId, EgressReport, Host as _, QueueId, Reply, VIA_UPSTREAM};
use formhook::pipeline::Pipeline;
use formhook::store::{Additions, Bounds, Memory, Selection, Store as _};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// Webhooks. The last counts in total and no command touches it, so that its count can be told.
const WEBHOOKS: u64 = 3;
const COUNTED: &str = "w2";
const MAX_IN_FLIGHT: usize = 4;
/// How long a replaced listener's filters go on.
const DRAIN_MILLIS: u64 = 5_000;
/// As little memory as can be configured.
const TIGHT_MEMORY: usize = 1 << 20;

/// How often out of a hundred times a target does what.
#[derive(Clone, Copy, Debug)]
pub struct Mood {
    pub delivers: u64,
    pub hangs: u64,
}

sums! {
    /// What was seen over all seeds.
    Totals {
        calls,
        pushes,
        attempts,
        delivered,
        failed,
        dropped,
        abandoned,
        crashes,
        updates,
        virtual_millis,
    }
}

/// A push as the world knows it: a change and who is to hear of it.
type Key = (u64, String);

/// What the world knows about one push.
#[derive(Default)]
struct Known {
    id: String,
    body: Vec<u8>,
    /// The target took it at least once.
    taken: bool,
}

/// A pipeline and the host that it sees: a root context.
struct Owner {
    number: u32,
    host: Rc<SimHost>,
    pipeline: Pipeline,
    /// When its listener is drained, if it was replaced.
    leaves_at: Option<u64>,
    has_left: bool,
    in_flight: HashMap<CalloutId, String>,
}

/// A VM: the root context in use, and replaced ones that go on for a while.
struct Vm {
    owners: Vec<Owner>,
}

pub struct World {
    process: Rc<Process>,
    config: Rc<Config>,
    /// The first is the main thread's, which sees no call and does not crash.
    vms: Vec<Option<Vm>>,
    moods: HashMap<String, Mood>,
    /// Replies under way, by when they arrive: to which owner.
    replies: BTreeMap<(u64, u32, u32), (u32, CalloutId, Reply)>,
    next_owner: u32,
    next_reply: u32,
    next_change: u64,
    pushes: HashMap<Key, Known>,
    /// Changes that were taken in as a whole, or may have been in part.
    accepted: HashSet<u64>,
    abandoned: HashSet<Key>,
    /// The order in which each owner took the changes of a record.
    order: HashMap<(u32, u64), Vec<u64>>,
    owner_of: HashMap<u64, (u32, u64)>,
    /// Pushes that were seen at their end, so that they are not looked for again.
    known_ends: HashSet<Key>,
    /// Records of the history before this one are in there.
    history_read: u64,
    totals: Totals,
    is_calm: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let process = Process::new(seed);
        let random = &process.random;
        let webhooks: Vec<String> = (0..WEBHOOKS - 1).map(|number| webhook(number, "")).collect();
        // Seldom as little memory as is allowed, so that something has to be dropped.
        let memory = if random.percent(10) { TIGHT_MEMORY } else { 64 << 20 };
        let config = format!(
            r#"{{"platform":"jodoo","webhooks":[{}],"notify":[{{"url":"https://chat.example/"}}],
                "limits":{{"memory_bytes":{memory},"history_records":50000}}}}"#,
            webhooks.join(",")
        );
        let config = Rc::new(Config::parse(config.as_bytes(), &|_| None).unwrap());
        let mood = |random: &Random| match random.below(4) {
            0 => Mood { delivers: 100, hangs: 0 },
            1 => Mood { delivers: 0, hangs: random.below(100) },
            _ => Mood { delivers: random.below(100), hangs: random.below(30) },
        };
        let names = (0..WEBHOOKS).map(|number| format!("w{number}")).chain(["chat".into()]);
        let moods = names.map(|name| (name, mood(random))).collect();
        let workers = 1 + random.below(3);
        let mut world = World {
            moods,
            config,
            vms: Vec::new(),
            replies: BTreeMap::new(),
            next_owner: 1,
            next_reply: 0,
            next_change: 0,
            pushes: HashMap::new(),
            accepted: HashSet::new(),
            abandoned: HashSet::new(),
            order: HashMap::new(),
            owner_of: HashMap::new(),
            known_ends: HashSet::new(),
            history_read: 0,
            totals: Totals::default(),
            is_calm: false,
            process,
        };
        // The last webhook is an admin's.
        set_webhooks(&SimHost::new(&world.process), 0);
        for _ in 0..=workers {
            let vm = world.new_vm();
            world.vms.push(Some(vm));
        }
        world
    }

    fn new_vm(&mut self) -> Vm {
        Vm { owners: vec![self.new_owner()] }
    }

    fn new_owner(&mut self) -> Owner {
        let number = self.next_owner;
        self.next_owner += 1;
        let host = Rc::new(SimHost::new(&self.process));
        let config = Rc::clone(&self.config);
        let pipeline = Pipeline::new(config, &*host, "formhook", Some(QueueId(number)));
        // As in Envoy, the first look at the world comes with the first tick.
        host.set_timer(Some(std::time::Duration::from_millis(1)));
        Owner {
            number,
            host,
            pipeline,
            leaves_at: None,
            has_left: false,
            in_flight: HashMap::new(),
        }
    }

    /// Lets things happen for a while, then waits until all is over.
    pub fn run(mut self) -> Totals {
        let steps = 20 + self.process.random.below(60);
        for _ in 0..steps {
            let process = Rc::clone(&self.process);
            let random = &process.random;
            process.refusals.set(if random.percent(5) { 60 } else { 0 });
            for _ in 0..random.below(6) {
                self.api_call();
            }
            match random.below(100) {
                0..3 => self.jump(),
                3..6 => self.update_config(),
                6..8 => self.update_code(),
                8..16 => self.arm_crash(),
                16..22 => self.command(),
                22..26 => {
                    let webhook = format!("w{}", random.below(WEBHOOKS));
                    let mood = Mood { delivers: random.below(101), hangs: random.below(50) };
                    self.moods.insert(webhook, mood);
                }
                _ => {}
            }
            let until = self.process.uptime.get() + random.below(3_000);
            self.run_until(until);
        }
        self.process.refusals.set(0);
        self.is_calm = true;
        for vm in self.vms.iter().flatten().flat_map(|vm| &vm.owners) {
            vm.host.crashes_in.set(None);
        }
        self.run_until(u64::MAX);
        self.check_end()
    }

    /// A call that changes a record passes through a worker.
    fn api_call(&mut self) {
        let process = Rc::clone(&self.process);
        let random = &process.random;
        let worker = 1 + random.below(self.vms.len() as u64 - 1) as usize;
        if self.vms[worker].is_none() {
            // A crashed VM is made anew by the next call, in Envoy.
            let vm = self.new_vm();
            self.vms[worker] = Some(vm);
        }
        let change = self.next_change;
        self.next_change += 1;
        self.totals.calls += 1;
        let record = random.below(8);
        let tail = ["create", "update"][random.below(2) as usize];
        // Large records only where they use up the memory; elsewhere they would only cost time.
        let is_tight = self.config.limits.memory_bytes == TIGHT_MEMORY;
        let filler = "x".repeat(random.below(if is_tight { 60_000 } else { 100 }) as usize);
        let config = Rc::clone(&self.config);
        let mut captured_whole = false;
        let owner_number = self.current(worker).map_or(0, |owner| owner.number);
        self.order.entry((owner_number, record)).or_default().push(change);
        self.owner_of.insert(change, (owner_number, record));
        self.with_current(worker, |owner| {
            let change = Change { number: change, record, tail, filler: &filler };
            capture(&config, &owner.host, &mut owner.pipeline, &change);
            captured_whole = true;
            owner.pipeline.pump(&*owner.host);
        });
        if captured_whole {
            self.accepted.insert(change);
        }
    }

    fn current(&self, vm: usize) -> Option<&Owner> {
        self.vms[vm].as_ref()?.owners.last()
    }

    /// Runs code in a VM's root context in use.
    fn with_current(&mut self, vm: usize, run: impl FnOnce(&mut Owner)) {
        let last = self.vms[vm].as_ref().map_or(0, |vm| vm.owners.len());
        self.with(vm, last - 1, run);
    }

    /// Runs code in a root context; if it crashes, its VM is gone.
    fn with(&mut self, vm: usize, position: usize, run: impl FnOnce(&mut Owner)) {
        let Some(owner) = self.vms[vm].as_mut().and_then(|vm| vm.owners.get_mut(position)) else {
            return;
        };
        let result = catch_unwind(AssertUnwindSafe(|| run(owner)));
        // What was sent before a crash was sent.
        self.look(vm, position);
        if let Err(panic) = result {
            if !panic.is::<Crash>() {
                resume_unwind(panic);
            }
            self.vms[vm] = None;
            self.totals.crashes += 1;
        }
    }

    /// The clock of the machine is set, either way.
    fn jump(&self) {
        let by = self.process.random.below(7_200_000);
        let now = self.process.clock.get();
        let ahead = self.process.random.percent(50);
        self.process.clock.set(if ahead { now + by } else { now - by });
    }

    /// A new configuration: a new root context in the same VMs, the old ones are drained.
    fn update_config(&mut self) {
        self.totals.updates += 1;
        let leaves_at = self.process.uptime.get() + DRAIN_MILLIS;
        for vm in 0..self.vms.len() {
            if self.vms[vm].is_some() {
                let owner = self.new_owner();
                let vm = self.vms[vm].as_mut().unwrap();
                let old = vm.owners.last_mut().unwrap();
                old.leaves_at = Some(leaves_at);
                vm.owners.push(owner);
            }
        }
    }

    /// New code: new VMs, and the old ones end at once.
    fn update_code(&mut self) {
        self.totals.updates += 1;
        for vm in 0..self.vms.len() {
            let owners = self.vms[vm].as_ref().map_or(0, |vm| vm.owners.len());
            for position in 0..owners {
                self.with(vm, position, |owner| {
                    owner.pipeline.leave(&*owner.host);
                });
            }
            let vm_new = self.new_vm();
            self.vms[vm] = Some(vm_new);
        }
    }

    /// A worker will crash at one of its next steps.
    fn arm_crash(&mut self) {
        let random = &self.process.random;
        let worker = 1 + random.below(self.vms.len() as u64 - 1) as usize;
        let calls = random.below(200);
        if let Some(owner) = self.current(worker) {
            owner.host.crashes_in.set(Some(calls));
        }
    }

    /// The admin does something, in the main thread's VM.
    fn command(&mut self) {
        let random = &self.process.random;
        let webhook: Box<str> = format!("w{}", random.below(2)).into();
        let (what, variant) = (random.below(4), random.below(4));
        let mut abandoned = Vec::new();
        self.with_current(0, |owner| {
            let host = &*owner.host;
            let selection = Selection::Webhook(webhook.clone());
            match what {
                0 => drop(owner.pipeline.store().restart_webhook(host, &webhook).unwrap()),
                1 => {
                    owner.pipeline.store().restart_webhook(host, &webhook).unwrap();
                    owner.pipeline.store().retry_failed(host, &selection).unwrap();
                }
                2 => set_webhooks(host, variant),
                _ => abandoned = owner.pipeline.abandon(host, &selection).unwrap(),
            }
            owner.pipeline.woken(host);
        });
        self.totals.abandoned += abandoned.len() as u64;
        let keys = abandoned.iter().filter_map(|entry| {
            let body = String::from_utf8_lossy(&entry.push.body);
            Some((change_in(&body)?, entry.push.webhook.to_string()))
        });
        self.abandoned.extend(keys);
    }

    /// Plays wakes, replies, timers and drains in the order of time.
    fn run_until(&mut self, end: u64) {
        let mut events = 0u64;
        loop {
            self.play_wakes();
            let reply = self.replies.first_key_value().map(|((at, ..), _)| *at);
            let now = self.process.uptime.get();
            let mut next = reply.filter(|at| *at <= end).map(|at| (at, None));
            for (index, vm) in self.vms.iter().enumerate() {
                for (position, owner) in vm.iter().flat_map(|vm| &vm.owners).enumerate() {
                    for at in owner.host.timer.get().into_iter().chain(owner.leaves_at) {
                        if at <= end && next.is_none_or(|(first, _)| at < first) {
                            next = Some((at, Some((index, position))));
                        }
                    }
                }
            }
            let Some((at, what)) = next else { break };
            events += 1;
            assert!(events < 200_000, "the gateway never comes to rest");
            self.process.advance(at.saturating_sub(now));
            match what {
                Some((vm, position)) => self.play_timer(vm, position, at),
                None => self.play_reply(),
            }
        }
        if end != u64::MAX {
            self.process.advance(end - self.process.uptime.get());
        }
    }

    fn play_wakes(&mut self) {
        loop {
            let wakes = self.process.wakes.take();
            if wakes.is_empty() {
                return;
            }
            for queue in wakes {
                if let Some((vm, position)) = self.find(queue) {
                    self.with(vm, position, |owner| owner.pipeline.woken(&*owner.host));
                }
            }
        }
    }

    fn find(&self, number: u32) -> Option<(usize, usize)> {
        self.vms.iter().enumerate().find_map(|(index, vm)| {
            let owners = &vm.as_ref()?.owners;
            Some((index, owners.iter().position(|owner| owner.number == number)?))
        })
    }

    fn play_timer(&mut self, vm: usize, position: usize, at: u64) {
        let owner = &mut self.vms[vm].as_mut().unwrap().owners[position];
        if owner.leaves_at == Some(at) {
            owner.leaves_at = None;
            owner.has_left = true;
            self.with(vm, position, |owner| {
                owner.pipeline.leave(&*owner.host);
            });
        } else {
            owner.host.timer.set(None);
            self.with(vm, position, |owner| owner.pipeline.timer_fired(&*owner.host));
        }
    }

    fn play_reply(&mut self) {
        let Some((_, (number, id, reply))) = self.replies.pop_first() else { return };
        let Some((vm, position)) = self.find(number) else {
            return;
        };
        self.with(vm, position, |owner| {
            owner.in_flight.remove(&id);
            owner.pipeline.reply(&*owner.host, id, &reply);
        });
        // A replaced root that has given up everything is gone.
        if let Some(vm) = &mut self.vms[vm] {
            vm.owners.retain_mut(|owner| !owner.has_left || !owner.pipeline.leave(&*owner.host));
        }
    }

    /// Takes note of what was sent, and decides what will come of it.
    fn look(&mut self, vm: usize, position: usize) {
        let Some(owner) = self.vms[vm].as_mut().and_then(|vm| vm.owners.get_mut(position)) else {
            return;
        };
        let number = owner.number;
        let sent = owner.host.sent.take();
        for sent in &sent {
            let target = sent.headers[":authority"].trim_end_matches(".example").to_owned();
            owner.in_flight.insert(sent.id, target.clone());
            let in_flight = owner.in_flight.values().filter(|known| **known == target).count();
            assert!(in_flight <= MAX_IN_FLIGHT, "{in_flight} in flight to {target}");
        }
        for sent in sent {
            self.judge(number, &sent);
        }
    }

    fn judge(&mut self, owner: u32, sent: &Sent) {
        self.totals.attempts += 1;
        let target = sent.headers[":authority"].trim_end_matches(".example").to_owned();
        let mood = match self.is_calm {
            true => Mood { delivers: 100, hangs: 0 },
            false => self.moods[&target],
        };
        let (reply, after) = react(&self.process.random, mood, sent);
        let is_taken =
            matches!(&reply, Reply::Answer(answer) if (200..300).contains(&answer.status));
        // A target may also take a push and be heard too late, or not at all.
        let took = is_taken || self.process.random.percent(20);
        if target != "chat" {
            let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
            let change = body["data"]["change"].as_u64().unwrap();
            let id = &sent.headers["webhook-id"];
            let known = self.pushes.entry((change, target.clone())).or_default();
            if known.id.is_empty() {
                known.id.clone_from(id);
                known.body.clone_from(&sent.body);
            }
            assert_eq!(known.id, *id, "a push changed its id");
            assert_eq!(known.body, sent.body, "a push changed its body");
            known.taken |= took;
            self.check_order(change, &target);
        }
        let at = self.process.uptime.get() + after;
        let times = if self.process.random.percent(3) { 2 } else { 1 };
        for _ in 0..times {
            self.next_reply += 1;
            self.replies.insert((at, owner, self.next_reply), (owner, sent.id, reply.clone()));
        }
    }

    /// All earlier changes of the same record that the same owner took have come to an end, as far
    /// as this target goes.
    fn check_order(&mut self, change: u64, target: &str) {
        let Some((owner, record)) = self.owner_of.get(&change) else { return };
        let order = &self.order[&(*owner, *record)];
        let earlier: Vec<u64> = order.iter().copied().take_while(|known| *known < change).collect();
        for earlier in earlier {
            let key = (earlier, target.to_owned());
            let is_waiting = self.accepted.contains(&earlier)
                && !self.pushes.get(&key).is_some_and(|known| known.taken);
            if is_waiting && !self.ended(&key) {
                panic!(
                    "change {change} overtook {earlier} of the same record on the way to {target}"
                );
            }
        }
    }

    /// Whether a push is in the failed cache, or was lost or abandoned and that was told.
    fn ended(&mut self, key: &Key) -> bool {
        let is_end =
            self.known_ends.contains(key) || self.abandoned.contains(key) || self.find_end(key);
        if is_end {
            self.known_ends.insert(key.clone());
        }
        is_end
    }

    fn find_end(&mut self, key: &Key) -> bool {
        let owner = self.vms[0].as_mut().unwrap().owners.last_mut().unwrap();
        let host = Rc::clone(&owner.host);
        let store = owner.pipeline.store();
        // The history tells of nearly all, and is read on from where it was read before.
        if let Some((newest, oldest)) = store.history_bounds(&*host) {
            for number in oldest.max(self.history_read)..=newest {
                if let Some(record) = store.history(&*host, number)
                    && let Some(change) = change_in(&record.body)
                {
                    self.known_ends.insert((change, record.webhook.to_string()));
                }
            }
            self.history_read = newest + 1;
        }
        if self.known_ends.contains(key) {
            return true;
        }
        // A VM may have crashed before it wrote the record.
        let mut found = false;
        store.failed(&*host, &mut |loaded| {
            let push = &loaded.entry.push;
            let change = change_in(&String::from_utf8_lossy(&push.body));
            found |= change == Some(key.0) && *push.webhook == *key.1;
            !found
        });
        found
    }

    fn check_end(mut self) -> Totals {
        for owner in self.vms.iter().flatten().flat_map(|vm| &vm.owners) {
            assert_eq!(
                owner.host.timer.get(),
                None,
                "owner {} asks to be woken for nothing",
                owner.number
            );
            assert!(
                owner.pipeline.is_idle(),
                "owner {} has something left and nothing will move it",
                owner.number
            );
            assert_eq!(owner.pipeline.budget().used(), 0, "memory was not given back");
        }
        let owner = self.vms[0].as_mut().unwrap().owners.last_mut().unwrap();
        let host = Rc::clone(&owner.host);
        let store = owner.pipeline.store();
        let mut cached: HashMap<String, u32> = HashMap::new();
        let mut counted = 0u32;
        store.failed(&*host, &mut |loaded| {
            *cached.entry(loaded.entry.push.id.to_string()).or_default() += 1;
            counted += u32::from(*loaded.entry.push.webhook == *COUNTED);
            true
        });
        assert!(cached.values().all(|times| *times == 1), "a push is in the failed cache twice");
        let mut ends: HashMap<String, Vec<String>> = HashMap::new();
        let mut dropped_changes: HashSet<Key> = HashSet::new();
        let mut evicted: HashSet<String> = HashSet::new();
        if let Some((newest, oldest)) = store.history_bounds(&*host) {
            for record in (oldest..=newest).filter_map(|number| store.history(&*host, number)) {
                let outcome = record.outcome.name().to_owned();
                if outcome == "dropped" {
                    let change = record
                        .body
                        .split("\"change\":")
                        .nth(1)
                        .and_then(|rest| rest.split(',').next()?.parse().ok());
                    if let Some(change) = change {
                        dropped_changes.insert((change, record.webhook.to_string()));
                    }
                    if *record.webhook == *COUNTED
                        && record.attempts > 0
                        && !cached.contains_key(&*record.id)
                    {
                        evicted.insert(record.id.to_string());
                    }
                    self.totals.dropped += 1;
                }
                ends.entry(record.id.to_string()).or_default().push(outcome);
            }
        }
        let failures = store.webhook(&*host, COUNTED).failures;
        let evicted = u32::try_from(evicted.len()).unwrap();
        assert_eq!(failures, counted + evicted, "the failures of {COUNTED} were miscounted");

        for change in &self.accepted {
            for number in 0..WEBHOOKS {
                let key = (*change, format!("w{number}"));
                let known = self.pushes.get(&key);
                let id = known.map(|known| known.id.clone());
                let is_cached = id.as_ref().is_some_and(|id| cached.contains_key(id));
                let is_taken = known.is_some_and(|known| known.taken);
                let is_dropped = dropped_changes.contains(&key);
                let is_abandoned = self.abandoned.contains(&key);
                let is_parked = id.is_none();
                assert!(
                    is_taken || is_cached || is_dropped || is_abandoned || is_parked,
                    "push {key:?} was lost: {:?}, memory {}",
                    id.as_ref().and_then(|id| ends.get(id)),
                    self.config.limits.memory_bytes
                );
                if let Some(ends) = id.as_ref().and_then(|id| ends.get(id)) {
                    let successes = ends.iter().filter(|end| *end == "success").count();
                    assert!(successes <= 1, "push {key:?} was delivered twice: {ends:?}");
                    assert!(
                        !(is_cached && ends.last().is_some_and(|end| end == "success")),
                        "push {key:?} was delivered and is in the failed cache: {ends:?}"
                    );
                }
                self.totals.pushes += 1;
                self.totals.delivered += u64::from(is_taken && !is_cached);
                self.totals.failed += u64::from(is_cached);
            }
        }
        // Those that were never sent are in the failed cache, dropped or abandoned, all of them.
        let never_sent = self
            .accepted
            .iter()
            .flat_map(|change| (0..WEBHOOKS).map(move |number| (*change, format!("w{number}"))));
        let never_sent: Vec<Key> = never_sent
            .filter(|key| !self.pushes.contains_key(key) && !dropped_changes.contains(key))
            .filter(|key| !self.abandoned.contains(key))
            .collect();
        for key in never_sent {
            let is_told = self.ended(&key);
            assert!(is_told, "push {key:?} was never sent and nobody was told");
        }
        let process = &self.process;
        assert!(process.map.borrow().len() < 200_000, "the map grows without bound");
        // A VM that crashes right after its last step leaves the gauge as it was, until the next.
        let pending = process.counted("formhook_pending.", "");
        assert!(pending == 0 || self.totals.crashes > 0, "the gauge of pending pushes is off");
        self.totals.virtual_millis = process.uptime.get();
        self.totals
    }
}

/// The configuration of a webhook.
pub fn webhook(number: u64, more: &str) -> String {
    let counting = match number {
        2 => r#""disable_after":1000000,"disable_count":"total""#,
        _ => r#""disable_after":20"#,
    };
    format!(
        r#"{{"id":"w{number}","url":"https://w{number}.example/","secret":"s","timeout":"2s",
            "retry":["1s","5s","20s"],"max_in_flight":{MAX_IN_FLIGHT},{counting},
            "events":["data_update","data_remove","form_update"]{more}}}"#
    )
}

/// The admin sets the last webhook, with harmless changes, and others before it that are not
/// pushed to: what is under way has to find its target at another place.
fn set_webhooks(host: &SimHost, variant: u64) {
    let mut store = Memory::new("formhook", None, Bounds { bytes: 1 << 20, history: 50_000 });
    let set = store.update_additions(host, |additions| {
        *additions = Additions::default();
        for number in 0..variant {
            let id = format!("off{number}");
            let off = format!(r#"{{"id":"{id}","url":"https://off.example/","enabled":false}}"#);
            additions.set_webhook(&id, off.into());
        }
        let more = format!(r#","headers":{{"x-variant":"{variant}"}}"#);
        let number = WEBHOOKS - 1;
        additions.set_webhook(&format!("w{number}"), webhook(number, &more).into());
        Ok::<_, ()>(())
    });
    set.unwrap();
}

/// What a target in this mood makes of an attempt, and after how many milliseconds.
pub fn react(random: &Random, mood: Mood, sent: &Sent) -> (Reply, u64) {
    let answer = |status, flags: &str, details: &str| {
        let is_own = details == VIA_UPSTREAM;
        let egress = EgressReport {
            flags: flags.into(),
            details: details.into(),
            transport_failure: String::new(),
            address: is_own.then(|| "192.0.2.1:443".into()),
        };
        // Past the egress listener there is nobody to report.
        let egress = (!sent.headers.contains_key("x-formhook-address")).then_some(egress);
        let retry_after = match random.below(1000) {
            3..100 => Some("2".into()),
            0 => Some("Fri, 31 Dec 9999 23:59:59 GMT".into()),
            1 | 2 => Some("-5".into()),
            _ => None,
        };
        Reply::Answer(Answer { status, egress, retry_after, excerpt: b"said".to_vec() })
    };
    let timeout = u64::try_from(sent.timeout.as_millis()).unwrap();
    let after = 1 + random.below(timeout - 1);
    if random.percent(mood.delivers) {
        return (answer(200 + random.below(100) as u16, "-", "via_upstream"), after);
    }
    if random.percent(mood.hangs) {
        return (Reply::Answer(Answer { status: 504, ..Answer::default() }), timeout);
    }
    let reply = match random.below(8) {
        0 => Reply::Broken,
        1 => answer(
            503,
            "UF,URX",
            "upstream_reset_before_response_started{remote_connection_failure}",
        ),
        2 => answer(503, "DF", "dns_resolution_failure{cares_norecords}"),
        3 => answer(503, "UO", "upstream_reset_before_response_started{overflow}"),
        4 => answer(429, "-", "via_upstream"),
        // It would be parked after that, and parked pushes do not count.
        5 if sent.headers[":authority"] != "w2.example" => answer(410, "-", "via_upstream"),
        _ => answer(400 + random.below(9) as u16, "-", "via_upstream"),
    };
    (reply, after)
}
