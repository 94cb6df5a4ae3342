//! Keeps a target in trouble, or a gateway, from filling the log.

use std::time::Duration;

/// Says something at most once in this time, and then how often it was not said.
#[derive(Debug)]
pub(super) struct Quiet<const SECONDS: u64> {
    said: Option<Duration>,
    unsaid: u32,
}

impl<const SECONDS: u64> Default for Quiet<SECONDS> {
    fn default() -> Self {
        Quiet { said: None, unsaid: 0 }
    }
}

impl<const SECONDS: u64> Quiet<SECONDS> {
    /// Says it, or counts it.
    pub(super) fn say(&mut self, now: Duration, level: log::Level, what: &dyn Fn() -> String) {
        let pause = Duration::from_secs(SECONDS);
        if self.said.is_some_and(|said| now.saturating_sub(said) < pause) {
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        self.said = Some(now);
        match std::mem::take(&mut self.unsaid) {
            0 => log::log!(level, "{}", what()),
            unsaid => log::log!(level, "({unsaid} more like this before) {}", what()),
        }
    }
}
