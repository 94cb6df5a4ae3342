//! From a passing API call to an event.
//!
//! The call is watched and never touched: bodies are copied as they pass, up to a bound, and read
//! only after the call is over. What cannot be read is a counted [`Miss`], never a failed call.

mod body;
mod budget;
mod event;
mod exchange;
mod jodoo;
mod operation;
mod route;
mod source;
mod trace;

pub use body::{Body, RequestBody};
pub use budget::{Budget, HeldRequest, Reservation};
pub use event::{Actor, Batch, Captured, Documents, Event, Op, Outcome};
pub use exchange::{End, Exchange, Head, Missed, is_encoded, may_have_arrived};
pub use jodoo::operations as jodoo_operations;
pub use operation::{
    Change, Check, Condition, Expected, Matched, Operation, Operations, RouteError, Shows,
};
pub use source::{Lookup, Source, SourceError, Sources};

/// Why a change that may have happened is not pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// A body was larger than `limits.max_body_bytes`.
    TooLarge,
    /// A body came in a content coding that is not read here.
    Encoded,
    /// A body was not JSON.
    Malformed,
    /// A body was nested deeper than [`crate::json::MAX_DEPTH`].
    TooDeep,
    /// The whole request was sent to the platform, and no whole answer came back.
    Unanswered,
    /// The answer says that something changed, but not what: an id or the record is missing.
    Incomplete,
    /// A batch operation, and no webhook asks for these.
    Batch,
    /// A batch operation of which it cannot be said what it changed.
    Inexact,
    /// `limits.memory_bytes` was used up.
    Overload,
    /// The platform was asked for a record of a batch, and did not tell of it.
    Unfetched,
}

impl Miss {
    /// Every reason.
    pub const ALL: [Miss; 10] = [
        Miss::TooLarge,
        Miss::Encoded,
        Miss::Malformed,
        Miss::TooDeep,
        Miss::Unanswered,
        Miss::Incomplete,
        Miss::Batch,
        Miss::Inexact,
        Miss::Overload,
        Miss::Unfetched,
    ];

    /// The reason as it stands in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Miss::TooLarge => "too_large",
            Miss::Encoded => "encoded",
            Miss::Malformed => "malformed",
            Miss::TooDeep => "too_deep",
            Miss::Unanswered => "unanswered",
            Miss::Incomplete => "incomplete",
            Miss::Batch => "batch",
            Miss::Inexact => "inexact",
            Miss::Overload => "overload",
            Miss::Unfetched => "unfetched",
        }
    }
}
