//! A request, and reading its parts.

use super::answer::Problem;
use crate::config::MAX_NAME_CHARS;
use crate::json::{Document, Kind, Value};
use percent_encoding::percent_decode_str;

/// The largest body that is taken, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A whole request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET` and the like.
    pub method: Box<str>,
    /// Path and query, as they came.
    pub target: Box<str>,
    /// The header `host` or `:authority`.
    pub authority: Box<str>,
    /// The header `authorization`.
    pub authorization: Option<Vec<u8>>,
    /// The address that it came from, without port.
    pub source: Box<str>,
    /// The body.
    pub body: Vec<u8>,
}

/// The longest cursor, in bytes.
const MAX_CURSOR_BYTES: usize = 64;

const API: &str = "/api/v1";

impl Request {
    /// The path, as it came.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether it is for the API, and so needs a token.
    pub(super) fn is_for_api(&self) -> bool {
        self.path().strip_prefix(API).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The bearer token, if there is one. The scheme's case does not count (RFC 9110 section 11.1).
    pub(super) fn token(&self) -> Option<&[u8]> {
        let (scheme, token) = self.authorization.as_ref()?.split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
    }

    /// The parts of the path below the API's root, decoded.
    pub(super) fn segments(&self) -> Result<Vec<String>, Problem> {
        let path = self.path().strip_prefix(API).unwrap_or_default();
        path.split('/').skip(1).map(|segment| decoded(segment).ok_or_else(not_text)).collect()
    }

    /// The query parameters, decoded. Those not in `known`, and those given twice, are problems.
    pub(super) fn parameters(&self, known: &[&str]) -> Result<Parameters, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let spaces = |text: &str| decoded(&text.replace('+', " ")).ok_or_else(not_text);
            let (name, value) = (spaces(name)?, spaces(value)?);
            if !known.contains(&name.as_str()) {
                let known = match known {
                    [] => "no parameters are known here".to_owned(),
                    known => format!("known here are {}", known.join(", ")),
                };
                return Err(Problem::parameter(&name, format!("unknown parameter; {known}")));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Problem::parameter(&name, "given twice; give it once"));
            }
            parameters.push((name, value));
        }
        Ok(Parameters(parameters))
    }

    /// The body, which has to be a JSON object.
    pub(super) fn with_object<T>(
        &self,
        read: impl FnOnce(Value<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let document = Document::parse(&self.body)
            .map_err(|error| Problem::new(400, format!("The body is not JSON: {error}.")))?;
        let root = document.root();
        if root.kind() != Kind::Object {
            return Err(Problem::fault("", "the body must be a JSON object"));
        }
        read(root)
    }
}

fn decoded(text: &str) -> Option<String> {
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

fn not_text() -> Problem {
    Problem::new(400, "The path or the query is not UTF-8 when it is percent-decoded.")
}

/// Query parameters.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A text that is not empty, as all ids are.
    pub(super) fn name(&self, name: &str) -> Result<Option<Box<str>>, Problem> {
        match self.get(name) {
            Some("") => Err(Problem::value(name, "", "must not be empty")),
            Some(value) if value.chars().count() > MAX_NAME_CHARS => {
                let allowed = format!("must have at most {MAX_NAME_CHARS} characters");
                Err(Problem::value(name, value, &allowed))
            }
            value => Ok(value.map(Into::into)),
        }
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match choices.iter().find(|(word, _)| *word == value) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                Err(Problem::value(name, value, &format!("must be one of {}", words.join(", "))))
            }
        }
    }

    /// Where a page begins: `next` of the one before.
    pub(super) fn cursor(&self, is_one: impl Fn(&str) -> bool) -> Result<Option<&str>, Problem> {
        let Some(cursor) = self.get("cursor") else { return Ok(None) };
        match (1..=MAX_CURSOR_BYTES).contains(&cursor.len()) && is_one(cursor) {
            true => Ok(Some(cursor)),
            false => Err(Problem::value("cursor", cursor, "must be `next` of the page before")),
        }
    }

    /// How many items a page has, from 1 to `most`.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let Some(value) = self.get("limit") else { return Ok(default) };
        let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| {
            Problem::value("limit", value, &format!("must be a whole number from 1 to {most}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    fn request(target: &str) -> Request {
        Request { target: target.into(), ..Request::default() }
    }

    #[test]
    fn only_what_is_below_the_root_is_for_the_api() {
        for (target, expected) in [
            ("/api/v1/status", true),
            ("/api/v1/?x", true),
            ("/api/v1", false),
            ("/api/v10/status", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(request(target).is_for_api(), expected, "{target}");
        }
    }

    #[test]
    fn the_token_is_what_follows_bearer() {
        let token = |header: &[u8]| {
            let request = Request { authorization: Some(header.into()), ..Request::default() };
            request.token().map(<[u8]>::to_vec)
        };
        assert_eq!(token(b"Bearer abc").unwrap(), b"abc");
        assert_eq!(token(b"bearer  abc ").unwrap(), b"abc");
        assert_eq!(token(b"Bearer \xff").unwrap(), b"\xff");
        assert_eq!((token(b"Basic abc"), token(b"Bearer"), token(b"")), (None, None, None));
    }

    #[test]
    fn segments_and_parameters_are_decoded() {
        let request = request("/api/v1/forms/a%2Fb/e?x=1+2%2B3&y");
        assert_eq!(request.segments().unwrap(), ["forms", "a/b", "e"]);
        let parameters = request.parameters(&["x", "y"]).unwrap();
        assert_eq!((parameters.get("x"), parameters.get("y")), (Some("1 2+3"), Some("")));
    }

    #[test]
    fn what_is_said_of_a_wrong_parameter_begins_with_its_value() {
        let asked = |query: &str| {
            let target = format!("/api/v1/history?{query}");
            request(&target).parameters(&["limit", "cursor", "result", "op"]).unwrap()
        };
        let long = "x".repeat(300);
        for (problem, begin) in [
            (asked("limit=0").limit(20, 100).unwrap_err(), "\"0\": must be a whole number"),
            (asked("limit=%22a").limit(20, 100).unwrap_err(), "\"\\\"a\": must be a whole"),
            (asked("cursor=1").cursor(|_| false).unwrap_err(), "\"1\": must be `next`"),
            (asked("cursor=").cursor(|_| true).unwrap_err(), "\"\": must be `next`"),
            (
                asked("result=good").choice("result", &[("all", 1)]).unwrap_err(),
                "\"good\": must be",
            ),
            (asked("op=").name("op").unwrap_err(), "\"\": must not be empty"),
            (
                asked(&format!("op={long}")).name("op").unwrap_err(),
                &format!("\"{}...: must have at most 256", "x".repeat(79)),
            ),
        ] {
            let answer: Answer = problem.into();
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let detail = body["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.starts_with(begin), "{detail}");
        }
    }

    #[test]
    fn parameters_that_are_unknown_or_given_twice_are_problems() {
        assert!(request("/api/v1/status?x=1").parameters(&["y"]).is_err());
        assert!(request("/api/v1/status?y=1&y=2").parameters(&["y"]).is_err());
        assert!(request("/api/v1/status?y=%ff").parameters(&["y"]).is_err());
        assert!(request("/api/v1/%ff").segments().is_err());
    }
}
