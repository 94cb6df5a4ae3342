//! Answers, and problems as RFC 9457 has them.

use super::HostName;
use crate::config::{Fault, wrong};
use crate::json::Builder;
use crate::store::Asked;
use std::borrow::Cow;
use std::time::Duration;

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers beside those that every answer has.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Answer {
    /// 200 with a JSON body.
    pub(super) fn json(json: Builder) -> Self {
        Answer::of_type("application/json", json.finish())
    }

    /// 200 with any body.
    pub(super) fn of_type(content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        let headers = vec![("content-type", content_type.into())];
        Answer { status: 200, headers, body: body.into() }
    }

    /// 200 with a file, and how it is to be saved.
    pub(super) fn file(
        content_type: &'static str,
        disposition: &'static str,
        text: String,
    ) -> Self {
        let mut answer = Answer::of_type(content_type, text.into_bytes());
        answer.headers.push(("content-disposition", disposition.into()));
        answer
    }

    /// To who sends a body that is too large.
    pub fn too_large() -> Self {
        let most = super::MAX_BODY_BYTES / 1024;
        Problem::new(413, format!("The body is larger than {most} KiB.")).into()
    }

    /// 204.
    pub(super) fn nothing() -> Self {
        Answer { status: 204, headers: Vec::new(), body: Cow::Borrowed(b"") }
    }

    /// The headers of every answer: nothing is cached, framed, sniffed or told to others.
    pub const COMMON: [(&'static str, &'static str); 5] = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: u16,
    detail: String,
    /// Wrong members of the body, or query parameters, and what is wrong with each.
    errors: Vec<(String, String)>,
    headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl Problem {
    pub(super) fn new(status: u16, detail: impl Into<String>) -> Self {
        Problem { status, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// The store did not do what it was asked to.
    pub(super) fn store(words: &str) -> Self {
        Problem::new(503, format!("The store does not answer: {words}."))
    }

    pub(super) fn not_found() -> Self {
        Problem::new(404, "There is nothing here. The console is at /, the API below /api/v1/.")
    }

    /// The body has faults.
    pub(super) fn faults(faults: Vec<Fault>) -> Self {
        let errors = faults.into_iter().map(|fault| (fault.path, fault.message)).collect();
        Problem { errors, ..Problem::new(422, "The body has faults; nothing was changed.") }
    }

    /// One member of the body is wrong.
    pub(super) fn fault(field: &str, message: impl Into<String>) -> Self {
        Problem::faults(vec![Fault { path: field.to_owned(), message: message.into() }])
    }

    /// A query parameter has a wrong value.
    pub(super) fn value(name: &str, value: &str, allowed: &str) -> Self {
        let mut quoted = Builder::new();
        quoted.text(value);
        Problem::parameter(name, wrong(&quoted.into_text(), allowed))
    }

    /// A query parameter is wrong.
    pub(super) fn parameter(name: &str, message: impl Into<String>) -> Self {
        Problem {
            errors: vec![(name.to_owned(), message.into())],
            ..Problem::new(400, "A query parameter is wrong.")
        }
    }

    /// It comes from the configuration.
    pub(super) fn read_only(what: &str) -> Self {
        Problem::new(
            409,
            format!("{what} comes from the gateway's configuration; change it there."),
        )
    }

    pub(super) fn unauthorized(was_given: bool) -> Self {
        let detail = match was_given {
            true => {
                "The token is wrong. It is in the environment variable that `token_env` in the gateway's configuration names."
            }
            false => "Send `authorization: Bearer` and the token.",
        };
        let challenge = match was_given {
            true => r#"Bearer realm="formhook", error="invalid_token""#,
            false => r#"Bearer realm="formhook""#,
        };
        Problem {
            headers: vec![("www-authenticate", challenge.into())],
            ..Problem::new(401, detail)
        }
    }

    /// The request is for a host that is none of these.
    pub(super) fn misdirected(authority: &str, hosts: &[HostName]) -> Self {
        let mut quoted = Builder::new();
        quoted.text(authority);
        let names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let allowed = format!(
            "this host name is not answered here; those that are ({}) stand in `hosts` of the admin's filter, where another may be added",
            names.join(", ")
        );
        Problem::new(421, wrong(&quoted.into_text(), &allowed) + ".")
    }

    pub(super) fn too_many_bad_tokens(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1).to_string();
        let detail = format!(
            "The token is wrong. Too many wrong tokens came from this address; try again in {seconds} s, or with the right one at any time."
        );
        Problem { headers: vec![("retry-after", seconds.into())], ..Problem::new(429, detail) }
    }

    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        let detail = format!("Allowed here: {allowed}.");
        Problem { headers: vec![("allow", allowed.into())], ..Problem::new(405, detail) }
    }
}

/// Nobody sees it: the store is asked first, and the request handled again.
impl From<Asked> for Problem {
    fn from(Asked: Asked) -> Problem {
        Problem::store("it was not asked")
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        _ => "Service Unavailable",
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Answer {
        let Problem { status, detail, errors, mut headers } = problem;
        let mut json = Builder::new();
        json.open(b'{').name("type").text("about:blank").name("title").text(title(status));
        json.name("status").number(status.into()).name("detail").text(&detail);
        if !errors.is_empty() {
            json.name("errors").open(b'[');
            for (field, detail) in &errors {
                json.open(b'{').name("field").text(field).name("detail").text(detail).close(b'}');
            }
            json.close(b']');
        }
        json.close(b'}');
        headers.push(("content-type", "application/problem+json".into()));
        Answer { status, headers, body: json.finish().into() }
    }
}
