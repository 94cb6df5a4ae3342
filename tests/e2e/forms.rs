//! Forms as the platform describes them: learned from what passes and from what is asked, and told of
//! when they change.

use super::support::gateway::{Gateway, STORE_AUTH_ENV};
use super::support::platform::{Field, Form, Kind};
use super::support::receiver::{Received, Receiver};
use super::support::store::{Fsync, RedisServer, Webdis};
use super::support::wait;
use super::*;
use std::collections::HashSet;

const WIDGETS: &str = "/api/v5/app/entry/widget/list";
const OLD_WIDGETS: &str =
    "/api/v1/app/59264073a2a60c0c08e20bfb/entry/59264073a2a60c0c08e20bfd/widgets";
const FORMS: &str = "/api/v5/app/entry/list";

/// One webhook for changes of forms. Of the form only the customer's alias is configured.
fn listening(url: &str) -> Value {
    let mut config = plugin(url);
    config["webhooks"][0]["events"] = json!(["form_update"]);
    config["forms"][0].as_object_mut().unwrap().remove("name");
    config["forms"][0]["fields"] = json!([{"id": CUSTOMER, "alias": "customer"}]);
    config
}

/// The same, with a gateway that asks the platform by itself.
fn asking(url: &str) -> Value {
    let mut config = listening(url);
    config["platform_api"] = platform_api();
    config["platform_api"]["every"] = json!("1s");
    config
}

async fn ask(gateway: &Gateway, platform: &Platform, path: &str) {
    let body = json!({"app_id": APP, "entry_id": ORDERS});
    let answer = gateway.call(path, platform.api_key(), &body).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
}

/// The form with another label.
fn relabelled(label: &str) -> Form {
    let mut form = Form::orders();
    form.fields[0].label = label.to_owned();
    form
}

fn labels(push: &Received) -> (Value, Value) {
    let push = push.json();
    (push["op"].clone(), push["data"]["widgets"][0]["label"].clone())
}

/// A form as the admin API has it.
async fn learned(gateway: &Gateway) -> Value {
    let path = format!("/forms/{APP}/{ORDERS}");
    let answer = gateway.admin(reqwest::Method::GET, &path).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_form_that_changes_is_told_once_and_its_first_sight_is_not() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let config = listening(&receiver.url("/"));
    let gateway = Setup::new(platform.address(), &config).workers(2).start().await;
    ask(&gateway, &platform, FORMS).await;
    for _ in 0..3 {
        ask(&gateway, &platform, WIDGETS).await;
    }
    let items = vec![
        Field::new(SKU, "SKU", Kind::Text).with_alias("sku"),
        Field::new("_widget_1528854615500", "Colour", Kind::Combo),
    ];
    let mut form = Form::orders();
    form.fields[0].label = "Buyer".into();
    form.fields[2].kind = Kind::Subform(items);
    form.fields.truncate(3);
    platform.set_form(form);
    for _ in 0..3 {
        ask(&gateway, &platform, WIDGETS).await;
        // An older version of the API describes the same form.
        ask(&gateway, &platform, OLD_WIDGETS).await;
    }
    let push = receiver.wait_for(1).await.remove(0);
    let body = push.json();
    let time = body["opTime"].as_u64().unwrap();
    let data = json!({
        "appId": APP, "entryId": ORDERS, "name": "Orders", "createTime": null,
        "widgets": [
            {"name": "customer", "widgetName": CUSTOMER, "label": "Buyer", "type": "text"},
            {"name": AMOUNT, "widgetName": AMOUNT, "label": "Amount", "type": "number"},
            {"name": ITEMS, "widgetName": ITEMS, "label": "Items", "type": "subform", "items": [
                {"name": "sku", "widgetName": SKU, "label": "SKU", "type": "text"},
                {"name": "_widget_1528854615500", "widgetName": "_widget_1528854615500",
                 "label": "Colour", "type": "combo"},
            ]},
        ],
    });
    assert_eq!(String::from_utf8_lossy(&push.body), pushed("form_update", time, &data));
    // The next change is told after it, so nothing came in between.
    platform.set_form(relabelled("Client"));
    ask(&gateway, &platform, WIDGETS).await;
    let pushes = receiver.wait_for(2).await;
    assert_eq!(labels(&pushes[1]), (json!("form_update"), json!("Client")));
    gateway.wait_for_metric(&events("form_update"), 2.0).await;
    assert_eq!(receiver.received().len(), 2);
    gateway.assert_vm_alive();
}

#[tokio::test]
async fn a_gateway_that_asks_learns_forms_by_itself_and_backs_off() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let config = asking(&receiver.url("/"));
    let setup = Setup::new(platform.address(), &config).with_platform_key().workers(2);
    let gateway = setup.start().await;
    let form = wait::until("the form's name and fields", async || {
        let form = learned(&gateway).await;
        (form["name"] == "Orders" && form["fields"].as_array()?.len() > 5).then_some(form)
    })
    .await;
    let shown = |field: &Value| {
        (
            field["alias"].clone(),
            field["label"].clone(),
            field["type"].clone(),
            field["source"].clone(),
        )
    };
    assert_eq!(
        shown(&form["fields"][0]),
        (json!("customer"), json!("Customer"), json!("text"), json!("config"))
    );
    let items = &form["fields"][2];
    assert_eq!(shown(items), (Value::Null, json!("Items"), json!("subform"), json!("learned")));
    assert_eq!(items["items"][0]["label"], "SKU");
    let path = format!("/forms/{APP}/{ORDERS}/comparison?format=csv");
    let table = gateway.admin(reqwest::Method::GET, &path).send().await.unwrap();
    let table = table.text().await.unwrap();
    assert!(
        table.contains(&format!("\"{ITEMS}.{SKU}\",\"\",\"SKU\",\"text\",\"string\"")),
        "{table}"
    );
    let path = format!("/forms/{APP}/{ORDERS}/example?op=form_update");
    let example = gateway.admin(reqwest::Method::GET, &path).send().await.unwrap();
    let example: Value = example.json().await.unwrap();
    assert_eq!(example["data"]["widgets"][0]["name"], "customer");

    platform.limit_rate(true);
    let failed = r#"formhook_schema_polls_total{result="failure"}"#;
    wait::until("a call that is refused", async || {
        (gateway.metric(failed).await >= 1.0).then_some(())
    })
    .await;
    gateway.wait_for_log(&["the platform does not tell", "8303", "trying again in"]).await;
    platform.set_form(relabelled("Buyer"));
    platform.limit_rate(false);
    let push = receiver.wait_for(1).await.remove(0);
    assert_eq!(labels(&push), (json!("form_update"), json!("Buyer")));
    gateway.wait_for_log(&["the platform's API answers again"]).await;
    // Every question has the key, and none is asked by both workers.
    let calls = platform.calls();
    let asked = calls.iter().filter(|call| call.path == WIDGETS).count();
    let polls = gateway.metric(r#"formhook_schema_polls_total{result="success"}"#).await;
    assert!(asked as f64 <= polls + gateway.metric(failed).await + 1.0, "{asked} of {polls}");
    gateway.assert_vm_alive();
}

/// A form that is as large as any, and a field more in it.
#[tokio::test]
async fn a_form_of_two_thousand_fields_is_learned_by_a_gateway_and_by_redis() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let receiver = Receiver::start().await;
    let memory = asking(&receiver.url("/"));
    let mut shared = memory.clone();
    shared["store"] = json!({"redis": {"cluster": "webdis", "auth_env": STORE_AUTH_ENV}});
    for (round, config) in [memory, shared].iter().enumerate() {
        let mut form = Form::orders();
        for n in 0..2_000 {
            let id = format!("_widget_16523450{n:05}");
            form =
                form.with(Field::new(&id, "A label of some length, as people write", Kind::Text));
        }
        let platform = Platform::start(vec![form.clone()]).await;
        let setup = Setup::new(platform.address(), config).with_webdis(webdis.port());
        let gateway = setup.with_platform_key().start().await;
        wait::until("all fields to be known", async || {
            (learned(&gateway).await["fields"].as_array()?.len() > 2_000).then_some(())
        })
        .await;
        platform.set_form(form.with(Field::new("_widget_1700000000000", "New", Kind::Number)));
        let push = receiver.wait_for(round + 1).await.remove(round).json();
        let widgets = push["data"]["widgets"].as_array().unwrap();
        assert_eq!(widgets.last().unwrap()["label"], "New");
        assert!(widgets.len() > 2_000);
        gateway.assert_vm_alive();
    }
}

#[tokio::test]
async fn a_form_of_which_only_data_passes_is_asked_for() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = asking(&receiver.url("/"));
    config.as_object_mut().unwrap().remove("forms");
    let setup = Setup::new(platform.address(), &config).with_platform_key().workers(2);
    let gateway = setup.start().await;
    gateway.call(CREATE, platform.api_key(), &order("Ada")).await;
    let push = receiver.wait_for(1).await.remove(0).json();
    assert_eq!((&push["data"]["formName"], &push["data"][CUSTOMER]), (&Value::Null, &json!("Ada")));
    wait::until("the form to be known", async || {
        (learned(&gateway).await["fields"].as_array()?.len() > 5).then_some(())
    })
    .await;
    gateway.call(CREATE, platform.api_key(), &order("Bob")).await;
    assert_eq!(receiver.wait_for(2).await[1].json()["data"]["formName"], "Orders");
}

#[tokio::test]
async fn a_key_of_the_platform_that_is_not_set_is_told_and_not_shown() {
    let platform = orders_platform().await;
    let config = asking("http://unused.invalid/");
    let log = Setup::new(platform.address(), &config).refused().await;
    assert!(
        log.contains(
            "platform_api.key_env: \"JODOO_API_KEY\": this environment variable is not set"
        )
    );
}

#[tokio::test]
async fn gateways_that_share_redis_tell_each_change_once_also_after_a_restart() {
    let redis = RedisServer::start(Fsync::EverySecond).await;
    let webdis = Webdis::start(&redis).await;
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let mut config = asking(&receiver.url("/"));
    config["store"] = json!({"redis": {"cluster": "webdis", "auth_env": STORE_AUTH_ENV}});
    let start = async || {
        let setup = Setup::new(platform.address(), &config).with_webdis(webdis.port());
        setup.with_platform_key().start().await
    };
    let (first, second) = (start().await, start().await);
    for gateway in [&first, &second] {
        wait::until("both gateways to know the form", async || {
            (learned(gateway).await["fields"].as_array()?.len() > 5).then_some(())
        })
        .await;
    }
    // One of them asks for both.
    let polls = async |gateway: &Gateway| {
        gateway.metric(r#"formhook_schema_polls_total{result="success"}"#).await
    };
    assert!(polls(&first).await == 0.0 || polls(&second).await == 0.0);
    platform.set_form(relabelled("Buyer"));
    ask(&first, &platform, WIDGETS).await;
    ask(&second, &platform, WIDGETS).await;
    let push = receiver.wait_for(1).await.remove(0);
    assert_eq!(labels(&push), (json!("form_update"), json!("Buyer")));
    drop((first, second));
    // What was seen before the restart is what is compared with.
    platform.set_form(relabelled("Client"));
    let third = start().await;
    wait::until("the push of the change", async || {
        receiver.received().iter().any(|push| labels(push).1 == "Client").then_some(())
    })
    .await;
    ask(&third, &platform, WIDGETS).await;
    third.wait_for_metric(&events("form_update"), 1.0).await;
    // One that was delivered and not yet told of may come again, with its id.
    let pushes = receiver.received();
    let ids: HashSet<_> = pushes.iter().map(|push| push.header("webhook-id")).collect();
    assert_eq!(ids.len(), 2, "{:?}", pushes.iter().map(labels).collect::<Vec<_>>());
}
