//! What is known of webhooks, and what people are told of them.

use super::super::{Change, Changed, Event, NoticeKind, PushId, WebhookState};
use super::{Memory, TRIES};
use crate::host::{Expected, Host};

impl Memory {
    pub(super) fn webhook(&self, host: &impl Host, id: &str) -> WebhookState {
        let found = host.load(&self.webhook_key(id));
        found.and_then(|(value, _)| self.ours(WebhookState::decode(&value))).unwrap_or_default()
    }

    /// Changes what is known of a webhook, atomically. `change` may be called several times.
    pub fn update_webhook<T: Default>(
        &mut self,
        host: &impl Host,
        id: &str,
        mut change: impl FnMut(&mut WebhookState) -> T,
    ) -> T {
        let mut result = T::default();
        self.change_webhook(host, id, &mut |state| result = change(state));
        result
    }

    fn change_webhook(
        &mut self,
        host: &impl Host,
        id: &str,
        change: &mut dyn FnMut(&mut WebhookState),
    ) {
        let key = self.webhook_key(id);
        for _ in 0..TRIES {
            let (before, expected) = match host.load(&key) {
                Some((value, version)) => (value, Expected::Version(version)),
                None => (Vec::new(), Expected::Absent),
            };
            let mut state = WebhookState::decode(&before).unwrap_or_default();
            change(&mut state);
            let after = state.encode();
            if after == before || host.save(&key, &after, expected) {
                return;
            }
        }
    }

    /// Has the courier told what changed.
    pub(in super::super) fn changed(
        &mut self,
        webhook: &str,
        push: &str,
        cause: &str,
        changes: Vec<Change>,
    ) {
        let (webhook, push, cause) = (webhook.into(), push.into(), cause.into());
        self.noticed.push(Event::Changed(Changed { webhook, push, cause, changes }));
    }

    pub(super) fn disable(&mut self, host: &impl Host, id: &str, push: &PushId, cause: &str) {
        let now = host.now();
        let changes = self.update_webhook(host, id, |state| {
            if !state.disable(cause, now) {
                return Vec::new();
            }
            let mut changes = vec![Change::Disabled];
            let notice = state.notices.happened(NoticeKind::Disabled, now);
            changes.extend(notice.map(|count| Change::Notice(NoticeKind::Disabled, count)));
            changes
        });
        self.changed(id, push.as_str(), cause, changes);
    }

    /// Enables a webhook and counts its failures anew. Whether it was disabled.
    pub(in super::super) fn restart(&mut self, host: &impl Host, id: &str) -> bool {
        self.update_webhook(host, id, |state| {
            let was_disabled = state.disabled.is_some();
            state.restart();
            was_disabled
        })
    }

    pub(super) fn notice(
        &mut self,
        host: &impl Host,
        id: &str,
        kind: NoticeKind,
        push: &PushId,
        cause: &str,
    ) {
        let now = host.now();
        let count = self.update_webhook(host, id, |state| state.notices.happened(kind, now));
        let changes = count.map(|count| Change::Notice(kind, count)).into_iter().collect();
        self.changed(id, push.as_str(), cause, changes);
    }

    pub(super) fn flush_notices(&mut self, host: &impl Host, id: &str) -> bool {
        let now = host.now();
        if self.webhook(host, id).notices.due(now).is_none() {
            return false;
        }
        let (due, is_left) = self.update_webhook(host, id, |state| {
            let due: Vec<_> = state.notices.flush(now).collect();
            (due, state.notices.due(now).is_some())
        });
        let changes = due.into_iter().map(|(kind, count)| Change::Notice(kind, count)).collect();
        self.changed(id, "", "", changes);
        is_left
    }

    fn webhook_key(&self, id: &str) -> String {
        [&self.prefix, "/w/", id].concat()
    }
}
