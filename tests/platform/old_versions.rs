//! Versions 1 to 4, which name the form in the path.

use super::*;

async fn old(platform: &Platform, version: u8, tail: &str, body: &Value) -> Value {
    let path = format!("/v{version}/app/{APP}/entry/{ENTRY}/{tail}");
    done(platform, &path, body).await
}

#[tokio::test]
async fn records_are_created_and_updated_in_every_version() {
    for version in 1..=4 {
        let platform = orders().await;
        let body = json!({"data": {CUSTOMER: {"value": "Ada"}}});
        let created = old(&platform, version, "data_create", &body).await["data"].take();
        assert_eq!((&created[CUSTOMER], &created["appId"]), (&json!("Ada"), &json!(APP)));
        let body = json!({"data_id": created["_id"], "data": {CUSTOMER: {"value": "Bob"}}});
        let updated = old(&platform, version, "data_update", &body).await["data"].take();
        assert_eq!((&updated[CUSTOMER], &updated["_id"]), (&json!("Bob"), &created["_id"]));
    }
}

#[tokio::test]
async fn records_are_read_in_the_versions_that_can() {
    for version in [1, 2, 4] {
        let platform = orders().await;
        let id = create_for(&platform, "Ada").await;
        let got = old(&platform, version, "data_retrieve", &json!({"data_id": id})).await;
        assert_eq!(got["data"][CUSTOMER], "Ada");
        let list = old(&platform, version, "data", &json!({"limit": 1})).await;
        assert_eq!(list["data"][0]["_id"], id.as_str());
    }
}

#[tokio::test]
async fn version_1_deletes_and_has_batches() {
    let platform = orders().await;
    let body = json!({"data_list": [{CUSTOMER: {"value": "a"}}, {}, {}]});
    let ids = old(&platform, 1, "data_batch_create", &body).await["success_ids"].take();
    let body = json!({"data_ids": ids, "data": {AMOUNT: {"value": 1}}});
    assert_eq!(old(&platform, 1, "data_batch_update", &body).await["success_count"], 3);
    let deleted = old(&platform, 1, "data_delete", &json!({"data_id": ids[0]})).await;
    assert_eq!(deleted, json!({"status": "success"}));
    let body = json!({"data_ids": ids});
    assert_eq!(old(&platform, 1, "data_batch_delete", &body).await["success_count"], 2);
    let tokens = old(&platform, 1, "file/get_upload_token", &json!({"transaction_id": "t"})).await;
    assert_eq!(tokens["token_and_url_list"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn version_1_names_people_by_id_and_only_version_4_tells_their_type() {
    let user = "_widget_1432728651414";
    let dept = "_widget_1432728651416";
    let platform = orders().await;
    let values = json!({user: {"value": "jian"}, dept: {"value": 12}});
    let id = create(&platform, values).await["_id"].take();
    let body = json!({"data_id": id, "data": {}});
    let first = old(&platform, 1, "data_update", &body).await["data"].take();
    assert_eq!(first[user], json!({"_id": "5c9dabe62503b18a678e0e3a", "name": "Jian"}));
    assert_eq!(first[dept], json!({"_id": "6189db48c482520007e2e433", "name": "Sales"}));
    assert_eq!(first["creator"], json!({"_id": "5c9dabe62503b18a678e0e36", "name": "Peach"}));
    for (version, kind) in [(2, None), (3, None), (4, Some(&json!(0)))] {
        let record = old(&platform, version, "data_update", &body).await["data"].take();
        assert_eq!(record[user]["username"], "jian");
        for person in [user, dept, "creator", "updater"] {
            assert_eq!(record[person].get("type"), kind, "version {version}, {person}");
        }
    }
    let values = json!({
        user: {"value": first[user]["_id"]}, dept: {"value": first[dept]["_id"]},
    });
    let record = old(&platform, 1, "data_create", &json!({"data": values})).await["data"].take();
    assert_eq!((&record[user], &record[dept]), (&first[user], &first[dept]));
}

#[tokio::test]
async fn rows_have_ids_from_version_3_on_and_in_reads_from_version_2() {
    let platform = orders().await;
    let rows = json!({ITEMS: {"value": [{SKU: {"value": "a"}}]}});
    for (version, expected) in [(1, false), (2, false), (3, true), (4, true)] {
        let record = old(&platform, version, "data_create", &json!({"data": rows})).await;
        let row = &record["data"][ITEMS][0];
        assert_eq!(row.get("_id").is_some(), expected, "version {version}");
    }
    let id = platform.records(APP, ENTRY)[0]["_id"].clone();
    for (version, expected) in [(1, false), (2, true), (4, true)] {
        let got = old(&platform, version, "data_retrieve", &json!({"data_id": id})).await;
        let row = &got["data"][ITEMS][0];
        assert_eq!(row.get("_id").is_some(), expected, "version {version}");
    }
}

#[tokio::test]
async fn the_creator_can_be_chosen_in_version_5_only() {
    let platform = orders().await;
    let body = json!({"data": {}, "data_creator": "Yonne"});
    let record = old(&platform, 4, "data_create", &body).await;
    assert_eq!(record["data"]["creator"]["username"], "#admin");
}

#[tokio::test]
async fn version_1_tells_the_fields_and_version_2_more() {
    let platform = orders().await;
    let first = old(&platform, 1, "widgets", &json!({})).await;
    assert_eq!(first.as_object().unwrap().len(), 1);
    let second = old(&platform, 2, "widgets", &json!({})).await;
    assert_eq!(second["widgets"], first["widgets"]);
    assert!(second["sysWidgets"].is_array() && second["dataModifyTime"].is_string());
}
