//! Lists of records, fields, forms and apps.

use super::platform::{Field, Kind};
use super::*;

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let platform = orders().await;
    let list: Value = (0..25).map(|number| json!({AMOUNT: {"value": number}})).collect();
    data(&platform, "batch_create", json!({"data_list": list})).await;
    let mut last = json!(null);
    let mut amounts = Vec::new();
    for expected in [10, 10, 5] {
        let page = data(&platform, "list", json!({"data_id": last})).await["data"].take();
        let page = page.as_array().unwrap();
        assert_eq!(page.len(), expected);
        amounts.extend(page.iter().map(|record| record[AMOUNT].as_u64().unwrap()));
        last = page[page.len() - 1]["_id"].clone();
    }
    assert!(amounts.into_iter().eq(0..25));
    let all = data(&platform, "list", json!({"limit": 100})).await;
    assert_eq!(all["data"], json!(platform.records(APP, ENTRY)));
    for limit in [json!(0), json!(101), json!("10"), json!(1.5)] {
        let code = data_refused(&platform, "list", json!({"limit": limit})).await;
        assert_eq!(code, 17017, "{limit}");
    }
}

#[tokio::test]
async fn a_list_can_be_confined_to_some_fields() {
    let platform = orders().await;
    let id = create_for(&platform, "Ada").await;
    let list = data(&platform, "list", json!({"fields": [CUSTOMER, "createTime"]})).await;
    let created = &platform.records(APP, ENTRY)[0]["createTime"];
    assert_eq!(
        list["data"],
        json!([{"_id": id, "appId": APP, "entryId": ENTRY, "createTime": created, CUSTOMER: "Ada"}])
    );
    assert_eq!(data_refused(&platform, "list", json!({"fields": CUSTOMER})).await, 17017);
}

#[tokio::test]
async fn a_list_can_be_filtered() {
    let platform = orders().await;
    for values in [
        json!({CUSTOMER: {"value": "Ada"}, AMOUNT: {"value": 1}}),
        json!({CUSTOMER: {"value": "Bob"}, AMOUNT: {"value": 2}}),
        json!({
            AMOUNT: {"value": 3}, "_widget_1432728651406": {"value": ["x", "y"]},
            "_widget_1432728651407": {"value": "2024-05-01"},
            "_widget_1432728651414": {"value": "jian"}, "_widget_1432728651416": {"value": 12},
            "_widget_1652345009097": {"value": {"phone": "15852540044"}},
        }),
    ] {
        create(&platform, values).await;
    }
    let third = platform.records(APP, ENTRY)[2]["_id"].clone();
    for (field, method, value, expected) in [
        (CUSTOMER, "eq", json!(["Ada"]), vec![1]),
        (CUSTOMER, "ne", json!(["Ada"]), vec![2, 3]),
        (CUSTOMER, "in", json!(["Ada", "Bob"]), vec![1, 2]),
        (CUSTOMER, "nin", json!(["Ada", "Bob"]), vec![3]),
        (CUSTOMER, "like", json!(["d"]), vec![1]),
        (CUSTOMER, "empty", json!(null), vec![3]),
        (CUSTOMER, "not_empty", json!(null), vec![1, 2]),
        (AMOUNT, "eq", json!([2.0]), vec![2]),
        (AMOUNT, "range", json!([2, 3]), vec![2, 3]),
        (AMOUNT, "range", json!([null, 2]), vec![1, 2]),
        (AMOUNT, "gt", json!([2]), vec![3]),
        (AMOUNT, "lt", json!([2]), vec![1]),
        ("_widget_1432728651406", "in", json!(["y", "z"]), vec![3]),
        ("_widget_1432728651406", "all", json!(["x", "z"]), vec![]),
        ("_widget_1432728651407", "range", json!(["2024-04-30", "2024-05-02"]), vec![3]),
        ("_widget_1432728651414", "eq", json!(["jian"]), vec![3]),
        ("_widget_1432728651416", "in", json!([12, 13]), vec![3]),
        ("_widget_1652345009097", "like", json!(["5254"]), vec![3]),
        ("_id", "eq", json!([third]), vec![3]),
        ("creator", "eq", json!(["#admin"]), vec![1, 2, 3]),
        ("createTime", "range", json!(["2020-01-01", null]), vec![1, 2, 3]),
    ] {
        let condition = json!({"field": field, "type": "any", "method": method, "value": value});
        let filter = json!({"filter": {"rel": "and", "cond": [condition]}});
        let list = data(&platform, "list", filter).await["data"].take();
        let found = list.as_array().unwrap().iter().map(|record| record[AMOUNT].clone());
        assert_eq!(found.collect::<Vec<_>>(), expected, "{condition}");
    }
}

#[tokio::test]
async fn conditions_are_joined_by_and_or_or() {
    let platform = orders().await;
    for name in ["a", "b", "c"] {
        create_for(&platform, name).await;
    }
    let is = |name: &str| json!({"field": CUSTOMER, "method": "eq", "value": [name]});
    for (rel, expected) in [("and", 0), ("or", 2)] {
        let filter = json!({"filter": {"rel": rel, "cond": [is("a"), is("b")]}});
        let list = data(&platform, "list", filter).await;
        assert_eq!(list["data"].as_array().unwrap().len(), expected, "{rel}");
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_understood_is_refused() {
    let platform = orders().await;
    let of = |field: &str, method: &str, value: Value| {
        let condition = json!({"field": field, "method": method, "value": value});
        json!({"rel": "and", "cond": [condition]})
    };
    for filter in [
        json!({}),
        json!({"rel": "xor", "cond": []}),
        json!({"rel": "and"}),
        of("_widget_1", "eq", json!(["a"])),
        of(CUSTOMER, "equals", json!(["a"])),
        of(CUSTOMER, "eq", json!("a")),
        of(CUSTOMER, "eq", json!(["a", "b"])),
        of(CUSTOMER, "in", json!(vec!["a"; 201])),
        of(AMOUNT, "range", json!([1])),
        of("_widget_1432728651407", "eq", json!(["tomorrow"])),
        of(ITEMS, "empty", json!(null)),
        // The orders have no workflow.
        of("flowState", "eq", json!([0])),
    ] {
        let body = json!({"filter": filter});
        assert_eq!(data_refused(&platform, "list", body).await, 4815, "{filter}");
    }
}

#[tokio::test]
async fn the_fields_of_a_form_are_told_without_those_that_have_no_data() {
    let platform = orders().await;
    let path = "/v5/app/entry/widget/list";
    let before = done(&platform, path, &with_ids(json!({}))).await;
    let widgets = before["widgets"].as_array().unwrap();
    let types: Vec<_> = widgets.iter().map(|widget| widget["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "text",
            "number",
            "subform",
            "datetime",
            "combo",
            "checkboxgroup",
            "address",
            "image",
            "user",
            "dept",
            "phone"
        ]
    );
    let customer = json!({
        "name": CUSTOMER, "widgetName": CUSTOMER, "label": "Customer", "type": "text",
    });
    assert_eq!(widgets[0], customer);
    assert_eq!(widgets[2]["items"][1]["name"], QUANTITY);
    let system = before["sysWidgets"].as_array().unwrap();
    assert!(system.contains(&json!({"name": "deleteTime"})));
    assert!(!system.contains(&json!({"name": "flowState"})));

    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    platform.set_form(Form::orders().with(Field::new("_widget_1700000000001", "N", Kind::Text)));
    let changed = done(&platform, path, &with_ids(json!({}))).await;
    assert_eq!(changed["widgets"].as_array().unwrap().len(), types.len() + 1);
    assert_eq!(changed["dataModifyTime"], before["dataModifyTime"], "it is the data's time");
    create(&platform, json!({})).await;
    let after = done(&platform, path, &with_ids(json!({}))).await;
    assert!(after["dataModifyTime"].as_str() > before["dataModifyTime"].as_str());
}

#[tokio::test]
async fn apps_and_forms_are_told_by_name() {
    let returns = Form::new(APP, "5e0dca0cc9a2790006c11e02", "Returns");
    let mut other = Form::new("5e0dca0cc9a2790006c11e03", "5e0dca0cc9a2790006c11e04", "Staff");
    other.app_name = "People".to_owned();
    let platform = Platform::start(vec![Form::orders(), returns, other]).await;
    let apps = json!({"apps": [
        {"name": "Sales", "app_id": APP},
        {"name": "People", "app_id": "5e0dca0cc9a2790006c11e03"},
    ]});
    assert_eq!(done(&platform, "/v5/app/list", &json!({})).await, apps);
    assert_eq!(done(&platform, "/v1/app/retrieve_all", &json!({})).await, apps);
    let forms = json!({"forms": [
        {"name": "Orders", "app_id": APP, "entry_id": ENTRY},
        {"name": "Returns", "app_id": APP, "entry_id": "5e0dca0cc9a2790006c11e02"},
    ]});
    assert_eq!(done(&platform, "/v5/app/entry/list", &json!({"app_id": APP})).await, forms);
    let path = format!("/v1/app/{APP}/entry_retrieve");
    assert_eq!(done(&platform, &path, &json!({})).await, forms);
    let body = json!({"app_id": APP, "skip": 1, "limit": 1});
    let page = done(&platform, "/v5/app/entry/list", &body).await;
    assert_eq!(page["forms"], json!([forms["forms"][1]]));
    for body in [json!({"limit": 101}), json!({"limit": "x"}), json!({"skip": -1})] {
        assert_eq!(refused(&platform, "/v5/app/list", &body).await, 3005, "{body}");
    }
    assert_eq!(refused(&platform, "/v5/app/entry/list", &json!({})).await, 17017);
}
