//! What an answer means, and what to tell the operator about a failure.

use super::Target;
use crate::duration;
use crate::host::{Answer, CalloutError, EgressReport, Reply, VIA_UPSTREAM};
use crate::text::{has, split_once};
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

impl Verdict {
    /// The answer of the target: what the gateway answers in its place is none.
    pub fn answer<'r>(&self, reply: &'r Reply) -> Option<&'r Answer> {
        match (self, reply) {
            (Verdict::Delivered | Verdict::Failed(Cause::Status(_)), Reply::Answer(answer)) => {
                Some(answer)
            }
            _ => None,
        }
    }
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
    /// The gateway's cluster has no healthy host.
    NoHost,
    /// The one or the other.
    NotTaken,
    /// The gateway's egress listener did not take the push.
    NoEgress,
    /// Something else that the egress listener reported.
    Other(String),
}

impl Cause {
    /// Whether it is a failure of our own side, which says nothing about the target.
    pub fn is_own_side(&self) -> bool {
        matches!(self, Cause::UnknownCluster | Cause::NoEgress) || self.is_of_limits()
    }

    /// Whether there was no connection, so that nothing of the push left the gateway. Another address of the
    /// target may do better.
    pub fn is_unconnected(&self) -> bool {
        matches!(self, Cause::ConnectionRefused | Cause::ConnectionFailed(_) | Cause::Tls(_))
    }

    /// Whether the gateway may take the next push no more than this one.
    pub fn is_of_limits(&self) -> bool {
        matches!(self, Cause::Overflow | Cause::NoHost | Cause::NotTaken)
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
            Cause::Timeout(after) => write!(f, "timeout after {}", duration::shown(*after)),
            Cause::Dns(said) => write!(f, "DNS failure: {said}"),
            Cause::ConnectionRefused => f.write_str("connection refused"),
            Cause::ConnectionFailed(said) => write!(f, "connection failed: {said}"),
            Cause::ConnectionClosed => f.write_str("connection closed before an answer"),
            Cause::Tls(said) => write!(f, "TLS: {said}"),
            Cause::NotHttp => f.write_str("the answer is not HTTP"),
            Cause::BrokenAnswer => f.write_str("the answer broke off or was larger than 32 MiB"),
            Cause::Forbidden => f.write_str("the egress policy forbids this address"),
            Cause::UnknownCluster => CalloutError::UnknownCluster.fmt(f),
            Cause::Overflow => f.write_str("the gateway's connection limits are reached"),
            Cause::NoHost => f.write_str("the gateway's cluster has no healthy host"),
            Cause::NotTaken => CalloutError::NotTaken.fmt(f),
            Cause::NoEgress => f.write_str("the gateway's egress listener is out of reach"),
            Cause::Other(said) => f.write_str(said),
        }
    }
}

impl From<CalloutError> for Cause {
    fn from(error: CalloutError) -> Self {
        match error {
            CalloutError::UnknownCluster => Cause::UnknownCluster,
            CalloutError::NotTaken => Cause::NotTaken,
        }
    }
}

/// The way that an attempt takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the egress listener, which reports on it.
    Egress,
    /// Past the listener, to an address that it judged before.
    PastEgress,
    /// By a cluster of the operator's.
    Cluster,
}

impl Way {
    /// The way to a target, of which the address may be known.
    pub(super) fn to(target: &Target, address: Option<&str>) -> Self {
        match (target.is_by_egress(), address) {
            (false, _) => Way::Cluster,
            (true, None) => Way::Egress,
            (true, Some(_)) => Way::PastEgress,
        }
    }
}

/// Judges a reply that came `elapsed` after the attempt, which might take until `timeout`.
pub(super) fn judge(reply: &Reply, way: Way, elapsed: Duration, timeout: Duration) -> Verdict {
    // Envoy's timers go by the time at which its event loop last woke, so they may fire early.
    let time_is_over = elapsed >= timeout.saturating_sub(timeout / 16);
    let answer = match reply {
        // The time may also run out while the body is on its way.
        Reply::Broken if time_is_over => return Verdict::Failed(Cause::Timeout(timeout)),
        Reply::Broken => return Verdict::Failed(Cause::BrokenAnswer),
        Reply::Answer(answer) => answer,
    };
    // When a callout takes too long Envoy answers it on this side of the egress listener.
    if answer.is_local && answer.status == 504 {
        return Verdict::Failed(Cause::Timeout(timeout));
    }
    let cause = match (&answer.egress, way) {
        // Whatever the listener answers bears its report, so this was not it.
        (None, Way::Egress) => Some(Cause::NoEgress),
        (Some(report), Way::Egress) => reported(report, timeout),
        // There is nobody to report: what looks like a report is the target's.
        (_, Way::PastEgress | Way::Cluster) if answer.is_local => gateways_own(answer),
        (_, Way::PastEgress | Way::Cluster) => None,
    };
    match cause {
        Some(cause) => Verdict::Failed(cause),
        None => by_status(answer),
    }
}

/// The cause that Envoy names in an answer of its own; `None` if it names none.
fn gateways_own(answer: &Answer) -> Option<Cause> {
    const BEGIN: &str = "upstream_connect_error_or_disconnect/reset_before_headers._";
    const REASON: &str = "reset_reason:_";
    const FAILURE: &str = ",_transport_failure_reason:_";
    // As in the listener's reports, so that the same words mean the same.
    let text = std::str::from_utf8(&answer.excerpt).ok()?.replace(' ', "_");
    if text == "no_healthy_upstream" {
        return Some(Cause::NoHost);
    }
    let (_, reason) = split_once(text.strip_prefix(BEGIN)?, REASON)?;
    let (reason, transport_failure) = split_once(reason, FAILURE).unwrap_or((reason, ""));
    Some(match reason {
        "connection_termination" | "remote_reset" => Cause::ConnectionClosed,
        "protocol_error" => Cause::NotHttp,
        "overflow" => Cause::Overflow,
        // Later versions of Envoy than 1.36 do not say here what went wrong: it might be in the way of TLS, too.
        BARE_FAILURE if transport_failure.is_empty() => {
            Cause::ConnectionFailed("it was refused, or closed while it was being opened".into())
        }
        _ => unconnected(reason, transport_failure).unwrap_or_else(|| Cause::Other(words(reason))),
    })
}

fn by_status(answer: &Answer) -> Verdict {
    match answer.status {
        200..=299 => Verdict::Delivered,
        status => Verdict::Failed(Cause::Status(status)),
    }
}

/// The cause that the egress listener reports; `None` if the answer is the target's own.
fn reported(report: &EgressReport, timeout: Duration) -> Option<Cause> {
    let EgressReport { flags, details, transport_failure, .. } = report;
    if details == VIA_UPSTREAM {
        return None;
    }
    let is_set = |flag: &str| flags.split(',').any(|set| set == flag);
    Some(if details.starts_with("rbac_access_denied") {
        Cause::Forbidden
    } else if is_set("DF") {
        Cause::Dns(dns_in_words(braced(details)))
    } else if is_set("UO") || details == "dns_cache_overflow" {
        Cause::Overflow
    } else if is_set("UPE") {
        Cause::NotHttp
    } else if is_set("UT") {
        Cause::Timeout(timeout)
    } else if let Some(cause) = unconnected(braced(details), transport_failure) {
        cause
    } else if is_set("UC") || is_set("UR") {
        Cause::ConnectionClosed
    } else if is_set("UF") {
        Cause::ConnectionFailed(words(braced(details)))
    } else {
        Cause::Other(words(details))
    })
}

/// Why there was no connection, if that is what Envoy says.
fn unconnected(reason: &str, transport_failure: &str) -> Option<Cause> {
    let says = |part: &str| has(reason, part) || has(transport_failure, part);
    Some(if is_tls(transport_failure) {
        Cause::Tls(tls_in_words(transport_failure))
    } else if says("refused") {
        Cause::ConnectionRefused
    } else if says("connection_timeout") || says("local_connection_failure") {
        // Envoy 1.36 calls it the one, later ones the other.
        Cause::ConnectionFailed("no answer in time".into())
    } else if says("reset_by_peer") || says("Broken_pipe") || reason == BARE_FAILURE {
        Cause::ConnectionFailed("the target closed it while it was being opened".into())
    } else {
        return None;
    })
}

/// What Envoy says of a connection that failed for no reason that it knows.
const BARE_FAILURE: &str = "remote_connection_failure";

/// Envoy writes no spaces into its details.
fn words(details: &str) -> String {
    details.replace('_', " ")
}

/// The part of Envoy's response code details that says most: what stands in braces.
fn braced(details: &str) -> &str {
    details
        .split_once('{')
        .and_then(|(_, rest)| rest.rsplit_once('}'))
        .map_or(details, |(inner, _)| inner)
}

/// What the resolver's answer means to the owner of the target.
fn dns_in_words(said: &str) -> String {
    const MEANINGS: [(&str, &str); 3] = [
        ("Domain_name_not_found", "the name does not exist"),
        ("answer_with_no_data", "the name has no address"),
        ("resolve_timeout", "the name server did not answer in time"),
    ];
    let said = said.strip_prefix("cares_failure:").unwrap_or(said);
    meaning(&MEANINGS, said)
}

fn is_tls(transport_failure: &str) -> bool {
    // BoringSSL also passes on what the operating system said; that is no matter of TLS.
    has(transport_failure, "TLS_error") && !has(transport_failure, "system_library")
}

/// What BoringSSL's error chain means to the owner of the target.
fn tls_in_words(transport_failure: &str) -> String {
    const MEANINGS: [(&str, &str); 9] = [
        ("verify_SAN_list", "the certificate is not valid for this host name"),
        ("has_expired", "the certificate has expired"),
        ("not_yet_valid", "the certificate is not valid yet"),
        ("X509_verify_cert", "the certificate is not signed by a trusted authority"),
        // Envoy 1.36 says no more than this.
        (
            "CERTIFICATE_VERIFY_FAILED",
            "the certificate was not accepted: it is for another host name, out of date, or not signed by a trusted authority",
        ),
        ("WRONG_VERSION_NUMBER", "the server does not speak TLS on this port"),
        (
            "HANDSHAKE_FAILURE",
            "no common protocol version or cipher, or the server wants a client certificate",
        ),
        ("PROTOCOL_VERSION", "no common protocol version"),
        ("UNRECOGNIZED_NAME", "the server does not know this host name"),
    ];
    meaning(&MEANINGS, transport_failure)
}

/// The meaning of the first mark that was said; without one, what was said.
fn meaning(meanings: &[(&str, &str)], said: &str) -> String {
    let mut meanings = meanings.iter();
    match meanings.find(|(mark, _)| has(said, mark)) {
        Some((_, meaning)) => (*meaning).to_owned(),
        None => words(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);
    const TLS: &str = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:";

    fn report(flags: &str, details: &str, transport_failure: &str) -> EgressReport {
        EgressReport {
            flags: flags.into(),
            details: details.into(),
            transport_failure: transport_failure.into(),
            address: None,
            addresses: 0,
        }
    }

    fn answer(status: u16, egress: Option<EgressReport>) -> Reply {
        Reply::Answer(Answer { status, egress, ..Answer::default() })
    }

    fn judged(reply: &Reply, way: Way, elapsed: Duration) -> String {
        match judge(reply, way, elapsed, TIMEOUT) {
            Verdict::Delivered => "delivered".into(),
            Verdict::Failed(cause) => cause.to_string(),
        }
    }

    /// What Envoy answers for a target that it did not reach, without the listener.
    fn past_egress(status: u16, reason: &str) -> String {
        let begin = "upstream connect error or disconnect/reset before headers. reset reason: ";
        let excerpt = [begin, reason].concat().into_bytes();
        let answer = Answer { status, excerpt, is_local: true, ..Answer::default() };
        // A target that answers the same in its own name answers just that.
        let own = Reply::Answer(Answer { is_local: false, ..answer.clone() });
        assert_eq!(judged(&own, Way::Cluster, Duration::ZERO), format!("HTTP {status}"));
        let reply = Reply::Answer(answer);
        let by_cluster = judged(&reply, Way::Cluster, Duration::ZERO);
        assert_eq!(judged(&reply, Way::PastEgress, Duration::ZERO), by_cluster);
        by_cluster
    }

    #[test]
    fn what_envoy_answers_past_the_listener_is_told_in_words() {
        // Seen with Envoy 1.36.4 and 1.40.0.
        for (status, reason, expected) in [
            (503, "connection termination", "connection closed before an answer"),
            (503, "remote reset", "connection closed before an answer"),
            (502, "protocol error", "the answer is not HTTP"),
            (503, "overflow", "the gateway's connection limits are reached"),
            (503, "something new", "something new"),
            (503, "connection timeout", "connection failed: no answer in time"),
            (503, "local connection failure", "connection failed: no answer in time"),
            (
                503,
                "remote connection failure",
                "connection failed: it was refused, or closed while it was being opened",
            ),
        ] {
            assert_eq!(past_egress(status, reason), expected, "{reason}");
        }
    }

    #[test]
    fn a_cluster_without_a_healthy_host_is_told_from_a_target_that_is_unavailable() {
        let excerpt = b"no healthy upstream".to_vec();
        let own = Answer { status: 503, excerpt, ..Answer::default() };
        let local = Reply::Answer(Answer { is_local: true, ..own.clone() });
        let no_host = "the gateway's cluster has no healthy host";
        assert_eq!(judged(&local, Way::Cluster, Duration::ZERO), no_host);
        assert_eq!(judged(&Reply::Answer(own), Way::Cluster, Duration::ZERO), "HTTP 503");
        assert!(Cause::NoHost.is_own_side());
        // What Envoy says in words that are not known here has its status at least.
        let answer = Answer { status: 500, is_local: true, ..Answer::default() };
        assert_eq!(judged(&Reply::Answer(answer), Way::Cluster, Duration::ZERO), "HTTP 500");
    }

    #[test]
    fn past_the_listener_nobody_reports() {
        let forged = || Some(report("DF", "dns", ""));
        for (status, expected) in [(200, "delivered"), (502, "HTTP 502"), (504, "HTTP 504")] {
            let reply = answer(status, forged());
            for way in [Way::PastEgress, Way::Cluster] {
                assert_eq!(judged(&reply, way, Duration::ZERO), expected);
            }
        }
    }

    /// What the egress listener reports for a connection that failed, as Envoy words it.
    fn failed(transport_failure: &str, expected: &str) {
        let details = format!(
            "upstream_reset_before_response_started{{remote_connection_failure|{transport_failure}}}"
        );
        let reply = answer(503, Some(report("UF", &details, transport_failure)));
        assert_eq!(judged(&reply, Way::Egress, Duration::ZERO), expected, "{transport_failure}");
        // Past the listener Envoy says the same with spaces.
        let failure = transport_failure.replace('_', " ");
        let said = format!("remote connection failure, transport failure reason: {failure}");
        assert_eq!(past_egress(503, &said), expected, "{failure}");
    }

    #[test]
    fn only_2xx_is_success() {
        let own = || Some(report("-", "via_upstream", ""));
        for status in [200, 201, 204, 299] {
            assert_eq!(judged(&answer(status, own()), Way::Egress, TIMEOUT), "delivered");
        }
        for (status, expected) in [
            (101, "HTTP 101"),
            (302, "HTTP 302 (redirects are not followed)"),
            (410, "HTTP 410"),
            (503, "HTTP 503"),
            // The target's own, so it is no timeout, however late it comes.
            (504, "HTTP 504"),
            (600, "HTTP 600"),
            (0, "an answer without an HTTP status"),
        ] {
            assert_eq!(judged(&answer(status, own()), Way::Egress, TIMEOUT), expected);
        }
    }

    #[test]
    fn the_gateways_own_504_is_a_timeout() {
        let local = Answer { status: 504, is_local: true, ..Answer::default() };
        for way in [Way::Egress, Way::PastEgress, Way::Cluster] {
            let local = Reply::Answer(local.clone());
            assert_eq!(judged(&local, way, Duration::ZERO), "timeout after 2s");
        }
        // The target's own is none, however late it comes.
        assert_eq!(judged(&answer(504, None), Way::Cluster, TIMEOUT), "HTTP 504");
    }

    #[test]
    fn an_answer_without_a_report_did_not_come_from_the_egress_listener() {
        let reply = answer(503, None);
        let no_egress = "the gateway's egress listener is out of reach";
        assert_eq!(judged(&reply, Way::Egress, Duration::ZERO), no_egress);
        assert_eq!(judged(&reply, Way::Cluster, Duration::ZERO), "HTTP 503");
        assert!(Cause::NoEgress.is_own_side());
    }

    #[test]
    fn an_answer_that_breaks_off_is_told_from_one_that_takes_too_long() {
        let broken = "the answer broke off or was larger than 32 MiB";
        assert_eq!(judged(&Reply::Broken, Way::Egress, Duration::ZERO), broken);
        assert_eq!(judged(&Reply::Broken, Way::Egress, TIMEOUT), "timeout after 2s");
    }

    #[test]
    fn what_envoy_reports_is_told_in_words() {
        // Seen with Envoy 1.36.4 and 1.40.0.
        for (flags, details, expected) in [
            (
                "-",
                "rbac_access_denied_matched_policy[address_not_allowed]",
                "the egress policy forbids this address",
            ),
            (
                "DF",
                "dns_resolution_failure{cares_norecords:Domain_name_not_found}",
                "DNS failure: the name does not exist",
            ),
            (
                "DF",
                "dns_resolution_failure{cares_norecords:DNS_server_returned_answer_with_no_data}",
                "DNS failure: the name has no address",
            ),
            (
                "DF",
                "dns_resolution_failure{cares_failure:DNS_server_refused_query}",
                "DNS failure: DNS server refused query",
            ),
            (
                "DF",
                "dns_resolution_failure{resolve_timeout}",
                "DNS failure: the name server did not answer in time",
            ),
            ("-", "dns_cache_overflow", "the gateway's connection limits are reached"),
            (
                "UC",
                "upstream_reset_before_response_started{connection_termination}",
                "connection closed before an answer",
            ),
            (
                "UPE",
                "upstream_reset_before_response_started{protocol_error}",
                "the answer is not HTTP",
            ),
            (
                "UF",
                "upstream_reset_before_response_started{connection_timeout}",
                "connection failed: no answer in time",
            ),
            (
                "UF",
                "upstream_reset_before_response_started{local_connection_failure}",
                "connection failed: no answer in time",
            ),
            (
                "UF",
                "upstream_reset_before_response_started{remote_connection_failure}",
                "connection failed: the target closed it while it was being opened",
            ),
            ("UT", "response_timeout", "timeout after 2s"),
            (
                "UO",
                "upstream_reset_before_response_started{overflow}",
                "the gateway's connection limits are reached",
            ),
            ("NC", "cluster_not_found", "cluster not found"),
        ] {
            let reply = answer(503, Some(report(flags, details, "")));
            assert_eq!(judged(&reply, Way::Egress, Duration::ZERO), expected, "{details}");
        }
    }

    #[test]
    fn what_fails_while_a_connection_is_opened_is_told_in_words() {
        // Seen with Envoy 1.36.4 and 1.40.0.
        let closed = "connection failed: the target closed it while it was being opened";
        failed("delayed_connect_error:_Connection_refused", "connection refused");
        failed("delayed_connect_error:_Connection_reset_by_peer", closed);
        failed(
            "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end",
            closed,
        );
        let verify = "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_";
        for (said, expected) in [
            (
                "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list,_expected_SANs:_[localhost],_certificate_SANs:_[other.example]",
                "TLS: the certificate is not valid for this host name".to_owned(),
            ),
            (
                &format!("{verify}unable_to_get_local_issuer_certificate"),
                "TLS: the certificate is not signed by a trusted authority".to_owned(),
            ),
            (
                &format!("{verify}certificate_has_expired"),
                "TLS: the certificate has expired".to_owned(),
            ),
            (
                &format!("{verify}certificate_is_not_yet_valid"),
                "TLS: the certificate is not valid yet".to_owned(),
            ),
            (
                "CERTIFICATE_VERIFY_FAILED",
                "TLS: the certificate was not accepted: it is for another host name, out of date, or not signed by a trusted authority".to_owned(),
            ),
            (
                "WRONG_VERSION_NUMBER",
                "TLS: the server does not speak TLS on this port".to_owned(),
            ),
            (
                "SSLV3_ALERT_HANDSHAKE_FAILURE|268435610:SSL_routines:OPENSSL_internal:HANDSHAKE_FAILURE_ON_CLIENT_HELLO",
                "TLS: no common protocol version or cipher, or the server wants a client certificate".to_owned(),
            ),
            (
                "TLSV1_ALERT_PROTOCOL_VERSION",
                "TLS: no common protocol version".to_owned(),
            ),
            (
                "TLSV1_ALERT_UNRECOGNIZED_NAME",
                "TLS: the server does not know this host name".to_owned(),
            ),
        ] {
            failed(&format!("{TLS}{said}:TLS_error_end"), &expected);
        }
    }
}
