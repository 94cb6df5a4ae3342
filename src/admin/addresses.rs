//! Who sent wrong tokens, so that nobody can try many.

use std::time::Duration;

/// So many wrong tokens from one address, and it has to wait.
const MOST: u32 = 10;
/// How long it has to wait, and after how long its wrong tokens are forgotten.
const PERIOD: Duration = Duration::from_secs(60);
/// Addresses that are remembered; the one whose period began first is forgotten for a new one.
const ADDRESSES: usize = 256;

/// The addresses that wrong tokens came from.
#[derive(Debug, Default)]
pub(super) struct Addresses(Vec<Address>);

#[derive(Debug)]
struct Address {
    name: Box<str>,
    since: Duration,
    failures: u32,
}

impl Addresses {
    /// How long this address has to wait before its token is looked at, if at all.
    pub(super) fn wait(&self, name: &str, now: Duration) -> Option<Duration> {
        let address = self.0.iter().find(|address| *address.name == *name)?;
        let left = address.since.saturating_add(PERIOD).saturating_sub(now);
        (address.failures >= MOST && !left.is_zero()).then_some(left)
    }

    /// A wrong token came from there.
    pub(super) fn failed(&mut self, name: &str, now: Duration) {
        self.0.retain(|address| now.saturating_sub(address.since) < PERIOD);
        if let Some(address) = self.0.iter_mut().find(|address| *address.name == *name) {
            address.failures = address.failures.saturating_add(1);
            if address.failures == MOST {
                log::warn!("{MOST} wrong tokens for the admin API came from {name}");
                address.since = now;
            }
            return;
        }
        if self.0.len() >= ADDRESSES {
            self.0.remove(0);
        }
        self.0.push(Address { name: name.into(), since: now, failures: 1 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_ten_wrong_tokens_an_address_waits_a_minute_and_others_do_not() {
        let mut addresses = Addresses::default();
        for _ in 0..MOST {
            assert_eq!(addresses.wait("10.0.0.1", SECOND), None);
            addresses.failed("10.0.0.1", SECOND);
        }
        assert_eq!(addresses.wait("10.0.0.1", SECOND), Some(PERIOD));
        assert_eq!(addresses.wait("10.0.0.2", SECOND), None);
        assert_eq!(addresses.wait("10.0.0.1", PERIOD), Some(SECOND));
        assert_eq!(addresses.wait("10.0.0.1", SECOND + PERIOD), None);
        addresses.failed("10.0.0.1", SECOND + PERIOD);
        assert_eq!(addresses.wait("10.0.0.1", SECOND + PERIOD), None);
    }

    #[test]
    fn addresses_are_bounded() {
        let mut addresses = Addresses::default();
        for number in 0..2 * ADDRESSES {
            addresses.failed(&number.to_string(), SECOND);
        }
        assert_eq!(addresses.0.len(), ADDRESSES);
    }
}
