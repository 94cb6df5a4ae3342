//! Target servers, and the webhooks that lead to them.

use super::host::{Random, Sent};
use formhook::host::{Answer, CalloutError, EgressReport, Reply, VIA_UPSTREAM};

/// How many pushes a target gets at once.
pub const MAX_IN_FLIGHT: usize = 4;

/// How often out of a hundred times a target does what.
#[derive(Clone, Copy, Debug)]
pub struct Mood {
    pub delivers: u64,
    pub hangs: u64,
}

/// Whether a text has a cause of the gateway's own side in it, for which no webhook is charged.
pub fn has_cause_of_own_side(text: &str) -> bool {
    let callouts = [CalloutError::UnknownCluster, CalloutError::NotTaken];
    callouts.iter().any(|error| text.contains(&error.to_string()))
        || text.contains("the gateway's connection limits are reached")
        || text.contains("the gateway's egress listener is out of reach")
}

/// The configuration of a webhook.
pub fn webhook(number: u64, more: &str) -> String {
    let counting = match number {
        2 => r#""disable_after":1000000,"disable_count":"total""#,
        _ => r#""disable_after":20"#,
    };
    format!(
        r#"{{"id":"w{number}","url":"https://w{number}.example/","secret":"s","timeout":"2s",
            "retry":["1s","5s","20s"],"max_in_flight":{MAX_IN_FLIGHT},{counting},
            "events":["data_update","data_remove","form_update"]{more}}}"#
    )
}

/// What a target in this mood makes of an attempt, and after how many milliseconds.
pub fn react(random: &Random, mood: Mood, sent: &Sent) -> (Reply, u64) {
    let answer = |status, flags: &str, details: &str| {
        let is_own = details == VIA_UPSTREAM;
        let egress = EgressReport {
            flags: flags.into(),
            details: details.into(),
            transport_failure: String::new(),
            address: is_own.then(|| "192.0.2.1:443".into()),
            addresses: u32::try_from(random.below(4)).unwrap(),
        };
        // Past the egress listener there is nobody to report.
        let egress = (!sent.headers.contains_key("x-formhook-address")).then_some(egress);
        let retry_after = match random.below(1000) {
            3..100 => Some("2".into()),
            0 => Some("Fri, 31 Dec 9999 23:59:59 GMT".into()),
            1 | 2 => Some("-5".into()),
            _ => None,
        };
        Reply::Answer(Answer {
            status,
            egress,
            retry_after,
            excerpt: b"said".to_vec(),
            is_local: false,
        })
    };
    let timeout = u64::try_from(sent.timeout.as_millis()).unwrap();
    let after = 1 + random.below(timeout - 1);
    if random.percent(mood.delivers) {
        return (answer(200 + random.below(100) as u16, "-", "via_upstream"), after);
    }
    if random.percent(mood.hangs) {
        return (
            Reply::Answer(Answer { status: 504, is_local: true, ..Answer::default() }),
            timeout,
        );
    }
    let reply = match random.below(8) {
        0 => Reply::Broken,
        1 => answer(
            503,
            "UF,URX",
            "upstream_reset_before_response_started{remote_connection_failure}",
        ),
        2 => answer(503, "DF", "dns_resolution_failure{cares_norecords}"),
        3 => answer(503, "UO", "upstream_reset_before_response_started{overflow}"),
        4 => answer(429, "-", "via_upstream"),
        // It would be parked after that, and parked pushes do not count.
        5 if sent.headers[":authority"] != "w2.example" => answer(410, "-", "via_upstream"),
        _ => answer(400 + random.below(9) as u16, "-", "via_upstream"),
    };
    (reply, after)
}
