//! Asks the platform's own API, with a key of its own: how forms look, and what became of records.
//!
//! It knows what to ask and what an answer means, and nothing of pushes.

mod api;
mod expansion;
mod poller;

pub(crate) use api::TIMEOUT;
pub use api::{PlatformApi, Refusal, record};
pub use expansion::{Job, Step};
pub use poller::{Polled, Poller};
