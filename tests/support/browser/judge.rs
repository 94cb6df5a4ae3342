//! Whether a page is as it should be: for all people, on each screen, with nothing gone wrong behind it.

use super::Browser;
use crate::support::gateway::root;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use thirtyfour::error::WebDriverResult;

impl Browser {
    /// Puts axe-core into the page, which also knows roles and names. The driver's scripts do not come
    /// under the page's content security policy.
    pub(super) async fn load_axe(&self) -> WebDriverResult<()> {
        if self.page.execute("return !window.axe", Vec::new()).await?.convert()? {
            let file = root().join("build/axe/node_modules/axe-core/axe.min.js");
            let axe = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{}, run .ci/get-browser: {error}", file.display()));
            self.page.execute(axe, Vec::new()).await?;
        }
        Ok(())
    }

    /// What hinders some people, a line for each.
    pub async fn violations(&self) -> Vec<String> {
        self.load_axe().await.unwrap();
        let found = self.page.execute_async(include_str!("violations.js"), Vec::new()).await;
        found.unwrap().convert().unwrap()
    }

    /// By how many pixels the page is wider than the screen.
    pub async fn overflow(&self) -> i64 {
        let script =
            "const page = document.documentElement; return page.scrollWidth - page.clientWidth";
        self.page.execute(script, Vec::new()).await.unwrap().convert().unwrap()
    }

    /// Writes the whole page to `build/screens`.
    pub async fn screenshot(&self, name: &str) {
        let size = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let clip = json!({
            "x": 0, "y": 0, "scale": 1,
            "width": size["cssContentSize"]["width"], "height": size["cssContentSize"]["height"],
        });
        let wanted = json!({"captureBeyondViewport": true, "clip": clip});
        let picture = self.devtools("Page.captureScreenshot", wanted).await;
        let picture = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let folder = root().join("build/screens");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Nothing has gone wrong behind the page since this was asked last: no error or warning in the
    /// console, nothing that the content security policy had to stop, nothing asked of another origin,
    /// and no answer that is an error but of these statuses.
    pub async fn assert_quiet(&self, expected_statuses: &[u16]) {
        let failed = "Failed to load resource: the server responded with a status of ";
        let expected = |message: &str| {
            let status = message.split_once(failed).and_then(|(_, status)| status.get(..3));
            status.is_some_and(|status| expected_statuses.iter().any(|s| s.to_string() == status))
        };
        let log = self.page.get_log("browser").await.unwrap();
        let loud = log.iter().filter(|entry| ["SEVERE", "WARNING"].contains(&entry.level.as_str()));
        let loud = loud.map(|entry| &entry.message).filter(|message| !expected(message));
        let loud = loud.collect::<Vec<_>>();
        assert!(loud.is_empty(), "the console says: {loud:#?}");

        let origin = self.page.current_url().await.unwrap().origin().ascii_serialization();
        let foreign = |url: &String| {
            let is_own = url.starts_with(&format!("{origin}/"));
            // The new tab that a browser opens with, and what is made in the page itself.
            let is_local =
                ["about:", "blob:", "chrome:", "data:"].iter().any(|s| url.starts_with(s));
            !is_own && !is_local
        };
        let asked = self.requests().await.into_iter().filter(foreign).collect::<Vec<_>>();
        assert!(asked.is_empty(), "asked of others: {asked:#?}");
    }

    /// The URLs that were asked for since this was asked last.
    async fn requests(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Entry {
            message: Event,
        }
        #[derive(Deserialize)]
        struct Event {
            method: String,
            params: Value,
        }
        let log = self.page.get_log("performance").await.unwrap();
        let events = log.iter().map(|entry| serde_json::from_str(&entry.message).unwrap());
        let requests = events.filter_map(|Entry { message: Event { method, params } }| {
            let is_request = method == "Network.requestWillBeSent";
            is_request.then(|| params["request"]["url"].as_str().unwrap().to_owned())
        });
        requests.collect()
    }
}
