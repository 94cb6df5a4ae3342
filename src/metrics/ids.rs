//! The webhook ids that were used at run time. Envoy keeps a metric until its process ends, so there can
//! be so many of them and no more: who makes webhooks through the API could fill its memory otherwise.

use crate::host::{Expected, Host};

/// How many ids may be used until Envoy's process ends. The metrics of one take about 7 kB.
pub const MAX_IDS: usize = 500;

/// How often the list is changed anew because another worker changed it meanwhile.
const TRIES: usize = 100;

/// Of the gateway, as its metrics are.
const KEY: &str = "formhook-metrics/ids";

/// Lets a webhook with this id have metrics, if it has some already or there is room for another.
pub(crate) fn claim(host: &impl Host, id: &str) -> bool {
    for _ in 0..TRIES {
        let (known, expected) = match host.load(KEY) {
            Some((value, version)) => (value, Expected::Version(version)),
            None => (Vec::new(), Expected::Absent),
        };
        // No id has a line end in it.
        let ids = || known.split(|byte| *byte == b'\n').filter(|known| !known.is_empty());
        if ids().any(|known| known == id.as_bytes()) {
            return true;
        }
        if ids().count() >= MAX_IDS {
            return false;
        }
        if host.save(KEY, &[&*known, id.as_bytes(), b"\n"].concat(), expected) {
            return true;
        }
    }
    false
}
