//! What an answer means, and what to tell the operator about a failure.

use crate::host::{Answer, CalloutError, EgressReport, Reply};
use std::fmt;
use std::time::Duration;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The target took the push: its answer was 2xx.
    Delivered,
    /// It did not.
    Failed(Cause),
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The target answered with this status. Redirects are not followed.
    Status(u16),
    /// There was no complete answer within this time.
    Timeout(Duration),
    /// The host's name was not resolved; what the resolver said.
    Dns(String),
    /// Nobody listens at the address.
    ConnectionRefused,
    /// The connection could not be opened; what Envoy said.
    ConnectionFailed(String),
    /// The target closed the connection before it answered.
    ConnectionClosed,
    /// TLS could not be agreed on, or the certificate was not accepted; what was wrong.
    Tls(String),
    /// The target's answer is not HTTP.
    NotHttp,
    /// The answer broke off, or was larger than the gateway takes.
    BrokenAnswer,
    /// The egress policy forbids the target's address.
    Forbidden,
    /// The gateway has no cluster with the configured name.
    UnknownCluster,
    /// The gateway's own limits were reached.
    Overflow,
    /// Something else that the egress listener reported.
    Other(String),
}

impl Cause {
    /// Whether it is a failure of our own side, which says nothing about the target.
    pub fn is_own_side(&self) -> bool {
        matches!(self, Cause::UnknownCluster | Cause::Overflow)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Status(status @ 300..=399) => {
                write!(f, "HTTP {status} (redirects are not followed)")
            }
            Cause::Status(0) => f.write_str("an answer without an HTTP status"),
            Cause::Status(status) => write!(f, "HTTP {status}"),
            Cause::Timeout(after) => write!(f, "timeout after {after:?}"),
            Cause::Dns(said) => write!(f, "DNS failure: {said}"),
            Cause::ConnectionRefused => f.write_str("connection refused"),
            Cause::ConnectionFailed(said) => write!(f, "connection failed: {said}"),
            Cause::ConnectionClosed => f.write_str("connection closed before an answer"),
            Cause::Tls(said) => write!(f, "TLS: {said}"),
            Cause::NotHttp => f.write_str("the answer is not HTTP"),
            Cause::BrokenAnswer => f.write_str("the answer broke off or was larger than 32 MiB"),
            Cause::Forbidden => f.write_str("the egress policy forbids this address"),
            Cause::UnknownCluster => f.write_str("the gateway has no such cluster"),
            Cause::Overflow => f.write_str("the gateway's connection limits are reached"),
            Cause::Other(said) => f.write_str(said),
        }
    }
}

impl From<CalloutError> for Cause {
    fn from(error: CalloutError) -> Self {
        match error {
            CalloutError::UnknownCluster => Cause::UnknownCluster,
            CalloutError::Overflow => Cause::Overflow,
        }
    }
}

/// Judges a reply that came `elapsed` after the attempt, which might take until `timeout`.
pub(super) fn judge(
    reply: &Reply,
    by_egress: bool,
    elapsed: Duration,
    timeout: Duration,
) -> Verdict {
    let answer = match reply {
        Reply::Broken => return Verdict::Failed(Cause::BrokenAnswer),
        Reply::Answer(answer) => answer,
    };
    // Envoy answers 504 itself when a callout takes too long. That answer has no report, as it
    // was made on this side of the egress listener.
    let is_timeout = match (&answer.egress, by_egress) {
        (None, true) => true,
        (None, false) => elapsed >= timeout,
        (Some(_), _) => false,
    };
    if answer.status == 504 && is_timeout {
        return Verdict::Failed(Cause::Timeout(timeout));
    }
    match answer.egress.as_ref().and_then(|report| reported(report, timeout)) {
        Some(cause) => Verdict::Failed(cause),
        None => by_status(answer),
    }
}

fn by_status(answer: &Answer) -> Verdict {
    match answer.status {
        200..=299 => Verdict::Delivered,
        status => Verdict::Failed(Cause::Status(status)),
    }
}

/// The cause that the egress listener reports; `None` if the answer is the target's own.
fn reported(report: &EgressReport, timeout: Duration) -> Option<Cause> {
    let EgressReport { flags, details, transport_failure } = report;
    if details == "via_upstream" {
        return None;
    }
    let has = |flag: &str| flags.split(',').any(|set| set == flag);
    let said = |text: &str| text.replace('_', " ");
    let cause = if details.starts_with("rbac_access_denied") {
        Cause::Forbidden
    } else if has("DF") {
        Cause::Dns(said(braced(details)))
    } else if has("UO") {
        Cause::Overflow
    } else if has("UPE") {
        Cause::NotHttp
    } else if has("UT") {
        Cause::Timeout(timeout)
    } else if is_tls(transport_failure) {
        Cause::Tls(tls_in_words(transport_failure))
    } else if details.contains("Connection_refused") || transport_failure.contains("refused") {
        Cause::ConnectionRefused
    } else if details.contains("connection_timeout") {
        Cause::ConnectionFailed("the address did not answer".into())
    } else if has("UC") || has("UR") {
        Cause::ConnectionClosed
    } else if has("UF") {
        Cause::ConnectionFailed(said(braced(details)))
    } else {
        Cause::Other(said(details))
    };
    Some(cause)
}

/// The part of Envoy's response code details that says most: what stands in braces.
fn braced(details: &str) -> &str {
    details
        .split_once('{')
        .and_then(|(_, rest)| rest.rsplit_once('}'))
        .map_or(details, |(inner, _)| inner)
}

fn is_tls(transport_failure: &str) -> bool {
    transport_failure.contains("TLS") || transport_failure.contains("SSL")
}

/// What BoringSSL's error chain means to the owner of the target.
fn tls_in_words(transport_failure: &str) -> String {
    const MEANINGS: [(&str, &str); 8] = [
        ("verify_SAN_list", "the certificate is not valid for this host name"),
        ("verify SAN list", "the certificate is not valid for this host name"),
        ("has expired", "the certificate has expired"),
        ("has_expired", "the certificate has expired"),
        ("CERTIFICATE_VERIFY_FAILED", "the certificate is not signed by a trusted authority"),
        ("WRONG_VERSION_NUMBER", "the server does not speak TLS on this port"),
        ("HANDSHAKE_FAILURE", "no common protocol version or cipher"),
        ("PROTOCOL_VERSION", "no common protocol version or cipher"),
    ];
    let mut meanings = MEANINGS.iter();
    match meanings.find(|(mark, _)| transport_failure.contains(mark)) {
        Some((_, meaning)) => (*meaning).to_owned(),
        None => transport_failure.replace('_', " "),
    }
}
