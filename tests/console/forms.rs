//! Aliases, the field comparison table and the JSON examples.

use super::orders::{AMOUNT, APP, CREATE, CUSTOMER, ORDERS};
use super::*;

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
        let row = table.lines().find(|line| line.contains(CUSTOMER)).unwrap();
        assert!(row.contains("customer") && row.contains("Customer"), "{row}");
    }

    page.see("\"op\": \"data_create\"").await;
    page.choose("Event", "Deleted").await;
    page.see("\"op\": \"data_remove\"").await;
    page.click("button", "Download JSON example").await;
    let example = page.downloaded(&format!("{name}-data_remove.json")).await;
    let example: Value = serde_json::from_str(&example).unwrap();
    assert_eq!(example["data"]["entryId"], ORDERS);
    page.assert_quiet(&[]).await;
}
