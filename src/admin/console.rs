//! The console: a page that speaks to the API.
//!
//! The files in `console/` are packed with gzip when the module is built, and leave it like that:
//! every browser takes it, and `curl --compressed` does.

use super::Answer;
use super::answer::Problem;
use super::request::Request;

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// The answer to a request for a file of the console. Those need no token: there is no secret in
/// them.
pub(super) fn answer(request: &Request) -> Option<Answer> {
    let path = request.path();
    let (_, content_type, packed) = FILES.iter().find(|(name, ..)| *name == path)?;
    if !matches!(&*request.method, "GET" | "HEAD") {
        return Some(Problem::method_not_allowed("GET, HEAD").into());
    }
    let mut answer = Answer::of_type(content_type, *packed);
    answer.headers.push(("content-encoding", "gzip".into()));
    Some(answer)
}
