//! The verification that docs/receivers.md gives to receivers in Rust, applied to caught pushes.

#[path = "../receivers/verify.rs"]
mod snippet;

use super::receiver::Received;

/// How old a push may be, in seconds.
const TOLERANCE: u64 = 300;

/// The Standard Webhooks signature of a push is right.
pub fn standard(secret: &str, push: &Received) -> Result<(), &'static str> {
    let names = ("webhook-id", "webhook-timestamp", "webhook-signature");
    let headers = (push.header(names.0), push.header(names.1), push.header(names.2));
    snippet::verify(secret, headers, &push.body, TOLERANCE)
}

/// The platform's own signature of a push is right.
pub fn jodoo(secret: &str, push: &Received) -> Result<(), &'static str> {
    let query = |name| push.query(name).unwrap_or_default();
    let signed = (query("nonce"), query("timestamp"), push.header("x-jdy-signature"));
    snippet::verify_jodoo(secret, signed, &push.body)
}
