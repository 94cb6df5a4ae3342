//! From a payload to an answer of the target server.
//!
//! The courier is a state machine over `Host`: it is told what happened and says what to send
//! next. It knows nothing of API calls and forms.

pub mod commands;
mod courier;
mod lane;
mod notice;
mod probe;
mod quiet;
mod request;
mod retry_after;
mod rotation;
mod schedule;
mod shortcut;
mod target;
mod verdict;
mod webhook;

pub use courier::{Courier, Draft, Fetched};
pub use notice::{Format, Notice};
pub use probe::{Heard, Probe, Probed};
pub use request::RESERVED_HEADERS;
pub(crate) use request::USER_AGENT;
pub(crate) use retry_after::retry_after;
pub use schedule::Schedule;
pub use target::{EGRESS_CLUSTER, Target, TargetError};
pub use verdict::{Cause, Verdict};
pub use webhook::{FormFilter, Purpose, Webhook, WhileDisabled};
