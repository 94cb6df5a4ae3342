//! When a failed attempt is repeated.

use std::time::Duration;

/// The most that jitter adds, as a share of the delay.
const MAX_JITTER: f64 = 0.1;

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

    /// The delays.
    pub fn delays(&self) -> &[Duration] {
        &self.delays
    }

    /// How long to wait after the attempt with this number has failed, with jitter: up to a tenth
    /// more, never less, so that pushes that failed together do not come back together.
    pub fn jittered_delay_after(&self, attempt: u32, random: u32) -> Option<Duration> {
        let delay = self.delay_after(attempt)?;
        let share = f64::from(random) / f64::from(u32::MAX);
        Some(delay.saturating_add(delay.mul_f64(share * MAX_JITTER)))
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
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn jitter_only_adds_and_at_most_a_tenth(millis in 1u64..86_400_000, random: u32) {
            let delay = Duration::from_millis(millis);
            let jittered = Schedule::new(vec![delay]).jittered_delay_after(1, random).unwrap();
            prop_assert!(delay <= jittered && jittered <= delay.mul_f64(1.1));
        }
    }
}
