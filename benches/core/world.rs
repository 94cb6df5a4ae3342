//! A gateway that is made of memory: it keeps what is saved, and sends nothing.

use formhook::host::{
    Callout, CalloutError, CalloutId, Expected, Host, MetricId, MetricKind, QueueId, UnixMillis,
    Version,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
pub struct World {
    map: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    /// Callouts, versions and random bytes are numbered by the same count.
    count: Cell<u32>,
    called: Cell<u32>,
}

impl World {
    fn next(&self) -> u32 {
        self.count.set(self.count.get().wrapping_add(1));
        self.count.get()
    }

    /// The callout that was sent last.
    pub fn last_call(&self) -> CalloutId {
        CalloutId(self.called.get())
    }
}

impl Host for World {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_778_575_509_018)
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(self.next().to_le_bytes()[0]);
    }

    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError> {
        std::hint::black_box(callout);
        self.called.set(self.next());
        Ok(self.last_call())
    }

    fn reply_body(&self, _: usize) -> Vec<u8> {
        Vec::new()
    }

    fn set_timer(&self, _: Option<Duration>) {}

    fn uptime(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn load(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let map = self.map.borrow();
        map.get(key).map(|(value, version)| (value.clone(), Version(*version)))
    }

    fn save(&self, key: &str, value: &[u8], expected: Expected) -> bool {
        let mut map = self.map.borrow_mut();
        let version = self.next();
        match (map.get_mut(key), expected) {
            (None, _) => {
                map.insert(key.to_owned(), (value.to_vec(), version));
                true
            }
            (Some(_), Expected::Absent) => false,
            (Some((_, known)), Expected::Version(Version(expected))) if *known != expected => false,
            (Some(kept), _) => {
                kept.0.clear();
                kept.0.extend_from_slice(value);
                kept.1 = version;
                true
            }
        }
    }

    fn wake(&self, _: QueueId) {}

    fn metric(&self, _: MetricKind, _: &str) -> MetricId {
        MetricId(0)
    }

    fn add(&self, _: MetricId, _: i64) {}

    fn record(&self, _: MetricId, _: u64) {}
}
