//! A webhook as the operator configured it.

use super::{Format, Schedule, Target};
use crate::capture::Op;
use crate::form::FormKey;
use crate::sign::{Scheme, Secret};
use crate::store::Counting;
use std::fmt;
use std::time::Duration;

/// A target server and what it wants to be told.
pub struct Webhook {
    /// Its name in metrics and logs.
    pub id: Box<str>,
    /// Whether anything is pushed to it.
    pub enabled: bool,
    /// Where it is.
    pub target: Target,
    /// The live secrets, the newest first; empty to push unsigned.
    pub secrets: Vec<Secret>,
    /// How pushes are signed.
    pub signing: Vec<Scheme>,
    /// The forms it wants.
    pub forms: FormFilter,
    /// The kinds of change it wants.
    pub ops: Vec<Op>,
    /// Whether it wants them of calls that change many records, too.
    pub batch: bool,
    /// Whether it wants to know of an update what it changed, if the record was seen before.
    pub changes: bool,
    /// Whether it wants a removed record as it was seen last.
    pub remove_with_record: bool,
    /// Headers of its own, by lowercase name.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// When a failed attempt is repeated.
    pub retry: Schedule,
    /// How many attempts may be under way at once, per worker.
    pub max_in_flight: usize,
    /// When failed pushes disable it.
    pub counting: Counting,
    /// What becomes of events while it is disabled.
    pub while_disabled: WhileDisabled,
    /// What it is told.
    pub purpose: Purpose,
}

/// What becomes of events for a webhook that is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileDisabled {
    /// They go to the failed cache.
    Park,
    /// They are counted and lost.
    Drop,
}

/// What a target is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It gets the changes of records.
    Push,
    /// It gets notices about the webhooks, written so.
    Notify(Format),
    /// It is the platform, and is asked for records.
    Fetch,
}

/// Its URL and headers may hold credentials.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Which forms a webhook wants.
#[derive(Debug)]
pub enum FormFilter {
    /// All of them, known or not.
    All,
    /// Only these.
    Only(Vec<FormKey>),
}

impl FormFilter {
    /// The forms that are named.
    pub fn named(&self) -> &[FormKey] {
        match self {
            FormFilter::All => &[],
            FormFilter::Only(forms) => forms,
        }
    }
}

impl Webhook {
    /// Whether its push of such a change has how the record was before.
    pub fn wants_before(&self, op: Op) -> bool {
        match op {
            Op::Update => self.changes,
            Op::Remove => self.remove_with_record,
            Op::Create | Op::Recover | Op::FormUpdate => false,
        }
    }

    /// Whether it wants to be told of such a change.
    pub fn wants(&self, op: Op, form: &FormKey) -> bool {
        let wants_form = match &self.forms {
            FormFilter::All => true,
            FormFilter::Only(forms) => forms.contains(form),
        };
        self.purpose == Purpose::Push && self.enabled && wants_form && self.ops.contains(&op)
    }
}
