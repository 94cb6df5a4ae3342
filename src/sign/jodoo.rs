//! The platform's own signature.
//!
//! Plain SHA-1 over `nonce:body:secret:timestamp`, sent as lowercase hex in `X-JDY-Signature`
//! (the platform's developer documentation, "Webhook, data push").

use super::Secret;
use crate::text::hex;
use sha1::{Digest, Sha1};

/// Hex digits of a nonce.
pub const NONCE_DIGITS: usize = 6;

/// The parameters that a push has in its query, in their order.
pub const PARAMETERS: [&str; 2] = ["nonce", "timestamp"];

/// The value of `X-JDY-Signature`. Nonce and timestamp (Unix seconds) go along in the query.
pub fn signature(secret: &Secret, nonce: &str, timestamp: &str, body: &[u8]) -> String {
    let mut sha1 = Sha1::new();
    for part in
        [nonce.as_bytes(), b":", body, b":", secret.text().as_bytes(), b":", timestamp.as_bytes()]
    {
        sha1.update(part);
    }
    hex(&sha1.finalize())
}

/// A nonce as the platform makes them, of random bytes.
pub fn nonce(random: [u8; NONCE_DIGITS / 2]) -> String {
    hex(&random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_a_real_push_of_the_platform_is_met() {
        // Captured from the platform's "Test Connection" with the secret `test`, 2020-09-27.
        let signature = signature(
            &Secret::parse("test").unwrap(),
            "b16276",
            "1601193637",
            br#"{"data":{},"op":"data_test"}"#,
        );
        assert_eq!(signature, "e1ae5170646cad9ae24257cf16afabd85eb60db2");
    }

    #[test]
    fn a_nonce_is_six_lowercase_hex_digits() {
        assert_eq!(nonce([0xb1, 0x62, 0x76]), "b16276");
        assert_eq!(nonce([0, 0x0a, 0xff]), "000aff");
    }
}
