//! The secret that a webhook shares with its receiver.

use super::base64;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use std::fmt;

/// Marks a secret as Base64 of a key, as Standard Webhooks writes secrets.
const PREFIX: &str = "whsec_";

/// The longest secret, in characters.
const MAX_CHARS: usize = 1024;

/// A shared secret. It can be used to sign and not be read: `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret {
    text: Box<str>,
    /// Keyed once; a signature starts from a copy.
    hmac: Hmac<Sha256>,
}

/// Why a text is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// There is nothing in it.
    Empty,
    /// It has more than 1,024 characters.
    TooLong,
    /// It begins or ends with white space.
    WhiteSpace,
    /// What follows `whsec_` is not Base64.
    Base64,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretError::Empty => "the secret is empty; leave it out to push unsigned",
            SecretError::TooLong => "a secret has at most 1024 characters",
            SecretError::WhiteSpace => {
                "the secret begins or ends with white space, such as the line end of a file; remove it"
            }
            SecretError::Base64 => "a secret that begins with `whsec_` must go on with Base64",
        })
    }
}

impl Secret {
    /// Takes a secret: `whsec_` and the Base64 of a key, or any other text, which is the key.
    ///
    /// # Errors
    /// The text cannot be a secret. The error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.trim() != text {
            return Err(SecretError::WhiteSpace);
        }
        if text.chars().count() > MAX_CHARS {
            return Err(SecretError::TooLong);
        }
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => base64::decode(encoded).ok_or(SecretError::Base64)?,
            None => text.into(),
        };
        if key.is_empty() {
            return Err(SecretError::Empty);
        }
        // HMAC takes keys of every length (RFC 2104 section 2), so this error does not happen.
        let hmac = Hmac::new_from_slice(&key).map_err(|_| SecretError::Empty)?;
        Ok(Secret { text: text.into(), hmac })
    }

    /// The text of a secret with this key.
    pub fn encoded(key: &[u8]) -> String {
        let mut text = PREFIX.to_owned();
        base64::encode(key, &mut text);
        text
    }

    /// Whether it is the same text.
    pub(crate) fn is(&self, other: &Secret) -> bool {
        self.text == other.text
    }

    /// The secret as it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// An HMAC-SHA256 with the secret's key and no data yet.
    pub(super) fn hmac(&self) -> Hmac<Sha256> {
        self.hmac.clone()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::parse("whsec_c2VjcmV0").unwrap();
        assert_eq!(format!("{secret:?}"), "[redacted]");
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused() {
        assert_eq!(Secret::parse("").unwrap_err(), SecretError::Empty);
        assert_eq!(Secret::parse("whsec_").unwrap_err(), SecretError::Empty);
        assert_eq!(Secret::parse("secret\n").unwrap_err(), SecretError::WhiteSpace);
        assert_eq!(Secret::parse(&"x".repeat(1025)).unwrap_err(), SecretError::TooLong);
        assert_eq!(Secret::parse("whsec_!").unwrap_err(), SecretError::Base64);
    }
}
