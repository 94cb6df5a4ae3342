//! What follows from the answer to a batch.

use super::super::entry::{Entry, Progress, State};
use super::super::memory::Report;
use super::super::{
    Additions, Adopted, Change, Event, Learned, Memory, NoticeKind, Place, Store as _, Totals,
};
use super::batch::{Batch, Learning, Order, Part, Step};
use super::{ASKING, Clock, NO_TICKET, POLL_PAUSE, Redis, SURPLUSES};
use crate::form::{FormKey, Schema};
use crate::history::Ring;
use crate::host::{Host, UnixMillis, Version};
use crate::json::{Document, Value};
use crate::store::entry::Push;
use std::borrow::Cow;
use std::time::Duration;

/// How many pushes are asked for again at once; each may be as large as a body.
const RECLAIMS_AT_ONCE: usize = 8;

impl Redis {
    /// Does what follows from an answer.
    ///
    /// # Errors
    /// It is none; the batch is still to be answered.
    pub(super) fn settle(
        &mut self,
        host: &impl Host,
        near: &mut Memory,
        batch: Batch,
        answer: &str,
    ) -> Result<(), Batch> {
        let Ok(document) = Document::parse(answer.as_bytes()) else {
            return Err(batch);
        };
        let root = document.root();
        if let Some(now) = root.get("now").and_then(|now| text(now).parse().ok()) {
            self.clock = Clock { said: now, heard: host.uptime() };
        }
        if let Some(error) = root.get("error") {
            self.refused(host, near, batch, &text(error));
            return Ok(());
        }
        let Some(results) = root.get("results") else {
            return Err(batch);
        };
        let mut unsent_records = Vec::new();
        let mut learned = Vec::new();
        let mut results = results.items();
        let (mut kept, mut errors, mut last_error) = (Vec::new(), 0_u32, None);
        for part in batch.parts {
            let Some(result) = results.next() else {
                kept.push(part);
                continue;
            };
            let error = text(result);
            if error.starts_with("error") {
                near.count_error();
                errors = errors.saturating_add(1);
                last_error = Some(result);
                kept.push(part);
                continue;
            }
            match part {
                Part::Records(ring, next) => unsent_records.push((ring, next)),
                Part::Learn(learning, before, after) => {
                    learned.extend(self.settle_learning(near, learning, &before, after, result));
                }
                part => self.settle_part(host, near, part, result),
            }
        }
        if let Some(error) = last_error.map(text) {
            log::error!("the store cannot do {errors} steps: {error}");
        }
        if !kept.is_empty() {
            self.paused_until = host.uptime().saturating_add(POLL_PAUSE);
            self.keep(kept, batch.first_ticket);
        }
        near.set_learned(host, &learned, true);
        for ring in Ring::ALL {
            let last = unsent_records.iter().rev().find(|(of, _)| *of == ring);
            if let Some((_, next)) = last {
                near.set_unsent_record(host, ring, *next);
            }
        }
        for push in root.get("dropped").iter().flat_map(Value::items) {
            if let Some(entry) = Entry::decode(text(push).as_bytes()) {
                near.notice_event(Event::Dropped(entry));
            }
        }
        Ok(())
    }

    /// The batch was not done, and never will be.
    fn refused(&mut self, host: &impl Host, near: &mut Memory, batch: Batch, error: &str) {
        self.keep(batch.parts, batch.first_ticket);
        if error == "reaped" {
            near.rename_gateway(host, &self.gateway);
            return;
        }
        log::error!(
            "the store forgot what gateway {} told it, which is told again: was Redis emptied, or did it crash?",
            self.gateway
        );
        self.tell_all(host, near);
    }

    /// Has parts of a batch told again, before what came later. Nothing that their places stand for is
    /// stored yet.
    fn keep(&mut self, parts: Vec<Part>, first_ticket: u64) {
        let mut holds_back = NO_TICKET;
        for part in parts.into_iter().rev() {
            match part {
                Part::Place(place, _, _, ticket) => {
                    holds_back = first_ticket;
                    // One that was marked again meanwhile has its own turn.
                    if self.is_marked.insert(place) {
                        self.marked.push_front((place, ticket));
                    }
                }
                Part::Reset(reset) => self.resets.push_front(reset),
                Part::Order(order) => {
                    if !self.is_ordered(&order) {
                        self.orders.push_front(order);
                    }
                }
                Part::Learn(learning, ..) => self.learnings.push_back(learning),
                Part::Held => self.audits = true,
                Part::Records(..) | Part::Poll(_) | Part::Claim => {}
            }
        }
        self.hold_back(holds_back);
    }

    fn settle_part(&mut self, host: &impl Host, near: &mut Memory, part: Part, result: Value<'_>) {
        match part {
            Part::Place(place, version, step, _) => {
                self.settle_place(host, near, place, version, step, result);
            }
            Part::Order(Order::Reclaim(_)) => self.settle_claim(host, near, result),
            Part::Order(order) => settle_order(host, near, order, result),
            Part::Reset(reset) => learn(host, near, &reset.webhook, ["", ""], result),
            Part::Poll(at) => self.settle_poll(host, near, at, result),
            Part::Claim => {
                // What another worker sent while it spoke may have come late.
                self.audits |= result.raw() == "0";
                self.settle_claim(host, near, result);
            }
            Part::Held => self.settle_held(host, near, result),
            // Of records only the last counts, and what is learned is written at once.
            Part::Records(..) | Part::Learn(..) => {}
        }
    }

    fn settle_place(
        &mut self,
        host: &impl Host,
        near: &mut Memory,
        place: Place,
        version: Version,
        step: Step,
        result: Value<'_>,
    ) {
        match &step {
            Step::Put if result.raw() == "0" => {}
            Step::Put => {
                self.adopted.remove(&place);
                self.known.insert(place);
                return;
            }
            Step::Done { webhook } => learn(host, near, webhook, ["", ""], result),
            Step::Park => {}
            Step::Fail { webhook, push, cause } => {
                learn(host, near, webhook, [push, cause], result);
            }
        }
        // If it changed meanwhile it is another push, or marked again.
        if near.release(host, place, version).is_ok() {
            self.forget(place);
        }
    }

    /// What is known of a form now.
    fn settle_learning(
        &mut self,
        near: &mut Memory,
        learning: Learning,
        before: &Schema,
        after: Schema,
        result: Value<'_>,
    ) -> Option<Learned> {
        let mut items = result.items();
        let version = number(items.next()?);
        let form = learning.form.clone();
        if let Some(other) = items.next() {
            // Another gateway learned something meanwhile, or Redis has lost it.
            self.learnings.push_back(learning);
            let text = other.as_str()?;
            return Some(Learned::read(form.clone(), &text).unwrap_or(Learned::unknown(form)));
        }
        if after.differs_from(before) {
            near.notice_event(Event::Restructured(form.clone(), after.clone()));
        }
        Some(Learned { form, version, at: UnixMillis(0), text: after.encode().into() })
    }

    fn settle_poll(
        &mut self,
        host: &impl Host,
        near: &mut Memory,
        at: Duration,
        result: Value<'_>,
    ) {
        if let Some(error) = result.get("error") {
            near.count_error();
            log::error!("the store cannot do a step: {}", text(error));
        }
        let version = result.get("version").map_or(0, number);
        let gone_back = version < self.version;
        self.version = version;
        let list = |name| result.get(name).into_iter().flat_map(|list| list.items());
        for webhook in list("webhooks") {
            let (Some(id), Some(report)) = (webhook.items().nth(4), report(webhook)) else {
                continue;
            };
            let id = text(id);
            if near.learn_webhook(host, &id, &report, gone_back) {
                near.changed(&id, "", "", vec![Change::Failures(report.failures)]);
            }
        }
        for notice in list("notices") {
            let mut items = notice.items();
            if let (Some(id), Some(kind), Some(count)) = (items.next(), items.next(), items.next())
                && let Some(change) = notice_of(kind, count)
            {
                near.changed(&text(id), "", "", vec![change]);
            }
        }
        let pending: u64 = near.survey(host).by_webhook.iter().map(|(_, pending, _)| pending).sum();
        self.surpluses = match result.get("held").map_or(0, number) > pending {
            true => self.surpluses.saturating_add(1),
            false => 0,
        };
        if self.surpluses >= SURPLUSES {
            (self.surpluses, self.audits) = (0, true);
        }
        if result.get("asks").is_some() {
            // Said before Redis heard it, so over before Redis says so.
            self.asks_until = at.saturating_add(ASKING);
        }
        let forms_version = result.get("forms_version").map_or(self.forms_version, number);
        let forms_gone_back = forms_version < self.forms_version;
        self.forms_version = forms_version;
        let form = |item: Value<'_>| {
            let mut items = item.items();
            let form = FormKey::parted(&items.next()?.as_str()?)?;
            Learned::read(form, &items.next()?.as_str()?)
        };
        let learned: Vec<_> = list("forms").filter_map(form).collect();
        near.set_learned(host, &learned, forms_gone_back);
        let mut totals = Totals {
            failed_bytes: result.get("failed_bytes").map_or(0, number),
            ..Totals::default()
        };
        for count in list("failed") {
            let mut items = count.items();
            if let (Some(id), Some(count)) = (items.next(), items.next()) {
                totals.by_webhook.push((text(id).into(), 0, number(count)));
            }
        }
        near.set_fleet(host, &totals);
        if let (Some(mark), Some(additions)) = (result.get("mark"), result.get("additions")) {
            if has_lost_additions(host, near, mark) {
                let (mark, additions) = (near.additions_mark(host), near.additions(host));
                self.order(Order::Add(mark, additions.encode()));
            } else {
                learn_additions(host, near, mark, additions);
            }
        }
    }

    /// A worker that spoke for this gateway may have crashed while pushes were on their way to it.
    fn settle_held(&mut self, host: &impl Host, near: &Memory, result: Value<'_>) {
        let mut unknown: Vec<Box<str>> =
            result.items().map(|id| text(id).into_owned().into_boxed_str()).collect();
        if !unknown.is_empty() {
            let known = near.ids(host);
            unknown.retain(|id| !known.contains(&**id));
        }
        for ids in unknown.chunks(RECLAIMS_AT_ONCE) {
            self.orders.push_back(Order::Reclaim(ids.to_vec()));
        }
    }

    fn settle_claim(&mut self, host: &impl Host, near: &mut Memory, result: Value<'_>) {
        let mut adopted = Vec::new();
        for claimed in result.items() {
            let mut items = claimed.items();
            let (Some(id), Some(push)) = (items.next(), items.next()) else {
                // The answer had no room for all that was asked for.
                self.audits = true;
                continue;
            };
            let id: Box<str> = text(id).into();
            let Some(mut entry) = Entry::decode(text(push).as_bytes()) else {
                log::error!("the store holds something foreign as push {id}");
                near.count_error();
                self.orders.push_back(Order::Discard(id));
                continue;
            };
            // What an admin wants to be tried again has all its attempts before it. When any other
            // is due was said by the clock of another gateway, so it is due now.
            let attempts = match entry.state {
                State::Waiting(progress) => progress.attempts,
                _ => 0,
            };
            entry.state = State::Waiting(Progress { attempts, ..Progress::default() });
            let Ok(place) = near.accept(host, &entry) else {
                self.orders.push_back(Order::Unclaim(id));
                continue;
            };
            // There may be more, and who asked for thousands again does not want to wait.
            self.next_poll = Duration::ZERO;
            self.known.insert(place);
            let push = Push { body: Vec::new(), ..entry.push };
            adopted.push(Adopted { place, entry: Entry { push, state: entry.state } });
        }
        if !adopted.is_empty() {
            log::info!("took over {} pushes from the store", adopted.len());
            near.notice_event(Event::Adopted(adopted));
        }
    }
}

fn settle_order(host: &impl Host, near: &mut Memory, order: Order, result: Value<'_>) {
    match order {
        Order::Disable { webhook, push, cause } => {
            learn(host, near, &webhook, [&push, &cause], result);
        }
        Order::Notice { webhook, kind, push, cause, .. } => {
            let count = u32::try_from(number(result)).unwrap_or(u32::MAX);
            if count > 0 {
                near.changed(&webhook, &push, &cause, vec![Change::Notice(kind, count)]);
            }
        }
        Order::Add(..) => {
            // Others set something first.
            let mut items = result.items();
            if let (Some(mark), Some(additions)) = (items.next(), items.next()) {
                learn_additions(host, near, mark, additions);
            }
        }
        Order::Reclaim(_) | Order::Unclaim(_) | Order::Discard(_) => {}
    }
}

/// What became of a webhook, by a push and for a cause; nothing if the script says nothing of it.
fn learn(
    host: &impl Host,
    near: &mut Memory,
    webhook: &str,
    [push, cause]: [&str; 2],
    result: Value<'_>,
) {
    if let Some(report) = report(result) {
        near.learn_webhook(host, webhook, &report, false);
        let mut changes = vec![Change::Failures(report.failures)];
        changes.extend(told(result));
        near.changed(webhook, push, cause, changes);
    }
}

/// What the script says of a webhook: failures, disabled since, cause, version.
pub(in super::super) fn report(result: Value<'_>) -> Option<Report> {
    let mut items = result.items();
    let failures = u32::try_from(number(items.next()?)).unwrap_or(u32::MAX);
    let disabled = number(items.next()?);
    let cause = items.next()?;
    Some(Report {
        failures,
        disabled: (disabled > 0).then_some(UnixMillis(disabled)),
        cause: text(cause).into(),
        version: number(items.next()?),
    })
}

/// What people are to be told: a warning's percent, whether this disabled the webhook, notices.
fn told(result: Value<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut items = result.items().skip(4);
    let percent = items.next().map_or(0, number);
    if percent > 0 {
        changes.push(Change::Warning(u32::try_from(percent).unwrap_or(100)));
    }
    if items.next().map_or(0, number) > 0 {
        changes.push(Change::Disabled);
    }
    for notice in items.next().iter().flat_map(Value::items) {
        let mut items = notice.items();
        if let (Some(kind), Some(count)) = (items.next(), items.next()) {
            changes.extend(notice_of(kind, count));
        }
    }
    changes
}

fn notice_of(kind: Value<'_>, count: Value<'_>) -> Option<Change> {
    let kind = *NoticeKind::ALL.get(usize::try_from(number(kind)).ok()?)?;
    Some(Change::Notice(kind, u32::try_from(number(count)).unwrap_or(u32::MAX)))
}

/// Whether Redis, which has this mark, knows nothing of what an admin set: it was set while state was in
/// memory alone, or Redis has lost it.
pub(in super::super) fn has_lost_additions(
    host: &impl Host,
    near: &Memory,
    mark: Value<'_>,
) -> bool {
    text(mark).is_empty() && !near.additions(host).is_empty()
}

/// What an admin set at this gateway or another.
pub(in super::super) fn learn_additions(
    host: &impl Host,
    near: &mut Memory,
    mark: Value<'_>,
    additions: Value<'_>,
) {
    let mark = text(mark).parse().unwrap_or(0);
    let additions = text(additions);
    match Additions::decode(additions.as_bytes()) {
        Some(additions) => near.set_additions(host, mark, &additions),
        None if additions.is_empty() => near.set_additions(host, mark, &Additions::default()),
        None => {
            log::error!(
                "the store holds something foreign under `...:additions`: delete it and `...:additions_mark`"
            );
            near.count_error();
        }
    }
}

fn number(value: Value<'_>) -> u64 {
    value.raw().parse().unwrap_or(0)
}

fn text(value: Value<'_>) -> Cow<'_, str> {
    value.as_str().unwrap_or_default()
}
