//! Forms and their aliases.

use super::*;

fn form_path(entry_id: &str) -> String {
    format!("/forms/{APP}/{entry_id}")
}

#[tokio::test]
async fn the_next_push_has_the_alias_that_was_set() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let mut config = plugin(&crm.url("/"));
    config["forms"] = json!([]);
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    assert_eq!(get(&gateway, "/forms").await, json!({"items": []}));
    answered(gateway.admin(Method::GET, &form_path(ORDERS)), 404).await;
    let body = json!({"name": "Orders <b>", "fields": [
        {"id": CUSTOMER, "alias": "customer", "type": "text", "label": "<img src=x>", "items": null},
        {"id": ITEMS, "alias": null, "type": "subform", "items": [
            {"id": SKU, "alias": "sku", "type": "text"},
        ]},
    ]});
    let request = gateway.admin(Method::PUT, &form_path(ORDERS)).json(&body);
    let answer = answered(request, 200).await;
    assert_eq!(answer["form"]["fields"][0]["source"], "api");
    assert!(answer["keep"]["yaml"].as_str().unwrap().starts_with("forms:\n  - app_id: "));
    create(&gateway, &platform, "Ada").await;
    let push = crm.wait_for(1).await[0].json();
    assert_eq!(push["data"]["customer"], "Ada");
    assert_eq!(push["data"]["formName"], "Orders <b>");
    assert_eq!(get(&gateway, "/forms").await["items"][0]["aliases"], 2);
    delete(&gateway, &form_path(ORDERS)).await;
    answered(gateway.admin(Method::DELETE, &form_path(ORDERS)), 404).await;
    create(&gateway, &platform, "Bob").await;
    let push = crm.wait_for(2).await[1].json();
    assert_eq!(push["data"][CUSTOMER], "Bob");
}

#[tokio::test]
async fn what_the_configuration_says_of_a_form_stands() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    let body = json!({"name": "Other", "fields": [
        {"id": CUSTOMER, "alias": "client"},
        {"id": ITEMS, "items": [{"id": SKU, "alias": "number"}], "type": "subform"},
    ]});
    let request = || gateway.admin(Method::PUT, &form_path(ORDERS));
    let problem = answered(request().json(&body), 422).await;
    let (fields, detail) = faults(&problem);
    assert_eq!(fields, ["name", "fields[0].alias", "fields[1].items[0].alias"]);
    assert!(detail.contains("configuration gives the name \"Orders\""), "{detail}");
    // What it says may be repeated, and completed.
    let body = json!({"fields": [
        {"id": CUSTOMER, "alias": "customer", "label": "Customer"},
        {"id": AMOUNT, "alias": "amount", "type": "number"},
    ]});
    let answer = answered(request().json(&body), 200).await;
    assert_eq!(answer["form"]["source"], "both");
    create(&gateway, &platform, "Ada").await;
    let push = crm.wait_for(1).await[0].json();
    assert_eq!(push["data"]["customer"], "Ada");
    assert!(push["data"].as_object().unwrap().contains_key("amount"), "{push}");
    let clash = json!({"fields": [{"id": AMOUNT, "alias": "customer"}]});
    let problem = answered(request().json(&clash), 422).await;
    assert!(faults(&problem).1.contains("the alias \"customer\" is given to two fields"));
}

#[tokio::test]
async fn aliases_with_faults_are_refused_and_each_is_named() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let gateway = gateway(&platform, &crm.url("/")).start().await;
    for (fields, field, expected) in [
        (json!([{"id": "_widget_1", "alias": "Customer"}]), "fields[0].alias", "lowercase"),
        (json!([{"id": "_widget_1", "alias": ""}]), "fields[0].alias", "lowercase"),
        (json!([{"id": "_widget_1", "alias": "creator"}]), "fields[0].alias", "system field"),
        (json!([{"id": "", "alias": "a"}]), "fields[0].id", "must not be empty"),
        (json!([{"alias": "a"}]), "fields[0].id", "is required"),
        (json!([{"id": "a", "type": "colour"}]), "fields[0].type", "must be one of"),
        (json!([{"id": "a", "items": []}]), "fields[0].items", "only a field of type subform"),
        (json!([{"id": "a", "size": 1}]), "fields[0].size", "unknown key"),
        (json!([{"id": "a"}, {"id": "a"}]), "fields", "appears twice"),
        (json!([{"id": "a", "alias": "x"}, {"id": "b", "alias": "x"}]), "fields", "two fields"),
        (json!({}), "fields", "must be a list"),
        (json!(null), "fields", "must be a list"),
    ] {
        let body = json!({"fields": fields});
        let request = gateway.admin(Method::PUT, &form_path("new")).json(&body);
        let problem = answered(request, 422).await;
        let (fields, detail) = faults(&problem);
        assert_eq!(fields[0], field, "{problem}");
        assert!(detail.contains(expected), "{problem}");
    }
    answered(gateway.admin(Method::GET, &form_path("new")), 404).await;
}

#[tokio::test]
async fn receivers_are_written_by_the_comparison_table_and_the_example() {
    let platform = orders_platform().await;
    let crm = Receiver::start().await;
    let mut config = plugin(&crm.url("/"));
    config["forms"][0]["fields"][0]["label"] = json!("=cmd|<b>\"x\"");
    let gateway = Setup::new(platform.address(), &config).start().await;
    let path = |rest: &str| format!("{}{rest}", form_path(ORDERS));
    let table = get(&gateway, &path("/comparison")).await;
    let rows = table["items"].as_array().unwrap();
    assert_eq!(rows[0]["alias"], "customer");
    assert_eq!(rows[2]["id"], format!("{ITEMS}.{SKU}"));
    assert!(rows.iter().any(|row| row["id"] == "flowState" && row["type"] == "system"));
    let text = async |format: &str| {
        let path = path(&format!("/comparison?format={format}"));
        let answer = gateway.admin(Method::GET, &path).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with(&format!("text/{format}")), "{kind}");
        let saved = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(saved.starts_with("attachment; filename=\"fields."), "{saved}");
        String::from_utf8(answer.bytes().await.unwrap().into()).unwrap()
    };
    let csv = text("csv").await;
    assert!(csv.starts_with("\u{feff}id,alias,label,"), "{csv}");
    assert!(csv.contains("\"'=cmd|<b>\"\"x\"\"\""), "{csv}");
    let markdown = text("markdown").await;
    assert!(markdown.contains("\\=cmd&#124;\\<b\\>\"x\""), "{markdown}");
    for op in ["data_create", "data_update", "data_remove", "data_recover"] {
        let example = get(&gateway, &path(&format!("/example?op={op}"))).await;
        assert_eq!(example["op"], op);
        let data = example["data"].as_object().unwrap();
        assert_eq!(data.contains_key("customer"), op != "data_remove");
        assert_eq!(data["formName"], "Orders");
        if op != "data_remove" {
            assert_eq!(data["items"][0]["sku"], "Ada");
        }
    }
}
