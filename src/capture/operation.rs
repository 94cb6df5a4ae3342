//! Which API calls change a record, and how to read the change from them.
//!
//! The platform's preset and the operator's own `operations:` are values of the same type.

use super::route::Template;
use super::{Documents, Lookup, Miss, Op, Source, Sources};
use crate::json::{Kind, Value};
use crate::request_line::RequestLine;
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
        matches!(self.success, Condition::Platform(_))
            || self.reads(|source| matches!(source, Source::Response(_)))
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
        let checked = self.success.checks().iter().flat_map(|check| &check.at.0);
        self.sources.all().chain(checked)
    }
}

/// How an answer says that the change happened, beside an HTTP status of 2xx.
#[derive(Clone, Debug)]
pub enum Condition {
    /// One of these checks holds, or there are none.
    AnyOf(Vec<Check>),
    /// The answer has no error `code` and no `status` but `"success"`, as the platform answers, and has what
    /// the operation shows.
    Platform(Shows),
}

/// What an answer of the platform shows when the operation was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// An object `data`: the record.
    Record,
    /// `status` is `"success"`.
    Success,
    /// Nothing of its own.
    Nothing,
}

/// Nothing has to be shown.
impl Default for Condition {
    fn default() -> Self {
        Condition::AnyOf(Vec::new())
    }
}

impl Condition {
    /// Whether the change happened.
    ///
    /// # Errors
    /// That could not be told, as a body that had to be looked at could not be read.
    pub fn holds(&self, documents: &Documents<'_>) -> Result<bool, Miss> {
        let checks = match self {
            Condition::AnyOf(checks) => checks,
            Condition::Platform(shows) => return Ok(shows.is_shown(documents.response()?)),
        };
        let mut unread = None;
        for check in checks {
            match check.holds(documents) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(miss) => unread = unread.or(Some(miss)),
            }
        }
        unread.map_or(Ok(checks.is_empty()), Err)
    }

    /// The checks of places in the call.
    pub fn checks(&self) -> &[Check] {
        match self {
            Condition::AnyOf(checks) => checks,
            Condition::Platform(_) => &[],
        }
    }
}

impl Shows {
    fn is_shown(self, answer: Value<'_>) -> bool {
        let [code, status, data] = answer.get_all(&["code", "status", "data"]);
        let status = status.filter(|status| status.kind() != Kind::Null);
        let is_success = status.map(|status| status.string().is_some_and(|s| s.is("success")));
        !code.is_some_and(is_error)
            && is_success != Some(false)
            && match self {
                Shows::Record => data.is_some_and(|data| data.kind() == Kind::Object),
                Shows::Success => is_success == Some(true),
                Shows::Nothing => true,
            }
    }
}

/// Whether the platform's `code` stands for an error: zero, however it is written, and `null` do not.
fn is_error(code: Value<'_>) -> bool {
    match code.kind() {
        Kind::Null => false,
        Kind::Number => {
            let digits = code.raw().bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
            digits.into_iter().any(|digit| matches!(digit, b'1'..=b'9'))
        }
        _ => !code.as_str().is_some_and(|text| text.bytes().all(|digit| digit == b'0')),
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
    /// The captures of its path, percent-decoded, in their own letter case.
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

    /// The operation that a request calls. What a server may take its path and its method for is tried in the
    /// order of likelihood.
    pub fn find(&self, line: &RequestLine<'_>) -> Option<Matched> {
        line.paths().find_map(|path| {
            let fitting = self.routes.iter().filter(|route| route.template.matches(path));
            let fitting: Vec<&Route> = fitting.collect();
            // Few paths are watched, so the methods are only looked at if this one is.
            let methods = if fitting.is_empty() { &[] } else { line.methods() };
            let called = |method: &String| {
                fitting.iter().find(|route| route.method.eq_ignore_ascii_case(method))
            };
            let route = methods.iter().find_map(called)?;
            let operation = Rc::clone(&route.operation);
            Some(Matched { operation, path: route.template.captures(path) })
        })
    }

    /// The same for a request without headers.
    pub fn find_by(&self, method: &str, path: &[u8]) -> Option<Matched> {
        let header = |name: &str| (name == ":method").then(|| method.as_bytes().to_vec());
        self.find(&RequestLine::new(path, &header))
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::testing::captured;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_check_that_holds_counts_whatever_could_not_be_read_before() {
        let check = |place: &str, text: &str| Check {
            at: Lookup(vec![Source::parse(place).unwrap()]),
            expect: Expected::Text(text.into()),
        };
        for (path, expected) in [("7", Ok(true)), ("8", Err(Miss::Malformed))] {
            let any_of = vec![check("response:/ok", "true"), check("path:row", path)];
            let call = captured(Sources::default(), "{}", "<html>");
            assert_eq!(Condition::AnyOf(any_of).holds(&call.documents()), expected);
        }
    }

    fn default() -> Operation {
        Operation {
            change: Change::Record(Op::Recover),
            sources: Sources::default(),
            success: Condition::default(),
        }
    }

    fn operation() -> Rc<Operation> {
        Rc::new(default())
    }

    #[test]
    fn a_call_is_found_by_method_and_path_with_its_captures() {
        let mut operations = Operations::default();
        operations.add("POST", "/records/{id}/restore", operation()).unwrap();
        let found = operations.find_by("POST", b"/records/a%20b/restore?x=/y").unwrap();
        assert_eq!(found.path, [("id".into(), "a b".into())]);
        for (method, path) in [
            ("PUT", "/records/1/restore"),
            ("POST", "/records/1/2/restore"),
            ("POST", "/records//restore"),
            ("POST", "/"),
            ("POST", ""),
        ] {
            assert!(operations.find_by(method, path.as_bytes()).is_none(), "{path}");
        }
        // What is no UTF-8 is no id, but the call is known.
        assert_eq!(operations.find_by("POST", b"/records/\xff/restore").unwrap().path, []);
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
    fn templates_that_a_server_may_take_for_one_another_are_the_same() {
        let mut operations = Operations::default();
        operations.add("POST", "/a/{x}", operation()).unwrap();
        for same in ["/A/{y}", "//a/{y}/", "/%61/{y}", "/a/./{y}"] {
            let error = operations.add("POST", same, operation()).unwrap_err();
            assert_eq!(error, RouteError::Conflict("/a/{x}".into()), "{same}");
        }
    }

    #[test]
    fn another_method_that_is_named_in_a_header_counts_first() {
        let mut operations = Operations::default();
        let remove = Operation { change: Change::Record(Op::Remove), ..default() };
        operations.add("DELETE", "/rows/{id}", Rc::new(remove)).unwrap();
        operations.add("POST", "/rows/{id}", operation()).unwrap();
        let found = |headers: &[(&str, &str)]| {
            let header = |name: &str| {
                let mut headers = headers.iter();
                headers
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| value.as_bytes().to_vec())
            };
            let found = operations.find(&RequestLine::new(b"/rows/1", &header));
            found.and_then(|found| found.operation.change.op())
        };
        assert_eq!(found(&[(":method", "POST")]), Some(Op::Recover));
        assert_eq!(found(&[(":method", "GET")]), None);
        for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
            assert_eq!(found(&[(":method", "POST"), (name, "delete")]), Some(Op::Remove));
            assert_eq!(found(&[(":method", "GET"), (name, "POST")]), Some(Op::Recover));
            // A method that is not watched hides no other.
            assert_eq!(found(&[(":method", "POST"), (name, "PATCH")]), Some(Op::Recover));
        }
    }

    #[test]
    fn no_header_is_read_of_a_call_whose_path_is_not_watched() {
        let mut operations = Operations::default();
        operations.add("POST", "/rows/{id}", operation()).unwrap();
        let header = |name: &str| panic!("{name} was read");
        for path in ["/", "/rows", "/rows/1/2", "/Rows/%31/2;x/"] {
            assert!(operations.find(&RequestLine::new(path.as_bytes(), &header)).is_none());
        }
    }

    /// One way to spell a path otherwise, at a place of it.
    #[derive(Clone, Debug)]
    enum Respelling {
        /// These segments, which lead nowhere, stand before a segment.
        Detour(&'static [&'static str]),
        /// A character of a segment is percent-encoded.
        Encoded(prop::sample::Index, bool),
        /// A segment has parameters.
        Parameters(&'static str),
        /// A letter has the other case, if the segment is no id.
        OtherCase(prop::sample::Index),
        /// Something follows the path.
        Tail(&'static str),
    }

    fn respelling() -> impl Strategy<Value = Respelling> {
        let detours: [&'static [&'static str]; 9] = [
            &[""],
            &["."],
            &["x", ".."],
            &["%2e"],
            &["x", "%2E."],
            &["", "."],
            &[";a=b"],
            &["x;a", "..;b"],
            &["x", "y", "..", "%2e%2e"],
        ];
        prop_oneof![
            prop::sample::select(detours.to_vec()).prop_map(Respelling::Detour),
            any::<(prop::sample::Index, bool)>()
                .prop_map(|(at, upper)| Respelling::Encoded(at, upper)),
            prop::sample::select(vec![";", ";a=b", ";jsessionid=1;x=%2F"])
                .prop_map(Respelling::Parameters),
            any::<prop::sample::Index>().prop_map(Respelling::OtherCase),
            prop::sample::select(vec!["/", "//", "/.", "?", "?a=/b", "/?_method=x"])
                .prop_map(Respelling::Tail),
        ]
    }

    /// A path of these segments, of which some are ids, spelled otherwise.
    fn respelled(
        segments: &[&str],
        ids: &[&str],
        how: &[(prop::sample::Index, Respelling)],
    ) -> String {
        let mut segments: Vec<String> = segments.iter().map(|text| (*text).to_owned()).collect();
        let mut tail = "";
        for (place, respelling) in how {
            let place = place.index(segments.len());
            let segment = segments[place].clone();
            let (plain, parameters) = segment.split_at(segment.find(';').unwrap_or(segment.len()));
            // Where no other way was gone before.
            let characters: Vec<(usize, char)> = plain.char_indices().collect();
            let is_encoded = plain.contains('%');
            match respelling {
                Respelling::Detour(detour) => {
                    let detour = detour.iter().map(|text| (*text).to_owned());
                    segments.splice(place..place, detour);
                }
                Respelling::Encoded(at, upper) if !is_encoded && !characters.is_empty() => {
                    let (at, character) = characters[at.index(characters.len())];
                    let bytes = character.to_string().into_bytes();
                    let hex: String =
                        bytes
                            .iter()
                            .map(|byte| {
                                if *upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") }
                            })
                            .collect();
                    let (before, after) = plain.split_at(at);
                    let after = after.strip_prefix(character).unwrap();
                    segments[place] = format!("{before}{hex}{after}{parameters}");
                }
                Respelling::Parameters(more) => segments[place].push_str(more),
                Respelling::OtherCase(at)
                    if !ids.contains(&plain) && !is_encoded && !characters.is_empty() =>
                {
                    let (at, character) = characters[at.index(characters.len())];
                    let other = match character.is_ascii_uppercase() {
                        true => character.to_ascii_lowercase(),
                        false => character.to_ascii_uppercase(),
                    };
                    segments[place].replace_range(at..=at, &other.to_string());
                }
                Respelling::Tail(other) => tail = other,
                _ => {}
            }
        }
        format!("/{}{tail}", segments.join("/"))
    }

    proptest! {
        #[test]
        fn each_spelling_of_a_path_is_the_same_call(
            app in "[A-Za-z0-9_~é中-]{1,6}1", entry in "[A-Za-z0-9_.~-]{1,6}2",
            how in prop::collection::vec((any::<prop::sample::Index>(), respelling()), 0..12),
        ) {
            let mut operations = Operations::default();
            for (path, operation) in super::super::jodoo_operations("/api", &Lookup::default()) {
                operations.add("POST", &path, operation).unwrap();
            }
            operations.add("POST", "/Files/x-{id}/{*rest}", operation()).unwrap();
            let old = ["api", "v1", "app", &app, "entry", &entry, "data_create"];
            let file = format!("x-{app}");
            let own = ["Files", &file, &entry, &app];
            let new = ["api", "v5", "app", "entry", "data", "batch_delete"];
            for segments in [&old[..], &new, &own] {
                let plain = format!("/{}", segments.join("/"));
                let plain = operations.find_by("POST", plain.as_bytes()).unwrap();
                let spelling = respelled(segments, &[&app, &entry, &file], &how);
                let found = operations.find_by("POST", spelling.as_bytes());
                let Some(found) = found else { panic!("{spelling} is not recognised") };
                prop_assert_eq!(found.operation.change, plain.operation.change, "{}", spelling);
                prop_assert_eq!(found.path, plain.path, "{}", spelling);
            }
        }

        #[test]
        fn no_path_makes_it_panic(path in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut operations = Operations::default();
            operations.add("POST", "/{a}/{*rest}", operation()).unwrap();
            let _ = operations.find_by("POST", &path);
        }
    }

    #[test]
    fn a_slash_may_be_encoded_and_an_id_may_have_one() {
        let mut operations = Operations::default();
        operations.add("POST", "/rows/{id}/restore", operation()).unwrap();
        for (path, id) in [
            ("/rows%2F7%2frestore", "7"),
            ("/rows/7%5crestore", "7"),
            ("/rows/7%2F8/restore", "7/8"),
            ("/rows/x%2F..%2F7%2Frestore", "7"),
        ] {
            let found = operations.find_by("POST", path.as_bytes()).unwrap();
            assert_eq!(found.path, [("id".into(), id.into())], "{path}");
        }
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
            success: Condition::AnyOf(vec![Check {
                at: header("x-ok"),
                expect: Expected::Text("1".into()),
            }]),
        };
        assert_eq!(operation.headers().collect::<Vec<_>>(), ["x-user", "x-ok"]);
        assert!(!operation.reads_request() && !operation.reads_response());
    }
}
