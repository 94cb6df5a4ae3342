//! `forms:`

use super::*;

fn with_fields(fields: Json) -> Json {
    let form = json!({"app_id": "a", "entry_id": "e", "fields": fields});
    with(minimal(), json!({"forms": [form]}))
}

fn form_of(config: &Config) -> &crate::form::Form {
    config.forms.get(&FormKey { app_id: "a".into(), entry_id: "e".into() }).unwrap()
}

#[test]
fn a_form_needs_no_more_than_its_ids() {
    let forms = json!([{"app_id": "a", "entry_id": "e"}]);
    let config = good(&with(minimal(), json!({"forms": forms})));
    assert_eq!(form_of(&config).name, None);
    good(&with_fields(json!([])));
    good(&with(minimal(), json!({"forms": []})));
}

#[test]
fn aliases_in_the_api_are_for_a_platform_that_is_known() {
    let form = json!({"app_id": "a", "entry_id": "e", "aliases_in_api": true});
    let config = good(&with(minimal(), json!({"forms": [form]})));
    assert!(form_of(&config).speaks_aliases());
    assert!(!form_of(&good(&with_fields(json!([])))).speaks_aliases());
    let operation = json!({"path": "/x/{id}", "op": "data_update", "app_id": "literal:a",
        "entry_id": "literal:e", "record_id": "path:id", "record": "response:"});
    let plain = json!({"app_id": "a", "entry_id": "other"});
    let own = json!({"operations": [operation], "webhooks": [], "forms": [plain, form]});
    assert_faults(
        &own,
        &["forms[1].aliases_in_api: true: needs a `platform` whose API is known; give that"],
    );
    assert_faults(
        &with(minimal(), json!({"forms": [{"app_id": "a", "entry_id": "e", "aliases_in_api": 1}]})),
        &["forms[0].aliases_in_api: 1: must be true or false"],
    );
}

#[test]
fn every_fault_of_a_form_is_named() {
    const KNOWN: &str =
        "unknown key; known here are app_id, entry_id, name, aliases_in_api, fields";
    for (form, expected) in [
        (json!("Orders"), vec!["forms[0]: \"Orders\": must be an object".to_owned()]),
        (
            json!({}),
            vec!["forms[0].app_id: is required".into(), "forms[0].entry_id: is required".into()],
        ),
        (
            json!({"app_id": "", "entry_id": 5, "name": true, "fields": "all", "title": "x"}),
            vec![
                "forms[0].app_id: \"\": must not be empty".into(),
                "forms[0].entry_id: 5: must be a string".into(),
                "forms[0].fields: \"all\": must be a list".into(),
                "forms[0].name: true: must be a string".into(),
                format!("forms[0].title: {KNOWN}"),
            ],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_faults(&with(minimal(), json!({"forms": [form]})), &expected);
    }
}

#[test]
fn every_fault_of_a_field_is_named() {
    const ALIAS: &str =
        "an alias begins with a lowercase letter and holds only lowercase letters, digits and `_`";
    const TYPES: &str = "must be one of text, textarea, sn, number, datetime, radiogroup, combo, checkboxgroup, combocheck, address, location, image, upload, signature, subform, linkdata, lookup, user, usergroup, dept, deptgroup, phone, aggregation, richtext, divider, query";
    for (field, expected) in [
        (json!(["f"]), vec![": [...]: must be an object".to_owned()]),
        (json!({}), vec![".id: is required".into()]),
        (
            json!({"id": "", "alias": "Kunde", "type": "texts", "label": 1, "name": "x"}),
            vec![
                ".id: \"\": must not be empty".into(),
                format!(".alias: \"Kunde\": {ALIAS}"),
                format!(".type: \"texts\": {TYPES}"),
                ".label: 1: must be a string".into(),
                ".name: unknown key; known here are id, alias, type, label, items".into(),
            ],
        ),
        (
            json!({"id": 1, "alias": null, "type": 2}),
            vec![
                ".id: 1: must be a string".into(),
                ".alias: null: must be a string".into(),
                ".type: 2: must be a string".into(),
            ],
        ),
        (
            json!({"id": "f", "alias": "creator"}),
            vec![
                ".alias: \"creator\": this name belongs to a system field of every record; choose another alias".into(),
            ],
        ),
        (
            json!({"id": "f", "type": "text", "items": [{"id": "g", "alias": "G"}]}),
            vec![
                ".items: only a field of type subform has items".into(),
                format!(".items[0].alias: \"G\": {ALIAS}"),
            ],
        ),
        (
            json!({"id": "f", "items": []}),
            vec![".items: only a field of type subform has items".into()],
        ),
        (
            json!({"id": "f", "type": "subform", "items": [{"alias": "updater", "rows": 1}]}),
            vec![
                ".items[0].alias: \"updater\": this name belongs to a system field of every record; choose another alias".into(),
                ".items[0].id: is required".into(),
                ".items[0].rows: unknown key; known here are id, alias, type, label, items".into(),
            ],
        ),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|fault| format!("forms[0].fields[0]{fault}")).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_faults(&with_fields(json!([field])), &expected);
    }
}

#[test]
fn a_form_is_described_once() {
    let form = |app: &str, entry: &str| json!({"app_id": app, "entry_id": entry});
    good(&with(minimal(), json!({"forms": [form("a", "e"), form("b", "e"), form("a", "f")]})));
    assert_faults(
        &with(minimal(), json!({"forms": [form("a", "e"), form("b", "e"), form("a", "e")]})),
        &["forms[2]: this form (app_id and entry_id) was described before; describe it once"],
    );
}

#[test]
fn every_clash_of_names_is_found_in_a_form_and_in_its_sub_forms() {
    let clashing = json!([
        {"id": "a", "alias": "x"},
        {"id": "a"},
        {"id": "b", "alias": "x"},
        {"id": "c", "alias": "b"},
    ]);
    let faults = |path: &str| {
        [
            "the field id \"a\" appears twice; give each field once",
            "the alias \"x\" is given to two fields; choose another for one of them",
            "the alias \"b\" is the id of another field; choose another alias",
        ]
        .map(|fault| format!("{path}: {fault}"))
    };
    let top = faults("forms[0].fields");
    assert_faults(&with_fields(clashing.clone()), &top.each_ref().map(String::as_str));
    let sub = faults("forms[0].fields[0].items");
    let fields = json!([{"id": "s", "type": "subform", "items": clashing}]);
    assert_faults(&with_fields(fields), &sub.each_ref().map(String::as_str));
}

#[test]
fn a_sub_form_has_names_of_its_own() {
    let config = good(&with_fields(json!([
        {"id": "a", "alias": "x"},
        {"id": "s", "type": "subform", "items": [{"id": "a", "alias": "x"}, {"id": "x_1", "alias": "s"}]},
    ])));
    let rows = &form_of(&config).fields.get(Text::plain("s")).unwrap().rows;
    assert_eq!(&*rows.get(Text::plain("s")).unwrap().id, "x_1");
}

#[test]
fn an_alias_that_is_the_fields_own_id_changes_nothing() {
    let config = good(&with_fields(json!([{"id": "customer", "alias": "customer"}])));
    let field = form_of(&config).fields.get(Text::plain("customer")).unwrap();
    assert_eq!((&*field.id, &field.alias), ("customer", &None));
}

#[test]
fn sub_forms_nest_as_deep_as_json_may() {
    let mut field = json!({"id": "f", "type": "subform"});
    for _ in 0..250 {
        field = json!({"id": "f", "type": "subform", "items": [field]});
    }
    good(&with_fields(json!([field.clone()])));
    for _ in 0..10 {
        field = json!({"id": "f", "type": "subform", "items": [field]});
    }
    let faults = faults_of_text(&with_fields(json!([field])).to_string());
    assert!(faults[0].contains("expected nesting of at most 512 levels"), "{faults:?}");
}
