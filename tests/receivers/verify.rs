use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// Checks the Standard Webhooks signature over the body as it arrived. The three texts are the
/// headers `webhook-id`, `webhook-timestamp` and `webhook-signature`; `tolerance` is the age in
/// seconds up to which a push is taken. De-duplicate by the id.
pub fn verify(
    secret: &str,
    (id, timestamp, signatures): (&str, &str, &str),
    body: &[u8],
    tolerance: u64,
) -> Result<(), &'static str> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "no clock")?.as_secs();
    let sent: u64 = timestamp.parse().map_err(|_| "the timestamp is no number")?;
    if now.abs_diff(sent) > tolerance {
        return Err("the push is too old");
    }
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "the secret is not Base64")?,
        None => secret.as_bytes().to_vec(),
    };
    let mut hmac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "unusable key")?;
    hmac.update(format!("{id}.{timestamp}.").as_bytes());
    hmac.update(body);
    // During a rotation there is one signature for each live secret.
    let mut signatures = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    signatures
        .any(|one| STANDARD.decode(one).is_ok_and(|one| hmac.clone().verify_slice(&one).is_ok()))
        .then_some(())
        .ok_or("the signature is wrong")
}

/// Checks the platform's own signature, the header `x-jdy-signature`; `nonce` and `timestamp` are
/// in the query of the URL.
pub fn verify_jodoo(
    secret: &str,
    (nonce, timestamp, signature): (&str, &str, &str),
    body: &[u8],
) -> Result<(), &'static str> {
    let mut sha1 = Sha1::new();
    sha1.update(format!("{nonce}:"));
    sha1.update(body);
    sha1.update(format!(":{secret}:{timestamp}"));
    let expected: String = sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // In constant time, so that the answer's delay tells nothing of the signature.
    let difference = expected.bytes().zip(signature.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    let equal = difference == 0 && expected.len() == signature.len();
    equal.then_some(()).ok_or("the signature is wrong")
}
