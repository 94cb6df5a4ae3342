//! `platform:`, `path_prefix:` and `operations:`

use super::*;

/// An operation that lacks nothing.
fn operation(changes: Json) -> Json {
    let update = json!({
        "path": "/rows/{id}",
        "op": "data_update",
        "app_id": "literal:app",
        "entry_id": "literal:rows",
        "record": "response:/row",
    });
    with(update, changes)
}

fn with_operations(operations: Json) -> Json {
    let webhooks = json!([{"id": "crm", "url": "https://a.b"}]);
    json!({"operations": operations, "webhooks": webhooks})
}

/// The one operation is wrong in exactly these ways. Each begins with what follows
/// `operations[0]`.
#[track_caller]
fn assert_operation_faults(operation: Json, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|fault| format!("operations[0]{fault}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    assert_faults(&with_operations(json!([operation])), &expected);
}

fn watched(config: &Config, method: &str, path: &str) -> Option<Change> {
    let found = config.operations.find_by(method, path.as_bytes());
    found.map(|found| found.operation.change)
}

#[test]
fn the_operators_own_operations_need_no_platform() {
    let config = good(&with_operations(json!([operation(json!({}))])));
    assert_eq!(watched(&config, "POST", "/rows/1"), Some(Change::Record(Op::Update)));
    assert_eq!(watched(&config, "POST", "/api/v5/app/entry/data/create"), None);
}

#[test]
fn something_must_be_watched() {
    const NOTHING: &str =
        "nothing would be watched: give `platform: jodoo`, or `operations`, or both";
    assert_faults(&with_operations(json!([])), &[NOTHING]);
    good(&with(minimal(), json!({"operations": []})));
}

#[test]
fn a_path_prefix_belongs_to_a_platform() {
    assert_faults(
        &with(with_operations(json!([operation(json!({}))])), json!({"path_prefix": "/x"})),
        &["path_prefix: only a `platform` has a path prefix; write it into each path"],
    );
    const RULE: &str = "must be empty or begin with `/`, not end with `/`, and hold only letters, digits and -._~/";
    for prefix in ["api", "/", "/api/", "/a b", "/{a}", "/ä", "/a?b", "/%41"] {
        let fault = format!("path_prefix: \"{prefix}\": {RULE}");
        assert_faults(&with(minimal(), json!({"path_prefix": prefix})), &[&fault]);
    }
    let fault = "path_prefix: 5: must be a string";
    assert_faults(&with(minimal(), json!({"path_prefix": 5})), &[fault]);
    for prefix in ["", "/x", "/jodoo/api-2.0_~"] {
        let config = good(&with(minimal(), json!({"path_prefix": prefix})));
        let path = format!("{prefix}/v5/app/entry/data/delete");
        assert_eq!(watched(&config, "POST", &path), Some(Change::Record(Op::Remove)), "{path}");
    }
}

#[test]
fn what_every_operation_must_have_depends_on_its_op() {
    assert_operation_faults(json!(5), &[": 5: must be an object"]);
    assert_operation_faults(
        json!({}),
        &[
            ".path: is required",
            ".op: is required",
            ".app_id: is required",
            ".entry_id: is required",
        ],
    );
    for op in ["data_create", "data_update", "data_recover"] {
        assert_operation_faults(
            json!({"path": "/x", "op": op, "app_id": "literal:a", "entry_id": "literal:e"}),
            &[".record: is required"],
        );
    }
    assert_operation_faults(
        operation(json!({"op": "data_remove"})),
        &[
            ".record_id: is required",
            ".record: the push of a removed record has no record in it; leave this out",
        ],
    );
    good(&with_operations(json!([{
        "method": "DELETE", "path": "/rows/{id}", "op": "data_remove", "app_id": "literal:app",
        "entry_id": "literal:rows", "record_id": "path:id",
    }])));
}

#[test]
fn every_fault_of_an_operation_is_named() {
    const PLACE: &str = "begin with `request:` or `response:` and a JSON pointer, `path:` and a capture of the path, `header:` and a name, or `literal:` and a text";
    assert_operation_faults(
        json!({
            "method": "post", "path": "rows", "op": "data_delete", "app_id": "app", "entry_id": 5,
            "record_id": [], "record": "respnse:/row", "actor": "header:a b",
            "time": ["literal:", {"at": "x"}], "success": {"at": "response:"}, "name": "x",
        }),
        &[
            ".method: \"post\": must be an HTTP method in capital letters, such as POST",
            ".path: \"rows\": must begin with `/` and hold visible ASCII characters, but no `?` or `#`",
            ".op: \"data_delete\": must be one of data_create, data_update, data_remove, data_recover",
            &format!(".app_id: \"app\": {PLACE}"),
            ".entry_id: 5: must be a string",
            ".record_id: name at least one place",
            &format!(".record: \"respnse:/row\": {PLACE}"),
            ".actor: \"header:a b\": this cannot be the name of an HTTP header",
            ".time[1]: {...}: must be a string",
            ".success: {...}: must be a list",
            ".name: unknown key; known here are method, path, op, app_id, entry_id, record_id, record, actor, time, success",
        ],
    );
    for method in [json!(""), json!("GET IT"), json!("Put")] {
        let fault =
            format!(".method: {method}: must be an HTTP method in capital letters, such as POST");
        assert_operation_faults(operation(json!({"method": method})), &[&fault]);
    }
    assert_operation_faults(operation(json!({"method": 1})), &[".method: 1: must be a string"]);
}

#[test]
fn a_json_pointer_must_be_one() {
    for (place, fault) in [
        ("response:row", crate::json::PointerError::NoSlash),
        ("request:/a~2", crate::json::PointerError::BadEscape),
    ] {
        let fault = format!(".record: \"{place}\": {fault}");
        assert_operation_faults(operation(json!({"record": place})), &[&fault]);
    }
}

#[test]
fn a_path_that_no_request_has_is_a_fault() {
    for path in ["", "rows", "/rows?x={id}", "/rows#x", "/a b", "/bücher"] {
        let fault = format!(
            ".path: \"{path}\": must begin with `/` and hold visible ASCII characters, but no `?` or `#`"
        );
        assert_operation_faults(operation(json!({"path": path})), &[&fault]);
    }
    for path in ["/rows/{id", "/rows/{}", "/rows/{a}{b}", "/{*all}/rows"] {
        let faults =
            faults_of_text(&with_operations(json!([operation(json!({"path": path}))])).to_string());
        let start = format!("operations[0].path: \"{path}\": ");
        assert!(faults.len() == 1 && faults[0].starts_with(&start), "{faults:?}");
    }
}

#[test]
fn a_place_in_the_path_is_a_capture_of_it() {
    assert_operation_faults(
        operation(json!({
            "path": "/apps/{app}/rows/{*rest}", "app_id": "path:app", "entry_id": "path:entry",
            "record_id": ["path:rest", "path:id"], "actor": "path:entry",
            "success": [{"at": "path:mode", "equals": "write"}],
        })),
        &[
            ": path:entry: the path \"/apps/{app}/rows/{*rest}\" has no {entry} in it",
            ": path:id: the path \"/apps/{app}/rows/{*rest}\" has no {id} in it",
            ": path:mode: the path \"/apps/{app}/rows/{*rest}\" has no {mode} in it",
        ],
    );
    // What stands between braces is not always the name of one capture.
    assert_operation_faults(
        operation(json!({
            "path": "/apps/{app}/{*rest}", "app_id": "path:*rest", "entry_id": "path:app}/{*rest",
        })),
        &[
            ": path:*rest: the path \"/apps/{app}/{*rest}\" has no {*rest} in it",
            ": path:app}/{*rest: the path \"/apps/{app}/{*rest}\" has no {app}/{*rest} in it",
        ],
    );
    assert_operation_faults(
        operation(json!({"op": "restore", "app_id": "path:app"})),
        &[
            ".op: \"restore\": must be one of data_create, data_update, data_remove, data_recover",
            ": path:app: the path \"/rows/{id}\" has no {app} in it",
        ],
    );
}

#[test]
fn a_record_is_found_in_a_body_only() {
    const BODY: &str = "only a body has an object in it; begin with `request:` or `response:`";
    for place in ["path:id", "header:x-row", "literal:{}"] {
        let fault = format!(".record: \"{place}\": {BODY}");
        assert_operation_faults(operation(json!({"record": place})), &[&fault]);
        let fault = format!(".success[0].at: \"{place}\": {BODY}");
        let success = json!([{"at": place, "is": "object"}]);
        assert_operation_faults(operation(json!({"success": success})), &[&fault]);
    }
}

#[test]
fn every_fault_of_a_success_condition_is_named() {
    const EITHER: &str = "give either `is: object` or `equals` and a value";
    assert_operation_faults(
        operation(json!({"success": [
            "ok",
            {},
            {"at": "response:/a", "is": "array"},
            {"at": "response:/a", "is": "object", "equals": 1},
            {"at": "response:/a", "equals": [1]},
            {"at": [], "equals": null, "not": 1},
        ]})),
        &[
            ".success[0]: \"ok\": must be an object",
            ".success[1].at: is required",
            &format!(".success[1]: {EITHER}"),
            ".success[2].is: \"array\": must be one of object",
            &format!(".success[3]: {EITHER}"),
            ".success[4].equals: [...]: must be a string, a number, true, false or null",
            ".success[5].at: name at least one place",
            ".success[5].not: unknown key; known here are at, is, equals",
        ],
    );
}

#[test]
fn a_value_of_any_simple_kind_can_be_the_sign_of_success() {
    use crate::capture::Expected;
    let checks = [json!("ok"), json!(0), json!(true), json!(null)];
    let success = checks.map(|value| json!({"at": "response:/code", "equals": value}));
    let config = good(&with_operations(json!([operation(json!({"success": success}))])));
    let found = config.operations.find_by("POST", b"/rows/1").unwrap();
    let expected: Vec<_> =
        found.operation.success.checks().iter().map(|check| check.expect.clone()).collect();
    assert_eq!(expected, ["ok", "0", "true", "null"].map(|text| Expected::Text(text.into())));
}

#[test]
fn two_operations_cannot_have_the_same_paths_whatever_else_is_wrong() {
    const TAKEN: &str = "another operation with this method already has the path \"/rows/{id}\"";
    assert_faults(
        &with_operations(json!([
            operation(json!({})),
            operation(json!({"path": "/rows/{row}"})),
            operation(json!({"path": "/rows/{row}", "method": "PUT"})),
            operation(json!({"path": "/rows/{row}", "op": "x"})),
            operation(json!({"path": "/rows/{row}", "method": "put"})),
        ])),
        &[
            &format!("operations[1].path: \"/rows/{{row}}\": {TAKEN}"),
            &format!("operations[3].path: \"/rows/{{row}}\": {TAKEN}"),
            "operations[3].op: \"x\": must be one of data_create, data_update, data_remove, data_recover",
            "operations[4].method: \"put\": must be an HTTP method in capital letters, such as POST",
        ],
    );
}

#[test]
fn an_operation_with_a_path_of_the_platform_replaces_its_operation() {
    let own = operation(json!({"path": "/api/v5/app/entry/data/create", "op": "data_recover"}));
    let old = operation(json!({"path": "/api/v1/app/{a}/entry/{e}/data_delete"}));
    let near = operation(json!({"path": "/api/v1/app/{a}/entry/{e}/archive"}));
    let config = good(&with(minimal(), json!({"operations": [own, old, near]})));
    for (path, op) in [
        ("/api/v5/app/entry/data/create", Op::Recover),
        ("/api/v5/app/entry/data/update", Op::Update),
        ("/api/v5/app/entry/data/delete", Op::Remove),
        ("/api/v1/app/1/entry/2/data_delete", Op::Update),
        ("/api/v1/app/1/entry/2/archive", Op::Update),
        ("/api/v1/app/1/entry/2/data_create", Op::Create),
    ] {
        assert_eq!(watched(&config, "POST", path), Some(Change::Record(op)), "{path}");
    }
}

#[test]
fn an_operation_with_a_wider_path_leaves_those_of_the_platform() {
    let wide = operation(json!({"path": "/api/{*rest}", "op": "data_recover"}));
    let config = good(&with(minimal(), json!({"operations": [wide]})));
    for (path, op) in [
        ("/api/v5/app/entry/data/create", Op::Create),
        ("/api/v1/app/1/entry/2/data_delete", Op::Remove),
        ("/api/other", Op::Recover),
    ] {
        assert_eq!(watched(&config, "POST", path), Some(Change::Record(op)), "{path}");
    }
}

#[test]
fn who_calls_the_platform_is_in_a_header() {
    let config = good(&with(minimal(), json!({"actor": {"header": "X-User-Name"}})));
    let path = b"/api/v5/app/entry/data/delete";
    let operation = config.operations.find_by("POST", path).unwrap().operation;
    assert_eq!(operation.headers().collect::<Vec<_>>(), ["x-user-name"]);
    assert_faults(
        &with(minimal(), json!({"actor": {"header": "x user"}})),
        &["actor.header: \"x user\": this cannot be the name of an HTTP header"],
    );
    assert_faults(
        &with(minimal(), json!({"actor": "x-user"})),
        &["actor: \"x-user\": must be an object"],
    );
    let operation = json!({"path": "/x/{id}", "op": "data_remove", "app_id": "literal:a",
        "entry_id": "literal:e", "record_id": "path:id"});
    assert_faults(
        &json!({"operations": [operation], "webhooks": [], "actor": {"header": "x-user"}}),
        &["actor: this is for the calls of a `platform`; write it into each operation"],
    );
}
