//! Each view on a telephone and on a desk, by day and by night: nothing is wider than the screen, and
//! axe-core finds nothing that hinders anybody.

use super::browser::{Heard, Scheme, Screen};
use super::orders::{APP, ORDERS};
use super::support::raw::refusing_address;
use super::*;

const PHONE: (u32, u32) = (375, 667);
const DESK: (u32, u32) = (1440, 900);

#[tokio::test]
async fn each_view_is_well_on_a_telephone_by_day() {
    each_view_is_well("375-light", PHONE, Scheme::Light).await;
}

#[tokio::test]
async fn each_view_is_well_on_a_telephone_by_night() {
    each_view_is_well("375-dark", PHONE, Scheme::Dark).await;
}

#[tokio::test]
async fn each_view_is_well_on_a_desk_by_day() {
    each_view_is_well("1440-light", DESK, Scheme::Light).await;
}

#[tokio::test]
async fn each_view_is_well_on_a_desk_by_night() {
    each_view_is_well("1440-dark", DESK, Scheme::Dark).await;
}

#[tokio::test]
async fn a_view_with_nothing_in_it_says_what_will_be_there() {
    let console = Console::of(json!({"platform": "jodoo", "webhooks": []}), |setup| setup).await;
    let page = &console.page;
    for (name, (width, height), scheme) in [
        ("375-light", PHONE, Scheme::Light),
        ("375-dark", PHONE, Scheme::Dark),
        ("1440-light", DESK, Scheme::Light),
        ("1440-dark", DESK, Scheme::Dark),
    ] {
        page.look_at(Screen { width, height, scheme }).await;
        let mut looks = Looks { page, name, faults: Vec::new() };
        for (view, shown) in [
            ("webhooks", "No webhooks yet"),
            ("failed", "No failed pushes"),
            ("history", "No pushes yet"),
            ("forms", "No forms yet"),
        ] {
            console.visit(view).await;
            page.see(shown).await;
            looks.judge(&format!("{view}-empty")).await;
        }
        looks.assert_well();
    }
    page.assert_quiet(&[]).await;
}

/// A gateway with a bit of everything: names and addresses that are long, a webhook that is off, one
/// that fails, one that is disabled.
fn config(good: &Receiver, refusing: &str) -> Value {
    let long = "archive-of-all-that-ever-happened-in-the-north-and-in-the-south";
    let mut webhooks = vec![
        impatient("crm", &good.url("/hooks")),
        impatient(long, &good.url(&"/a-long-way".repeat(12))),
        impatient("failing", refusing),
        impatient("disabled", refusing),
        impatient("off", refusing),
    ];
    webhooks[3]["disable_after"] = json!(1);
    webhooks[4]["enabled"] = json!(false);
    let mut config = orders::plugin(&webhooks);
    let label = "Everything that the customer has told us, with the letters and the drawings";
    config["forms"][0]["fields"][0]["label"] = json!(label);
    config
}

async fn each_view_is_well(name: &str, (width, height): (u32, u32), scheme: Scheme) {
    let good = Receiver::start().await;
    let refusing = format!("http://{}/", refusing_address().await);
    let console = Console::of(config(&good, &refusing), |setup| setup).await;
    let page = &console.page;
    page.look_at(Screen { width, height, scheme }).await;
    let mut looks = Looks { page, name, faults: Vec::new() };

    console.create_order("a").await;
    console.create_order("b").await;
    console.visit("webhooks").await;
    page.find("button", "Restart disabled").await;
    page.find("link", "2 failed pushes of failing").await;
    looks.judge("webhooks").await;

    console.visit("webhooks/disabled").await;
    page.click("button", "Test connection").await;
    page.see("Not delivered: ").await;
    looks.judge("webhook").await;

    console.visit("webhooks/new").await;
    page.click("button", "Advanced").await;
    page.click("button", "Save").await;
    page.see("Enter a whole URL").await;
    looks.judge("new-webhook").await;
    page.fill("Id", "mine").await;
    page.fill("Server address (URL)", &refusing).await;
    page.click("button", "Generate secret").await;
    page.click("button", "Save").await;
    page.find("heading", "Webhook mine").await;
    looks.judge("saved-webhook").await;
    console.visit("webhooks/mine/edit").await;
    page.find("heading", "Edit mine").await;
    page.field("Server address (URL)").await;
    looks.judge("edit-webhook").await;

    console.visit("failed").await;
    page.find("table", "Failed pushes").await;
    looks.judge("failed").await;
    let details =
        |heard: &Heard| heard.role == "button" && heard.name.starts_with("View details of ");
    page.click_where("the details of a push", details).await;
    page.find("dialog", "Failed push").await;
    looks.judge("failed-push").await;
    page.click("button", "Abandon").await;
    page.find("dialog", "Abandon 1 push?").await;
    looks.judge("confirm").await;
    page.click("button", "Cancel").await;
    page.click("button", "Close").await;

    console.visit("history").await;
    page.find("table", "Push history").await;
    looks.judge("history").await;
    let details =
        |heard: &Heard| heard.role == "link" && heard.name.starts_with("View details of ");
    page.click_where("the details of a push", details).await;
    page.find("heading", "Push details").await;
    page.find("heading", "Result").await;
    looks.judge("push").await;

    console.visit("forms").await;
    page.find("link", "Orders").await;
    looks.judge("forms").await;
    console.visit(&format!("forms/{APP}/{ORDERS}")).await;
    page.find("table", "Field comparison table").await;
    page.see("data_create").await;
    looks.judge("form").await;

    console.visit("nowhere").await;
    page.see("There is no such page").await;
    looks.judge("not-found").await;
    page.assert_quiet(&[]).await;
    page.click("button", "Sign out").await;
    page.find("heading", "Sign in").await;
    page.fill("Token", "wrong").await;
    page.click("button", "Sign in").await;
    page.see("This token is wrong.").await;
    looks.judge("sign-in").await;
    looks.assert_well();
}

/// What is found wrong with the views. All are looked at before the test ends.
struct Looks<'p> {
    page: &'p Browser,
    name: &'p str,
    faults: Vec<String>,
}

impl Looks<'_> {
    async fn judge(&mut self, view: &str) {
        let view = format!("{view}-{}", self.name);
        self.page.screenshot(&view).await;
        let wider = self.page.overflow().await;
        if wider > 0 {
            self.faults.push(format!("{view}: wider than the screen by {wider} px"));
        }
        let violations = self.page.violations().await.into_iter();
        self.faults.extend(violations.map(|violation| format!("{view}: {violation}")));
    }

    fn assert_well(&self) {
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }
}
