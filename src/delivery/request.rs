//! The HTTP request of one attempt.

use super::{Push, Webhook};
use crate::host::{Callout, CalloutError, CalloutId, Host, UnixMillis};
use crate::sign::{Scheme, jodoo, standard};

/// Tells the egress listener which of its clusters to take, the plain or the TLS one.
const SCHEME_HEADER: &str = "x-formhook-scheme";

const USER_AGENT: &str = concat!("formhook/", env!("CARGO_PKG_VERSION"));

/// Sends one attempt. The id stays, time, nonce and signatures are new each time, because
/// receivers refuse signatures that are too old.
pub(super) fn send(
    host: &impl Host,
    webhook: &Webhook,
    push: &Push,
    now: UnixMillis,
) -> Result<CalloutId, CalloutError> {
    let target = &webhook.target;
    let body = &push.message.body;
    let id = push.id.as_str();
    let timestamp = now.seconds().to_string();
    let signs = |scheme| webhook.signing.contains(&scheme);

    let mut path = target.path_and_query().to_owned();
    let mut jodoo_signature = None;
    if signs(Scheme::Jodoo) {
        let mut random = [0; jodoo::NONCE_DIGITS / 2];
        host.random(&mut random);
        let nonce = jodoo::nonce(random);
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&format!("nonce={nonce}&timestamp={timestamp}"));
        // The platform has one secret; during a rotation the new one signs.
        let secret = webhook.secrets.first();
        jodoo_signature = secret.map(|secret| jodoo::signature(secret, &nonce, &timestamp, body));
    }
    let standard_signature = (signs(Scheme::Standard) && !webhook.secrets.is_empty())
        .then(|| standard::signature(&webhook.secrets, id, &timestamp, body));

    let mut headers = vec![
        (":method", "POST"),
        (":scheme", target.scheme()),
        (":authority", target.authority()),
        (":path", &path),
        ("content-type", "application/json"),
        ("user-agent", USER_AGENT),
    ];
    if target.is_by_egress() {
        headers.push((SCHEME_HEADER, target.scheme()));
    }
    if signs(Scheme::Standard) {
        headers.extend([("webhook-id", id), ("webhook-timestamp", &timestamp)]);
    }
    if let Some(signature) = &standard_signature {
        headers.push(("webhook-signature", signature));
    }
    if signs(Scheme::Jodoo) {
        headers.push(("x-jdy-deliverid", id));
    }
    if let Some(signature) = &jodoo_signature {
        headers.push(("x-jdy-signature", signature));
    }
    headers.extend(push.message.trace.iter().map(|(name, value)| (*name, &**value)));
    headers.extend(webhook.headers.iter().map(|(name, value)| (&**name, &**value)));
    host.call(Callout { cluster: target.cluster(), headers, body, timeout: webhook.timeout })
}

/// Headers that a webhook's own `headers` may not set, because the request already has them or
/// because they belong to the connection.
pub const RESERVED_HEADERS: [&str; 21] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-jdy-deliverid",
    "x-jdy-signature",
    "x-request-id",
];
