//! Real Chromium, with its driver. A test names what it touches as a person does who hears the page: by
//! role and accessible name. `.ci/get-browser` installs all that this needs.

#[path = "browser/hands.rs"]
mod hands;
#[path = "browser/judge.rs"]
mod judge;

pub use hands::Heard;

use crate::support::gateway::client;
use crate::support::wait;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities as _;
use thirtyfour::{ChromeCapabilities, WebDriver};

/// How each page is looked at unless a test says otherwise.
const DESKTOP: Screen = Screen { width: 1440, height: 900, scheme: Scheme::Light };

#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub width: u32,
    pub height: u32,
    pub scheme: Scheme,
}

#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    Light,
    Dark,
}

/// A browser with a profile of its own. It ends when this is dropped.
pub struct Browser {
    page: WebDriver,
    _driver: Driver,
    folder: tempfile::TempDir,
}

impl Browser {
    /// Opens a page.
    pub async fn open(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(DOWNLOADS)).unwrap();
        let (driver, address) = Driver::start(folder.path()).await;
        // A session is ended while the test's runtime stands still: no connection of that may be left.
        let page = WebDriver::builder(address, capabilities(folder.path())).client(client());
        let page = page.connect().await.unwrap_or_else(|error| {
            panic!("no session: {error}\n{}", driver_log(folder.path()));
        });
        let browser = Browser { page, _driver: driver, folder };
        browser.look_at(DESKTOP).await;
        browser.go(url).await;
        browser
    }

    pub async fn go(&self, url: &str) {
        self.page.goto(url).await.unwrap();
    }

    /// The screen that the page is shown on.
    pub async fn look_at(&self, screen: Screen) {
        let Screen { width, height, scheme } = screen;
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        // What is half faded in has another contrast.
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    async fn devtools(&self, method: &str, params: Value) -> Value {
        self.page.cdp().send_raw(method, params).await.unwrap()
    }
}

/// Where a browser puts what it downloads, in its folder.
const DOWNLOADS: &str = "downloads";

fn capabilities(folder: &Path) -> ChromeCapabilities {
    let mut wanted = ChromeCapabilities::new();
    for arg in [
        "--headless=new",
        // Chromium does not start as root with it.
        "--no-sandbox",
        "--disable-gpu",
        // It ends with its driver, however that ends.
        "--remote-debugging-pipe",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-proxy-server",
        // Nothing but this machine is there.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--force-color-profile=srgb",
        "--hide-scrollbars",
    ] {
        wanted.add_arg(arg).unwrap();
    }
    let preferences = json!({"download.default_directory": folder.join(DOWNLOADS)});
    wanted.add_experimental_option("prefs", preferences).unwrap();
    // A question of the browser stays until the test answers it.
    wanted.as_mut().set("unhandledPromptBehavior", "ignore").unwrap();
    let logs = json!({"browser": "ALL", "performance": "ALL"});
    wanted.as_mut().set("goog:loggingPrefs", logs).unwrap();
    wanted
}

/// A running ChromeDriver. It ends when this is dropped.
struct Driver(Child);

impl Driver {
    /// Starts one, and says where it is. All that it and its browsers write is in this folder.
    async fn start(folder: &Path) -> (Self, String) {
        loop {
            let mut driver = Self::spawn(folder);
            let begun = wait::until("ChromeDriver's port", async || {
                let ended = driver.0.try_wait().unwrap();
                let log = driver_log(folder);
                match port(&log) {
                    Some(port) => Some(Ok(port.to_owned())),
                    None => ended.map(|status| Err((status, log))),
                }
            });
            match begun.await {
                Ok(port) => return (driver, format!("http://127.0.0.1:{port}")),
                // It lets the kernel give a port of `::1`, and needs the same one of 127.0.0.1, where
                // the servers of another test may have it.
                Err((_, log)) if log.contains(PORT_TAKEN) => {}
                Err((status, log)) => panic!("ChromeDriver ended, {status}:\n{log}"),
            }
        }
    }

    fn spawn(folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join(DRIVER_LOG)).unwrap();
        let child = Command::new("chromedriver")
            .arg("--port=0")
            .arg("--verbose")
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("no chromedriver, run .ci/get-browser: {error}"));
        Driver(child)
    }
}

const PORT_TAKEN: &str = "port not available. Exiting";

/// Where a ChromeDriver listens, once its log says so.
fn port(log: &str) -> Option<&str> {
    let (_, rest) = log.split_once("started successfully on port ")?;
    rest.split_once('.').map(|(port, _)| port)
}

const DRIVER_LOG: &str = "driver.log";

fn driver_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join(DRIVER_LOG)).unwrap()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
