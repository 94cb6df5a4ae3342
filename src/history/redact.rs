//! What is left out of a record: what is too long, and what is nobody's business.

use crate::text::split_once;
use std::borrow::Cow;

/// The longest id or name in a record, in bytes. Those of the platform are foreign.
pub const MAX_ID_BYTES: usize = 256;
/// The longest address in a record, in bytes; a target's may have as many.
pub const MAX_URL_BYTES: usize = 2048;
/// The longest cause in a record, in bytes.
pub const MAX_CAUSE_BYTES: usize = 512;
/// How much of an answer's body is kept, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1024;
/// How much of a request's body is kept, in bytes.
pub const MAX_BODY_BYTES: usize = 2048;
/// The longest name and the longest value of a header in a record, in bytes.
pub const MAX_HEADER_BYTES: usize = 256;
/// The least that is taken for a secret in an answer, in bytes.
const MIN_SECRET_BYTES: usize = 6;
/// How many headers a record has at most.
pub const MAX_HEADERS: usize = 24;

/// Ends a text that was cut.
const MARK: &str = "…";

/// Stands for a value that is not shown.
const REDACTED: &str = "[redacted]";

/// Headers that are never shown.
const SECRET: [&str; 7] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "webhook-signature",
    "x-api-key",
    "x-jdy-signature",
];

/// Headers that are shown even if the operator set them.
const HARMLESS: [&str; 14] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "content-length",
    "content-type",
    "traceparent",
    "tracestate",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-jdy-deliverid",
    "x-request-id",
];

/// The text in at most `max` bytes (3 or more). One that is longer is cut after a whole character
/// and ends with `…`; cutting it again changes nothing.
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(max.saturating_sub(MARK.len()));
    let kept = text.get(..end).unwrap_or_default();
    Cow::Owned([kept, MARK].concat())
}

/// The beginning of a body as text in at most `max` bytes, as [`cut`] does it. What is not UTF-8
/// becomes U+FFFD.
pub fn excerpt(body: &[u8], max: usize) -> Box<str> {
    // U+FFFD is no shorter than what it stands for, so a body that is longer stays longer than
    // `max`; and a character that is halved here lies beyond the cut.
    let beginning = body.get(..max.saturating_add(MARK.len())).unwrap_or(body);
    match std::str::from_utf8(beginning) {
        Ok(text) => cut(text, max).into(),
        Err(_) => cut(&String::from_utf8_lossy(beginning), max).into(),
    }
}

/// An answer's beginning as [`excerpt`] has it, with `[redacted]` in place of what the target was told in
/// confidence: some targets answer with the request that they got. What is shorter than six
/// bytes is taken for no secret: it may stand anywhere by chance.
pub fn excerpt_without(secrets: &[&str], body: &[u8], max: usize) -> Box<str> {
    let mut text = String::from_utf8_lossy(body);
    for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET_BYTES) {
        if text.contains(secret) {
            text = text.replace(secret, REDACTED).into();
        }
        // It may have been cut off.
        let mut lengths = (MIN_SECRET_BYTES..secret.len()).rev();
        let beginning = lengths.find_map(|length| text.strip_suffix(secret.get(..length)?));
        if let Some(before) = beginning {
            text = [before, REDACTED].concat().into();
        }
    }
    cut(&text, max).into()
}

/// An address without what may be a secret in it: scheme, host, port and path stay, a query
/// becomes `?…`, credentials and a fragment go. At most [`MAX_URL_BYTES`].
pub fn shown_url(url: &str) -> Cow<'_, str> {
    if url.len() <= MAX_URL_BYTES && !url.bytes().any(|byte| matches!(byte, b'?' | b'#' | b'@')) {
        return Cow::Borrowed(url);
    }
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (address, rest) = url.split_at_checked(end).unwrap_or_default();
    let query = if rest.starts_with('?') { "?…" } else { "" };
    let (scheme, separator, address) = match split_once(address, "://") {
        Some((scheme, address)) => (scheme, "://", address),
        None => ("", "", address),
    };
    let slash = address.find('/').unwrap_or(address.len());
    let (authority, path) = address.split_at_checked(slash).unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let shown = [scheme, separator, host, path, query].concat();
    Cow::Owned(cut(&shown, MAX_URL_BYTES).into_owned())
}

/// The value of a request header as it may be shown, in at most [`MAX_HEADER_BYTES`].
///
/// Signatures, credentials and cookies are `[redacted]`, and so is every header that `is_own`
/// says the operator set, unless it is known to be harmless. Of `:path` the query is not shown.
pub fn redacted(name: &str, value: &str, is_own: &dyn Fn(&str) -> bool) -> Box<str> {
    if is_in(&SECRET, name) || (is_own(name) && may_be_secret(name)) {
        return REDACTED.into();
    }
    if name == ":path" {
        return cut(&shown_url(value), MAX_HEADER_BYTES).into();
    }
    cut(value, MAX_HEADER_BYTES).into()
}

/// Whether the value of a header of this name that the operator set may be a secret.
pub fn may_be_secret(name: &str) -> bool {
    !is_in(&HARMLESS, name)
}

fn is_in(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Request headers as they may be shown: [`redacted`], and at most [`MAX_HEADERS`]. Of more, the
/// last one shown is `…` and says how many are missing.
pub fn shown_headers(
    headers: &[(&str, &str)],
    is_own: &dyn Fn(&str) -> bool,
) -> Vec<(Box<str>, Box<str>)> {
    let kept = if headers.len() > MAX_HEADERS { MAX_HEADERS - 1 } else { headers.len() };
    let mut shown = Vec::with_capacity(MAX_HEADERS.min(headers.len()));
    for (name, value) in headers.iter().take(kept) {
        shown.push((cut(name, MAX_HEADER_BYTES).into(), redacted(name, value, is_own)));
    }
    if kept < headers.len() {
        let missing = (headers.len() - kept).to_string();
        shown.push((MARK.into(), [&missing, " more"].concat().into()));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nobodys(_: &str) -> bool {
        false
    }

    #[test]
    fn an_answer_that_repeats_the_request_shows_none_of_its_secrets() {
        let secrets = ["Bearer of-a-token", "in-the-query", "short"];
        for (answer, shown) in [
            ("nothing of it", "nothing of it"),
            (
                r#"{"authorization":"Bearer of-a-token","url":"/?key=in-the-query"}"#,
                r#"{"authorization":"[redacted]","url":"/?key=[redacted]"}"#,
            ),
            // Cut off by the bound of what is read.
            ("authorization: Bearer of-a", "authorization: [redacted]"),
            // Too short to tell from a word.
            ("a short answer that ends with Beare", "a short answer that ends with Beare"),
        ] {
            assert_eq!(&*excerpt_without(&secrets, answer.as_bytes(), 1024), shown);
        }
        // What is cut to be kept is cut after it was redacted.
        let long = ["x".repeat(30), "in-the-query".into()].concat();
        let shown = excerpt_without(&secrets, long.as_bytes(), 36);
        assert_eq!(*shown, ["x".repeat(30), "[re…".into()].concat());
    }

    proptest! {
        #[test]
        fn a_text_is_cut_to_its_bound_and_stays_a_beginning(text: String, max in 3..40_usize) {
            let short = cut(&text, max);
            prop_assert!(short.len() <= max);
            prop_assert_eq!(cut(&short, max), short.as_ref());
            if text.len() <= max {
                prop_assert_eq!(short.as_ref(), &text);
            } else {
                let kept = short.strip_suffix(MARK).unwrap();
                prop_assert!(text.starts_with(kept));
                prop_assert!(kept.len() + MARK.len() + 3 >= max, "cut too early: {kept:?}");
            }
        }

        #[test]
        fn the_excerpt_of_a_text_is_the_text_cut(text: String, max in 3..40_usize) {
            prop_assert_eq!(excerpt(text.as_bytes(), max), cut(&text, max).into());
        }

        #[test]
        fn the_excerpt_of_any_body_is_bounded_and_marked(body: Vec<u8>, max in 3..40_usize) {
            let shown = excerpt(&body, max);
            prop_assert!(shown.len() <= max);
            prop_assert!(body.len() <= max || shown.ends_with(MARK));
        }

        #[test]
        fn nothing_of_a_query_is_shown(address in "[a-z:/@]{0,30}", query in "[0-9?#&=]{0,30}") {
            let shown = shown_url(&format!("{address}?{query}")).into_owned();
            prop_assert!(shown.ends_with("?…"));
            prop_assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
        }

        #[test]
        fn what_is_shown_of_an_address_is_shown_again(url in "[a-z:/@?#…]{0,30}") {
            let shown = shown_url(&url).into_owned();
            prop_assert_eq!(&*shown_url(&shown), &*shown);
        }
    }

    #[test]
    fn of_an_address_scheme_host_port_and_path_are_shown() {
        for (url, shown) in [
            ("https://crm.example.com:8443/a/b?token=x#y", "https://crm.example.com:8443/a/b?…"),
            ("https://crm.example.com?token=x", "https://crm.example.com?…"),
            ("http://[::1]:80/a", "http://[::1]:80/a"),
            ("http://user:pass@a/b@c", "http://a/b@c"),
            ("http://a/b#c?d", "http://a/b"),
            ("", ""),
        ] {
            assert_eq!(&*shown_url(url), shown);
        }
    }

    #[test]
    fn signatures_credentials_and_the_operators_own_headers_are_not_shown() {
        let is_own = |name: &str| ["X-Token", "accept", "Authorization"].contains(&name);
        for name in ["webhook-signature", "X-Jdy-Signature", "Authorization", "cookie", "X-Token"] {
            assert_eq!(&*redacted(name, "secret", &is_own), "[redacted]", "{name}");
        }
        for name in ["webhook-id", "webhook-timestamp", "x-jdy-deliverid", "content-type"] {
            assert_eq!(&*redacted(name, "plain", &is_own), "plain", "{name}");
        }
        for name in ["user-agent", "traceparent", "accept", "x-formhook-scheme"] {
            assert_eq!(&*redacted(name, "plain", &is_own), "plain", "{name}");
        }
        assert_eq!(&*redacted(":path", "/a?token=x", &is_own), "/a?…");
    }

    #[test]
    fn headers_are_bounded_in_number_and_length() {
        let long = "x".repeat(1000);
        let fitting = vec![("name", long.as_str()); MAX_HEADERS];
        let shown = shown_headers(&fitting, &nobodys);
        assert_eq!(shown.len(), MAX_HEADERS);
        assert!(shown.iter().all(|(name, value)| &**name == "name" && value.len() == 256));

        let shown = shown_headers(&vec![("name", "value"); MAX_HEADERS + 2], &nobodys);
        assert_eq!(shown.len(), MAX_HEADERS);
        assert_eq!(shown.last().unwrap(), &("…".into(), "3 more".into()));
    }
}
