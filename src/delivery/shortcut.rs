//! The way past the egress listener, to an address that it judged just now.
//!
//! The listener resolves a target's name, judges the address and sends the push on to it: an HTTP hop of
//! its own, a third of what a push costs. Its answers name the address, and for a few seconds further
//! pushes go straight there, over the same clusters and connections. Whatever goes wrong on that way, the
//! next push goes through the listener again.

use crate::host::Answer;
use std::time::Duration;

/// For so long the listener, too, keeps an address that it judged.
const LIFETIME: Duration = Duration::from_secs(5);

/// The way past the listener to one target, if it is known.
#[derive(Debug, Default)]
pub(super) struct Shortcut(Option<(Box<str>, Duration)>);

impl Shortcut {
    /// The address to go to.
    pub(super) fn address(&self, now: Duration) -> Option<&str> {
        let (address, until) = self.0.as_ref()?;
        (now < *until).then_some(address)
    }

    /// Takes note of the address that an answer of the listener names.
    pub(super) fn learn(&mut self, answer: &Answer, now: Duration) {
        let address = answer.egress.as_ref().and_then(|report| report.address.as_ref());
        // A host that Envoy does not know is `-`.
        if let Some(address) = address.filter(|address| address.contains(':')) {
            self.0 = Some((address.clone(), now.saturating_add(LIFETIME)));
        }
    }

    /// It led nowhere.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::EgressReport;

    fn answer(address: Option<&str>) -> Answer {
        let address = address.map(Into::into);
        let egress = Some(EgressReport { address, ..EgressReport::default() });
        Answer { egress, ..Answer::default() }
    }

    #[test]
    fn an_address_is_known_for_five_seconds() {
        let mut shortcut = Shortcut::default();
        let at = Duration::from_secs;
        assert_eq!(shortcut.address(at(1)), None);
        shortcut.learn(&answer(Some("192.0.2.1:443")), at(1));
        assert_eq!(shortcut.address(at(1)), Some("192.0.2.1:443"));
        assert_eq!(shortcut.address(at(6) - Duration::from_millis(1)), Some("192.0.2.1:443"));
        assert_eq!(shortcut.address(at(6)), None);
        shortcut.learn(&answer(Some("[2001:db8::1]:443")), at(7));
        assert_eq!(shortcut.address(at(8)), Some("[2001:db8::1]:443"));
        shortcut.forget();
        assert_eq!(shortcut.address(at(8)), None);
    }

    #[test]
    fn an_answer_without_an_address_teaches_nothing() {
        let mut shortcut = Shortcut::default();
        for none in [answer(None), answer(Some("-")), Answer::default()] {
            shortcut.learn(&none, Duration::ZERO);
            assert_eq!(shortcut.address(Duration::ZERO), None);
        }
    }
}
