//! Any path of a call against any templates, judged by regular expressions, and any URL of a target, judged by
//! the crate `url`.

#![no_main]

use formhook::capture::{Lookup, Operations, jodoo_operations};
use formhook::delivery::Target;
use formhook::translate::Endpoint;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
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
    for template in templates {
        if operations.add("POST", template, operation.clone()).is_ok() {
            taken.push((*template, expression(template).expect("what is taken is a template")));
        }
    }
    let found = operations.find(b"POST", path);
    let by_question = operations.find_by(path, &|| Some(b"POST".to_vec()));
    assert_eq!(
        found.as_ref().map(|found| &found.path),
        by_question.as_ref().map(|found| &found.path)
    );
    assert!(operations.find(b"GET", path).is_none());
    let path = str::from_utf8(path).ok().map(|path| path.split('?').next().unwrap_or_default());
    let fitting: Vec<_> = path
        .iter()
        .flat_map(|path| {
            taken.iter().filter_map(move |(text, regex)| Some((text, regex, regex.captures(path)?)))
        })
        .collect();
    let Some(found) = found else {
        assert!(fitting.is_empty(), "{path:?} fits {fitting:?}");
        return;
    };
    let captures = |regex: &Regex, captures: &regex::Captures<'_>| -> Vec<(String, String)> {
        let names = regex.capture_names().flatten();
        let value =
            |name: &str| percent_decode_str(&captures[name]).decode_utf8_lossy().into_owned();
        names.map(|name| (name[1..].to_owned(), value(name))).collect()
    };
    let found: Vec<_> = found.path.iter().map(|(_, value)| value.to_string()).collect();
    let is_one = fitting.iter().any(|(_, regex, fit)| {
        captures(regex, fit).iter().map(|(_, value)| value.clone()).eq(found.iter().cloned())
    });
    assert!(is_one, "{path:?} has {found:?}, not one of {fitting:?}");
    if fitting.iter().any(|(text, ..)| !text.contains('{')) {
        assert!(found.is_empty(), "a template without captures is closest to its path");
    }
}

/// A template as a regular expression, whose groups are numbered names.
fn expression(template: &str) -> Option<Regex> {
    let mut text = String::from("(?s)^");
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
    let watched = operations.find(b"POST", path);
    // Calls that change one record have fields in them; so both know the call, or the ids in its path differ.
    let endpoint = Endpoint::find("/api", b"POST", path);
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
