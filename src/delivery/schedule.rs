//! When a failed attempt is repeated.

use std::time::Duration;

/// The delays between attempts: as many retries as there are delays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    delays: Vec<Duration>,
}

impl Schedule {
    /// A schedule with these delays, each counted from the failure before it.
    pub fn new(delays: Vec<Duration>) -> Self {
        Schedule { delays }
    }

    /// How long to wait after the attempt with this number (the first is 1) has failed; `None` if
    /// it was the last.
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        let retry = usize::try_from(attempt.checked_sub(1)?).ok()?;
        self.delays.get(retry).copied()
    }
}

/// Five retries over about 13 minutes: the platform itself repeats a push five times.
impl Default for Schedule {
    fn default() -> Self {
        Schedule::new([1, 5, 30, 120, 600].map(Duration::from_secs).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_retries_as_delays() {
        let schedule = Schedule::default();
        let delays: Vec<_> = (1..=6).map(|attempt| schedule.delay_after(attempt)).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(delays, [seconds(1), seconds(5), seconds(30), seconds(120), seconds(600), None]);
        assert_eq!(Schedule::new(Vec::new()).delay_after(1), None);
        assert_eq!(schedule.delay_after(0), None);
        assert_eq!(schedule.delay_after(u32::MAX), None);
    }
}
