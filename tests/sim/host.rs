//! A simulated Envoy: one map, one clock, and a host for each VM that may crash at any call.

use formhook::host::{
    Callout, CalloutError, CalloutId, Expected, Host, MetricId, MetricKind, QueueId, UnixMillis,
    Version,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// What a VM that crashes panics with.
pub struct Crash;

/// xorshift64*, so that a seed means the same on every machine.
pub struct Random(Cell<u64>);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    pub fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    /// True so often out of a hundred times.
    pub fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A callout that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: CalloutId,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    pub timeout: Duration,
}

/// What all VMs of the process share.
pub struct Process {
    pub random: Random,
    /// The wall clock, in milliseconds. It jumps.
    pub clock: Cell<u64>,
    /// A clock that never jumps.
    pub uptime: Cell<u64>,
    pub map: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    /// Wakes that were asked for, by queue.
    pub wakes: RefCell<Vec<u32>>,
    /// Callouts are refused so often out of a hundred times.
    pub refusals: Cell<u64>,
    metrics: RefCell<Vec<(String, i64)>>,
    next_version: Cell<u32>,
    next_callout: Cell<u32>,
}

impl Process {
    /// How many metrics are kept of webhooks.
    pub fn metrics_of_webhooks(&self) -> usize {
        let metrics = self.metrics.borrow();
        metrics.iter().filter(|(name, _)| name.contains(".webhook.")).count()
    }

    pub fn new(seed: u64) -> Rc<Self> {
        Rc::new(Process {
            random: Random::new(seed),
            clock: Cell::new(1_700_000_000_000),
            uptime: Cell::new(0),
            map: RefCell::default(),
            wakes: RefCell::default(),
            refusals: Cell::new(0),
            metrics: RefCell::default(),
            next_version: Cell::new(1),
            next_callout: Cell::new(1),
        })
    }

    pub fn advance(&self, millis: u64) {
        self.clock.set(self.clock.get() + millis);
        self.uptime.set(self.uptime.get() + millis);
    }

    /// The sum of the metrics whose names begin and end so.
    pub fn counted(&self, begin: &str, end: &str) -> i64 {
        let metrics = self.metrics.borrow();
        let named =
            metrics.iter().filter(|(name, _)| name.starts_with(begin) && name.ends_with(end));
        named.map(|(_, value)| value).sum()
    }
}

/// What others do before a VM sets this metric.
type Meanwhile = (MetricId, Box<dyn FnOnce()>);

/// What one VM sees.
pub struct SimHost {
    pub process: Rc<Process>,
    pub sent: RefCell<Vec<Sent>>,
    /// The body of the answer that is being handed over.
    pub body: RefCell<Vec<u8>>,
    /// When the timer goes off, by uptime.
    pub timer: Cell<Option<u64>>,
    /// After so many more calls the VM crashes.
    pub crashes_in: Cell<Option<u64>>,
    /// What other VMs do just before this one sets this metric the next time.
    pub meanwhile: RefCell<Option<Meanwhile>>,
}

impl SimHost {
    pub fn new(process: &Rc<Process>) -> Self {
        SimHost {
            process: Rc::clone(process),
            sent: RefCell::default(),
            body: RefCell::default(),
            timer: Cell::new(None),
            crashes_in: Cell::new(None),
            meanwhile: RefCell::default(),
        }
    }

    /// Every call out of the VM is a moment at which it may crash.
    fn step(&self) {
        if let Some(calls) = self.crashes_in.get() {
            if calls == 0 {
                self.crashes_in.set(None);
                std::panic::panic_any(Crash);
            }
            self.crashes_in.set(Some(calls - 1));
        }
    }
}

impl Host for SimHost {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.process.clock.get())
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.process.uptime.get())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.process.random.next().to_le_bytes()[3];
        }
    }

    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError> {
        self.step();
        assert!(!callout.timeout.is_zero(), "a timeout of zero would be none in Envoy");
        let process = &self.process;
        if process.random.percent(process.refusals.get()) {
            let unknown = process.random.percent(50);
            return Err(if unknown {
                CalloutError::UnknownCluster
            } else {
                CalloutError::NotTaken
            });
        }
        let id = CalloutId(process.next_callout.get());
        process.next_callout.set(id.0 + 1);
        let headers = callout.headers.iter();
        self.sent.borrow_mut().push(Sent {
            id,
            headers: headers.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: callout.body.to_vec(),
            timeout: callout.timeout,
        });
        self.step();
        Ok(id)
    }

    fn reply_body(&self, most: usize) -> Vec<u8> {
        self.body.borrow().iter().copied().take(most).collect()
    }

    fn set_timer(&self, after: Option<Duration>) {
        let due = after.map(|after| {
            let millis = u64::try_from(after.as_millis()).unwrap();
            assert!(millis > 0, "Envoy takes a timer of zero as none");
            self.process.uptime.get() + millis
        });
        self.timer.set(due);
    }

    fn load(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.step();
        let map = self.process.map.borrow();
        map.get(key).map(|(value, version)| (value.clone(), Version(*version)))
    }

    fn save(&self, key: &str, value: &[u8], expected: Expected) -> bool {
        self.step();
        let mut map = self.process.map.borrow_mut();
        let is_expected = match (map.get(key), expected) {
            // As in Envoy, where any version is good for a missing key.
            (None, _) | (Some(_), Expected::Any) => true,
            (Some(_), Expected::Absent) => false,
            (Some((_, version)), Expected::Version(Version(expected))) => *version == expected,
        };
        if is_expected {
            let version = self.process.next_version.get();
            self.process.next_version.set(version + 1);
            map.insert(key.to_owned(), (value.to_vec(), version));
        }
        drop(map);
        self.step();
        is_expected
    }

    fn wake(&self, queue: QueueId) {
        self.step();
        self.process.wakes.borrow_mut().push(queue.0);
    }

    fn metric(&self, _: MetricKind, name: &str) -> MetricId {
        let mut metrics = self.process.metrics.borrow_mut();
        let known = metrics.iter().position(|(known, _)| known == name);
        let position = known.unwrap_or_else(|| {
            metrics.push((name.to_owned(), 0));
            metrics.len() - 1
        });
        MetricId(u32::try_from(position).unwrap())
    }

    fn add(&self, metric: MetricId, by: i64) {
        self.process.metrics.borrow_mut()[metric.0 as usize].1 += by;
    }

    fn record(&self, metric: MetricId, value: u64) {
        let meanwhile = self.meanwhile.borrow_mut().take_if(|(late, _)| *late == metric);
        if let Some((_, meanwhile)) = meanwhile {
            meanwhile();
        }
        self.process.metrics.borrow_mut()[metric.0 as usize].1 = i64::try_from(value).unwrap();
    }
}
