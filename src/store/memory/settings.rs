//! The configuration as the admin sees it, and what was set beside it.

use super::super::Additions;
use super::{Memory, TRIES};
use crate::host::{Expected, Host};

impl Memory {
    pub(super) fn publish(&mut self, host: &impl Host, config: &[u8]) {
        host.save(&self.config_key(), config, Expected::Any);
    }

    pub(super) fn published(&self, host: &impl Host) -> Option<Vec<u8>> {
        host.load(&self.config_key()).map(|(config, _)| config)
    }

    pub(super) fn additions(&self, host: &impl Host) -> Additions {
        let found = host.load(&self.additions_key());
        found.and_then(|(value, _)| Additions::decode(&value)).unwrap_or_default()
    }

    pub(super) fn additions_mark(&self, host: &impl Host) -> u64 {
        let found = host.load(&self.mark_key());
        found.and_then(|(value, _)| Some(u64::from_le_bytes(value.try_into().ok()?))).unwrap_or(0)
    }

    pub(super) fn change_additions(
        &mut self,
        host: &impl Host,
        change: &mut dyn FnMut(&mut Additions) -> bool,
    ) {
        let key = self.additions_key();
        for _ in 0..TRIES {
            let (before, expected) = match host.load(&key) {
                Some((value, version)) => (value, Expected::Version(version)),
                None => (Vec::new(), Expected::Absent),
            };
            let mut additions = Additions::decode(&before).unwrap_or_default();
            if !change(&mut additions) {
                return;
            }
            if host.save(&key, &additions.encode(), expected) {
                break;
            }
        }
        // After the change, so that whoever sees the mark sees the change.
        let mut mark = [0; 8];
        host.random(&mut mark);
        host.save(&self.mark_key(), &mark, Expected::Any);
        self.enter(host);
        self.wake_others(host);
    }

    fn config_key(&self) -> String {
        format!("{}/c", self.prefix)
    }

    pub(super) fn additions_key(&self) -> String {
        format!("{}/a", self.prefix)
    }

    pub(super) fn mark_key(&self) -> String {
        format!("{}/am", self.prefix)
    }
}
