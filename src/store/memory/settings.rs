//! The configuration as the admin sees it, and what was set beside it.

use super::super::Additions;
use super::{Memory, TRIES};
use crate::host::{Expected, Host, random_number};

impl Memory {
    pub(super) fn publish(&mut self, host: &impl Host, config: &[u8]) {
        host.save(&self.config_key(), config, Expected::Any);
    }

    pub(super) fn published(&self, host: &impl Host) -> Option<Vec<u8>> {
        host.load(&self.config_key()).map(|(config, _)| config)
    }

    pub(super) fn additions(&self, host: &impl Host) -> Additions {
        let found = host.load(&self.additions_key());
        found.and_then(|(value, _)| self.ours(Additions::decode(&value))).unwrap_or_default()
    }

    pub(super) fn additions_mark(&self, host: &impl Host) -> u64 {
        self.mark(host, &self.mark_key())
    }

    pub(super) fn mark(&self, host: &impl Host, key: &str) -> u64 {
        let found = host.load(key);
        found.and_then(|(value, _)| Some(u64::from_le_bytes(value.try_into().ok()?))).unwrap_or(0)
    }

    /// Changes the additions, atomically, and has all owners look at them. `change` may be called
    /// several times.
    ///
    /// # Errors
    /// Those of `change`, which leave everything as it is.
    pub fn update_additions<E>(
        &mut self,
        host: &impl Host,
        mut change: impl FnMut(&mut Additions) -> Result<(), E>,
    ) -> Result<(), E> {
        let key = self.additions_key();
        for _ in 0..TRIES {
            let (before, expected) = match host.load(&key) {
                Some((value, version)) => (value, Expected::Version(version)),
                None => (Vec::new(), Expected::Absent),
            };
            let mut additions = Additions::decode(&before).unwrap_or_default();
            change(&mut additions)?;
            if host.save(&key, &additions.encode(), expected) {
                break;
            }
        }
        let mark = random_number(host);
        self.enter(host);
        self.set_mark(host, &self.mark_key(), mark);
        Ok(())
    }

    /// Has all owners look at what this marks. To be called after the change, so that whoever sees
    /// the mark sees the change.
    pub(super) fn set_mark(&mut self, host: &impl Host, key: &str, mark: u64) {
        host.save(key, &mark.to_le_bytes(), Expected::Any);
        self.wake_others(host);
    }

    fn config_key(&self) -> String {
        self.key("/c")
    }

    pub(super) fn additions_key(&self) -> String {
        self.key("/a")
    }

    pub(super) fn mark_key(&self) -> String {
        self.key("/am")
    }
}
