//! Which calls of the platform's API have names of fields in them, and where.

use crate::form::FormKey;
use crate::request_line::{NormalPath, RequestLine, decoded};

/// What a member of a body has names of fields in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A record as it is answered: its members are fields.
    Record,
    /// A list of such records.
    Records,
    /// A record as it is sent: each member is `{"value": ...}`.
    Values,
    /// A list of these.
    ValuesList,
    /// A list of fields.
    Names,
    /// A filter, each of whose conditions has a `field`.
    Filter,
    /// The fields of a form, each with its `name`.
    Widgets,
}

type Places = &'static [(&'static str, Place)];

/// A call of the API.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What of the request has names in it.
    pub request: Places,
    /// What of the answer has.
    pub response: Places,
    /// The form, if the path names it. If not, the body of the request does.
    pub form: Option<FormKey>,
}

const RECORD: Places = &[("data", Place::Record)];
const VALUES: Places = &[("data", Place::Values)];
const LIST: Places = &[("data_list", Place::ValuesList)];
const QUERY: Places = &[("fields", Place::Names), ("filter", Place::Filter)];
const RECORDS: Places = &[("data", Place::Records)];
const WIDGETS: Places = &[("widgets", Place::Widgets)];

/// `(path after /v5/app/entry/, path after /v1/app/{}/entry/{}/, request, answer)`.
const ENDPOINTS: [(&str, &str, Places, Places); 7] = [
    ("data/create", "data_create", VALUES, RECORD),
    ("data/update", "data_update", VALUES, RECORD),
    ("data/batch_create", "data_batch_create", LIST, &[]),
    ("data/batch_update", "data_batch_update", VALUES, &[]),
    ("data/get", "data_retrieve", &[], RECORD),
    ("data/list", "data", QUERY, RECORDS),
    ("widget/list", "widgets", &[], WIDGETS),
];

impl Endpoint {
    /// What a request calls; `prefix` stands before the version.
    pub fn find(prefix: &str, line: &RequestLine<'_>) -> Option<Endpoint> {
        let endpoint = line.paths().find_map(|path| Endpoint::at(prefix, path))?;
        line.has_method("POST").then_some(endpoint)
    }

    fn at(prefix: &str, path: &NormalPath<'_>) -> Option<Endpoint> {
        let mut segments = path.segments();
        for expected in prefix.split('/').skip(1) {
            segments.next().filter(|segment| segment.eq_ignore_ascii_case(expected))?;
        }
        let segments: Vec<&str> = segments.collect();
        let is = |segment: &str, expected: &str| segment.eq_ignore_ascii_case(expected);
        match segments.as_slice() {
            [v5, app, entry, group, action]
                if is(v5, "v5") && is(app, "app") && is(entry, "entry") =>
            {
                let tail = format!("{group}/{action}");
                Endpoint::new(|new, _| is(new, &tail), None)
            }
            [version, app, app_id, entry, entry_id, tail]
                if ["v1", "v2", "v3", "v4"].iter().any(|known| is(known, version))
                    && is(app, "app")
                    && is(entry, "entry") =>
            {
                let id = |segment| Some(decoded(segment)?.into());
                let form = FormKey { app_id: id(app_id)?, entry_id: id(entry_id)? };
                Endpoint::new(|_, old| is(old, tail), Some(form))
            }
            _ => None,
        }
    }

    fn new(is_it: impl Fn(&str, &str) -> bool, form: Option<FormKey>) -> Option<Endpoint> {
        let (.., request, response) = ENDPOINTS.iter().find(|(new, old, ..)| is_it(new, old))?;
        Some(Endpoint { request, response, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<Endpoint> {
        find("POST", path.as_bytes())
    }

    fn find(method: &str, path: &[u8]) -> Option<Endpoint> {
        let header = |name: &str| (name == ":method").then(|| method.as_bytes().to_vec());
        Endpoint::find("/api", &RequestLine::new(path, &header))
    }

    #[test]
    fn the_form_is_in_the_path_of_old_versions_and_in_the_body_of_the_fifth() {
        let new = found("/api/v5/app/entry/data/list?x=1").unwrap();
        assert_eq!((new.request, new.response, new.form), (QUERY, RECORDS, None));
        let old = found("/api/v2/app/a%20b/entry/e/data").unwrap();
        assert_eq!((old.request, old.response), (QUERY, RECORDS));
        let form = FormKey { app_id: "a b".into(), entry_id: "e".into() };
        assert_eq!(old.form, Some(form));
    }

    #[test]
    fn a_call_is_recognised_in_each_spelling() {
        for path in [
            "/API/V2//App/./A;x/Entry/%45/Data/",
            "/x/..;/api/v2/app/A/entry/E/data?y",
            "/api%2Fv2%2fapp/A/entry/E%2Fdata",
        ] {
            let form = FormKey { app_id: "A".into(), entry_id: "E".into() };
            assert_eq!(found(path).unwrap().form, Some(form), "{path}");
        }
        assert!(found("/Api/v5/app/entry/DATA/%67et/").is_some());
        let header = |name: &str| match name {
            ":method" => Some(b"GET".to_vec()),
            "x-http-method-override" => Some(b"post".to_vec()),
            _ => None,
        };
        let line = RequestLine::new(b"/api/v5/app/entry/data/get", &header);
        assert!(Endpoint::find("/api", &line).is_some());
    }

    #[test]
    fn what_has_no_names_of_fields_in_it_is_no_endpoint() {
        for path in [
            "/api/v5/app/entry/data/delete",
            "/api/v5/app/entry/list",
            "/api/v6/app/entry/data/create",
            "/api/v6/app/a/entry/e/data_create",
            "/api/v1/app/a/entry/e/data_create/x",
            "/api/v1/app/a/entry/e",
            "/v5/app/entry/data/create",
            "",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
        assert_eq!(find("GET", b"/api/v5/app/entry/data/get"), None);
        assert_eq!(find("POST", b"/api/v5/app/entry/data/get\xff"), None);
    }
}
