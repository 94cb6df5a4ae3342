//! Where pushes are kept until their end, and what is known of the webhooks.
//!
//! Nothing that would be missed lives in a worker's heap alone: a VM may crash, be replaced by a
//! new version of the filter, or lose its configuration, at any moment. The store knows pushes,
//! owners and counts, and nothing of HTTP and time tables.

mod additions;
mod entry;
mod learned;
mod memory;
mod notices;
mod push_id;
mod question;
mod redis;
mod tiers;
mod webhook_state;

pub use additions::Additions;
pub use entry::{Entry, Failure, Progress, Push, State};
pub use learned::{Learned, MAX_FORMS as MAX_LEARNED_FORMS};
pub use memory::{Bounds, Memory};
pub use notices::{Coalescer, NoticeKind};
pub use push_id::PushId;
pub use question::{Asked, Question, Turn};
pub use redis::{Ack, Protocol, RedisSettings};
pub use tiers::Tiers;
pub use webhook_state::{Change, Counting, WebhookState};

use crate::form::{FormKey, Schema};
use crate::history::{Record, Ring};
use crate::host::{CalloutId, Host, Reply, UnixMillis, Version};
use std::fmt;
use std::time::Duration;

/// Names the place of a push in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub(crate) region: u16,
    pub(crate) slot: u16,
}

impl Place {
    /// Reads what its `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (region, slot) = text.split_once('.')?;
        Some(Place { region: region.parse().ok()?, slot: slot.parse().ok()? })
    }

    /// The region that it is in.
    pub fn region(self) -> u16 {
        self.region
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.region, self.slot)
    }
}

/// A push as it was loaded. Whoever changes it meanwhile makes the loaded one stale, and every
/// step with a stale one fails: so each push has one end, even if two owners believe it theirs.
#[derive(Debug)]
pub struct Loaded {
    /// Where it is.
    pub place: Place,
    /// What is there.
    pub entry: Entry,
    pub(crate) version: Version,
}

/// There is no room for a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The push belongs to another owner now, or came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// A push that is this owner's from now on.
#[derive(Debug)]
pub struct Adopted {
    /// Where it is.
    pub place: Place,
    /// What it is and where it stands, without its body.
    pub entry: Entry,
}

/// How much there is of all owners, as far as they have said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Pushes to be sent and pushes in the failed cache, by webhook.
    pub by_webhook: Vec<(Box<str>, u64, u64)>,
    /// Bytes of the failed cache.
    pub failed_bytes: u64,
    /// When the oldest push that is to be sent was accepted.
    pub oldest: Option<UnixMillis>,
}

impl Totals {
    /// The failed cache as it is here, with what is to be sent of another.
    fn with_pending(mut self, pending: Totals) -> Totals {
        for (webhook, waiting, _) in pending.by_webhook {
            match self.by_webhook.iter_mut().find(|(known, ..)| *known == webhook) {
                Some(known) => known.1 = waiting,
                None => self.by_webhook.push((webhook, waiting, 0)),
            }
        }
        Totals { oldest: pending.oldest, ..self }
    }
}

/// What happened in the store that its owner did not do.
#[derive(Debug)]
pub enum Event {
    /// Pushes of an owner that is gone, or that the admin wants to be tried again.
    Adopted(Vec<Adopted>),
    /// This region has another owner now: nothing in it is ours.
    RegionLost(u16),
    /// What is known of a webhook changed, and people may have to be told.
    Changed(Changed),
    /// There was no room for it in the failed cache.
    Dropped(Entry),
    /// The structure of a form has changed, and is this now.
    Restructured(FormKey, Schema),
}

/// What became of a webhook by what happened to a push.
#[derive(Debug)]
pub struct Changed {
    /// The webhook.
    pub webhook: Box<str>,
    /// The push, if it was one.
    pub push: Box<str>,
    /// Why, in words.
    pub cause: Box<str>,
    /// What changed.
    pub changes: Vec<Change>,
}

/// Which of the kept pushes a command is for.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These.
    Ids(Vec<Box<str>>),
    /// All failed ones of a webhook.
    Webhook(Box<str>),
}

/// A store, as the courier and the admin see it.
pub trait Store {
    /// Takes a push on, in this state.
    ///
    /// # Errors
    /// The bounds do not allow it.
    fn accept(&mut self, host: &impl Host, entry: &Entry) -> Result<Place, Full>;

    /// Loads a push to work on it; `None` if it is not ours any more.
    fn load(&mut self, host: &impl Host, place: Place) -> Option<Loaded>;

    /// Puts a push back, to be tried again.
    ///
    /// # Errors
    /// It is not ours any more.
    fn wait(&mut self, host: &impl Host, loaded: Loaded, progress: Progress) -> Result<(), Lost>;

    /// Takes a push out for good.
    ///
    /// # Errors
    /// It is not ours any more.
    fn finish(&mut self, host: &impl Host, loaded: Loaded) -> Result<(), Lost>;

    /// The same, as its target took it. That ends the webhook's failures, if they are counted in a
    /// row.
    ///
    /// # Errors
    /// It is not ours any more.
    fn delivered(
        &mut self,
        host: &impl Host,
        loaded: Loaded,
        counting: Counting,
    ) -> Result<(), Lost>;

    /// Moves a push to the failed cache without charging its webhook.
    ///
    /// # Errors
    /// It is not ours any more.
    fn park(&mut self, host: &impl Host, loaded: Loaded, failure: Failure) -> Result<(), Lost>;

    /// Moves a push to the failed cache and counts the failure, once, whatever crashes meanwhile.
    /// What follows from the count comes as an [`Event::Changed`].
    ///
    /// # Errors
    /// It is not ours any more.
    fn fail(
        &mut self,
        host: &impl Host,
        loaded: Loaded,
        failure: Failure,
        counting: Counting,
    ) -> Result<(), Lost>;

    /// What is known of a webhook.
    fn webhook(&self, host: &impl Host, id: &str) -> WebhookState;

    /// Disables a webhook at once, for what a push met with.
    fn disable(&mut self, host: &impl Host, id: &str, push: &PushId, cause: &str);

    /// Pushes of a webhook do not get out of this gateway, for this cause, or they do. Since when they do not.
    fn block(&mut self, host: &impl Host, id: &str, cause: Option<&str>) -> Option<UnixMillis>;

    /// People have to be told this of a webhook, if they were not just now.
    fn notice(&mut self, host: &impl Host, id: &str, kind: NoticeKind, push: &PushId, cause: &str);

    /// Has what was held back of a webhook told, if it is time. Whether anything is held back
    /// still.
    fn flush_notices(&mut self, host: &impl Host, id: &str) -> bool;

    /// Shows the configuration, as JSON, to the admin of this gateway.
    fn publish(&mut self, host: &impl Host, config: &[u8]);

    /// The configuration that the filter which watches has, as JSON; `None` if there is no such
    /// filter.
    fn published(&self, host: &impl Host) -> Option<Vec<u8>>;

    /// What an admin set while the gateway runs.
    fn additions(&self, host: &impl Host) -> Additions;

    /// Changes with each change of the additions, and is cheap to read.
    fn additions_mark(&self, host: &impl Host) -> u64;

    /// Writes a record into the history.
    fn record(&mut self, host: &impl Host, record: &Record);

    /// The numbers of the newest record of a ring and of the oldest that may still be there.
    fn history_bounds(&self, host: &impl Host, ring: Ring) -> Option<(u64, u64)>;

    /// A record of the history.
    fn history(&self, host: &impl Host, ring: Ring, number: u64) -> Option<Record>;

    /// The failed cache in a fixed order, from a place on, as far as `visit` wants to see it and
    /// at most so many places are looked at. The place to go on from, if there may be more: the
    /// one that `visit` did not want is looked at again.
    fn failed_from(
        &self,
        host: &impl Host,
        from: Option<Place>,
        places: usize,
        visit: &mut dyn FnMut(Loaded) -> bool,
    ) -> Option<Place>;

    /// The whole failed cache in that order, as far as `visit` wants to see it.
    fn failed(&self, host: &impl Host, visit: &mut dyn FnMut(Loaded) -> bool) {
        self.failed_from(host, None, usize::MAX, visit);
    }

    /// What was noticed since this was last asked.
    fn noticed(&mut self) -> Vec<Event>;

    /// This owner was woken: there may be something to watch, or to do. `None` if no other owner
    /// and no command did that.
    fn woken(&mut self, host: &impl Host) -> Option<Vec<Event>>;

    /// To be called about once a second while [`Store::is_watching`]: shows that this owner is
    /// alive, and looks after the others. `oldest` is when its oldest waiting push was accepted.
    fn watch(&mut self, host: &impl Host, oldest: Option<UnixMillis>) -> Vec<Event>;

    /// Whether anybody has something to do, so that watching makes sense.
    fn is_watching(&self) -> bool;

    /// Gives everything up, for others to take over.
    fn leave(&mut self, host: &impl Host);

    /// How often the store did not do what it should since this was last asked.
    fn errors(&mut self) -> u32;

    /// How much there is, as of the last [`Store::watch`].
    fn totals(&self, host: &impl Host) -> Totals;

    /// How much there is, as far as the owners have said, for one that is no owner itself.
    fn survey(&self, host: &impl Host) -> Totals;

    /// The oldest of this owner's failed cache, to be given up so that there is room for this. `None` if
    /// all of it would not make enough.
    fn oldest_failed(&mut self, host: &impl Host, entry: &Entry) -> Option<Loaded>;

    /// The number for this owner's next push.
    fn next_sequence(&mut self) -> u64;

    /// Has what happened written where it outlasts the gateway.
    fn flush(&mut self, host: &impl Host);

    /// Hears what came back for a callout. False if the store did not send it.
    fn heard(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) -> bool;

    /// When [`Store::flush`] has to be called again.
    fn due(&self) -> Option<Duration>;

    /// A number that stands for all that was done until now, and the one up to which it outlasts
    /// the gateway.
    fn tickets(&self) -> (u64, u64);

    /// Whether an answer is on its way that this owner has to hear before it leaves.
    fn is_busy(&self) -> bool;

    /// Since when, by uptime, what happens cannot be written; `None` if it can.
    fn is_down_since(&self) -> Option<Duration>;
}
