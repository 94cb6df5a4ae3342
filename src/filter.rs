//! Envoy's callbacks, handed on to the pipeline.
//!
//! A stream only copies what passes and leaves it in the inbox; reading it and sending pushes is
//! the root's work, so that it is not done while the API call waits.

mod desk;
mod holds;
mod inbox;
mod root;
mod stream;
mod translation;
mod unused;
mod watch;

pub(crate) use root::Root;
