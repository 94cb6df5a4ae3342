//! Many records at a time.

use super::platform::{Field, Kind};
use super::*;

fn customers(names: &[&str]) -> Value {
    names.iter().map(|name| json!({CUSTOMER: {"value": name}})).collect()
}

#[tokio::test]
async fn a_batch_is_created_and_answered_with_counts_and_ids_only() {
    let platform = orders().await;
    let body = json!({"data_list": customers(&["a", "b", "c"]), "data_creator": "Yonne"});
    let answer = data(&platform, "batch_create", body).await;
    let records = platform.records(APP, ENTRY);
    let ids: Vec<_> = records.iter().map(|record| &record["_id"]).collect();
    assert_eq!(answer, json!({"status": "success", "success_count": 3, "success_ids": ids}));
    assert_eq!(records[2][CUSTOMER], "c");
    assert_eq!(records[2]["creator"]["username"], "Yonne");
}

#[tokio::test]
async fn a_batch_that_broke_is_completed_by_repeating_its_transaction() {
    let platform = orders().await;
    let body = |names| json!({"data_list": customers(names), "transaction_id": "t-1"});
    platform.break_next_batch(1);
    let first = data(&platform, "batch_create", body(&["a", "b", "c"])).await;
    assert_eq!(first["success_count"], 1);
    assert_eq!(first["success_ids"].as_array().unwrap().len(), 1);
    let second = data(&platform, "batch_create", body(&["A", "B", "C"])).await;
    assert_eq!(second["success_count"], 3);
    assert_eq!(second["success_ids"].as_array().unwrap().len(), 2);
    let third = data(&platform, "batch_create", body(&["A", "B", "C"])).await;
    assert_eq!(third, json!({"status": "success", "success_count": 3, "success_ids": []}));
    let records = platform.records(APP, ENTRY);
    let names: Vec<_> = records.iter().map(|record| record[CUSTOMER].as_str().unwrap()).collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert_eq!(records[0]["_id"], first["success_ids"][0]);
}

#[tokio::test]
async fn a_transaction_belongs_to_one_form() {
    let other = "5e0dca0cc9a2790006c11e02";
    let second = Form::new(APP, other, "Returns").with(Field::new(CUSTOMER, "Who", Kind::Text));
    let platform = Platform::start(vec![Form::orders(), second]).await;
    let mut body = with_ids(json!({"data_list": customers(&["a"]), "transaction_id": "t-1"}));
    done(&platform, "/v5/app/entry/data/batch_create", &body).await;
    body["entry_id"] = json!(other);
    assert_eq!(refused(&platform, "/v5/app/entry/data/batch_create", &body).await, 17026);
}

#[tokio::test]
async fn a_batch_update_gives_all_records_the_same_values_and_counts_those_that_exist() {
    let platform = orders().await;
    let ids = [create_for(&platform, "a").await, create_for(&platform, "b").await];
    create_for(&platform, "c").await;
    let body = json!({
        "data_ids": [ids[0], "200001181fe09728936510eb", ids[1]],
        "data": {AMOUNT: {"value": 7}},
    });
    let answer = data(&platform, "batch_update", body).await;
    assert_eq!(answer, json!({"status": "success", "success_count": 2}));
    let records = platform.records(APP, ENTRY);
    let amounts: Vec<_> = records.iter().map(|record| record[AMOUNT].clone()).collect();
    assert_eq!(amounts, [json!(7), json!(7), json!(null)]);
}

#[tokio::test]
async fn a_batch_update_takes_no_sub_forms() {
    let platform = orders().await;
    let id = create_for(&platform, "a").await;
    let body = json!({"data_ids": [id], "data": {ITEMS: {"value": []}}});
    assert_eq!(data_refused(&platform, "batch_update", body).await, 17032);
}

#[tokio::test]
async fn a_batch_delete_counts_the_records_that_were_there() {
    let platform = orders().await;
    let ids = [create_for(&platform, "a").await, create_for(&platform, "b").await];
    let body = json!({"data_ids": [ids[0], "none"]});
    let answer = data(&platform, "batch_delete", body).await;
    assert_eq!(answer, json!({"status": "success", "success_count": 1}));
    assert_eq!(platform.records(APP, ENTRY).len(), 1);
}

#[tokio::test]
async fn a_batch_has_at_most_100_records() {
    let platform = orders().await;
    let many = |count| json!(vec!["200001181fe09728936510eb"; count]);
    let list = |count| json!(vec![json!({}); count]);
    let create = |count| json!({"data_list": list(count)});
    let update = |count| json!({"data_ids": many(count), "data": {}});
    let delete = |count| json!({"data_ids": many(count)});
    assert_eq!(data_refused(&platform, "batch_create", create(101)).await, 17024);
    assert_eq!(data_refused(&platform, "batch_update", update(101)).await, 17023);
    assert_eq!(data_refused(&platform, "batch_delete", delete(101)).await, 17033);
    assert_eq!(platform.records(APP, ENTRY).len(), 0);
    assert_eq!(data(&platform, "batch_create", create(100)).await["success_count"], 100);
    assert_eq!(data(&platform, "batch_update", update(100)).await["success_count"], 0);
    assert_eq!(data(&platform, "batch_delete", delete(100)).await["success_count"], 0);
}

#[tokio::test]
async fn a_batch_with_something_wrong_changes_nothing() {
    let platform = orders().await;
    for (operation, body, code) in [
        ("batch_create", json!({}), 17017),
        ("batch_create", json!({"data_list": []}), 17017),
        ("batch_create", json!({"data_list": [{}, 7]}), 17017),
        ("batch_create", json!({"data_list": [{}, {AMOUNT: {"value": "x"}}]}), 17032),
        ("batch_update", json!({"data": {}}), 17017),
        ("batch_update", json!({"data_ids": ["a"]}), 17017),
        ("batch_update", json!({"data_ids": [7], "data": {}}), 17017),
        ("batch_delete", json!({}), 17017),
        ("batch_delete", json!({"data_ids": "a"}), 17017),
    ] {
        assert_eq!(data_refused(&platform, operation, body.clone()).await, code, "{body}");
    }
    assert_eq!(platform.records(APP, ENTRY).len(), 0);
}
