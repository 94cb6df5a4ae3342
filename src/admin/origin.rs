//! Where a webhook's requests go. What is kept of a webhook, unseen, was given for one origin, and
//! is never sent to another.

use crate::delivery::Target;
use std::fmt;
use std::net::Ipv6Addr;

/// Scheme, host and port of a target, and the way there. Two spellings of the same are equal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin<'t> {
    scheme: &'static str,
    /// In lowercase, without the dot of the root; an IPv6 address as RFC 5952 writes it.
    host: String,
    port: u16,
    /// The cluster of Envoy; `None` for the egress listener.
    cluster: Option<&'t str>,
}

impl<'t> Origin<'t> {
    pub(super) fn of(target: &'t Target) -> Self {
        let authority = target.authority();
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of an address in brackets may be within them.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, None),
        };
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match in_brackets.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
            Some(address) => format!("[{address}]"),
            None => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
        };
        let scheme = target.scheme();
        Origin {
            scheme,
            host,
            port: port.unwrap_or(if scheme == "https" { 443 } else { 80 }),
            cluster: (!target.is_by_egress()).then(|| target.cluster()),
        }
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, host, port, cluster } = self;
        write!(f, "{scheme}://{host}")?;
        if *port != if *scheme == "https" { 443 } else { 80 } {
            write!(f, ":{port}")?;
        }
        cluster.map_or(Ok(()), |cluster| write!(f, " by the cluster {cluster}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_one(one: (&str, Option<&str>), other: (&str, Option<&str>)) -> bool {
        let [one, other] = [one, other].map(|(url, cluster)| Target::parse(url, cluster).unwrap());
        Origin::of(&one) == Origin::of(&other)
    }

    #[test]
    fn spellings_of_one_origin_are_equal() {
        for (one, other) in [
            ("https://crm.example/a?b=c", "https://crm.example/"),
            ("https://crm.example", "HTTPS://CRM.Example:443/x"),
            ("http://crm.example:80/", "http://crm.example"),
            ("https://crm.example./", "https://crm.example/"),
            ("https://crm.example.:443/", "https://crm.example/"),
            ("http://[::1]/", "http://[0:0:0:0:0:0:0:1]:80/"),
            ("http://[2001:DB8::1]:8080", "http://[2001:db8:0::1]:8080/"),
        ] {
            assert!(are_one((one, None), (other, None)), "{one} {other}");
        }
    }

    #[test]
    fn another_scheme_host_port_or_cluster_is_another_origin() {
        for (one, other) in [
            ("https://crm.example/", "http://crm.example/"),
            ("https://crm.example/", "http://crm.example:443/"),
            ("https://crm.example/", "https://crm.example:8443/"),
            ("https://crm.example/", "https://crm.example.evil.test/"),
            ("https://crm.example/", "https://evil.test/crm.example"),
            ("https://crm.example/", "https://xcrm.example/"),
            ("http://[::1]/", "http://[::2]/"),
            ("http://[::1]:8/", "http://[::1:8]/"),
        ] {
            assert!(!are_one((one, None), (other, None)), "{one} {other}");
        }
        let url = "https://crm.example/";
        assert!(!are_one((url, None), (url, Some("a"))));
        assert!(!are_one((url, Some("a")), (url, Some("b"))));
        assert!(are_one((url, Some("a")), (url, Some("a"))));
    }

    #[test]
    fn an_origin_is_told_as_it_is_written() {
        for (url, cluster, expected) in [
            ("https://CRM.example.:443/x", None, "https://crm.example"),
            ("http://[::1]:8080/", None, "http://[::1]:8080"),
            ("http://a.example/", Some("c"), "http://a.example by the cluster c"),
        ] {
            assert_eq!(Origin::of(&Target::parse(url, cluster).unwrap()).to_string(), expected);
        }
    }
}
