//! A gateway with several VMs over virtual hours, what happens to it, and what must hold whatever
//! happens.

mod invariants;
mod time;

use super::call::{Change, capture, change_in};
use super::host::{Crash, Process, Random, SimHost};
use super::targets::{Mood, webhook};
use formhook::config::Config;
use formhook::host::{CalloutId, Host as _, QueueId, Reply};
use formhook::pipeline::Pipeline;
use formhook::store::{Additions, Bounds, Memory, Selection};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// Webhooks. The last counts in total and no command touches it, so that its count can be told.
const WEBHOOKS: u64 = 3;
const COUNTED: &str = "w2";
/// How long a replaced listener's filters go on.
const DRAIN_MILLIS: u64 = 5_000;
/// As little memory as can be configured.
const TIGHT_MEMORY: usize = 1 << 20;

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
