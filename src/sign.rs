//! Signatures of a push, in the two schemes that receivers know.
//!
//! A scheme is a pure function of the body, the push's id, the time and the secret. It knows
//! nothing of headers' order, retries or targets.

pub(crate) mod base64;
pub mod jodoo;
mod secret;
pub mod standard;

pub use secret::{Secret, SecretError};

/// A way to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0.0.
    Standard,
    /// The platform's own.
    Jodoo,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Scheme; 2] = [Scheme::Standard, Scheme::Jodoo];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Standard => "standard",
            Scheme::Jodoo => "jodoo",
        }
    }
}
