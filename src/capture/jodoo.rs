//! The preset for Jodoo and Jiandaoyun, from the platform's API documentation.
//!
//! Version 5 names app and form in the body; versions 1 to 4 name them in the path and are
//! otherwise the same.

use super::{Change, Condition, Lookup, Op, Operation, Shows, Source, Sources};
use crate::json::Pointer;
use std::rc::Rc;

/// `(path after /v5/app/entry/, change)`.
const VERSION_5: [(&str, Change); 8] = [
    ("data/create", Change::Record(Op::Create)),
    ("data/update", Change::Record(Op::Update)),
    ("data/delete", Change::Record(Op::Remove)),
    ("data/batch_create", Change::Batch(Op::Create)),
    ("data/batch_update", Change::Batch(Op::Update)),
    ("data/batch_delete", Change::Batch(Op::Remove)),
    ("widget/list", Change::ListsFields),
    ("list", Change::ListsForms),
];

/// `(version, path after /{version}/app/{app_id}/entry/{entry_id}/, change)`.
const VERSIONS_1_TO_4: [(&str, &str, Change); 14] = [
    ("v1", "data_create", Change::Record(Op::Create)),
    ("v2", "data_create", Change::Record(Op::Create)),
    ("v3", "data_create", Change::Record(Op::Create)),
    ("v4", "data_create", Change::Record(Op::Create)),
    ("v1", "data_update", Change::Record(Op::Update)),
    ("v2", "data_update", Change::Record(Op::Update)),
    ("v3", "data_update", Change::Record(Op::Update)),
    ("v4", "data_update", Change::Record(Op::Update)),
    ("v1", "data_delete", Change::Record(Op::Remove)),
    ("v1", "data_batch_create", Change::Batch(Op::Create)),
    ("v1", "data_batch_update", Change::Batch(Op::Update)),
    ("v1", "data_batch_delete", Change::Batch(Op::Remove)),
    ("v1", "widgets", Change::ListsFields),
    ("v2", "widgets", Change::ListsFields),
];

/// The platform's operations as `(path, operation)`; the method is always POST.
/// `prefix` stands before the version, on the platform itself `/api`; `actor` is where the call
/// says who makes the change, as the API itself does not.
pub fn operations(prefix: &str, actor: &Lookup) -> Vec<(String, Rc<Operation>)> {
    let body = |change| {
        let member = |name| Source::Request(Pointer::to([name]));
        operation(change, member("app_id"), member("entry_id"), actor.clone())
    };
    let path = |change| {
        let capture = |name: &str| Source::Path(name.into());
        operation(change, capture("app_id"), capture("entry_id"), actor.clone())
    };
    let new =
        VERSION_5.map(|(tail, change)| (format!("{prefix}/v5/app/entry/{tail}"), body(change)));
    let old = VERSIONS_1_TO_4.map(|(version, tail, change)| {
        let route = format!("{prefix}/{version}/app/{{app_id}}/entry/{{entry_id}}/{tail}");
        (route, path(change))
    });
    new.into_iter().chain(old).collect()
}

fn operation(change: Change, app_id: Source, entry_id: Source, actor: Lookup) -> Rc<Operation> {
    let data = |name| Source::Response(Pointer::to(["data", name]));
    let answer = |name| Lookup(vec![Source::Response(Pointer::to([name]))]);
    let mut sources = Sources {
        app_id: Lookup(vec![app_id]),
        entry_id: Lookup(vec![entry_id]),
        actor,
        ..Sources::default()
    };
    match change {
        Change::Record(Op::Remove) => {
            sources.record_id = Lookup(vec![Source::Request(Pointer::to(["data_id"]))]);
        }
        Change::Record(_) => {
            // The record names its app and form itself; that is what really was changed.
            sources.app_id.0.insert(0, data("appId"));
            sources.entry_id.0.insert(0, data("entryId"));
            sources.record = answer("data");
            sources.record_id = Lookup(vec![data("_id")]);
            sources.time = Lookup(vec![data("updateTime")]);
        }
        Change::Batch(Op::Create) => sources.record_id = answer("success_ids"),
        Change::Batch(_) => {
            sources.record_id = Lookup(vec![Source::Request(Pointer::to(["data_ids"]))]);
        }
        Change::ListsFields => sources.record = answer("widgets"),
        Change::ListsForms => sources.record = answer("forms"),
    }
    let shows = match change {
        Change::Record(Op::Remove) | Change::Batch(_) => Shows::Success,
        Change::Record(_) => Shows::Record,
        Change::ListsFields | Change::ListsForms => Shows::Nothing,
    };
    Rc::new(Operation { change, sources, success: Condition::Platform(shows) })
}

#[cfg(test)]
mod tests {
    use super::super::Operations;
    use super::*;

    fn watched(prefix: &str) -> Operations {
        let mut operations = Operations::default();
        for (path, operation) in super::operations(prefix, &Lookup::default()) {
            operations.add("POST", &path, operation).unwrap();
        }
        operations
    }

    #[test]
    fn every_version_of_every_operation_is_watched() {
        let operations = watched("/api");
        for (path, change) in [
            ("v5/app/entry/data/create", Change::Record(Op::Create)),
            ("v5/app/entry/data/update", Change::Record(Op::Update)),
            ("v5/app/entry/data/delete", Change::Record(Op::Remove)),
            ("v5/app/entry/data/batch_create", Change::Batch(Op::Create)),
            ("v5/app/entry/data/batch_update", Change::Batch(Op::Update)),
            ("v5/app/entry/data/batch_delete", Change::Batch(Op::Remove)),
            ("v5/app/entry/widget/list", Change::ListsFields),
            ("v5/app/entry/list", Change::ListsForms),
            ("v1/app/a/entry/e/widgets", Change::ListsFields),
            ("v2/app/a/entry/e/widgets", Change::ListsFields),
            ("v1/app/a/entry/e/data_create", Change::Record(Op::Create)),
            ("v2/app/a/entry/e/data_create", Change::Record(Op::Create)),
            ("v3/app/a/entry/e/data_create", Change::Record(Op::Create)),
            ("v4/app/a/entry/e/data_create", Change::Record(Op::Create)),
            ("v1/app/a/entry/e/data_update", Change::Record(Op::Update)),
            ("v4/app/a/entry/e/data_update", Change::Record(Op::Update)),
            ("v1/app/a/entry/e/data_delete", Change::Record(Op::Remove)),
            ("v1/app/a/entry/e/data_batch_create", Change::Batch(Op::Create)),
            ("v1/app/a/entry/e/data_batch_update", Change::Batch(Op::Update)),
            ("v1/app/a/entry/e/data_batch_delete", Change::Batch(Op::Remove)),
        ] {
            let found = operations.find_by("POST", format!("/api/{path}").as_bytes());
            assert_eq!(found.map(|found| found.operation.change), Some(change), "{path}");
        }
    }

    #[test]
    fn reads_of_records_and_unknown_versions_are_not_watched() {
        let operations = watched("/api");
        for path in [
            "/api/v5/app/entry/data/get",
            "/api/v5/app/entry/data/list",
            "/api/v6/app/entry/data/create",
            "/api/v2/app/a/entry/e/data_delete",
            "/v5/app/entry/data/create",
        ] {
            assert!(operations.find_by("POST", path.as_bytes()).is_none(), "{path}");
        }
        assert!(operations.find_by("GET", b"/api/v5/app/entry/data/create").is_none());
    }

    #[test]
    fn another_prefix_can_stand_before_the_version() {
        let operations = watched("/jodoo/api");
        assert!(operations.find_by("POST", b"/jodoo/api/v5/app/entry/data/create").is_some());
        assert!(operations.find_by("POST", b"/api/v5/app/entry/data/create").is_none());
    }
}
