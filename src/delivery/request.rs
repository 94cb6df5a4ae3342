//! The HTTP request of one attempt.

use super::rotation::Signer;
use super::shortcut::Turn;
use super::{Webhook, webhook};
use crate::history;
use crate::host::{Callout, CalloutError, CalloutId, Host, UnixMillis};
use crate::platform::Job;
use crate::sign::{Scheme, jodoo, standard};
use crate::store::Push;
use std::borrow::Cow;
use std::time::Duration;

/// Tells the egress listener which of its clusters to take, the plain or the TLS one.
const SCHEME_HEADER: &str = "x-formhook-scheme";

/// Tells it which of several addresses to take.
const TURN_HEADER: &str = "x-formhook-turn";

/// Tells a cluster past the egress listener where to connect to. The cluster takes it off again.
const ADDRESS_HEADER: &str = "x-formhook-address";

/// Who calls.
pub(crate) const USER_AGENT: &str = concat!("formhook/", env!("CARGO_PKG_VERSION"));

/// What is new in each attempt, because receivers refuse signatures that are too old. The id
/// stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) sent: UnixMillis,
    nonce: [u8; jodoo::NONCE_DIGITS / 2],
    /// Whose signature it has where there is room for one.
    pub(super) signer: Signer,
}

impl Stamp {
    pub(super) fn new(host: &impl Host, signer: Signer) -> Self {
        let mut nonce = [0; jodoo::NONCE_DIGITS / 2];
        host.random(&mut nonce);
        Stamp { sent: host.now(), nonce, signer }
    }
}

/// Whether a request is to be sent or to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Send,
    Show,
}

/// The path and the headers of an attempt, pseudo-headers left out.
struct Request<'a> {
    path: Cow<'a, str>,
    headers: Vec<(&'a str, Cow<'a, str>)>,
}

fn request<'a>(
    webhook: &'a Webhook,
    push: &'a Push,
    stamp: Stamp,
    purpose: Purpose,
) -> Request<'a> {
    let signs = |scheme| webhook.signing.contains(&scheme);
    let id = push.id.as_str();
    let timestamp = stamp.sent.seconds().to_string();
    let mut path = Cow::Borrowed(webhook.target.path_and_query());
    let mut headers: Vec<(&str, Cow<'_, str>)> =
        vec![("content-type", "application/json".into()), ("user-agent", USER_AGENT.into())];
    if signs(Scheme::Standard) {
        headers.push(("webhook-id", id.into()));
        if !webhook.secrets.is_empty() {
            let signature = match purpose {
                Purpose::Send => standard::signature(&webhook.secrets, id, &timestamp, &push.body),
                Purpose::Show => String::new(),
            };
            headers.push(("webhook-signature", signature.into()));
        }
    }
    if signs(Scheme::Jodoo) {
        let nonce = jodoo::nonce(stamp.nonce);
        headers.push(("x-jdy-deliverid", id.into()));
        if let Some(secret) = stamp.signer.of(&webhook.secrets) {
            let signature = match purpose {
                Purpose::Send => jodoo::signature(secret, &nonce, &timestamp, &push.body),
                Purpose::Show => String::new(),
            };
            headers.push(("x-jdy-signature", signature.into()));
        }
        let [nonce_name, timestamp_name] = jodoo::PARAMETERS;
        let parameters = [nonce_name, "=", &nonce, "&", timestamp_name, "=", &timestamp].concat();
        path = webhook.target.path_with(&parameters).into();
    }
    if signs(Scheme::Standard) {
        headers.push(("webhook-timestamp", timestamp.into()));
    }
    headers.extend(push.trace.iter().map(|(name, value)| (&**name, Cow::from(&**value))));
    headers.extend(webhook.headers.iter().map(|(name, value)| (&**name, Cow::from(&**value))));
    Request { path, headers }
}

/// How an attempt gets to its target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route<'a> {
    /// Where to go past the egress listener, if that is known.
    pub(super) address: Option<&'a str>,
    /// Which address the listener is to take.
    pub(super) turn: Turn,
    /// How long it may take.
    pub(super) timeout: Duration,
}

/// Sends one attempt.
pub(super) fn send(
    host: &impl Host,
    webhook: &Webhook,
    push: &Push,
    stamp: Stamp,
    Route { address, turn, timeout }: Route<'_>,
) -> Result<CalloutId, CalloutError> {
    let target = &webhook.target;
    let turn = turn.to_string();
    let Request { path, headers: own } = request(webhook, push, stamp, Purpose::Send);
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", target.scheme()),
        (":authority", target.authority()),
        (":path", &path),
    ];
    let mut cluster = target.cluster();
    if let Some(address) = address {
        cluster = target.cluster_past_egress();
        headers.push((ADDRESS_HEADER, address));
    } else if target.is_by_egress() {
        headers.push((SCHEME_HEADER, target.scheme()));
        headers.push((TURN_HEADER, &turn));
    }
    headers.extend(own.iter().map(|(name, value)| (*name, &**value)));
    let body = match webhook.purpose {
        webhook::Purpose::Fetch => {
            let job = Job::decode(&push.body);
            Cow::Owned(job.map(|job| job.request()).unwrap_or_default())
        }
        webhook::Purpose::Push | webhook::Purpose::Notify(_) => Cow::Borrowed(&push.body),
    };
    host.call(Callout { cluster, headers, body: &body, timeout })
}

/// The headers of an attempt as the history may show them: no signature, no credential.
pub(super) fn shown_headers(
    webhook: &Webhook,
    push: &Push,
    stamp: Stamp,
) -> Vec<(Box<str>, Box<str>)> {
    let request = request(webhook, push, stamp, Purpose::Show);
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (*name, &**value)).collect();
    let is_own = |name: &str| webhook.headers.iter().any(|(own, _)| **own == *name);
    history::shown_headers(&headers, &is_own)
}

/// What a target is told that is not shown: values of the webhook's own headers, and of the URL's query.
/// A value may be a scheme, as `Bearer` is, and a token after it: either way it is one.
pub(super) fn secrets(webhook: &Webhook) -> Vec<&str> {
    let own = webhook.headers.iter().filter(|(name, _)| history::may_be_secret(name));
    let values = own.map(|(_, value)| &**value);
    let values = values.flat_map(|value| [Some(value), value.split_once(' ').map(|pair| pair.1)]);
    let query = webhook.target.path_and_query().split_once('?').map_or("", |(_, query)| query);
    let parameters = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |pair| pair.1));
    values.flatten().chain(parameters).collect()
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
