//! Keeps a target in trouble from filling the log.

use std::time::Duration;

/// At most one line in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Says something at most once a second, and then how often it was not said.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    said: Option<Duration>,
    unsaid: u32,
}

impl Quiet {
    /// Says it, or counts it.
    pub(super) fn say(&mut self, now: Duration, level: log::Level, what: &dyn Fn() -> String) {
        if self.said.is_some_and(|said| now.saturating_sub(said) < PAUSE) {
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
