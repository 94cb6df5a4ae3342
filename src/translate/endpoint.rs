//! Which calls of the platform's API have names of fields in them, and where.

use crate::form::FormKey;
use percent_encoding::percent_decode_str;

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
    /// What is called by this method and `:path`; `prefix` stands before the version.
    pub fn find(prefix: &str, method: &[u8], path: &[u8]) -> Option<Endpoint> {
        let path = std::str::from_utf8(path).ok().filter(|_| method == b"POST")?;
        let path = path.split_once('?').map_or(path, |(path, _)| path).strip_prefix(prefix)?;
        if let Some(tail) = path.strip_prefix("/v5/app/entry/") {
            return Endpoint::new(|new, _| new == tail, None);
        }
        let mut parts = path.split('/');
        let mut next = || parts.next();
        let (begin, version, app) = (next()?, next()?, next()?);
        let (app_id, entry, entry_id, tail, end) = (next()?, next()?, next()?, next()?, next());
        let is_form = begin.is_empty() && app == "app" && entry == "entry" && end.is_none();
        if !is_form || !["v1", "v2", "v3", "v4"].contains(&version) {
            return None;
        }
        let id = |part| percent_decode_str(part).decode_utf8_lossy().into();
        let form = FormKey { app_id: id(app_id), entry_id: id(entry_id) };
        Endpoint::new(|_, old| old == tail, Some(form))
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
        Endpoint::find("/api", b"POST", path.as_bytes())
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
        assert_eq!(Endpoint::find("/api", b"GET", b"/api/v5/app/entry/data/get"), None);
        assert_eq!(Endpoint::find("/api", b"POST", b"/api/v5/app/entry/data/get\xff"), None);
    }
}
