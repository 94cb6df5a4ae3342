//! The way past the egress listener, to an address that it judged just now, and which of several addresses
//! is tried.
//!
//! The listener resolves a target's name, judges each address and sends the push on to one: an HTTP hop of
//! its own, a third of what a push costs. Its answers name the address, and for a few seconds further
//! pushes go straight there, over the same clusters and connections. Whatever goes wrong on that way, the
//! next push goes through the listener again. It is told how many addresses have failed before, and takes the next:
//! so one that failed is tried last, until all others have failed, too.

use crate::host::EgressReport;
use std::fmt;
use std::time::Duration;

/// For so long the listener, too, keeps an address that it judged.
const LIFETIME: Duration = Duration::from_secs(5);

/// Which of the addresses of a target the egress listener is to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// Where to begin, so that not all begin with the same.
    pub(super) first: u16,
    /// How many have failed since.
    pub(super) failed: u32,
}

impl Turn {
    pub(super) fn next(self) -> Self {
        Turn { failed: self.failed.wrapping_add(1), ..self }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.first, self.failed)
    }
}

/// What is known of the way to one target.
#[derive(Debug, Default)]
pub(super) struct Shortcut {
    /// The address to go straight to, and until when.
    known: Option<(Box<str>, Duration)>,
    /// How many addresses the listener would take; 0 if that is not known.
    pub(super) addresses: u32,
    pub(super) turn: Turn,
}

impl Shortcut {
    /// Nothing is known of another target.
    pub(super) fn anew(first: u16) -> Self {
        Shortcut { turn: Turn { first, failed: 0 }, ..Shortcut::default() }
    }

    /// The address to go to.
    pub(super) fn address(&self, now: Duration) -> Option<&str> {
        let (address, until) = self.known.as_ref()?;
        (now < *until).then_some(address)
    }

    /// Takes note of what a report of the listener says.
    pub(super) fn learn(&mut self, report: &EgressReport, now: Duration) {
        if report.addresses > 0 {
            self.addresses = report.addresses;
        }
        // A host that Envoy does not know is `-`.
        if let Some(address) = report.address.as_ref().filter(|address| address.contains(':')) {
            self.known = Some((address.clone(), now.saturating_add(LIFETIME)));
        }
    }

    /// It led nowhere.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// The address did not answer: the next is to be tried.
    pub(super) fn turn_to_next(&mut self) {
        self.forget();
        self.turn = self.turn.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(address: Option<&str>) -> EgressReport {
        EgressReport { address: address.map(Into::into), addresses: 2, ..EgressReport::default() }
    }

    #[test]
    fn an_address_is_known_for_five_seconds() {
        let mut shortcut = Shortcut::default();
        let at = Duration::from_secs;
        assert_eq!(shortcut.address(at(1)), None);
        shortcut.learn(&report(Some("192.0.2.1:443")), at(1));
        assert_eq!(shortcut.address(at(1)), Some("192.0.2.1:443"));
        assert_eq!(shortcut.address(at(6) - Duration::from_millis(1)), Some("192.0.2.1:443"));
        assert_eq!(shortcut.address(at(6)), None);
        shortcut.learn(&report(Some("[2001:db8::1]:443")), at(7));
        assert_eq!(shortcut.address(at(8)), Some("[2001:db8::1]:443"));
        shortcut.forget();
        assert_eq!(shortcut.address(at(8)), None);
    }

    #[test]
    fn a_report_without_an_address_teaches_none() {
        let mut shortcut = Shortcut::default();
        for none in [report(None), report(Some("-"))] {
            shortcut.learn(&none, Duration::ZERO);
            assert_eq!(shortcut.address(Duration::ZERO), None);
        }
        assert_eq!(shortcut.addresses, 2);
        shortcut.learn(&EgressReport::default(), Duration::ZERO);
        assert_eq!(shortcut.addresses, 2);
    }

    #[test]
    fn an_address_that_failed_is_left_and_the_next_one_asked_for() {
        let mut shortcut = Shortcut::anew(7);
        assert_eq!(shortcut.turn.to_string(), "7 0");
        shortcut.learn(&report(Some("192.0.2.1:443")), Duration::ZERO);
        shortcut.turn_to_next();
        assert_eq!(shortcut.address(Duration::ZERO), None);
        assert_eq!(shortcut.turn.to_string(), "7 1");
    }
}
