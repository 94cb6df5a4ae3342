//! What all workers know of a webhook: whether it is disabled, and how often it failed.

use super::notices::{Coalescer, NoticeKind};
use crate::codec::{Reader, Writer};
use crate::host::UnixMillis;

/// The version of the binary form.
const VERSION: u8 = 1;

/// How many charges that are not confirmed yet are remembered. One is open only between two steps
/// of an owner; more than these would be as many owners that crashed right there.
const OPEN_CHARGES: usize = 256;

/// The shares of the limit at which the admin is warned, in percent.
const WARN_AT: [u32; 3] = [50, 70, 90];

/// How failures are counted, as the webhook's configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// So many failed pushes disable the webhook.
    pub limit: u32,
    /// A success does not reset the count.
    pub total: bool,
}

/// What a failed push changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The count is this now.
    Failures(u32),
    /// The count reached so many percent of the limit.
    Warning(u32),
    /// The webhook is disabled.
    Disabled,
    /// A notice may go out now, for so many happenings.
    Notice(NoticeKind, u32),
}

/// What is known of a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookState {
    /// Since when it is disabled, and why.
    pub disabled: Option<(UnixMillis, Box<str>)>,
    /// Since when its pushes do not get out of this gateway, and why.
    pub blocked: Option<(UnixMillis, Box<str>)>,
    /// Failed pushes: in a row, or since the last restart.
    pub failures: u32,
    /// When notices went out.
    pub notices: Coalescer,
    /// Grows with each change, where the state is shared with other gateways.
    pub version: u64,
    /// Pushes that were charged for and may not be marked so yet.
    charged: Vec<Box<str>>,
}

impl WebhookState {
    /// Charges the webhook for a failed push, once.
    pub fn charge(
        &mut self,
        push: &str,
        cause: &str,
        counting: Counting,
        now: UnixMillis,
    ) -> Vec<Change> {
        if self.charged.iter().any(|known| **known == *push) {
            return vec![Change::Failures(self.failures)];
        }
        if self.charged.len() >= OPEN_CHARGES {
            self.charged.remove(0);
        }
        self.charged.push(push.into());
        self.failures = self.failures.saturating_add(1);
        let mut changes = vec![Change::Failures(self.failures)];
        let mut notice = |state: &mut Self, kind| {
            let count = state.notices.happened(kind, now);
            changes.extend(count.map(|count| Change::Notice(kind, count)));
        };
        notice(self, NoticeKind::PushFailed);
        let reached = WARN_AT.into_iter().find(|percent| {
            let share = u64::from(counting.limit) * u64::from(*percent);
            u64::from(self.failures) == share.div_ceil(100)
        });
        if reached.is_some() && self.failures < counting.limit {
            notice(self, NoticeKind::Warning);
        }
        let disables = self.failures >= counting.limit && self.disabled.is_none();
        if disables {
            notice(self, NoticeKind::Disabled);
            self.disabled = Some((now, cause.into()));
        }
        if let Some(percent) = reached.filter(|_| self.failures < counting.limit) {
            changes.push(Change::Warning(percent));
        }
        if disables {
            changes.push(Change::Disabled);
        }
        changes
    }

    /// The push is marked as charged for.
    pub fn confirm(&mut self, push: &str) {
        self.charged.retain(|known| **known != *push);
    }

    /// A push was delivered. Whether that changes anything.
    pub fn succeeded(&mut self, counting: Counting) -> bool {
        let changes = self.failures > 0 && !counting.total && self.disabled.is_none();
        if changes {
            self.failures = 0;
        }
        changes
    }

    /// Disables the webhook at once. False if it was disabled already.
    pub fn disable(&mut self, cause: &str, now: UnixMillis) -> bool {
        let changes = self.disabled.is_none();
        if changes {
            self.disabled = Some((now, cause.into()));
        }
        changes
    }

    /// Its pushes do not get out of this gateway for this cause, or they do.
    pub fn block(&mut self, cause: Option<&str>, now: UnixMillis) {
        self.blocked = cause.map(|cause| {
            let since = self.blocked.as_ref().map_or(now, |(since, _)| *since);
            // The clock may have been set back.
            (since.min(now), cause.into())
        });
    }

    /// The admin restarts the webhook.
    pub fn restart(&mut self) {
        self.disabled = None;
        self.failures = 0;
    }

    /// The binary form.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.number(self.failures.into()).number(self.version);
        match &self.disabled {
            None => out.byte(0),
            Some((at, cause)) => out.byte(1).number(at.0).text(cause),
        };
        out.number(self.charged.len() as u64);
        for push in &self.charged {
            out.text(push);
        }
        self.notices.encode(&mut out);
        match &self.blocked {
            None => out.byte(0),
            Some((at, cause)) => out.byte(1).number(at.0).text(cause),
        };
        out.finish()
    }

    /// Reads the binary form; `None` for what is none.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut value = Reader::new(value, VERSION)?;
        let (failures, version) = (value.small()?, value.number()?);
        let mut state = WebhookState { failures, version, ..WebhookState::default() };
        if value.byte()? == 1 {
            state.disabled = Some((UnixMillis(value.number()?), value.text()?.into()));
        }
        for _ in 0..value.number()? {
            state.charged.push(value.text()?.into());
        }
        state.notices = Coalescer::decode(&mut value);
        if value.byte() == Some(1) {
            state.blocked = Some((UnixMillis(value.number()?), value.text()?.into()));
        }
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
    const IN_A_ROW: Counting = Counting { limit: 100, total: false };

    fn charged(state: &mut WebhookState, from: u32, to: u32) -> Vec<Change> {
        let mut changes = Vec::new();
        for number in from..=to {
            changes = state.charge(&number.to_string(), "HTTP 500", IN_A_ROW, NOW);
            state.confirm(&number.to_string());
        }
        changes
    }

    #[test]
    fn the_limit_disables_and_no_earlier_failure_does() {
        let mut state = WebhookState::default();
        charged(&mut state, 1, 99);
        assert_eq!((state.failures, state.disabled.is_some()), (99, false));
        assert!(charged(&mut state, 100, 100).contains(&Change::Disabled));
        assert_eq!(state.disabled, Some((NOW, "HTTP 500".into())));
        assert!(!charged(&mut state, 101, 101).contains(&Change::Disabled));
        state.restart();
        assert_eq!((state.failures, state.disabled), (0, None));
    }

    #[test]
    fn the_admin_is_warned_at_half_and_later() {
        let mut state = WebhookState::default();
        let warnings: Vec<_> = (1..=100)
            .filter(|number| {
                charged(&mut state, *number, *number)
                    .iter()
                    .any(|change| matches!(change, Change::Warning(_)))
            })
            .collect();
        assert_eq!(warnings, [50, 70, 90]);
    }

    #[test]
    fn a_push_is_charged_for_once() {
        let mut state = WebhookState::default();
        state.charge("p", "x", IN_A_ROW, NOW);
        let again = WebhookState::decode(&state.encode()).unwrap();
        assert_eq!(again, state);
        state.charge("p", "x", IN_A_ROW, NOW);
        assert_eq!(state.failures, 1);
    }

    #[test]
    fn a_webhook_is_blocked_since_the_first_failure_of_the_gateway_until_a_push_gets_out() {
        let mut state = WebhookState::default();
        state.block(Some("a"), NOW);
        state.block(Some("b"), NOW.after(std::time::Duration::from_secs(1)));
        assert_eq!(state.blocked, Some((NOW, "b".into())));
        assert_eq!(WebhookState::decode(&state.encode()).unwrap(), state);
        state.block(Some("c"), UnixMillis(5));
        assert_eq!(state.blocked, Some((UnixMillis(5), "c".into())));
        state.block(None, NOW);
        assert_eq!(state, WebhookState::default());
    }

    #[test]
    fn a_success_resets_a_count_in_a_row_only() {
        let total = Counting { total: true, ..IN_A_ROW };
        let mut state = WebhookState::default();
        assert!(!state.succeeded(IN_A_ROW));
        charged(&mut state, 1, 3);
        assert!(!state.succeeded(total));
        assert_eq!(state.failures, 3);
        assert!(state.succeeded(IN_A_ROW));
        assert_eq!(state.failures, 0);
    }

    #[test]
    fn a_count_never_ends_in_an_overflow() {
        let mut state = WebhookState { failures: u32::MAX, ..WebhookState::default() };
        state.charge("p", "x", IN_A_ROW, NOW);
        assert_eq!(state.failures, u32::MAX);
    }
}
