//! What became of each record of a batch, where the platform's answer does not say it.
//!
//! A job is kept like a push, so that it outlasts what a push outlasts. Nothing is guessed: where
//! the answers leave it open which records were changed, that is said.

use crate::capture::{Batch, Op};
use crate::form::FormKey;
use crate::host::UnixMillis;
use crate::json::{Builder, Document, Value};

/// Records of a batch that the platform is asked for, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Those that are still to be asked for, the first of them next.
    pub batch: Batch,
    /// Those that are there.
    present: Vec<Box<str>>,
    /// Those that are not.
    absent: Vec<Box<str>>,
}

/// What follows from what is known of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These records were changed.
    Exact(Vec<Box<str>>),
    /// The platform has to be asked for another record.
    Ask(Job),
    /// It cannot be said which records were changed.
    Unknown,
}

impl Step {
    /// What follows from the call itself.
    pub fn first(batch: Batch) -> Self {
        match batch.changed {
            // Those that were created are named.
            _ if batch.op == Op::Create => Step::Exact(batch.ids),
            None => Step::Exact(batch.ids),
            Some(0) => Step::Exact(Vec::new()),
            Some(changed) if changed >= batch.ids.len() as u64 => Step::Exact(batch.ids),
            Some(_) => Step::Ask(Job { batch, present: Vec::new(), absent: Vec::new() }),
        }
    }
}

impl Job {
    /// A job that asks for what this record is now.
    pub fn for_record(batch: &Batch, id: Box<str>) -> Self {
        // Not a clone of it: that would be all ids again for each of them.
        let Batch { op, form, actor, time, .. } = batch;
        let (form, actor) = (form.clone(), actor.clone());
        let batch = Batch { op: *op, form, ids: vec![id], changed: None, actor, time: *time };
        Job { batch, present: Vec::new(), absent: Vec::new() }
    }

    /// Whether it is to see which records were changed, and not what one of them is now.
    pub fn is_check(&self) -> bool {
        self.batch.changed.is_some()
    }

    /// The body of the call of `data/get` that is next.
    pub fn request(&self) -> Vec<u8> {
        let FormKey { app_id, entry_id } = &self.batch.form;
        let mut json = Builder::new();
        json.open(b'{').name("app_id").text(app_id).name("entry_id").text(entry_id);
        json.name("data_id").text(self.batch.ids.first().map_or("", |id| id)).close(b'}');
        json.finish()
    }

    /// What follows once it is known whether the record that was asked for is there.
    pub fn after(mut self, is_there: bool) -> Step {
        if !self.batch.ids.is_empty() {
            let id = self.batch.ids.remove(0);
            if is_there { self.present.push(id) } else { self.absent.push(id) }
        }
        if !self.batch.ids.is_empty() {
            return Step::Ask(self);
        }
        // What was deleted is not there any more. What was updated is. Others may be so, too: only if
        // there are as many of them as the platform says it changed were it these.
        let may_be = if self.batch.op == Op::Remove { self.absent } else { self.present };
        match self.batch.changed == Some(may_be.len() as u64) {
            true => Step::Exact(may_be),
            false => Step::Unknown,
        }
    }

    /// It as JSON text.
    pub fn encode(&self) -> Vec<u8> {
        let Job { batch, present, absent } = self;
        let mut json = Builder::new();
        json.open(b'{').name("op").text(batch.op.name());
        json.name("app").text(&batch.form.app_id).name("entry").text(&batch.form.entry_id);
        json.name("ids").texts(&batch.ids).name("changed").maybe_number(batch.changed);
        json.name("actor").maybe(batch.actor.as_deref()).name("time").number(batch.time.0);
        json.name("present").texts(present).name("absent").texts(absent).close(b'}');
        json.finish()
    }

    /// Reads what [`Job::encode`] wrote; `None` for what is none.
    pub fn decode(text: &[u8]) -> Option<Self> {
        let document = Document::parse(text).ok()?;
        let root = document.root();
        let text = |name| root.get(name)?.as_str();
        let number = |name| root.get(name)?.raw().parse().ok();
        let list = |name| {
            let id = |id: Value<'_>| Some(id.as_str()?.into());
            root.get(name)?.items().map(id).collect::<Option<Vec<Box<str>>>>()
        };
        let op = text("op")?;
        let batch = Batch {
            op: Op::OF_RECORDS.into_iter().find(|known| known.name() == op)?,
            form: FormKey { app_id: text("app")?.into(), entry_id: text("entry")?.into() },
            ids: list("ids")?,
            changed: number("changed"),
            actor: text("actor").map(Into::into),
            time: UnixMillis(number("time")?),
        };
        Some(Job { batch, present: list("present")?, absent: list("absent")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn batch(op: Op, ids: &[&str], changed: Option<u64>) -> Batch {
        let form = FormKey { app_id: "a".into(), entry_id: "e".into() };
        let ids = ids.iter().map(|id| (*id).into()).collect();
        Batch { op, form, ids, changed, actor: None, time: UnixMillis(7) }
    }

    fn exact(ids: &[&str]) -> Step {
        Step::Exact(ids.iter().map(|id| (*id).into()).collect())
    }

    /// Plays a batch against records that are there afterwards.
    fn play(batch: Batch, there: &[&str]) -> Step {
        let mut step = Step::first(batch);
        loop {
            let Step::Ask(job) = step else { return step };
            // As it is kept in between.
            let job = Job::decode(&job.encode()).unwrap();
            let is_there = there.contains(&&*job.batch.ids[0]);
            step = job.after(is_there);
        }
    }

    #[test]
    fn what_the_answer_says_needs_no_question() {
        assert_eq!(Step::first(batch(Op::Remove, &["1", "2"], Some(2))), exact(&["1", "2"]));
        assert_eq!(Step::first(batch(Op::Create, &["1", "2"], None)), exact(&["1", "2"]));
        assert_eq!(Step::first(batch(Op::Update, &["1", "2"], Some(0))), exact(&[]));
    }

    #[test]
    fn where_counts_do_not_match_the_records_themselves_tell() {
        let ids = ["1", "2", "3"];
        assert_eq!(play(batch(Op::Remove, &ids, Some(2)), &["2"]), exact(&["1", "3"]));
        assert_eq!(play(batch(Op::Update, &ids, Some(2)), &["1", "2"]), exact(&["1", "2"]));
        // One of the missing two was not there before, or one of the three was left as it was.
        assert_eq!(play(batch(Op::Remove, &ids, Some(1)), &["2"]), Step::Unknown);
        assert_eq!(play(batch(Op::Update, &ids, Some(2)), &ids), Step::Unknown);
    }

    proptest! {
        /// Whatever was there before and whatever the platform did: what is said was so.
        #[test]
        fn nothing_is_said_that_was_not_so(
            before in proptest::collection::btree_set(0..6u8, 0..6),
            asked in proptest::collection::btree_set(0..6u8, 1..6),
            refused in proptest::collection::btree_set(0..6u8, 0..3),
            removes: bool,
        ) {
            let name = |number: &u8| number.to_string();
            let changed: BTreeSet<u8> =
                asked.iter().filter(|id| before.contains(id) && !refused.contains(id)).copied().collect();
            let after: Vec<String> = before
                .iter()
                .filter(|id| !removes || !changed.contains(id))
                .map(name)
                .collect();
            let (ids, there): (Vec<String>, Vec<&str>) =
                (asked.iter().map(name).collect(), after.iter().map(String::as_str).collect());
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let op = if removes { Op::Remove } else { Op::Update };
            match play(batch(op, &ids, Some(changed.len() as u64)), &there) {
                Step::Exact(found) => {
                    let found: Vec<String> = found.iter().map(|id| id.to_string()).collect();
                    prop_assert_eq!(found, changed.iter().map(name).collect::<Vec<_>>());
                }
                Step::Unknown => prop_assert!(changed.len() < asked.len()),
                Step::Ask(_) => prop_assert!(false),
            }
        }

        #[test]
        fn foreign_texts_never_panic(text: Vec<u8>) {
            let _ = Job::decode(&text);
        }
    }
}
