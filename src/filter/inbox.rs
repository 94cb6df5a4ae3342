//! Between the streams of a worker and its root.

use crate::capture::{Captured, Miss, Missed};
use crate::store::PushId;
use std::cell::{Cell, RefCell};

/// What a stream hands over when its call is over.
pub(super) enum Finished {
    /// A call that was captured.
    Captured {
        call: Captured,
        /// Of the push that may come of it, as the access log has it.
        id: PushId,
        /// Whether its answer waits for its pushes to be stored.
        hold: Hold,
    },
    /// One that was not.
    Missed(Missed),
    /// A body that could not be translated.
    Untranslated(Miss),
}

/// Whether the end of an answer waits until its pushes are stored.
#[derive(Clone, Copy)]
pub(super) enum Hold {
    /// Nobody asked for it.
    NotAsked,
    /// That of this stream waits.
    Stream(u32),
    /// It came with more bytes than can be held.
    TooLarge,
}

/// Finished calls that the root has not read yet. Bounded by the budget that their bodies take
/// from; each entry is one API call of this worker since its last wake.
#[derive(Default)]
pub(super) struct Inbox {
    finished: RefCell<Vec<Finished>>,
    is_woken: Cell<bool>,
}

impl Inbox {
    /// Adds a call. True if the root has to be woken: it is asked once until it looks.
    pub(super) fn put(&self, call: Finished) -> bool {
        self.finished.borrow_mut().push(call);
        !self.is_woken.replace(true)
    }

    /// Takes out all calls.
    pub(super) fn take(&self) -> Vec<Finished> {
        self.is_woken.set(false);
        self.finished.take()
    }
}
