//! The host names that the admin API and the console are answered under.
//!
//! A page of another site can have its own name lead to this machine (DNS rebinding), and then send
//! requests as if it were the console. Such requests have that name as `Host`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host name in lowercase without the dot of the root, or an IP address in its usual form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Box<str>);

/// Why a text is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostNameError;

impl fmt::Display for HostNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "must be a host name such as console.example.com, or an IP address (IPv6 in brackets), without scheme, port and path",
        )
    }
}

impl HostName {
    /// Takes a host name or an IP address.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        if let Some(address) = text.strip_prefix('[') {
            let address = address.strip_suffix(']').ok_or(HostNameError)?;
            let address: Ipv6Addr = address.parse().map_err(|_| HostNameError)?;
            return Ok(HostName(format!("[{address}]").into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(allowed);
        match name.split('.').all(is_label) {
            true => Ok(HostName(name.to_ascii_lowercase().into())),
            false => Err(HostNameError),
        }
    }

    /// The names that lead nowhere but to the machine itself.
    pub fn loopback() -> Vec<Self> {
        let addresses = [Ipv4Addr::LOCALHOST.to_string(), format!("[{}]", Ipv6Addr::LOCALHOST)];
        let names = ["localhost".to_owned()].into_iter().chain(addresses);
        names.map(|name| HostName(name.into())).collect()
    }

    /// Whether a request is for this host: `authority` is its `Host` or `:authority`, with any port.
    pub(super) fn is(&self, authority: &str) -> bool {
        let host = match authority.rsplit_once(':') {
            // The last colon of an address in brackets may be within them.
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        HostName::parse(host).is_ok_and(|host| host == *self)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_loopback(authority: &str) -> bool {
        HostName::loopback().iter().any(|name| name.is(authority))
    }

    #[test]
    fn loopback_names_are_known_with_any_port_and_in_any_spelling() {
        for authority in [
            "localhost",
            "localhost:10001",
            "LocalHost:1",
            "localhost.:80",
            "127.0.0.1",
            "127.0.0.1:10001",
            "[::1]",
            "[::1]:10001",
            "[0:0:0:0:0:0:0:1]:1",
        ] {
            assert!(is_loopback(authority), "{authority}");
        }
    }

    #[test]
    fn any_other_name_is_not_loopback() {
        for authority in [
            "",
            ":10001",
            "rebound.example",
            "rebound.example:10001",
            "localhost.rebound.example",
            "127.0.0.1.rebound.example:10001",
            "localhost@rebound.example",
            "localhost, rebound.example",
            "localhost:1:2",
            "xlocalhost",
            "localhost..",
            "127.0.0.2",
            "0.0.0.0",
            "::1",
            "[::1",
            "[::1]x",
            "[::ffff:127.0.0.1]",
            "local\u{17f}host",
        ] {
            assert!(!is_loopback(authority), "{authority}");
        }
    }

    #[test]
    fn a_name_has_no_scheme_port_path_or_wildcard() {
        for text in [
            "", ".", "a..b", "a:80", "http://a", "a/b", "*", "*.a", "a b", "[::g]", "[::1", "::1",
            "ä",
        ] {
            assert_eq!(HostName::parse(text), Err(HostNameError), "{text}");
        }
        for (text, shown) in
            [("Console.Example.", "console.example"), ("[0::1]", "[::1]"), ("a_b-c", "a_b-c")]
        {
            assert_eq!(HostName::parse(text).unwrap().to_string(), shown);
        }
    }
}
