//! Finding, clicking and typing: what a person does with a page, by mouse or by keyboard only.

use super::Browser;
use crate::support::wait;
use serde_json::Value;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{By, Key, WebElement};

/// Something that is heard on the page.
pub struct Heard {
    pub role: String,
    pub name: String,
    pub has_focus: bool,
    pub element: WebElement,
}

impl Browser {
    /// All that is heard on the page now, in its order.
    pub async fn heard(&self) -> WebDriverResult<Vec<Heard>> {
        self.load_axe().await?;
        let heard = self.page.execute(include_str!("heard.js"), Vec::new()).await?;
        let heard: Vec<(String, String, bool, Value)> = heard.convert()?;
        let with_element = heard.into_iter().map(|(role, name, has_focus, element)| {
            let element = WebElement::from_json(element, self.page.handle().clone())?;
            Ok(Heard { role, name, has_focus, element })
        });
        with_element.collect()
    }

    /// Waits for the first of them that is as wanted.
    pub async fn find_where(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> WebElement {
        let look = async || {
            // A page that is just changing is looked at again.
            let heard = self.heard().await.ok()?;
            heard.into_iter().find(|heard| wanted(heard)).map(|heard| heard.element)
        };
        self.wait_for(what, look).await
    }

    /// Waits for something on the page.
    ///
    /// # Panics
    /// After a long time, with what is heard on the page instead.
    pub async fn wait_for<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        match wait::attempt(what, look).await {
            Ok(found) => found,
            Err(why) => {
                let heard = self.heard().await.unwrap().into_iter();
                let heard = heard.map(|Heard { role, name, has_focus, .. }| {
                    format!("{}{role} {name:?}\n", if has_focus { "> " } else { "" })
                });
                let (heard, text) = (heard.collect::<String>(), self.text().await);
                panic!("{why}\n--- What is heard\n{heard}--- What is shown\n{text}\n---");
            }
        }
    }

    /// Waits for what has this role and accessible name.
    pub async fn find(&self, role: &str, name: &str) -> WebElement {
        let is_it = |heard: &Heard| heard.role == role && heard.name == name;
        self.find_where(&format!("the {role} {name:?}"), is_it).await
    }

    /// Clicks on what has this role and accessible name, as soon as nothing is in the way.
    pub async fn click(&self, role: &str, name: &str) {
        let is_it = |heard: &Heard| heard.role == role && heard.name == name;
        self.click_where(&format!("the {role} {name:?}"), is_it).await;
    }

    /// Clicks on the first that is as wanted.
    pub async fn click_where(&self, what: &str, wanted: impl Fn(&Heard) -> bool) {
        let look = async || {
            let heard = self.heard().await.ok()?;
            let found = heard.into_iter().find(|heard| wanted(heard))?;
            found.element.click().await.ok()
        };
        self.wait_for(&format!("{what}, to click on it"), look).await;
    }

    /// Waits for a field to write in that has this label.
    pub async fn field(&self, label: &str) -> WebElement {
        let is_it = |heard: &Heard| {
            ["textbox", "spinbutton"].contains(&heard.role.as_str()) && heard.name == label
        };
        self.find_where(&format!("the field {label:?}"), is_it).await
    }

    /// Writes this into a field in place of what is there.
    pub async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What stands in a field.
    pub async fn value(&self, label: &str) -> String {
        self.field(label).await.value().await.unwrap().unwrap()
    }

    /// Chooses from a list.
    pub async fn choose(&self, label: &str, option: &str) {
        let list = self.find("combobox", label).await;
        let look = async || {
            for found in list.find_all(By::Tag("option")).await.ok()? {
                if found.text().await.ok()? == option {
                    return Some(found);
                }
            }
            None
        };
        let option = self.wait_for(&format!("{option:?} in {label:?}"), look).await;
        option.click().await.unwrap();
    }

    /// Waits until the page shows a text.
    pub async fn see(&self, text: &str) {
        let look = async || self.text().await.contains(text).then_some(());
        self.wait_for(&format!("the text {text:?}"), look).await;
    }

    /// Waits until the page does not show a text any more.
    pub async fn see_no_more(&self, text: &str) {
        let look = async || (!self.text().await.contains(text)).then_some(());
        self.wait_for(&format!("the text {text:?} to go"), look).await;
    }

    /// All text that is shown.
    pub async fn text(&self) -> String {
        let text = self.page.execute("return document.body.innerText", Vec::new()).await.unwrap();
        text.convert().unwrap()
    }

    /// Presses a key.
    pub async fn press(&self, key: Key) {
        self.page.action_chain().send_keys(key).perform().await.unwrap();
    }

    /// Writes with the keyboard, to what has the focus.
    pub async fn write(&self, text: &str) {
        self.page.action_chain().send_keys(text).perform().await.unwrap();
    }

    /// Goes by the Tab key to what has this role and name.
    ///
    /// # Panics
    /// If it cannot be reached so.
    pub async fn tab_to(&self, role: &str, name: &str) {
        self.find(role, name).await;
        // More than there is on any page.
        for _ in 0..200 {
            let heard = self.heard().await.unwrap();
            let focused = heard.iter().find(|heard| heard.has_focus);
            if focused.is_some_and(|heard| heard.role == role && heard.name == name) {
                return;
            }
            self.press(Key::Tab).await;
        }
        panic!("the {role} {name:?} cannot be reached by the Tab key");
    }

    /// Says yes to a question that the browser itself asks.
    pub async fn accept_question(&self) {
        let look = async || self.page.accept_alert().await.ok();
        wait::until("a question", look).await;
    }

    /// Goes back by the browser's own button.
    pub async fn back(&self) {
        self.page.back().await.unwrap();
    }

    /// Runs a script in the page, for what a person cannot bring about.
    pub async fn run(&self, script: &str) {
        self.page.execute(script, Vec::new()).await.unwrap();
    }

    pub async fn reload(&self) {
        self.page.refresh().await.unwrap();
    }

    /// The address of the page.
    pub async fn address(&self) -> String {
        self.page.current_url().await.unwrap().into()
    }

    /// How many elements of this CSS selector there are.
    pub async fn count(&self, selector: &str) -> usize {
        self.page.find_all(By::Css(selector)).await.unwrap().len()
    }

    /// Waits for a file that was downloaded under this name.
    pub async fn downloaded(&self, name: &str) -> String {
        let file = self.folder.path().join(super::DOWNLOADS).join(name);
        // Chromium reserves the name with an empty file, and puts the whole one in its place.
        let look = async || {
            let text = std::fs::read_to_string(&file).ok();
            text.filter(|text| !text.is_empty())
        };
        self.wait_for(&format!("the download {name}"), look).await
    }
}
