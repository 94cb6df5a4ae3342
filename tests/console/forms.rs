//! Aliases, the field comparison table and the JSON examples.

use super::browser::Heard;
use super::orders::{AMOUNT, APP, CREATE, CUSTOMER, ORDERS};
use super::*;
use thirtyfour::{By, WebElement};

async fn console(receiver: &Receiver) -> Console {
    let console = Console::with(&[impatient("crm", &receiver.url("/"))]).await;
    console.page.click("link", "Forms").await;
    console.page.click("link", "Orders").await;
    console.page.find("heading", "Fields and aliases").await;
    console
}

#[tokio::test]
async fn an_alias_that_is_set_is_in_the_next_push() {
    let receiver = Receiver::start().await;
    let console = console(&receiver).await;
    let page = &console.page;
    console.create_order("a").await;
    assert_eq!(receiver.wait_for(1).await[0].json()["data"][AMOUNT], 12.5);

    // The customer's comes first; the configuration has it, and it cannot be changed here.
    let heard = page.heard().await.unwrap();
    let aliases = heard.iter().filter(|heard| heard.role == "textbox" && heard.name == "Alias");
    let aliases = aliases.collect::<Vec<_>>();
    let [customer, amount] = aliases[..] else { panic!("{} fields for an alias", aliases.len()) };
    assert_eq!(customer.element.value().await.unwrap().as_deref(), Some("customer"));
    assert!(customer.element.attr("readonly").await.unwrap().is_some());
    amount.element.send_keys("Total").await.unwrap();
    page.click("button", "Save").await;
    page.see("Lower-case letters, digits and _ only, and a letter first.").await;
    amount.element.clear().await.unwrap();
    amount.element.send_keys("total").await.unwrap();
    page.click("button", "Save").await;
    page.see("The form is saved.").await;
    // How to keep it for good.
    let kept = console.shown_yaml().await;
    assert_eq!(kept["forms"][0]["fields"][0]["id"], AMOUNT);
    assert_eq!(kept["forms"][0]["fields"][0]["alias"], "total");

    let has_alias = |push: &Received| push.json()["data"].get("total").is_some();
    let push = console.push("a push with the alias", &receiver, has_alias).await;
    let data = &push.json()["data"];
    assert_eq!(data["total"], 12.5);
    assert_eq!(data.get(AMOUNT), None);
    page.assert_quiet(&[]).await;
}

/// The last on the page that has this role and name.
async fn last(page: &Browser, role: &str, name: &str) -> WebElement {
    let heard = page.heard().await.unwrap().into_iter();
    let found = heard.filter(|heard| heard.role == role && heard.name == name).last();
    found.unwrap_or_else(|| panic!("no {role} {name:?}")).element
}

#[tokio::test]
async fn a_field_that_is_no_sub_form_any_more_is_saved_without_what_was_begun_in_it() {
    let receiver = Receiver::start().await;
    let console = console(&receiver).await;
    let page = &console.page;
    page.click("button", "Add a field").await;
    last(page, "textbox", "Field id").await.send_keys("_widget_9").await.unwrap();
    let of_type = async |name: &str| {
        let list = last(page, "combobox", "Type").await;
        let option = list.find(By::Css(format!("option[value={name}]"))).await.unwrap();
        option.click().await.unwrap();
    };
    of_type("subform").await;
    page.click("button", "Add a field of the sub-form").await;
    let rows = async || {
        let heard = page.heard().await.unwrap();
        heard.iter().filter(|heard| heard.name == "Field id").count()
    };
    let with_the_row = rows().await;
    // Its own type is behind that of the field.
    let heard = page.heard().await.unwrap();
    let types = heard.into_iter().filter(|heard| heard.role == "combobox" && heard.name == "Type");
    let types: Vec<_> = types.collect();
    let list = &types[types.len() - 2].element;
    list.find(By::Css("option[value=text]")).await.unwrap().click().await.unwrap();
    assert_eq!(rows().await, with_the_row - 1);
    page.click("button", "Save").await;
    page.see("The form is saved.").await;
    let kept = console.shown_yaml().await;
    assert_eq!(kept["forms"][0]["fields"], json!([{"id": "_widget_9", "type": "text"}]));
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn what_the_gateway_finds_wrong_is_said_at_the_field_that_was_sent() {
    let receiver = Receiver::start().await;
    let console = console(&receiver).await;
    let page = &console.page;
    // The customer's is not sent, as the configuration has it.
    let heard = page.heard().await.unwrap();
    let aliases = heard.iter().filter(|heard| heard.role == "textbox" && heard.name == "Alias");
    let aliases = aliases.collect::<Vec<_>>();
    let [customer, amount] = aliases[..] else { panic!("{} fields for an alias", aliases.len()) };
    amount.element.send_keys("creator").await.unwrap();
    page.click("button", "Save").await;
    page.see("system field").await;
    let is_invalid = async |heard: &Heard| heard.element.attr("aria-invalid").await.unwrap();
    assert_eq!(is_invalid(amount).await.as_deref(), Some("true"));
    assert_eq!(is_invalid(customer).await, None);
    page.assert_quiet(&[422]).await;
}

#[tokio::test]
async fn aliases_in_the_api_are_switched_on_here() {
    let receiver = Receiver::start().await;
    let console = console(&receiver).await;
    let page = &console.page;
    page.click("checkbox", "Aliases in the API").await;
    page.click("button", "Save").await;
    page.see("The form is saved.").await;
    assert_eq!(console.shown_yaml().await["forms"][0]["aliases_in_api"], true);
    let key = console.platform.api_key();
    let data = json!({"customer": {"value": "Ada"}});
    let order = json!({"app_id": APP, "entry_id": ORDERS, "data": data});
    wait::until("an answer in aliases", async || {
        let answer = console.gateway.call(CREATE, key, &order).await;
        let answer: Value = answer.json().await.unwrap();
        (answer["data"]["customer"] == "Ada").then_some(())
    })
    .await;
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn the_comparison_table_and_the_json_example_are_read_and_downloaded() {
    let receiver = Receiver::start().await;
    let console = console(&receiver).await;
    let page = &console.page;
    page.find("table", "Field comparison table").await;
    for cell in [CUSTOMER, "customer", "Customer", "text", "string", "_id", "formName"] {
        page.find("cell", cell).await;
    }
    let name = format!("{APP}-{ORDERS}");
    page.click("button", "Download JSON").await;
    let table: Value =
        serde_json::from_str(&page.downloaded(&format!("{name}.json")).await).unwrap();
    let customer = table["items"].as_array().unwrap().iter().find(|row| row["id"] == CUSTOMER);
    assert_eq!(customer.unwrap()["alias"], "customer");
    for (button, file) in [("Download CSV", "csv"), ("Download Markdown", "md")] {
        page.click("button", button).await;
        let table = page.downloaded(&format!("{name}.{file}")).await;
        // By it Excel knows that this is UTF-8.
        assert_eq!(table.starts_with('\u{feff}'), file == "csv");
        let row = table.lines().find(|line| line.contains(CUSTOMER)).unwrap();
        assert!(row.contains("customer") && row.contains("Customer"), "{row}");
    }

    page.see("\"op\": \"data_create\"").await;
    page.choose("Event", "Deleted").await;
    page.see("\"op\": \"data_remove\"").await;
    page.click("button", "Copy JSON").await;
    page.see("Copied").await;
    page.click("button", "Download JSON example").await;
    let example = page.downloaded(&format!("{name}-data_remove.json")).await;
    let example: Value = serde_json::from_str(&example).unwrap();
    assert_eq!(example["data"]["entryId"], ORDERS);
    page.assert_quiet(&[]).await;
}

#[tokio::test]
async fn a_form_that_the_platform_describes_gets_an_alias_and_goes_on_being_the_platforms() {
    let receiver = Receiver::start().await;
    let mut plugin = super::orders::plugin(&[json!({
        "id": "crm", "url": receiver.url("/"), "events": ["form_update"],
    })]);
    plugin["forms"] = json!([]);
    let console = Console::of(plugin, |setup| setup).await;
    let list = async || {
        let (key, body) = (console.platform.api_key(), json!({"app_id": APP, "entry_id": ORDERS}));
        for path in ["/api/v5/app/entry/list", "/api/v5/app/entry/widget/list"] {
            assert_eq!(console.gateway.call(path, key, &body).await.status(), 200);
        }
    };
    list().await;
    let page = &console.page;
    wait::until("the form to be listed", async || {
        console.visit("forms").await;
        page.heard().await.ok()?.iter().any(|heard| heard.name == "Orders").then_some(())
    })
    .await;
    page.see("From the platform").await;
    page.click("link", "Orders").await;
    page.find("heading", "Fields and aliases").await;
    page.screenshot("learned-form").await;
    let heard = page.heard().await.unwrap();
    let alias = heard.iter().find(|heard| heard.role == "textbox" && heard.name == "Alias");
    alias.unwrap().element.send_keys("customer").await.unwrap();
    page.click("button", "Save").await;
    page.see("The form is saved.").await;
    // What the platform says of it is not set here, where it would stay.
    let kept = console.shown_yaml().await;
    assert_eq!(kept["forms"][0]["fields"], json!([{"id": CUSTOMER, "alias": "customer"}]));
    assert_eq!(kept["forms"][0].get("name"), None);
    // Nor when more is set.
    let amount = wait::until("the form as it was saved", async || {
        let heard = page.heard().await.ok()?.into_iter();
        let aliases = heard.filter(|heard| heard.role == "textbox" && heard.name == "Alias");
        let aliases: Vec<_> = aliases.map(|heard| heard.element).collect();
        let is_saved = aliases.first()?.value().await.ok()?.as_deref() == Some("customer");
        is_saved.then(|| aliases.into_iter().nth(1)).flatten()
    });
    amount.await.send_keys("total").await.unwrap();
    page.click("button", "Save").await;
    let kept = page.wait_for("both aliases", async || {
        let kept = console.shown_yaml().await;
        kept["forms"][0]["fields"].get(1).is_some().then_some(kept)
    });
    let both = json!([{"id": CUSTOMER, "alias": "customer"}, {"id": AMOUNT, "alias": "total"}]);
    let kept = kept.await;
    assert_eq!(kept["forms"][0]["fields"], both);
    assert_eq!(kept["forms"][0].get("name"), None);

    let mut form = super::support::platform::Form::orders();
    form.fields[0].label = "Buyer".into();
    console.platform.set_form(form);
    list().await;
    let push = receiver.wait_for(1).await.remove(0).json();
    assert_eq!((&push["op"], &push["data"]["name"]), (&json!("form_update"), &json!("Orders")));
    let widget = &push["data"]["widgets"][0];
    assert_eq!((&widget["name"], &widget["label"]), (&json!("customer"), &json!("Buyer")));
    page.reload().await;
    page.find("cell", "Buyer").await;
    page.assert_quiet(&[]).await;
}
