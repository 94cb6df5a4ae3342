//! A simulated Envoy: it keeps what the pipeline asks for until the world decides what comes of it.

use formhook::host::{Callout, CalloutError, CalloutId, CounterId, Host, UnixMillis};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

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

pub struct SimHost {
    pub random: Random,
    pub clock: Cell<u64>,
    /// The world refuses callouts so often out of a hundred times.
    pub refusals: Cell<u64>,
    pub sent: RefCell<Vec<Sent>>,
    /// When the timer goes off, by a clock that never jumps.
    pub timer: Cell<Option<u64>>,
    /// That clock.
    pub elapsed: Cell<u64>,
    pub counters: RefCell<Vec<(String, u64)>>,
    next_callout: Cell<u32>,
}

impl SimHost {
    pub fn new(seed: u64) -> Self {
        SimHost {
            random: Random::new(seed),
            clock: Cell::new(1_700_000_000_000),
            refusals: Cell::new(0),
            sent: RefCell::default(),
            timer: Cell::new(None),
            elapsed: Cell::new(0),
            counters: RefCell::default(),
            next_callout: Cell::new(1),
        }
    }

    pub fn advance(&self, millis: u64) {
        self.clock.set(self.clock.get() + millis);
        self.elapsed.set(self.elapsed.get() + millis);
    }

    /// The sum of the counters whose names begin and end so.
    pub fn counted(&self, begin: &str, end: &str) -> u64 {
        let counters = self.counters.borrow();
        let named =
            counters.iter().filter(|(name, _)| name.starts_with(begin) && name.ends_with(end));
        named.map(|(_, value)| value).sum()
    }
}

impl Host for SimHost {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.get())
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.random.next().to_le_bytes()[3];
        }
    }

    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError> {
        assert!(!callout.timeout.is_zero(), "a timeout of zero would be none in Envoy");
        if self.random.percent(self.refusals.get()) {
            let unknown = self.random.percent(50);
            return Err(if unknown {
                CalloutError::UnknownCluster
            } else {
                CalloutError::Overflow
            });
        }
        let id = CalloutId(self.next_callout.get());
        self.next_callout.set(id.0 + 1);
        let headers = callout.headers.iter();
        self.sent.borrow_mut().push(Sent {
            id,
            headers: headers.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: callout.body.to_vec(),
            timeout: callout.timeout,
        });
        Ok(id)
    }

    fn set_timer(&self, after: Option<Duration>) {
        let due = after.map(|after| {
            let millis = u64::try_from(after.as_millis()).unwrap();
            assert!(millis > 0, "Envoy takes a timer of zero as none");
            self.elapsed.get() + millis
        });
        self.timer.set(due);
    }

    fn counter(&self, name: &str) -> CounterId {
        let mut counters = self.counters.borrow_mut();
        counters.push((name.to_owned(), 0));
        CounterId(u32::try_from(counters.len() - 1).unwrap())
    }

    fn count(&self, counter: CounterId, by: u32) {
        self.counters.borrow_mut()[counter.0 as usize].1 += u64::from(by);
    }
}
