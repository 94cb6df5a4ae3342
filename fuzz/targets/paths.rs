//! Any path of a call against any templates, judged by regular expressions, and any URL of a target, judged by
//! the crate `url`.

#![no_main]

use formhook::capture::{Lookup, Operations, jodoo_operations};
use formhook::delivery::Target;
use formhook::request_line::RequestLine;
use formhook::translate::Endpoint;
use libfuzzer_sys::fuzz_target;
use regex::Regex;
use url::Url;

// Lines: a path, a URL, and templates.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let (Some(path), Some(url)) = (lines.next(), lines.next()) else { return };
    let templates: Vec<&str> = lines.filter_map(|line| str::from_utf8(line).ok()).take(6).collect();
    judge_match(path, &templates);
    judge_preset(path);
    if let Ok(url) = str::from_utf8(url) {
        judge_url(url);
    }
});

fn judge_match(path: &[u8], templates: &[&str]) {
    let operation = &jodoo_operations("", &Lookup::default())[0].1;
    let mut operations = Operations::default();
    let mut taken = Vec::new();
    let mut are_plain = true;
    for template in templates {
        if operations.add("POST", template, operation.clone()).is_ok() {
            are_plain &= is_plain(template);
            taken.push((*template, expression(template)));
        }
    }
    let found = operations.find_by("POST", path);
    assert!(operations.find_by("GET", path).is_none());
    let Some(path) = str::from_utf8(path).ok().filter(|path| are_plain && is_plain(path)) else {
        return;
    };
    let captured = found.as_ref().map(|found| &found.path);
    let again = operations.find_by("post", respelled(path).as_bytes());
    assert_eq!(again.as_ref().map(|again| &again.path), captured, "{path:?} spelled otherwise");
    let fitting: Vec<_> = taken
        .iter()
        .filter_map(|(text, regex)| Some((text, regex.as_ref()?, regex.as_ref()?.captures(path)?)))
        .collect();
    let Some(found) = found else {
        assert!(fitting.is_empty(), "{path:?} fits {fitting:?}");
        return;
    };
    let captures = |regex: &Regex, captures: &regex::Captures<'_>| -> Vec<String> {
        regex.capture_names().flatten().map(|name| captures[name].to_owned()).collect()
    };
    let found: Vec<_> = found.path.iter().map(|(_, value)| value.to_string()).collect();
    let is_one = fitting.iter().any(|(_, regex, fit)| captures(regex, fit) == found);
    assert!(is_one, "{path:?} has {found:?}, not one of {fitting:?}");
    if fitting.iter().any(|(text, ..)| !text.contains('{')) {
        assert!(found.is_empty(), "a template without captures is closest to its path");
    }
}

/// Whether nothing in a path or in a template can be read in another way.
fn is_plain(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_~-.{}*".contains(&byte);
    let mut segments = path.split('/');
    segments.next() == Some("")
        && segments
            .all(|segment| !["", ".", ".."].contains(&segment) && segment.bytes().all(is_plain))
}

/// The same path in the way that differs from it most.
fn respelled(path: &str) -> String {
    let segment = |segment: &str| {
        let encoded = |(at, byte): (usize, u8)| match at % 3 {
            0 => format!("%{byte:02x}"),
            1 => format!("%{byte:02X}"),
            _ => char::from(byte).to_string(),
        };
        let text: String = segment.bytes().enumerate().map(encoded).collect();
        format!("//./x;a/%2e./{text};b=c%2F")
    };
    let segments: String = path.split('/').skip(1).map(segment).collect();
    segments + "/?/d"
}

/// A template as a regular expression, whose groups are numbered names.
fn expression(template: &str) -> Option<Regex> {
    let mut text = String::from("(?si)^");
    let mut left = template;
    let mut count = 0;
    while let Some((plain, rest)) = left.split_once('{') {
        let (name, rest) = rest.split_once('}')?;
        text += &regex::escape(plain);
        let content = if name.starts_with('*') { ".+" } else { "[^/]+" };
        text += &format!("(?P<n{count}>{content})");
        (count, left) = (count + 1, rest);
    }
    Regex::new(&(text + &regex::escape(left) + "$")).ok()
}

fn judge_preset(path: &[u8]) {
    let mut operations = Operations::default();
    for (template, operation) in jodoo_operations("/api", &Lookup::default()) {
        operations.add("POST", &template, operation).unwrap();
    }
    let header = |name: &str| (name == ":method").then(|| b"POST".to_vec());
    let line = RequestLine::new(path, &header);
    let watched = operations.find(&line);
    // Calls that change one record have fields in them; so both know the call, or the ids in its path differ.
    let endpoint = Endpoint::find("/api", &line);
    if let (Some(watched), Some(form)) = (&watched, endpoint.and_then(|endpoint| endpoint.form)) {
        let ids: Vec<_> = watched.path.iter().map(|(_, value)| &**value).collect();
        assert_eq!(ids, [&*form.app_id, &*form.entry_id]);
    }
}

fn judge_url(text: &str) {
    let Ok(target) = Target::parse(text, None) else { return };
    let shown = target.to_string();
    let again = Target::parse(&shown, None).expect("what is shown is a URL");
    assert_eq!(again, target);
    let head = [target.authority(), target.path_and_query()].concat();
    assert!(head.bytes().all(|byte| byte.is_ascii_graphic()), "{head:?} goes into a request");
    // Whoever reads the URL must read the same host, or a check of the one is none of the other.
    let Ok(url) = Url::parse(text) else {
        assert!(is_odd_host(target.authority()), "{text:?} is a URL only here");
        return;
    };
    assert_eq!(url.scheme(), target.scheme());
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    let port = url.port_or_known_default();
    let (host, own_port) = parted(target.authority());
    let default = if target.scheme() == "https" { 443 } else { 80 };
    assert_eq!(port, Some(own_port.unwrap_or(default)), "{text:?}");
    let host_of_url = url.host_str().unwrap_or_default();
    if !is_odd_host(target.authority()) && !host.starts_with('[') {
        assert_eq!(host_of_url, host, "{text:?}");
    }
    if host.starts_with('[') {
        assert!(host_of_url.starts_with('['), "{text:?} is {host_of_url}");
    }
}

fn parted(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, Some(port.parse().unwrap())),
        None => (authority, None),
    }
}

/// Hosts that browsers take for IPv4 addresses in other ways than with four decimal numbers, or for
/// Punycode that stands for nothing: they are looked up as names here, and judged after that.
fn is_odd_host(authority: &str) -> bool {
    let (host, _) = parted(authority);
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_number || host.contains("xn--")
}
