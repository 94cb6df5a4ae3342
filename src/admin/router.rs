//! Which part answers which request.

use super::answer::{Answer, Problem};
use super::{Context, failed, forms, history, status, webhooks};
use crate::config::MAX_NAME_CHARS;
use crate::delivery::Webhook;
use crate::form::FormKey;
use crate::host::Host;
use std::rc::Rc;

/// What is to be done with a request.
pub(super) enum Outcome {
    /// Answer it.
    Answer(Answer),
    /// Send a test push to this webhook, and answer with what comes of it.
    Test(Rc<Webhook>),
}

/// Every path of the API, and what is allowed there. `*` stands for a name.
const PATHS: [(&[&str], &str); 20] = [
    (&["status"], "GET"),
    (&["export"], "GET"),
    (&["secret"], "POST"),
    (&["test"], "POST"),
    (&["webhooks"], "GET, POST"),
    (&["webhooks", "*"], "GET, PUT, DELETE"),
    (&["webhooks", "*", "test"], "POST"),
    (&["webhooks", "*", "restart"], "POST"),
    (&["webhooks", "*", "rotate-secret"], "POST"),
    (&["webhooks", "*", "previous-secret"], "DELETE"),
    (&["failed"], "GET"),
    // Before the one for names, as they look like one.
    (&["failed", "retry"], "POST"),
    (&["failed", "abandon"], "POST"),
    (&["failed", "*"], "GET"),
    (&["history"], "GET"),
    (&["history", "*"], "GET"),
    (&["forms"], "GET"),
    (&["forms", "*", "*"], "GET, PUT, DELETE"),
    (&["forms", "*", "*", "comparison"], "GET"),
    (&["forms", "*", "*", "example"], "GET"),
];

/// Query parameters, by path; everywhere else there are none.
fn parameters(path: &[&str]) -> &'static [&'static str] {
    match path {
        ["failed"] => &["webhook", "limit", "cursor"],
        ["history"] => &history::PARAMETERS,
        ["forms", _, _, "comparison"] => &["format"],
        ["forms", _, _, "example"] => &["op"],
        _ => &[],
    }
}

pub(super) fn route<H: Host>(context: &mut Context<'_, H>) -> Result<Outcome, Problem> {
    let request = context.request;
    let segments = request.segments()?;
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let fits = |(known, _): &&(&[&str], &str)| {
        known.len() == path.len()
            && known.iter().zip(&path).all(|(known, part)| known == part || *known == "*")
    };
    let (_, allowed) = PATHS.iter().find(fits).ok_or_else(Problem::not_found)?;
    if path.iter().any(|part| part.is_empty() || part.chars().count() > MAX_NAME_CHARS) {
        let detail = format!("An id in the path has 1 to {MAX_NAME_CHARS} characters.");
        return Err(Problem::new(400, detail));
    }
    let parameters = request.parameters(parameters(&path))?;
    let method: &str = &request.method;
    let answer = match (method, path.as_slice()) {
        ("GET", ["status"]) => status::status(context),
        ("GET", ["export"]) => status::export(context),
        ("POST", ["secret"]) => webhooks::secret(context),
        ("POST", ["test"]) => return webhooks::test_settings(context).map(Outcome::Test),
        ("GET", ["webhooks"]) => webhooks::list(context),
        ("POST", ["webhooks"]) => webhooks::create(context)?,
        ("GET", ["webhooks", id]) => webhooks::get(context, id)?,
        ("PUT", ["webhooks", id]) => webhooks::replace(context, id)?,
        ("DELETE", ["webhooks", id]) => webhooks::delete(context, id)?,
        ("POST", ["webhooks", id, "test"]) => {
            return webhooks::find(context, id).map(Outcome::Test);
        }
        ("POST", ["webhooks", id, "restart"]) => webhooks::restart(context, id)?,
        ("POST", ["webhooks", id, "rotate-secret"]) => webhooks::rotate(context, id)?,
        ("DELETE", ["webhooks", id, "previous-secret"]) => webhooks::end_rotation(context, id)?,
        ("GET", ["failed"]) => failed::list(context, &parameters)?,
        ("POST", ["failed", "retry"]) => failed::retry(context)?,
        ("POST", ["failed", "abandon"]) => failed::abandon(context)?,
        (_, ["failed", "retry" | "abandon"]) => return Err(Problem::method_not_allowed(allowed)),
        ("GET", ["failed", id]) => failed::get(context, id)?,
        ("GET", ["history"]) => history::list(context, &parameters)?,
        ("GET", ["history", number]) => history::get(context, number)?,
        ("GET", ["forms"]) => forms::list(context),
        (_, ["forms", app_id, entry_id, rest @ ..]) => {
            let key = FormKey { app_id: (*app_id).into(), entry_id: (*entry_id).into() };
            match (method, rest) {
                ("GET", []) => forms::get(context, &key)?,
                ("PUT", []) => forms::set(context, key)?,
                ("DELETE", []) => forms::reset(context, &key)?,
                ("GET", ["comparison"]) => forms::comparison(context, &key, &parameters)?,
                ("GET", ["example"]) => forms::example(context, &key, &parameters)?,
                _ => return Err(Problem::method_not_allowed(allowed)),
            }
        }
        _ => return Err(Problem::method_not_allowed(allowed)),
    };
    Ok(Outcome::Answer(answer))
}
