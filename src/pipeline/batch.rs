//! Changes of many records by one call, taken apart.

use super::{Origin, Pipeline, Trace};
use crate::capture::{Actor, Batch, Event, Miss, Op};
use crate::delivery::{Draft, Fetched, Purpose, Webhook};
use crate::host::{Host, UnixMillis};
use crate::json::Document;
use crate::platform::{Job, Refusal, Step, record};
use crate::store::{PushId, Store as _};
use std::borrow::Cow;
use std::rc::Rc;

impl Pipeline {
    pub(super) fn wants_batch(&self, batch: &Batch) -> bool {
        let mut webhooks = self.in_force.webhooks.iter();
        webhooks.any(|webhook| webhook.batch && webhook.wants(batch.op, &batch.form))
    }

    /// Does what follows from what is known of a batch. All of it has ids that follow from `of`: two owners
    /// may do it, of which one took over from the other.
    pub(super) fn step(
        &mut self,
        host: &impl Host,
        batch: &Batch,
        step: Step,
        trace: &Trace,
        of: &PushId,
    ) {
        match step {
            Step::Unknown => self.missed_of(host, Miss::Inexact, batch, ""),
            Step::Ask(job) => self.ask(host, &job, trace, of.clone()),
            Step::Exact(ids) => {
                for id in ids {
                    let of = of.derived(&id);
                    if batch.op != Op::Remove {
                        self.ask(host, &Job::for_record(batch, id), trace, of);
                        continue;
                    }
                    let event = Event {
                        op: batch.op,
                        form: batch.form.clone(),
                        record_id: Cow::Borrowed(&id),
                        record: None,
                        actor: batch.actor.as_deref().map(|name| Actor::Named(name.into())),
                        time: batch.time,
                    };
                    self.event(host, &event, trace, of, Origin::Batch);
                }
            }
        }
    }

    /// Has the platform asked for a record.
    fn ask(&mut self, host: &impl Host, job: &Job, trace: &Trace, id: PushId) {
        let batch = &job.batch;
        let record_id = match job.is_check() {
            true => "",
            false => batch.ids.first().map_or("", |id| id),
        };
        let is_it = |target: &Rc<Webhook>| target.purpose == Purpose::Fetch;
        let Some(position) = self.in_force.webhooks.iter().position(is_it) else {
            let miss = if job.is_check() { Miss::Inexact } else { Miss::Unfetched };
            return self.missed_of(host, miss, batch, record_id);
        };
        let draft = Draft {
            id,
            op: batch.op.name().into(),
            form: batch.form.clone(),
            record_id: record_id.into(),
            trace: trace.clone(),
            body: job.encode(),
        };
        self.courier.accept(host, position, draft);
    }

    /// The platform was asked for a record.
    pub(super) fn fetched(&mut self, host: &impl Host, fetched: Fetched) {
        let Fetched { loaded, answer } = fetched;
        let (trace, of) = (loaded.entry.push.trace.clone(), loaded.entry.push.id.clone());
        if let Some(job) = Job::decode(&loaded.entry.push.body) {
            let batch = job.batch.clone();
            let id = batch.ids.first().cloned().unwrap_or_default();
            match answer {
                Err(Refusal::NoRecord) | Ok(_) if job.is_check() => {
                    let step = job.after(answer.is_ok());
                    if let Step::Ask(job) = &step {
                        return self.courier.ask_again(host, loaded, job.encode());
                    }
                    self.step(host, &batch, step, &trace, &of);
                }
                Ok(body) if self.push_record(host, &batch, &id, &body, (&trace, of)) => {}
                Ok(_) | Err(_) => self.missed_of(host, Miss::Unfetched, &batch, &id),
            }
        }
        // Only now: a crash before this has the platform asked again.
        let _ = self.courier.store().finish(host, loaded);
    }

    /// There was no room for a question to the platform.
    pub(super) fn unasked(&mut self, host: &impl Host, question: &[u8]) {
        if let Some(job) = Job::decode(question) {
            let id = if job.is_check() { None } else { job.batch.ids.first() };
            self.missed_of(host, Miss::Overload, &job.batch, id.map_or("", |id| id));
        }
    }

    /// Pushes a record of a batch as the platform answered it. False if it is none.
    fn push_record(
        &mut self,
        host: &impl Host,
        batch: &Batch,
        id: &str,
        answer: &[u8],
        (trace, of): (&Trace, PushId),
    ) -> bool {
        let document = Document::parse(answer).ok();
        let Some(record) = document.as_ref().and_then(record) else { return false };
        let time = record.get("updateTime").and_then(|time| time.as_str());
        let time = time.and_then(|time| UnixMillis::parse_rfc3339(&time));
        let event = Event {
            op: batch.op,
            form: batch.form.clone(),
            record_id: id.into(),
            record: Some(record),
            actor: None,
            time: time.unwrap_or(batch.time),
        };
        self.event(host, &event, trace, of, Origin::Batch);
        true
    }

    /// Tells of a record of a batch that cannot be pushed, or of all of it.
    pub(super) fn missed_of(
        &mut self,
        host: &impl Host,
        miss: Miss,
        batch: &Batch,
        record_id: &str,
    ) {
        self.not_captured(host, miss, batch.op, batch.form.clone(), record_id);
    }
}
