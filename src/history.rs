//! What became of every push, and of every change that was not captured.
//!
//! A [`Record`] is bounded, and made to be shown: signatures, the operator's own headers and the
//! query of an address are left out before it is kept. A [`Query`] finds records by walking their
//! sequence numbers, newest first. Where they are kept, for how long, and who asks is not known
//! here.

mod json;
mod query;
mod record;
mod redact;

pub use query::{
    Cursor, DEFAULT_LIMIT, MAX_LIMIT, MAX_LOOKED_AT, Page, Query, Reference, Ring, Show,
};
pub use record::{Outcome, Record};
pub use redact::{
    MAX_ANSWER_BYTES, MAX_BODY_BYTES, MAX_CAUSE_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_ID_BYTES,
    MAX_URL_BYTES, cut, excerpt, excerpt_without, may_be_secret, redacted, shown_headers,
    shown_url,
};
