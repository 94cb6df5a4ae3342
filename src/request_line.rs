//! The method and the path of a request in one spelling.
//!
//! A server takes many spellings of a path for the same one, and which of them depends on the server. The
//! filter has to recognise a call whenever its server does, so what is compared is the most generous reading.
//! Only this copy is normalised, never the request, and a call that is recognised by mistake is harmless: its
//! answer must show a change as well. It knows nothing of operations and bodies.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::cell::OnceCell;

/// Request headers that name another method than the request line, in place of it.
const METHOD_OVERRIDES: [&str; 3] =
    ["x-http-method-override", "x-http-method", "x-method-override"];

/// Characters that stay percent-encoded in a [`NormalPath`]: decoded they would mean something else there.
const KEPT_ENCODED: &[u8] = b"/\\%;{}";

/// The method and the path of a request, as far as they were asked for.
pub struct RequestLine<'r> {
    /// The path as it was sent, and the same with encoded slashes taken for slashes.
    paths: [Option<NormalPath<'r>>; 2],
    header: &'r dyn Fn(&str) -> Option<Vec<u8>>,
    methods: OnceCell<Vec<String>>,
}

impl<'r> RequestLine<'r> {
    /// The request line of a request with this `:path`. `header` reads its headers, `:method` among them;
    /// few paths are watched, so it is only called for those that are.
    pub fn new(path: &'r [u8], header: &'r dyn Fn(&str) -> Option<Vec<u8>>) -> Self {
        let path = NormalPath::new(path);
        let divided = path.divided();
        RequestLine { paths: [Some(path), divided], header, methods: OnceCell::new() }
    }

    /// The readings of the path, the most likely first.
    pub fn paths(&self) -> impl Iterator<Item = &NormalPath<'r>> {
        self.paths.iter().flatten()
    }

    /// The methods that a server may take the request for, the one it is most likely to obey first.
    pub fn methods(&self) -> &[String] {
        self.methods.get_or_init(|| {
            let names = METHOD_OVERRIDES.iter().chain(&[":method"]);
            let values = names.filter_map(|name| (self.header)(name));
            let values = values.filter_map(|value| String::from_utf8(value).ok());
            // Of several values of one header servers take the first.
            let first =
                |value: String| value.split(',').next().map(|first| first.trim().to_owned());
            values.filter_map(first).collect()
        })
    }

    /// Whether a server may take the request for one with this method.
    pub fn has_method(&self, method: &str) -> bool {
        self.methods().iter().any(|known| known.eq_ignore_ascii_case(method))
    }
}

/// A path in normal form: segments that each follow one slash, none of them empty, `.` or `..`; without a
/// query. What was percent-encoded is decoded, except for `/ \ % ; { }` and bytes that are no UTF-8: these are
/// encoded with capital letters. The root is the empty path.
///
/// The letters keep their case and segments their `;parameters`; both are for the comparison to overlook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath<'p> {
    text: Cow<'p, str>,
    has_parameters: bool,
    has_capitals: bool,
}

impl<'p> NormalPath<'p> {
    /// The normal form of a `:path`.
    pub fn new(path: &'p [u8]) -> Self {
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
        let path = path.get(..end.unwrap_or(path.len())).unwrap_or_default();
        NormalPath::of(match std::str::from_utf8(path) {
            Ok(text) if is_normal(path) => Cow::Borrowed(text),
            _ => Cow::Owned(normalized(path)),
        })
    }

    fn of(text: Cow<'p, str>) -> Self {
        let has_parameters = text.bytes().any(|byte| byte == b';');
        let has_capitals = text.bytes().any(|byte| byte.is_ascii_uppercase());
        NormalPath { text, has_parameters, has_capitals }
    }

    /// Whether it begins with this, which has no capital letters of ASCII, in whichever case its own are.
    pub fn begins_with(&self, beginning: &str) -> bool {
        let own = self.text.as_bytes().get(..beginning.len());
        own.is_some_and(|own| match self.has_capitals {
            true => own.eq_ignore_ascii_case(beginning.as_bytes()),
            false => own == beginning.as_bytes(),
        })
    }

    /// Whether a segment has `;parameters`.
    pub fn has_parameters(&self) -> bool {
        self.has_parameters
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments, each without its parameters.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1).map(without_parameters)
    }

    /// The path as a server reads it that decodes before it looks for slashes; `None` if that is the same.
    fn divided(&self) -> Option<NormalPath<'static>> {
        let text = match &self.text {
            Cow::Owned(text) if text.contains("%2F") || text.contains("%5C") => text,
            _ => return None,
        };
        let text = text.replace("%2F", "/").replace("%5C", "/");
        Some(NormalPath::of(Cow::Owned(normalized(text.as_bytes()))))
    }
}

/// A segment without its `;parameters`.
pub fn without_parameters(segment: &str) -> &str {
    segment.split_once(';').map_or(segment, |(segment, _)| segment)
}

/// The content of a segment, or of segments, in normal form; `None` if it is no UTF-8.
pub fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(segment).decode_utf8().ok()
}

/// The raw segments of a path with dot segments resolved, from its beginning.
pub fn resolved(path: &[u8]) -> Vec<&[u8]> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        // Whatever a dot segment looks like, it is short.
        let short = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        let plain = (short.len() <= b"%2e%2e".len()).then(|| normal_segment(short));
        match plain.as_deref() {
            Some("" | ".") => {}
            Some("..") => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    segments
}

/// Whether a path without a query is in normal form already, which nearly all are.
fn is_normal(path: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii() && !matches!(byte, b'%' | b'\\' | b'{' | b'}');
    let mut pairs = path.windows(2);
    path.starts_with(b"/")
        && !path.ends_with(b"/")
        && path.iter().all(is_plain)
        && !pairs.any(|pair| matches!(pair, [b'/', b'/' | b'.' | b';']))
}

fn normalized(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for segment in resolved(path) {
        text.push('/');
        text.push_str(&normal_segment(segment));
    }
    text
}

/// A segment, or a part of one, in normal form.
pub fn normal_segment(segment: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut left = segment;
    while let [first, after @ ..] = left {
        let encoded = match left {
            [b'%', high, low, ..] => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        let byte = encoded.map_or(*first, |(high, low)| high << 4 | low);
        let is_kept = match encoded {
            Some(_) => KEPT_ENCODED.contains(&byte),
            // A `%` that encodes nothing, and braces, of which a template has its own.
            None => matches!(byte, b'%' | b'{' | b'}'),
        };
        if is_kept {
            encode(&mut bytes, byte);
        } else {
            bytes.push(byte);
        }
        left = if encoded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    let mut text = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        chunk.invalid().iter().for_each(|byte| encode(&mut text, *byte));
    }
    // All that was not UTF-8 is encoded.
    String::from_utf8(text).unwrap_or_default()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn encode(bytes: &mut Vec<u8>, byte: u8) {
    bytes.extend_from_slice(percent_encoding::percent_encode_byte(byte).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &str) -> String {
        NormalPath::new(path.as_bytes()).as_str().to_owned()
    }

    #[test]
    fn the_spellings_of_a_path_have_one_normal_form() {
        for spelling in [
            "/a/b",
            "/a/b/",
            "/a//b",
            "//a/b",
            "/./a/b",
            "/a/./b",
            "/a/x/../b",
            "/a/b/x/..",
            "/a/b/.",
            "/../a/b",
            "/%61/b",
            "/a/%62?x=/y",
            "/a/b#/c",
            "/a/%2e/b",
            "/a/x/%2E%2e/b",
            "/a/.%2e/a/b",
            "/a\\b",
            "/a/;x=1/b",
            "/a/..;/a/b",
            "/a/%2e%2E;x/a/b",
            "a/b",
        ] {
            assert_eq!(normal(spelling), "/a/b", "{spelling}");
        }
        for root in ["", "/", "//", "/.", "/..", "/a/..", "?x", "/;x"] {
            assert_eq!(normal(root), "", "{root}");
        }
    }

    #[test]
    fn what_has_a_meaning_of_its_own_stays_encoded() {
        for (path, expected) in [
            ("/a%2fb", "/a%2Fb"),
            ("/a%5cb", "/a%5Cb"),
            ("/50%25", "/50%25"),
            ("/50%", "/50%25"),
            ("/%4", "/%254"),
            ("/%g0%4", "/%25g0%254"),
            ("/%2541", "/%2541"),
            ("/a%3bb;c=%64", "/a%3Bb;c=d"),
            ("/{a}%7b", "/%7Ba%7D%7B"),
            ("/%e4%b8%ad", "/中"),
            ("/中", "/中"),
            ("/%ff%41", "/%FFA"),
            ("/...", "/..."),
            ("/.a", "/.a"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
        assert_eq!(NormalPath::new(b"/a\xff/b").as_str(), "/a%FF/b");
    }

    #[test]
    fn an_encoded_slash_may_be_one() {
        let none = |_: &str| None;
        let paths = |path: &str| {
            let line = RequestLine::new(path.as_bytes(), &none);
            line.paths().map(|path| path.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(paths("/a/b"), ["/a/b"]);
        assert_eq!(paths("/a%2fb/c%5C..%2fd"), ["/a%2Fb/c%5C..%2Fd", "/a/b/d"]);
    }

    #[test]
    fn a_method_may_be_named_in_place_of_the_requests_own() {
        let methods = |headers: &[(&str, &str)]| {
            let header = |name: &str| {
                let mut headers = headers.iter();
                headers
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| value.as_bytes().to_vec())
            };
            let line = RequestLine::new(b"/", &header);
            line.methods().to_vec()
        };
        assert_eq!(methods(&[(":method", "POST")]), ["POST"]);
        for name in METHOD_OVERRIDES {
            assert_eq!(methods(&[(":method", "GET"), (name, " delete , PUT")]), ["delete", "GET"]);
        }
        assert_eq!(methods(&[]), [""; 0]);
        let header = |name: &str| (name == ":method").then(|| b"post".to_vec());
        assert!(RequestLine::new(b"/", &header).has_method("POST"));
    }

    proptest! {
        #[test]
        fn a_normal_path_stays_as_it_is(path in prop::collection::vec(any::<u8>(), 0..40)) {
            let once = NormalPath::new(&path).as_str().to_owned();
            // Decoded, these would end the path.
            prop_assume!(!once.contains(['?', '#']));
            let twice = NormalPath::new(once.as_bytes());
            prop_assert_eq!(twice.as_str(), once.as_str());
        }

        #[test]
        fn a_path_that_looks_normal_is(path in "[/.;a%{\\\\?#]{0,12}") {
            let end = path.find(['?', '#']).unwrap_or(path.len());
            let path = &path.as_bytes()[..end];
            if is_normal(path) {
                let normal = normalized(path);
                prop_assert_eq!(normal.as_bytes(), path);
            }
        }
    }
}
