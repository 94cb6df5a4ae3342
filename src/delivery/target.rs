//! The address of a target server.

use std::fmt;
use std::net::Ipv6Addr;

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
        let uri: http::Uri = url.parse().map_err(|_| TargetError::NotAbsolute)?;
        let scheme = match uri.scheme_str() {
            Some("http") => "http",
            Some("https") => "https",
            Some(_) => return Err(TargetError::Scheme),
            None => return Err(TargetError::NotAbsolute),
        };
        let authority = uri.authority().ok_or(TargetError::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::Credentials);
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(TargetError::NotAbsolute);
        }
        if !is_host(host) {
            return Err(TargetError::Host);
        }
        let port = authority.as_str().strip_prefix(host).unwrap_or_default();
        let is_number = |port: &str| port.starts_with(|first: char| first.is_ascii_digit());
        if !port.is_empty()
            && (!port.strip_prefix(':').is_some_and(is_number)
                || matches!(authority.port_u16(), None | Some(0)))
        {
            return Err(TargetError::Port);
        }
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        // A URL may go from its host to its query at once; a request line may not.
        let slash = if path_and_query.starts_with('/') { "" } else { "/" };
        Ok(Target {
            scheme,
            authority: authority.as_str().to_ascii_lowercase().into(),
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

    /// The gateway's cluster that leads there.
    pub fn cluster(&self) -> &str {
        self.cluster.as_deref().unwrap_or(EGRESS_CLUSTER)
    }

    /// Whether it is reached through the egress listener.
    pub fn is_by_egress(&self) -> bool {
        self.cluster.is_none()
    }
}

/// Whether it can be looked up or connected to. `_` is no part of a host name by RFC 1123, but
/// of many that exist.
fn is_host(host: &str) -> bool {
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = in_brackets {
        return address.parse::<Ipv6Addr>().is_ok();
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

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path_and_query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_http_url_is_a_target() {
        for (url, authority, path) in [
            ("https://crm.example.com/hooks?dpt=1", "crm.example.com", "/hooks?dpt=1"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "/"),
            ("http://[::1]:80/x", "[::1]:80", "/x"),
            ("http://my_host.internal./", "my_host.internal.", "/"),
            ("https://CRM.example.com?a=b", "crm.example.com", "/?a=b"),
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
            ("ftp://a.b/", TargetError::Scheme),
            ("https://user:pw@a.b/", TargetError::Credentials),
            ("https://a.b/#x", TargetError::Fragment),
            ("https://a.b/a b", TargetError::Characters),
            ("https://bücher.example/", TargetError::Characters),
            ("https://a!b/", TargetError::Host),
            ("https://(a)/", TargetError::Host),
            ("https://a..b/", TargetError::Host),
            ("https://-a/", TargetError::Host),
            ("https://./", TargetError::Host),
            ("https://[zz]/", TargetError::Host),
            ("https://a.b:+80/", TargetError::Port),
            ("https://a.b:0/", TargetError::Port),
            ("https://a.b:99999/", TargetError::Port),
        ] {
            assert_eq!(Target::parse(url, None), Err(error), "{url}");
        }
        let long = format!("https://a.b/{}", "x".repeat(MAX_URL_BYTES));
        assert_eq!(Target::parse(&long, None), Err(TargetError::TooLong));
    }
}
