//! One record at a time.

use super::platform::{Field, Kind};
use super::*;

#[tokio::test]
async fn a_new_record_has_every_field_and_is_answered_whole() {
    let platform = orders().await;
    let record = create(&platform, json!({CUSTOMER: {"value": "简道云"}})).await;
    let id = record["_id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let owner = json!({
        "name": "Peach", "username": "#admin", "status": 1, "type": 0, "departments": [1],
        "integrate_id": "#admin",
    });
    let time = record["createTime"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    assert_eq!(
        record,
        json!({
            "_id": id, "appId": APP, "entryId": ENTRY, "creator": owner, "updater": owner,
            "createTime": time, "updateTime": time,
            CUSTOMER: "简道云", AMOUNT: null, ITEMS: [],
            "_widget_1432728651407": null, "_widget_1432728651405": "",
            "_widget_1432728651406": [], "_widget_1432728651412": {},
            "_widget_1432728651409": [], "_widget_1432728651414": null,
            "_widget_1432728651416": null, "_widget_1652345009097": null,
        })
    );
    assert_eq!(platform.records(APP, ENTRY), [record]);
}

#[tokio::test]
async fn an_answer_is_not_sorted() {
    let platform = orders().await;
    let response = client()
        .post(format!("http://{}/api/v5/app/entry/data/create", platform.address()))
        .bearer_auth(platform.api_key())
        .json(&with_ids(json!({"data": {}})))
        .send();
    let text = response.await.unwrap().text().await.unwrap();
    let place = |name: &str| text.find(&format!("\"{name}\":")).unwrap();
    assert!(text.starts_with("{\"data\":{\"_id\":"), "{text}");
    assert!(place("appId") < place("creator") && place("updateTime") < place(CUSTOMER), "{text}");
}

#[tokio::test]
async fn a_record_can_be_created_in_the_name_of_a_member() {
    let platform = orders().await;
    let body = json!({"data": {}, "data_creator": "Yonne"});
    let answer = data(&platform, "create", body).await;
    assert_eq!(answer["data"]["creator"]["username"], "Yonne");
    let body = json!({"data": {}, "data_creator": "Nobody"});
    assert_eq!(data_refused(&platform, "create", body).await, 1010);
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_keeps_the_rest() {
    let platform = orders().await;
    let values = json!({CUSTOMER: {"value": "Ada"}, AMOUNT: {"value": 3}});
    let before = create(&platform, values).await;
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let body = json!({"data_id": before["_id"], "data": {AMOUNT: {"value": 4.5}}});
    let after = data(&platform, "update", body).await["data"].take();
    assert_eq!((&after[CUSTOMER], &after[AMOUNT]), (&json!("Ada"), &json!(4.5)));
    assert_eq!(after["createTime"], before["createTime"]);
    assert!(after["updateTime"].as_str() > before["updateTime"].as_str());
    let body = json!({"data_id": before["_id"], "data": {AMOUNT: {"value": null}}});
    assert_eq!(data(&platform, "update", body).await["data"][AMOUNT], Value::Null);
}

#[tokio::test]
async fn a_sub_form_is_replaced_as_a_whole_and_rows_keep_the_ids_they_name() {
    let platform = orders().await;
    let row = |sku: &str| json!({SKU: {"value": sku}, QUANTITY: {"value": 1}});
    let before = create(&platform, json!({ITEMS: {"value": [row("a"), row("b")]}})).await;
    let id = |row: &Value| row["_id"].as_str().unwrap().to_owned();
    let second = id(&before[ITEMS][1]);
    let rows = json!([
        {SKU: {"value": "new"}},
        {"_id": {"value": second}, SKU: {"value": "kept"}},
        {"_id": {"value": "606290aba392ca00076da0a9"}, SKU: {"value": "strange"}},
    ]);
    let body = json!({"data_id": before["_id"], "data": {ITEMS: {"value": rows}}});
    let after = data(&platform, "update", body).await["data"][ITEMS].take();
    assert_eq!(
        after,
        json!([
            {"_id": id(&after[0]), SKU: "new", QUANTITY: null},
            {"_id": second, SKU: "kept", QUANTITY: null},
            {"_id": id(&after[2]), SKU: "strange", QUANTITY: null},
        ])
    );
    assert_ne!(id(&after[2]), "606290aba392ca00076da0a9");
}

#[tokio::test]
async fn a_deleted_record_is_gone() {
    let platform = orders().await;
    let id = create_for(&platform, "Ada").await;
    assert_eq!(data(&platform, "get", json!({"data_id": id})).await["data"][CUSTOMER], "Ada");
    let answer = data(&platform, "delete", json!({"data_id": id})).await;
    assert_eq!(answer, json!({"status": "success"}));
    assert_eq!(platform.records(APP, ENTRY), [] as [Value; 0]);
    for (operation, body) in [
        ("get", json!({"data_id": id})),
        ("delete", json!({"data_id": id})),
        ("update", json!({"data_id": id, "data": {}})),
    ] {
        assert_eq!(data_refused(&platform, operation, body).await, 4001, "{operation}");
    }
}

#[tokio::test]
async fn parameters_that_are_missing_or_of_a_wrong_type_are_refused() {
    let platform = orders().await;
    let id = create_for(&platform, "Ada").await;
    for (operation, body) in [
        ("create", json!({})),
        ("create", json!({"data": []})),
        ("create", json!({"data": {CUSTOMER: "not in an object"}})),
        ("create", json!({"data": {}, "is_start_workflow": 1})),
        ("create", json!({"data": {}, "is_start_trigger": "yes"})),
        ("create", json!({"data": {}, "data_creator": 7})),
        ("update", json!({"data_id": id})),
        ("update", json!({"data": {}})),
        ("update", json!({"data_id": 7, "data": {}})),
        ("delete", json!({})),
        ("delete", json!({"data_id": [id]})),
        ("get", json!({})),
    ] {
        assert_eq!(data_refused(&platform, operation, body.clone()).await, 17017, "{body}");
    }
}

#[tokio::test]
async fn a_form_can_change_while_it_has_records() {
    let platform = orders().await;
    let values = json!({CUSTOMER: {"value": "Ada"}, AMOUNT: {"value": 3}});
    let id = create(&platform, values).await["_id"].take();
    let mut form = Form::orders().with(Field::new("_widget_1700000000001", "Note", Kind::Textarea));
    form.fields[1] = Field::new(AMOUNT, "Amount", Kind::Text);
    form.fields.retain(|field| field.id != ITEMS);
    platform.set_form(form);
    let record = data(&platform, "get", json!({"data_id": id})).await["data"].take();
    assert_eq!((&record[CUSTOMER], &record[AMOUNT]), (&json!("Ada"), &json!("")));
    assert_eq!(record["_widget_1700000000001"], "");
    assert!(record.get(ITEMS).is_none());
}
