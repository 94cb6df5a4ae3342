//! Real Envoy with the built filter, run from a file of `envoy/` with as few changes as a test
//! allows: ports of the kernel's choice, the stand-in platform, and loopback as an allowed target.

mod envoy;
mod setup;

pub use envoy::{envoy_binary, envoy_version};
pub use setup::{Setup, Wrapping, cluster};

use super::wait;
use envoy::{LISTENER_FILE, Process};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The plugin's environment in every test.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const SECRET_ENV: &str = "CRM_WEBHOOK_SECRET";
pub const ADMIN_TOKEN: &str = "9f0d5ad2c57c4f4b9c1e7a3d8b6e2f10";
const ADMIN_TOKEN_ENV: &str = "FORMHOOK_ADMIN_TOKEN";
pub const STORE_AUTH_ENV: &str = "FORMHOOK_STORE_AUTH";
pub const PLATFORM_KEY_ENV: &str = "JODOO_API_KEY";

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A configuration of Envoy as it is shipped.
pub fn shipped(file: &str) -> Value {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

/// A client that keeps nothing between calls, so that no test depends on another's connection.
pub fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}

fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        // All that is called is on this machine.
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(wait::PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
}

/// A running gateway. It ends when this is dropped.
pub struct Gateway {
    /// Where API calls go.
    pub address: SocketAddr,
    /// What others see of Envoy's own admin interface.
    pub metrics_page: SocketAddr,
    /// Formhook's console and admin API.
    pub admin_api: SocketAddr,
    client: reqwest::Client,
    /// Reaches Envoy's own admin interface, which is a Unix socket.
    envoy_admin: reqwest::Client,
    envoy: Process,
}

impl Gateway {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Calls the API through the gateway.
    pub async fn call(&self, path: &str, key: &str, body: &Value) -> reqwest::Response {
        self.post(path, key).json(body).send().await.unwrap()
    }

    /// An API call to be completed.
    pub fn post(&self, path: &str, key: &str) -> reqwest::RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(key)
    }

    /// Calls the admin API.
    pub fn admin(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}/api/v1{path}", self.admin_api);
        self.client.request(method, url).bearer_auth(ADMIN_TOKEN)
    }

    /// Changes a dynamic gateway, as far as its listener goes, and waits until Envoy has taken it.
    pub async fn change_to(&self, mut setup: Setup) {
        let taken = "listener_manager.lds.update_success";
        let updates = async || {
            let text = self.stats(&format!("/stats?filter={taken}")).await;
            text.trim().rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
        };
        let before = updates().await;
        let file = self.envoy.folder.path().join(LISTENER_FILE);
        let new = file.with_extension("new");
        std::fs::write(&new, setup.listener_file().to_string()).unwrap();
        std::fs::rename(new, file).unwrap();
        wait::until("the changed listener", async || (updates().await > before).then_some(()))
            .await;
    }

    /// Formhook's metrics as Prometheus sees them, by name and labels, the labels in order.
    pub async fn metrics(&self) -> HashMap<String, f64> {
        self.try_metrics().await.unwrap()
    }

    /// The same, from an Envoy that may have ended.
    pub async fn try_metrics(&self) -> reqwest::Result<HashMap<String, f64>> {
        let text = self.try_stats("/stats/prometheus").await?;
        let lines = text.lines().filter(|line| line.starts_with("formhook_"));
        let parsed = lines.filter_map(|line| {
            let (name, rest) = line.split_once('{')?;
            let (labels, value) = rest.split_once("} ")?;
            let mut labels: Vec<_> = labels.split(',').collect();
            labels.sort_unstable();
            Some((format!("{name}{{{}}}", labels.join(",")), value.parse().ok()?))
        });
        Ok(parsed.collect())
    }

    /// One metric; zero if it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metrics().await.get(name).copied().unwrap_or_default()
    }

    /// Waits until a metric has reached a value.
    ///
    /// # Panics
    /// If it goes beyond, or does not get there.
    pub async fn wait_for_metric(&self, name: &str, value: f64) {
        wait::until(&format!("{name} to be {value}"), async || {
            let metrics = self.metrics().await;
            let now = metrics.get(name).copied();
            let now = now.unwrap_or_else(|| panic!("there is no {name} in {metrics:#?}"));
            assert!(now <= value, "{name} is {now}, more than {value}");
            (now >= value).then_some(())
        })
        .await;
    }

    /// A page of Envoy's admin interface.
    pub async fn stats(&self, page: &str) -> String {
        self.try_stats(page).await.unwrap()
    }

    async fn try_stats(&self, page: &str) -> reqwest::Result<String> {
        self.envoy_admin.get(format!("http://envoy{page}")).send().await?.text().await
    }

    /// Has Envoy do what a page of its admin interface is for.
    pub async fn command(&self, page: &str) {
        let answer = self.envoy_admin.post(format!("http://envoy{page}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{page}");
    }

    /// Where a Unix socket of it is.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.envoy.folder.path().join(name)
    }

    /// What Envoy has logged so far.
    pub fn log(&self) -> String {
        self.envoy.log()
    }

    /// Waits until the log has a line with all of these texts in it.
    pub async fn wait_for_log(&self, texts: &[&str]) -> String {
        self.wait_for_log_lines(texts, 1).await.swap_remove(0)
    }

    /// Waits until the log has so many lines with all of these texts in them, or more: all of them.
    /// What a metric says to have happened may be logged a moment later.
    pub async fn wait_for_log_lines(&self, texts: &[&str], count: usize) -> Vec<String> {
        wait::until(&format!("{count} log lines with {texts:?}"), async || {
            let log = self.log();
            // A line that has not ended is still being written.
            let lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let found = lines.filter(|line| texts.iter().all(|text| line.contains(text)));
            let found: Vec<_> = found.map(str::to_owned).collect();
            (found.len() >= count).then_some(found)
        })
        .await
    }

    /// No VM has crashed so far.
    pub fn assert_vm_alive(&self) {
        let log = self.log();
        for mark in ["panicked", "RuntimeError", "Plugin configured to fail"] {
            assert!(!log.contains(mark), "a VM crashed:\n{log}");
        }
    }

    /// How long Envoy has used a processor.
    pub fn cpu(&self) -> Duration {
        super::process::cpu(self.envoy.child.id())
    }

    /// The memory that Envoy holds, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.envoy.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes * 1024
    }
}
