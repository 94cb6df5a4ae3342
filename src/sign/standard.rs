//! Standard Webhooks 1.0.0, symmetric signatures (`v1`).
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use super::{Secret, base64};
use hmac::Mac;

/// The value of `webhook-signature`: for each secret `v1,` and the Base64 of HMAC-SHA256 over
/// `{id}.{timestamp}.{body}`, separated by spaces. During a rotation all live secrets sign, so
/// that a receiver may know either.
pub fn signature<'s>(
    secrets: impl IntoIterator<Item = &'s Secret>,
    id: &str,
    timestamp: &str,
    body: &[u8],
) -> String {
    let mut signatures = String::new();
    for secret in secrets {
        let mut hmac = secret.hmac();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            hmac.update(part);
        }
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str("v1,");
        base64::encode(&hmac.finalize().into_bytes(), &mut signatures);
    }
    signatures
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_vector_of_the_reference_implementations_is_met() {
        // Standard Webhooks repository, libraries/rust/src/lib.rs, test_sign.
        let secret = Secret::parse(SECRET).unwrap();
        let signature = signature(
            [&secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_live_secret_signs() {
        let (new, old) = (Secret::parse(SECRET).unwrap(), Secret::parse("old").unwrap());
        let both = signature([&new, &old], "id", "1", b"{}");
        let each = [&new, &old].map(|secret| signature([secret], "id", "1", b"{}"));
        assert_eq!(both, each.join(" "));
    }
}
