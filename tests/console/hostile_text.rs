//! Text that comes from elsewhere is shown as it is, whatever stands in it.

use super::orders::{APP, CUSTOMER, ORDERS};
use super::*;

const HTML: &str = "<img src=x onerror=alert(1)><script>alert(2)</script>";

#[tokio::test]
async fn html_in_names_records_and_answers_is_shown_as_text() {
    let receiver = Receiver::answering(|_| (StatusCode::BAD_GATEWAY, HTML).into_response()).await;
    let mut config = orders::plugin(&[impatient("crm", &receiver.url("/"))]);
    config["forms"][0]["name"] = json!(HTML);
    config["forms"][0]["fields"][0]["label"] = json!(HTML);
    let console = Console::of(config, |setup| setup).await;
    let page = &console.page;
    console.create_order(HTML).await;
    let id = receiver.wait_for(1).await[0].header("webhook-id").to_owned();

    // Each view, and where in it the text stands.
    console.visit("forms").await;
    page.find("link", HTML).await;
    no_element_was_made_of_it(page).await;
    console.visit(&format!("forms/{APP}/{ORDERS}")).await;
    page.find("cell", HTML).await;
    page.see(CUSTOMER).await;
    no_element_was_made_of_it(page).await;
    console.visit("webhooks/new").await;
    page.click("radio", "Only these forms").await;
    page.find("checkbox", HTML).await;
    no_element_was_made_of_it(page).await;
    console.visit("webhooks/crm").await;
    // The form is left with a choice that was not saved.
    page.accept_question().await;
    page.click("button", "Test connection").await;
    page.see("Not delivered: HTTP 502").await;
    page.see(HTML).await;
    no_element_was_made_of_it(page).await;
    console.visit("failed").await;
    page.click("button", &format!("View details of {id}")).await;
    page.see(HTML).await;
    no_element_was_made_of_it(page).await;
    page.click("button", "Close").await;
    console.visit("history").await;
    page.click("link", &format!("View details of {id}")).await;
    page.find("heading", "Push details").await;
    // The customer and the form's name in the payload, and the answer.
    let all = async || (page.text().await.matches(HTML).count() == 3).then_some(());
    page.wait_for("the payload and the answer", all).await;
    no_element_was_made_of_it(page).await;

    // What a person types themselves is no safer.
    console.visit(&format!("webhooks/{}", "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")).await;
    page.find("heading", "Webhook <img src=x onerror=alert(1)>").await;
    no_element_was_made_of_it(page).await;
    page.assert_quiet(&[404]).await;
}

/// An alert would make the driver refuse all commands but those to it.
async fn no_element_was_made_of_it(page: &Browser) {
    let heard = page.heard().await.unwrap();
    assert!(heard.iter().all(|heard| heard.role != "img"));
    assert_eq!(page.count("main img, main script, dialog img, dialog script").await, 0);
}
