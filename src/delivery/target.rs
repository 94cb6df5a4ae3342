//! The address of a target server.

use crate::text::split_once;
use percent_encoding::percent_decode_str;
use std::fmt;

/// The cluster that leads to the egress listener, which takes a request to any host.
pub const EGRESS_CLUSTER: &str = "formhook_egress";

/// The longest URL that is taken, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// An `http://` or `https://` URL, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    scheme: &'static str,
    authority: Box<str>,
    path_and_query: Box<str>,
    cluster: Option<Box<str>>,
}

/// Why a text is not the address of a target server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Longer than 2,048 bytes.
    TooLong,
    /// A character that no URL has.
    Characters,
    /// Not a URL with scheme and host.
    NotAbsolute,
    /// A host that is neither a name nor an IP address.
    Host,
    /// Neither `http` nor `https`.
    Scheme,
    /// `user:password@` before the host.
    Credentials,
    /// A `#` part.
    Fragment,
    /// The port is not a number from 1 to 65535.
    Port,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TargetError::TooLong => "a URL may have at most 2048 bytes",
            TargetError::Characters => {
                "a URL holds visible ASCII characters only; percent-encode the others, and write an international host name in Punycode"
            }
            TargetError::NotAbsolute => "write a full URL, such as https://crm.example.com/hooks",
            TargetError::Host => {
                "the host must be a name of letters, digits, `-` and `_` between single dots, or an IP address (IPv6 in brackets)"
            }
            TargetError::Scheme => "the scheme must be http or https",
            TargetError::Credentials => {
                "a URL with credentials would show them in logs; send them with `headers` instead"
            }
            TargetError::Fragment => "leave out the `#` and what follows; it is never sent",
            TargetError::Port => "the port must be a number from 1 to 65535",
        })
    }
}

impl Target {
    /// Parses an address. It is reached by `cluster`, or else by [`EGRESS_CLUSTER`].
    ///
    /// # Errors
    /// Says what kind of URL is allowed.
    pub fn parse(url: &str, cluster: Option<&str>) -> Result<Self, TargetError> {
        if url.len() > MAX_URL_BYTES {
            return Err(TargetError::TooLong);
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Characters);
        }
        if url.contains('#') {
            return Err(TargetError::Fragment);
        }
        let (scheme, rest) = split_once(url, "://").ok_or(TargetError::NotAbsolute)?;
        if scheme.is_empty() || !scheme.bytes().all(is_of_scheme) {
            return Err(TargetError::NotAbsolute);
        }
        let of_http = |known: &&str| scheme.eq_ignore_ascii_case(known);
        let scheme = ["http", "https"].into_iter().find(of_http).ok_or(TargetError::Scheme)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at_checked(end).unwrap_or_default();
        if authority.contains('@') {
            return Err(TargetError::Credentials);
        }
        let (host, port) = host_and_port(authority);
        if host.is_empty() || port.rfind(':').is_some_and(|last| last > 0) {
            return Err(TargetError::NotAbsolute);
        }
        if !is_host(host) {
            return Err(TargetError::Host);
        }
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return Err(TargetError::Port);
        }
        if path_and_query.contains(['<', '>', '`']) {
            return Err(TargetError::Characters);
        }
        // A URL may go from its host to its query at once; a request line may not.
        let slash = if path_and_query.starts_with('/') { "" } else { "/" };
        Ok(Target {
            scheme,
            authority: authority.to_ascii_lowercase().into(),
            path_and_query: format!("{slash}{path_and_query}").into(),
            cluster: cluster.map(Into::into),
        })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Host and, if given, port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path with its query, if any.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The path with parameters behind those that its query has.
    pub(super) fn path_with(&self, parameters: &str) -> String {
        let path = &self.path_and_query;
        let separator = match (path.contains('?'), path.ends_with(['?', '&'])) {
            (false, _) => "?",
            (true, false) => "&",
            (true, true) => "",
        };
        [path, separator, parameters].concat()
    }

    /// The first of these names that a parameter of the query has, by whatever a server makes of its spelling:
    /// percent-encoded, in other letter case, ended by `;`, or as an item of a list (`name[]`).
    pub fn parameter_among<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        let (_, query) = self.path_and_query.split_once('?')?;
        let mut given = query.split(['&', ';']).map(|parameter| {
            let name = parameter.split('=').next().unwrap_or_default().replace('+', " ");
            let name = percent_decode_str(&name).decode_utf8_lossy().into_owned();
            name.split('[').next().unwrap_or_default().trim().to_ascii_lowercase()
        });
        given.find_map(|name| names.iter().find(|known| **known == name).copied())
    }

    /// The gateway's cluster that leads there.
    pub fn cluster(&self) -> &str {
        self.cluster.as_deref().unwrap_or(EGRESS_CLUSTER)
    }

    /// The cluster that leads past the egress listener, to an address that the listener judged.
    pub(super) fn cluster_past_egress(&self) -> &'static str {
        if self.scheme == "https" { "formhook_egress_https" } else { "formhook_egress_http" }
    }

    /// Whether it is reached through the egress listener.
    pub fn is_by_egress(&self) -> bool {
        self.cluster.is_none()
    }
}

/// Whether a scheme may have this byte (RFC 3986 section 3.1).
fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// Splits before the colon in front of the port, if there is one. The address in brackets has
/// colons of its own.
fn host_and_port(authority: &str) -> (&str, &str) {
    let end = match authority.find(']') {
        Some(bracket) if authority.starts_with('[') => bracket + 1,
        _ => authority.find(':').unwrap_or(authority.len()),
    };
    authority.split_at_checked(end).unwrap_or_default()
}

/// Whether it is a number from 1 to 65535. Rust would also take a sign.
fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// Whether it can be looked up or connected to. `_` is no part of a host name by RFC 1123, but
/// of many that exist.
fn is_host(host: &str) -> bool {
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = in_brackets {
        return is_ipv6(address);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let name = host.strip_suffix('.').unwrap_or(host);
    name.split('.').all(|label| {
        !label.is_empty()
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// Whether it is an address by RFC 4291 section 2.2. Rust's own parser of addresses is 3 KB.
fn is_ipv6(address: &str) -> bool {
    match split_once(address, "::") {
        // At least one group of zeros is left out.
        Some((head, tail)) if !head.contains('.') => {
            matches!((groups(head), groups(tail)), (Some(head), Some(tail)) if head.saturating_add(tail) <= 7)
        }
        Some(_) => false,
        None => groups(address) == Some(8),
    }
}

/// How many groups of 16 bits these are; the last two may be written as an IPv4 address.
fn groups(text: &str) -> Option<usize> {
    let is_hex = |group: &str| {
        (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut parts = text.split(':').filter(|_| !text.is_empty()).peekable();
    let mut count: usize = 0;
    while let Some(group) = parts.next() {
        count = count.saturating_add(match is_hex(group) {
            true => 1,
            false if parts.peek().is_none() && is_ipv4(group) => 2,
            false => return None,
        });
    }
    Some(count)
}

fn is_ipv4(text: &str) -> bool {
    let is_byte = |part: &str| {
        let is_plain = part == "0" || !part.starts_with(['0', '+']);
        is_plain && part.parse::<u8>().is_ok()
    };
    text.split('.').count() == 4 && text.split('.').all(is_byte)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path_and_query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn any_http_url_is_a_target() {
        for (url, authority, path) in [
            ("https://crm.example.com/hooks?dpt=1", "crm.example.com", "/hooks?dpt=1"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "/"),
            ("http://[::1]:80/x", "[::1]:80", "/x"),
            ("http://my_host.internal./", "my_host.internal.", "/"),
            ("https://CRM.example.com?a=b", "crm.example.com", "/?a=b"),
            ("HTTPS://a.b/c://d?e=/?f", "a.b", "/c://d?e=/?f"),
            ("http://[2001:DB8::1]", "[2001:db8::1]", "/"),
            ("http://a:65535?", "a:65535", "/?"),
        ] {
            let target = Target::parse(url, None).unwrap();
            assert_eq!((target.authority(), target.path_and_query()), (authority, path));
            assert_eq!(target.cluster(), EGRESS_CLUSTER);
        }
        let target = Target::parse("https://a.b/", Some("crm")).unwrap();
        assert_eq!((target.cluster(), target.is_by_egress()), ("crm", false));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (url, error) in [
            ("", TargetError::NotAbsolute),
            ("/hooks", TargetError::NotAbsolute),
            ("crm.example.com", TargetError::NotAbsolute),
            ("https://", TargetError::NotAbsolute),
            ("://a.b/", TargetError::NotAbsolute),
            ("/x?y=https://a.b/", TargetError::NotAbsolute),
            ("https:a.b/", TargetError::NotAbsolute),
            ("https:///hooks", TargetError::NotAbsolute),
            ("https://:80/", TargetError::NotAbsolute),
            ("ftp://a.b/", TargetError::Scheme),
            ("httpss://a.b/", TargetError::Scheme),
            ("https://user:pw@a.b/", TargetError::Credentials),
            ("https://a.b/#x", TargetError::Fragment),
            ("https://a.b/a b", TargetError::Characters),
            ("https://bücher.example/", TargetError::Characters),
            ("https://a.b/<id>", TargetError::Characters),
            ("https://a.b/?x=`y`", TargetError::Characters),
            ("https://a!b/", TargetError::Host),
            ("https://(a)/", TargetError::Host),
            ("https://a..b/", TargetError::Host),
            ("https://-a/", TargetError::Host),
            ("https://./", TargetError::Host),
            ("https://[zz]/", TargetError::Host),
            ("https://[::1/", TargetError::NotAbsolute),
            ("https://::1/", TargetError::NotAbsolute),
            ("https://[::1]80/", TargetError::Port),
            ("https://a.b:/", TargetError::Port),
            ("https://a.b:80:80/", TargetError::NotAbsolute),
            ("https://a.b:+80/", TargetError::Port),
            ("https://a.b:0/", TargetError::Port),
            ("https://a.b:99999/", TargetError::Port),
        ] {
            assert_eq!(Target::parse(url, None), Err(error), "{url}");
        }
        let long = format!("https://a.b/{}", "x".repeat(MAX_URL_BYTES));
        assert_eq!(Target::parse(&long, None), Err(TargetError::TooLong));
    }

    #[test]
    fn parameters_come_behind_those_of_the_query_with_one_separator() {
        for (url, expected) in [
            ("http://a/cb", "/cb?x=1"),
            ("http://a", "/?x=1"),
            ("http://a/cb?", "/cb?x=1"),
            ("http://a?", "/?x=1"),
            ("http://a/cb?b=2", "/cb?b=2&x=1"),
            ("http://a/cb?b=2&", "/cb?b=2&x=1"),
            ("http://a/cb?b=?", "/cb?b=?x=1"),
            ("http://a/cb&", "/cb&?x=1"),
        ] {
            assert_eq!(Target::parse(url, None).unwrap().path_with("x=1"), expected, "{url}");
        }
    }

    #[test]
    fn a_parameter_is_known_by_its_name_however_it_is_spelt() {
        let found = |query: &str| {
            let target = Target::parse(&format!("https://a.b/x/nonce=1?{query}"), None).unwrap();
            target.parameter_among(&["nonce", "timestamp"])
        };
        for query in [
            "nonce=1",
            "nonce",
            "nonce=",
            "a=b&nonce=1",
            "a=b;nonce=1&c",
            "&&nonce",
            "?&nonce=1",
            "%6eonce=1",
            "%6Eo%6ec%65=1",
            "NONCE=1",
            "nonce[]=1",
            "nonce%5B%5D=1",
            "+nonce=1",
            "%20nonce%20=1",
        ] {
            assert_eq!(found(query), Some("nonce"), "{query}");
        }
        assert_eq!(found("a&%74imestamp=5"), Some("timestamp"));
        for query in [
            "",
            "a=nonce",
            "a=b=nonce=1",
            "nonces=1",
            "my_nonce=1",
            "non%63es",
            "a[nonce]=1",
            "timestamp2=1",
            "%256eonce=1",
            "%ff",
            "%",
        ] {
            assert_eq!(found(query), None, "{query}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_one_if_std_says_so(
            text in "([0-9a-f]{0,5}:){0,8}[0-9a-f]{0,5}|[0-9a-f:.]{0,24}|(::|1:2:3:4:5:6:)[0-9.+]{1,12}"
        ) {
            prop_assert_eq!(is_ipv6(&text), text.parse::<std::net::Ipv6Addr>().is_ok(), "{}", text);
        }
    }
}
