//! Everybody who has to know of a push's end is told: history, log, metrics, and people.

use super::super::notice::Notice;
use super::super::{Purpose, Webhook, request};
use super::{Courier, Draft, Ending, NOTICE_PAUSE};
use crate::form::FormKey;
use crate::history::{self, Outcome, Record};
use crate::host::{Answer, Host, UnixMillis};
use crate::metrics::PushResult;
use crate::store::{Change, Changed, Entry, NoticeKind, Push, PushId, Store};
use std::rc::Rc;
use std::time::Duration;

impl<S: Store> Courier<S> {
    /// Log, metrics and notices of what became of a webhook.
    pub(super) fn tell(&mut self, host: &impl Host, changed: &Changed) {
        let Changed { webhook: id, push, cause, changes } = changed;
        let Some(position) = self.targets.iter().position(|target| target.id == *id) else {
            return;
        };
        let Some(limit) = self.targets.get(position).map(|target| target.counting.limit) else {
            return;
        };
        let mut failures = self.store.webhook(host, id).failures;
        for change in changes {
            match change {
                Change::Failures(count) => {
                    failures = *count;
                    self.metrics.webhook(host, &self.store, id);
                }
                Change::Warning(percent) => {
                    log::warn!(
                        "webhook {id}: {failures} pushes failed, {percent} % of the {limit} that disable it"
                    );
                }
                Change::Disabled => {
                    log::error!(
                        "webhook {id} is disabled ({cause}); only a restart enables it again"
                    );
                    self.metrics.webhook(host, &self.store, id);
                }
                Change::Notice(kind, count) => {
                    self.notify(host, position, *kind, *count, cause, push);
                }
            }
        }
        if !matches!(changes.as_slice(), [Change::Failures(0)]) {
            self.expect_notices(host);
        }
    }

    pub(super) fn expect_notices(&mut self, host: &impl Host) {
        if self.targets.iter().any(|target| target.purpose != Purpose::Push) {
            let due = host.uptime().saturating_add(NOTICE_PAUSE);
            self.next_notices = Some(self.next_notices.map_or(due, |known| known.min(due)));
        }
    }

    /// A push was lost for want of room.
    pub(super) fn tell_of_lost(&mut self, host: &impl Host, entry: &Entry, cause: &str) {
        let push = &entry.push;
        let position = self.targets.iter().position(|target| target.id == push.webhook);
        let Some(position) = position else { return };
        if self.targets.get(position).is_none_or(|target| target.purpose != Purpose::Push) {
            return;
        }
        self.store.notice(host, &push.webhook, NoticeKind::CacheFull, &push.id, cause);
    }

    /// Sends what was held back and may go out now.
    pub(super) fn flush_notices(&mut self, host: &impl Host, now: Duration) {
        for position in 0..self.targets.len() {
            let Some(target) = self.targets.get(position) else { return };
            if target.purpose != Purpose::Push {
                continue;
            }
            let id = target.id.clone();
            let is_left = self.store.flush_notices(host, &id);
            if is_left {
                self.next_notices = Some(now.saturating_add(NOTICE_PAUSE));
            }
        }
    }

    /// Hands a notice to every target that is there for notices.
    pub(super) fn notify(
        &mut self,
        host: &impl Host,
        position: usize,
        kind: NoticeKind,
        count: u32,
        cause: &str,
        push: &str,
    ) {
        let targets = Rc::clone(&self.targets);
        let Some(webhook) = targets.get(position) else {
            return;
        };
        let state = self.store.webhook(host, &webhook.id);
        let cause = match (cause, &state.disabled) {
            ("", Some((_, cause))) => cause,
            (cause, _) => cause,
        };
        let notice = Notice {
            kind,
            webhook: &webhook.id,
            url: &webhook.target.to_string(),
            count,
            failures: state.failures,
            counting: webhook.counting,
            while_disabled: webhook.while_disabled,
            cause,
            at: host.now(),
            push_id: push,
        };
        for (position, target) in targets.iter().enumerate() {
            if let Purpose::Notify(format) = target.purpose {
                let draft = Draft {
                    id: PushId::random(host),
                    op: kind.name().into(),
                    form: FormKey { app_id: "".into(), entry_id: "".into() },
                    record_id: "".into(),
                    trace: Vec::new(),
                    body: notice.body(format),
                };
                self.accept(host, position, draft);
            }
        }
    }

    pub(super) fn dropped(&mut self, host: &impl Host, entry: &Entry, cause: &str) {
        let push = &entry.push;
        let target = self.targets.iter().find(|target| target.id == push.webhook);
        match target.map(|target| target.purpose) {
            Some(Purpose::Notify(_)) => return log::error!("a notice was dropped: {cause}"),
            Some(Purpose::Fetch) => return self.unasked.push(push.body.clone()),
            Some(Purpose::Push) | None => {}
        }
        log::error!("push {} to webhook {} was dropped: {cause}", push.id, push.webhook);
        self.metrics.push(host, &push.webhook, PushResult::Dropped);
        let attempts = entry.state.attempts();
        let ending =
            Ending { outcome: Outcome::Dropped, attempts, cause, answer: None, stamp: None };
        self.record(host, push, ending);
    }

    /// Writes the end of a push into the history and the log.
    pub(super) fn record(&mut self, host: &impl Host, push: &Push, ending: Ending<'_>) {
        let target = self.targets.iter().find(|target| target.id == push.webhook);
        self.keep(host, &record_of_ending(target, push, &ending, host.now()));
    }

    /// Writes a record into the history and the log.
    pub(super) fn keep(&mut self, host: &impl Host, record: &Record) {
        self.store.record(host, record);
        log::info!("{}", record.log_line());
    }
}

/// What the history says of a push that ended like this.
pub(in crate::delivery) fn record_of_ending(
    target: Option<&Rc<Webhook>>,
    push: &Push,
    ending: &Ending<'_>,
    ended: UnixMillis,
) -> Record {
    let Ending { outcome, attempts, cause, answer, stamp } = *ending;
    let headers = match (target, stamp) {
        (Some(target), Some(stamp)) => request::shown_headers(target, push, stamp),
        _ => Vec::new(),
    };
    Record {
        url: target
            .map(|target| history::shown_url(&target.target.to_string()).into())
            .unwrap_or_default(),
        attempts,
        status: status(answer),
        cause: history::cut(cause, history::MAX_CAUSE_BYTES).into(),
        answer: answer.map_or_else(Box::default, |answer| {
            let secrets = target.map(|target| request::secrets(target)).unwrap_or_default();
            history::excerpt_without(&secrets, &answer.excerpt, history::MAX_ANSWER_BYTES)
        }),
        headers,
        ..record_of(push, outcome, ended)
    }
}

/// The status of an answer. Zero is none, and kept as none.
pub(super) fn status(answer: Option<&Answer>) -> Option<u16> {
    answer.map(|answer| answer.status).filter(|status| *status > 0)
}

/// What the history says of any push that ended.
pub(in crate::delivery) fn record_of(push: &Push, outcome: Outcome, ended: UnixMillis) -> Record {
    Record {
        webhook: push.webhook.clone(),
        op: push.op.clone(),
        app_id: push.form.app_id.clone(),
        entry_id: push.form.entry_id.clone(),
        record_id: push.record_id.clone(),
        body: history::excerpt(&push.body, history::MAX_BODY_BYTES),
        ..Record::new(push.id.as_str(), outcome, push.accepted, ended)
    }
}
