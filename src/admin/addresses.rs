//! Who sent wrong tokens, so that nobody can try many.

use crate::text::has;
use std::time::Duration;

/// So many wrong tokens from one network, and it has to wait.
const MOST: u32 = 10;
/// How long it has to wait, and after how long its wrong tokens are forgotten.
const PERIOD: Duration = Duration::from_secs(60);
/// Networks that are remembered; the one whose period began first is forgotten for a new one.
const ADDRESSES: usize = 256;

/// The networks that wrong tokens came from.
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
        let name = network(name);
        let address = self.0.iter().find(|address| *address.name == *name)?;
        let left = address.since.saturating_add(PERIOD).saturating_sub(now);
        (address.failures >= MOST && !left.is_zero()).then_some(left)
    }

    /// A wrong token came from there.
    pub(super) fn failed(&mut self, name: &str, now: Duration) {
        let name = network(name);
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
            let (mut first, mut earliest) = (0, now);
            for (at, address) in self.0.iter().enumerate() {
                if address.since < earliest {
                    (first, earliest) = (at, address.since);
                }
            }
            self.0.remove(first);
        }
        self.0.push(Address { name: name.into(), since: now, failures: 1 });
    }
}

/// What an address stands for: who has one of IPv6 has, as a rule, all of its /64.
fn network(address: &str) -> String {
    // One of IPv4 may be written as one of IPv6.
    if !has(address, ":") || has(address, ".") {
        return address.to_owned();
    }
    let text = address.strip_prefix('[').unwrap_or(address);
    let (mut zeros, mut left) = (8_usize, 4_usize);
    for group in text.split(':') {
        zeros = zeros.saturating_sub(usize::from(!group.is_empty()));
    }
    let mut network = String::new();
    for group in text.split(':') {
        let (group, times) = match group {
            "" => ("0", std::mem::take(&mut zeros)),
            group => (group, 1),
        };
        for _ in 0..times.min(left) {
            network.push_str(group);
            network.push(':');
            left = left.saturating_sub(1);
        }
    }
    network.push_str(":/64");
    network
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

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

    #[test]
    fn an_address_that_has_to_wait_is_not_forgotten_before_those_whose_period_began_earlier() {
        let mut addresses = Addresses::default();
        addresses.failed("10.0.0.1", SECOND);
        addresses.failed("10.0.0.2", 2 * SECOND);
        for _ in 1..MOST {
            addresses.failed("10.0.0.1", 3 * SECOND);
        }
        for number in 0..ADDRESSES - 1 {
            addresses.failed(&number.to_string(), 4 * SECOND);
        }
        assert_eq!(addresses.0.len(), ADDRESSES);
        assert_eq!(addresses.wait("10.0.0.1", 4 * SECOND), Some(PERIOD - SECOND));
        assert!(addresses.0.iter().all(|address| *address.name != *"10.0.0.2"));
    }

    #[test]
    fn who_has_a_network_of_ipv6_has_no_more_tries_than_who_has_an_address() {
        let mut addresses = Addresses::default();
        for host in 0..MOST {
            addresses.failed(&format!("[2001:db8::1:0:0:{host:x}]"), SECOND);
        }
        for same in ["[2001:db8::1:2:3:4]", "[2001:db8:0:0:ffff::]", "2001:db8::"] {
            assert_eq!(addresses.wait(same, SECOND), Some(PERIOD), "{same}");
        }
        for other in ["[2001:db8:0:1::1]", "[2001:db8:1::]", "[::1]", "10.0.0.1"] {
            assert_eq!(addresses.wait(other, SECOND), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn two_addresses_are_of_one_network_if_their_first_halves_are_equal(
            // With zeros, of which the longest run is not written.
            a in prop::collection::vec(prop_oneof![Just(0), any::<u16>()], 8),
            b in prop::collection::vec(prop_oneof![Just(0), any::<u16>()], 8),
            shared in 0_usize..=8,
        ) {
            let b = [&a[..shared], &b[shared..]].concat();
            let name = |groups: &[u16]| {
                network(&format!("[{}]", Ipv6Addr::from(<[u16; 8]>::try_from(groups).unwrap())))
            };
            prop_assume!(!name(&a).contains('.') && !name(&b).contains('.'));
            prop_assert_eq!(name(&a) == name(&b), a[..4] == b[..4]);
        }

        #[test]
        fn an_address_of_ipv4_stays_as_it_is(bits: u32) {
            let address = Ipv4Addr::from(bits);
            prop_assert_eq!(network(&address.to_string()), address.to_string());
            let mapped = format!("[{}]", address.to_ipv6_mapped());
            prop_assert_eq!(network(&mapped), mapped);
        }
    }
}
