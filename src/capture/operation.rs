//! Which API calls change a record, and how to read the change from them.
//!
//! The platform's preset and the operator's own `operations:` are values of the same type.

use super::route::Template;
use super::{Documents, Lookup, Miss, Op, Source, Sources};
use crate::json::Kind;
use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

/// What an operation does when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It changes one record.
    Record(Op),
    /// It changes several at once. The platform pushes no webhook for these.
    Batch(Op),
    /// It changes nothing, and its answer lists the fields of a form.
    ListsFields,
    /// It changes nothing, and its answer lists forms.
    ListsForms,
}

impl Change {
    /// What happens to records, if anything.
    pub fn op(self) -> Option<Op> {
        match self {
            Change::Record(op) | Change::Batch(op) => Some(op),
            Change::ListsFields | Change::ListsForms => None,
        }
    }
}

/// An API call to watch for.
#[derive(Debug)]
pub struct Operation {
    /// What it does.
    pub change: Change,
    /// Where the pieces of the event are.
    pub sources: Sources,
    /// How its answer says that the change happened, beside an HTTP status of 2xx.
    pub success: Condition,
}

impl Operation {
    /// Whether a body of the request is ever looked at.
    pub fn reads_request(&self) -> bool {
        self.reads(|source| matches!(source, Source::Request(_)))
    }

    /// The members of the request's outermost object that are looked at; `None` if its body may be no object.
    pub fn request_members(&self) -> Option<Vec<Box<str>>> {
        let pointers = self.places().filter_map(|source| match source {
            Source::Request(pointer) => Some(pointer),
            _ => None,
        });
        // A number may be the place in an array.
        let is_name = |name: &&str| !name.bytes().all(|byte| byte.is_ascii_digit());
        pointers.map(|pointer| pointer.first().filter(is_name).map(Into::into)).collect()
    }

    /// Whether the body of the response is ever looked at.
    pub fn reads_response(&self) -> bool {
        self.reads(|source| matches!(source, Source::Response(_)))
    }

    /// The request headers that are looked at, by their lowercase names.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.places().filter_map(|source| match source {
            Source::Header(name) => Some(&**name),
            _ => None,
        })
    }

    fn reads(&self, which: impl Fn(&Source) -> bool) -> bool {
        self.places().any(which)
    }

    fn places(&self) -> impl Iterator<Item = &Source> {
        let checked = self.success.any_of.iter().flat_map(|check| &check.at.0);
        self.sources.all().chain(checked)
    }
}

/// How an answer says that the change happened: one of these checks holds, or there are none.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// The checks.
    pub any_of: Vec<Check>,
}

impl Condition {
    /// Whether the change happened.
    ///
    /// # Errors
    /// None of them holds, and a body that had to be looked at could not be read.
    pub fn holds(&self, documents: &Documents<'_>) -> Result<bool, Miss> {
        let mut unread = None;
        for check in &self.any_of {
            match check.holds(documents) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(miss) => unread = unread.or(Some(miss)),
            }
        }
        unread.map_or(Ok(self.any_of.is_empty()), Err)
    }
}

/// A check of one place in the call.
#[derive(Clone, Debug)]
pub struct Check {
    /// The place.
    pub at: Lookup,
    /// What must be there.
    pub expect: Expected,
}

/// What a [`Check`] expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A JSON object.
    Object,
    /// This text; a JSON number, `true`, `false` and `null` are compared as they are written.
    Text(Box<str>),
}

impl Check {
    fn holds(&self, documents: &Documents<'_>) -> Result<bool, Miss> {
        let Some(found) = self.at.find(documents)? else {
            return Ok(false);
        };
        Ok(match &self.expect {
            Expected::Object => found.as_object().is_some(),
            Expected::Text(text) => match found {
                super::source::Found::Json(value) if value.kind() != Kind::String => {
                    value.raw() == &**text
                }
                _ => found.as_text().is_some_and(|found| found == **text),
            },
        })
    }
}

/// All operations that are watched, found by method and path.
#[derive(Debug, Default)]
pub struct Operations {
    /// Those that are closer to a path stand before those that match it, too.
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    method: Box<str>,
    template: Template,
    operation: Rc<Operation>,
}

/// A watched call.
#[derive(Debug)]
pub struct Matched {
    /// What it does.
    pub operation: Rc<Operation>,
    /// The captures of its path, percent-decoded.
    pub path: Vec<(Box<str>, Box<str>)>,
}

/// Why a path template cannot be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// Another operation has the same paths: this template.
    Conflict(String),
    /// Its captures are not as they must be.
    Captures,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::Conflict(with) => {
                write!(f, "another operation with this method already has the path \"{with}\"")
            }
            RouteError::Captures => f.write_str(
                "between two slashes there may be one capture, at the end: a name in braces, such as {id}, that no other capture has; the last of all may be {*rest}",
            ),
        }
    }
}

impl Operations {
    /// Adds an operation.
    ///
    /// # Errors
    /// The template is none, or an operation that was added before has the same paths.
    pub fn add(
        &mut self,
        method: &str,
        path: &str,
        operation: Rc<Operation>,
    ) -> Result<(), RouteError> {
        let template = Template::parse(path).ok_or(RouteError::Captures)?;
        let is_taken =
            |known: &&Route| *known.method == *method && known.template.is_like(&template);
        if let Some(known) = self.routes.iter().find(is_taken) {
            return Err(RouteError::Conflict(known.template.text().to_owned()));
        }
        let wider = |known: &Route| template.is_closer_than(&known.template);
        let position = self.routes.iter().position(wider).unwrap_or(self.routes.len());
        self.routes.insert(position, Route { method: method.into(), template, operation });
        Ok(())
    }

    /// The operation that a request with this method and `:path` calls.
    pub fn find(&self, method: &[u8], path: &[u8]) -> Option<Matched> {
        self.find_by(path, &|| Some(method.to_vec()))
    }

    /// The same. Few paths are watched, so the method is only asked for if this one is.
    pub fn find_by(&self, path: &[u8], method: &dyn Fn() -> Option<Vec<u8>>) -> Option<Matched> {
        let path = std::str::from_utf8(path).ok()?;
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let asked = OnceCell::new();
        let is_called = |route: &&Route| {
            route.template.matches(path, |_, _| {})
                && asked.get_or_init(method).as_deref() == Some(route.method.as_bytes())
        };
        let route = self.routes.iter().find(is_called)?;
        let decode = |value| percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        let mut captures = Vec::new();
        route.template.matches(path, |name, value| {
            captures.push((name.into(), decode(value).into()));
        });
        Some(Matched { operation: Rc::clone(&route.operation), path: captures })
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::testing::captured;
    use super::*;

    #[test]
    fn a_check_that_holds_counts_whatever_could_not_be_read_before() {
        let check = |place: &str, text: &str| Check {
            at: Lookup(vec![Source::parse(place).unwrap()]),
            expect: Expected::Text(text.into()),
        };
        for (path, expected) in [("7", Ok(true)), ("8", Err(Miss::Malformed))] {
            let any_of = vec![check("response:/ok", "true"), check("path:row", path)];
            let call = captured(Sources::default(), "{}", "<html>");
            assert_eq!(Condition { any_of }.holds(&call.documents()), expected);
        }
    }

    fn operation() -> Rc<Operation> {
        Rc::new(Operation {
            change: Change::Record(Op::Recover),
            sources: Sources::default(),
            success: Condition::default(),
        })
    }

    #[test]
    fn a_call_is_found_by_method_and_path_with_its_captures() {
        let mut operations = Operations::default();
        operations.add("POST", "/records/{id}/restore", operation()).unwrap();
        let found = operations.find(b"POST", b"/records/a%20b/restore?x=/y").unwrap();
        assert_eq!(found.path, [("id".into(), "a b".into())]);
        for (method, path) in [
            ("PUT", "/records/1/restore"),
            ("POST", "/records/1/2/restore"),
            ("POST", "/records//restore"),
            ("POST", "/records/1/restore/"),
            ("POST", "/"),
            ("POST", ""),
        ] {
            assert!(operations.find(method.as_bytes(), path.as_bytes()).is_none(), "{path}");
        }
        assert!(operations.find(b"POST", b"/records/\xff/restore").is_none());
    }

    #[test]
    fn two_operations_cannot_have_the_same_paths() {
        let mut operations = Operations::default();
        operations.add("POST", "/a/{x}", operation()).unwrap();
        operations.add("PUT", "/a/{x}", operation()).unwrap();
        let error = operations.add("POST", "/a/{y}", operation()).unwrap_err();
        assert_eq!(error, RouteError::Conflict("/a/{x}".into()));
    }

    #[test]
    fn captures_have_names_of_their_own() {
        for path in ["/{a}/{a}", "/{/}", "/{}", "/{a}{b}", "/{a}b", "/{a", "/{*a}/b"] {
            let error = Operations::default().add("POST", path, operation()).unwrap_err();
            assert_eq!(error, RouteError::Captures, "{path}");
        }
        for path in ["/{a}/{b}", "/x-{a}/{*rest}"] {
            Operations::default().add("POST", path, operation()).unwrap();
        }
    }

    #[test]
    fn every_header_that_is_looked_at_is_named() {
        let header = |name: &str| Lookup(vec![Source::Header(name.into())]);
        let operation = Operation {
            change: Change::Record(Op::Update),
            sources: Sources { actor: header("x-user"), ..Sources::default() },
            success: Condition {
                any_of: vec![Check { at: header("x-ok"), expect: Expected::Text("1".into()) }],
            },
        };
        assert_eq!(operation.headers().collect::<Vec<_>>(), ["x-user", "x-ok"]);
        assert!(!operation.reads_request() && !operation.reads_response());
    }
}
