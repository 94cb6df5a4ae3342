//! Values of every type.

use super::platform::{Field, Kind};
use super::*;

const F: &str = "_widget_1700000000001";

/// Orders with one field of this type more.
async fn platform_with(kind: Kind) -> Platform {
    Platform::start(vec![Form::orders().with(Field::new(F, "Field", kind))]).await
}

#[tokio::test]
async fn each_type_shows_its_values_as_documented() {
    let member = |name: &str, username: &str, departments: Value| {
        json!({
            "name": name, "username": username, "status": 1, "type": 0,
            "departments": departments, "integrate_id": username,
        })
    };
    let department = |name: &str, number: u32, parent: Value| {
        json!({
            "name": name, "dept_no": number, "type": 0, "parent_no": parent, "status": 1,
            "integrate_id": number,
        })
    };
    let address = json!({"province": "江苏省", "city": "无锡市", "district": "", "detail": "138"});
    let mut location = address.clone();
    location["lnglatXY"] = json!([120.31237, 31.49099]);
    for (kind, given, shown) in [
        (Kind::Text, json!("a"), json!("a")),
        (Kind::Textarea, json!("a\nb"), json!("a\nb")),
        (Kind::Radiogroup, json!("x"), json!("x")),
        (Kind::Lookup, json!("67221b4fac0a62ac8f43a1c3"), json!("67221b4fac0a62ac8f43a1c3")),
        (Kind::Number, json!(1.0), json!(1)),
        (Kind::Number, json!(-0.25), json!(-0.25)),
        (Kind::Combocheck, json!(["x", "y"]), json!(["x", "y"])),
        (Kind::Datetime, json!("2018-01-01T10:10:10.000Z"), json!("2018-01-01T10:10:10.000Z")),
        (Kind::Datetime, json!(1_639_106_951_523_u64), json!("2021-12-10T03:29:11.523Z")),
        (Kind::Datetime, json!("2021-10-10 10:10:10"), json!("2021-10-10T10:10:10.000Z")),
        (Kind::Datetime, json!("2021-10-10"), json!("2021-10-10T00:00:00.000Z")),
        (
            Kind::Address,
            json!({"province": "江苏省", "city": "无锡市", "detail": "138", "more": 1}),
            address,
        ),
        (Kind::Address, json!({}), json!({})),
        (Kind::Location, location.clone(), location),
        (Kind::Phone, json!({"phone": "158"}), json!({"phone": "158", "verified": false})),
        (Kind::User, json!("jian"), member("Jian", "jian", json!([3]))),
        (
            Kind::Usergroup,
            json!(["dao", "Martin"]),
            json!([member("Dao", "dao", json!([3])), member("Martin", "Martin", json!([12, 13]))]),
        ),
        (Kind::Dept, json!(1), department("Company", 1, json!(null))),
        (Kind::Deptgroup, json!([12]), json!([department("Sales", 12, json!(1))])),
        (Kind::Richtext, json!("<p>a</p>"), json!({"html": "<p>a</p>", "attachments": []})),
    ] {
        let platform = platform_with(kind.clone()).await;
        let record = create(&platform, json!({F: {"value": given}})).await;
        assert_eq!(record[F], shown, "{kind:?}");
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_refused() {
    for (kind, given) in [
        (Kind::Text, json!(1)),
        (Kind::Combo, json!(["x"])),
        (Kind::Number, json!("1")),
        (Kind::Datetime, json!("tomorrow")),
        (Kind::Checkboxgroup, json!("x")),
        (Kind::Checkboxgroup, json!([1])),
        (Kind::Address, json!("Main Street")),
        (Kind::Location, json!({"lnglatXY": [1]})),
        (Kind::Image, json!("key")),
        (Kind::User, json!(["jian"])),
        (Kind::Usergroup, json!("jian")),
        (Kind::Dept, json!("12")),
        (Kind::Phone, json!("158")),
        (Kind::Richtext, json!({})),
        (Kind::Subform(Vec::new()), json!({})),
    ] {
        let platform = platform_with(kind.clone()).await;
        let body = json!({"data": {F: {"value": given}}});
        assert_eq!(data_refused(&platform, "create", body).await, 17032, "{kind:?} {given}");
    }
    let platform = orders().await;
    for row in [json!({QUANTITY: {"value": "1"}}), json!(7)] {
        let body = json!({"data": {ITEMS: {"value": [row]}}});
        assert_eq!(data_refused(&platform, "create", body).await, 17034);
    }
}

#[tokio::test]
async fn people_that_do_not_exist_are_refused() {
    let platform = orders().await;
    for (field, value, code) in [
        ("_widget_1432728651414", json!("nobody"), 1010),
        ("_widget_1432728651416", json!(99), 6002),
    ] {
        let body = json!({"data": {field: {"value": value}}});
        assert_eq!(data_refused(&platform, "create", body).await, code);
    }
}

#[tokio::test]
async fn what_the_api_cannot_write_is_passed_over() {
    for (kind, empty) in [
        (Kind::Signature, json!({})),
        (Kind::Linkdata, json!({})),
        (Kind::Aggregation, json!(null)),
    ] {
        let platform = platform_with(kind).await;
        let values = json!({
            F: {"value": {"name": "x"}}, "_id": {"value": "x"}, "creator": {"value": "Yonne"},
            "_widget_1432728651420": {"value": "a divider"}, "unknown": {"value": 1},
        });
        let record = create(&platform, values).await;
        assert_eq!(record[F], empty);
        assert_eq!(record["creator"]["username"], "#admin");
        assert!(record.get("_widget_1432728651420").is_none() && record.get("unknown").is_none());
        // A person can.
        let id = record["_id"].as_str().unwrap();
        platform.set_value((APP, ENTRY), id, F, json!({"name": "image.png"}));
        assert_eq!(platform.records(APP, ENTRY)[0][F], json!({"name": "image.png"}));
    }
}

#[tokio::test]
async fn the_platform_numbers_the_records_itself() {
    let platform = platform_with(Kind::Sn).await;
    for number in ["00001", "00002"] {
        let record = create(&platform, json!({F: {"value": "mine"}})).await;
        assert_eq!(record[F], number);
        let body = json!({"data_id": record["_id"], "data": {F: {"value": "mine"}}});
        assert_eq!(data(&platform, "update", body).await["data"][F], number);
    }
}

#[tokio::test]
async fn files_are_bound_by_the_transaction_that_uploaded_them() {
    let platform = platform_with(Kind::Richtext).await;
    let key = "6b559cf1-b16c-43bd-a211-8fa8fdeae2ef";
    let html = format!("<p><img data-key=\"{key}\" width=\"100\" /></p>");
    let values = json!({
        "_widget_1432728651409": {"value": [key]}, F: {"value": html},
    });
    let create = |transaction: &str| json!({"data": values, "transaction_id": transaction});
    assert_eq!(data_refused(&platform, "create", json!({"data": values})).await, 17025);
    assert_eq!(data_refused(&platform, "create", create("t-1")).await, 17025);
    let tokens = with_ids(json!({"transaction_id": "t-1"}));
    let tokens = done(&platform, "/v5/app/entry/file/get_upload_token", &tokens).await;
    let list = tokens["token_and_url_list"].as_array().unwrap();
    assert_eq!(list.len(), 100);
    assert!(list.iter().all(|one| one["url"].is_string() && one["token"].is_string()));

    let record = data(&platform, "create", create("t-1")).await["data"].take();
    let image = &record["_widget_1432728651409"][0];
    let url = image["url"].as_str().unwrap();
    assert_eq!(
        image,
        &json!({"name": "image.jpg", "size": 262144, "mime": "image/jpeg", "url": url})
    );
    assert!(url.contains(key) && url.contains('&'), "{url}");
    let rich = &record[F];
    let url = rich["attachments"][0]["url"].as_str().unwrap();
    assert_eq!(rich["html"], format!("<p><img src=\"{url}\" width=\"100\" /></p>"));
}

#[tokio::test]
async fn a_transaction_id_is_a_text() {
    let platform = orders().await;
    for id in [json!(7), json!("")] {
        let body = json!({"data": {}, "transaction_id": id});
        assert_eq!(data_refused(&platform, "create", body).await, 17025);
        let body = with_ids(json!({"transaction_id": id}));
        let path = "/v5/app/entry/file/get_upload_token";
        assert_eq!(refused(&platform, path, &body).await, 17025);
    }
    let path = "/v5/app/entry/file/get_upload_token";
    assert_eq!(refused(&platform, path, &with_ids(json!({}))).await, 17017);
}

#[tokio::test]
async fn an_alias_takes_the_place_of_the_field_id() {
    let sub = Field::new(SKU, "SKU", Kind::Text).with_alias("items_sku");
    let form = Form::new(APP, ENTRY, "Orders")
        .with(Field::new(CUSTOMER, "Customer", Kind::Text).with_alias("customer"))
        .with(Field::new(ITEMS, "Items", Kind::Subform(vec![sub])).with_alias("items"));
    let platform = Platform::start(vec![form]).await;
    let values = json!({
        "customer": {"value": "Ada"}, "items": {"value": [{"items_sku": {"value": "a"}}]},
    });
    let record = create(&platform, values).await;
    assert_eq!(record["customer"], "Ada");
    assert_eq!(record["items"][0]["items_sku"], "a");
    assert!(record.get(CUSTOMER).is_none() && record["items"][0].get(SKU).is_none());
    let answer = done(&platform, "/v5/app/entry/widget/list", &with_ids(json!({}))).await;
    assert_eq!(
        answer["widgets"],
        json!([
            {"name": "customer", "widgetName": CUSTOMER, "label": "Customer", "type": "text"},
            {"name": "items", "widgetName": ITEMS, "label": "Items", "type": "subform", "items": [
                {"name": "items_sku", "widgetName": SKU, "label": "SKU", "type": "text"},
            ]},
        ])
    );
    let filter =
        json!({"rel": "and", "cond": [{"field": "customer", "method": "eq", "value": ["Ada"]}]});
    let body = json!({"fields": ["customer"], "filter": filter});
    let list = data(&platform, "list", body).await;
    assert_eq!(list["data"][0]["customer"], "Ada");
}

#[test]
fn an_alias_that_the_platform_would_not_take_cannot_be_set() {
    for alias in ["", "Customer", "_customer", "1st", "kunden-nr", "客户"] {
        let field = Field::new(CUSTOMER, "Customer", Kind::Text);
        assert!(std::panic::catch_unwind(|| field.with_alias(alias)).is_err(), "{alias}");
    }
}
