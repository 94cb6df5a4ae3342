//! Envoy's process: how it is found and started, when it serves, and its log.

use super::setup::{Setup, named};
use super::{
    ADMIN_TOKEN, ADMIN_TOKEN_ENV, PLATFORM_KEY_ENV, SECRET, SECRET_ENV, STORE_AUTH_ENV,
    client_builder, root,
};
use crate::support::{platform, wait};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// The Envoy to test with: `$ENVOY`, or what `.ci/get-envoy` finds or installs.
pub fn envoy_binary() -> PathBuf {
    find_envoy().unwrap_or_else(|why| panic!("{why}"))
}

fn find_envoy() -> Result<PathBuf, String> {
    let found = Command::new(root().join(".ci/get-envoy")).stderr(Stdio::inherit()).output();
    let found = found.map_err(|error| format!(".ci/get-envoy cannot be run: {error}"))?;
    if !found.status.success() {
        return Err(".ci/get-envoy found no Envoy; $ENVOY may name one".to_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()))
}

/// The version of that Envoy, such as `1.40.0`.
pub fn envoy_version() -> String {
    let said = Command::new(envoy_binary()).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    // "envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
    said.split('/').rev().nth(3).unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Where a dynamic gateway finds its listener.
pub(super) const LISTENER_FILE: &str = "listener.json";

fn ended(status: ExitStatus) -> String {
    format!("Envoy ended with {status}")
}

pub(super) struct Process {
    pub child: Child,
    pub folder: tempfile::TempDir,
    /// The listener that others see pages of Envoy's admin interface by.
    page: &'static str,
}

impl Process {
    pub fn spawn(mut setup: Setup) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("envoy.json");
        setup.move_sockets(folder.path());
        let page = setup.metrics_listener();
        if setup.is_dynamic {
            let file = folder.path().join(LISTENER_FILE);
            std::fs::write(&file, setup.listener_file().to_string()).unwrap();
            let listeners = setup.at("/static_resources/listeners").as_array_mut().unwrap();
            listeners.retain(|listener| listener["name"] != "gateway");
            setup.config["node"] = json!({"id": "gateway", "cluster": "gateway"});
            setup.config["dynamic_resources"] =
                json!({"lds_config": {"path_config_source": {"path": file}}});
        }
        std::fs::write(&config, setup.config.to_string()).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let binary = find_envoy()?;
        let child = Command::new(&binary)
            .arg("--config-path")
            .arg(config)
            .arg("--admin-address-path")
            .arg(folder.path().join("admin"))
            .arg("--concurrency")
            .arg(setup.workers.to_string())
            .arg("--disable-hot-restart")
            // After a change, the old listener's filters end so many seconds later.
            .args(["--drain-time-s", "1"])
            .args(setup.arguments)
            .env(SECRET_ENV, SECRET)
            .env(ADMIN_TOKEN_ENV, ADMIN_TOKEN)
            .env(STORE_AUTH_ENV, setup.store_auth)
            .env(PLATFORM_KEY_ENV, platform::API_KEY)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
        Ok(Process { child, folder, page })
    }

    pub fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    pub fn with_log(&self, why: &str) -> String {
        format!("{why}\n--- Envoy's log\n{}---", self.log())
    }

    /// Waits until all is ready.
    pub async fn serving(&mut self) -> Result<Serving, String> {
        let admin_file = self.folder.path().join("admin");
        let admin = wait::attempt("Envoy's admin address", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(Err(ended(status)));
            }
            let text = std::fs::read_to_string(&admin_file).ok()?;
            (!text.is_empty()).then_some(Ok(text))
        });
        let admin = admin.await??;
        let client = client_builder().unix_socket(admin.trim()).build().unwrap();
        let ready = wait::attempt("Envoy to be ready", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(Err(ended(status)));
            }
            let ready = client.get("http://envoy/ready").send().await.ok()?;
            ready.status().is_success().then_some(Ok(()))
        });
        ready.await??;
        let listeners = async || {
            client.get("http://envoy/listeners?format=json").send().await?.json::<Value>().await
        };
        let mut listeners = listeners().await.map_err(|error| error.to_string())?;
        let mut address = |name| {
            let listener = named(&mut listeners["listener_statuses"], name);
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
            SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
        };
        let (gateway, admin_api) = (address("gateway"), address("formhook_admin"));
        let metrics_page = address(self.page);
        Ok(Serving { envoy_admin: client, metrics_page, gateway, admin_api })
    }
}

/// Where an Envoy serves.
pub(super) struct Serving {
    pub envoy_admin: reqwest::Client,
    pub metrics_page: SocketAddr,
    pub gateway: SocketAddr,
    pub admin_api: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // Whole it would bury why the test failed.
            let log = self.log();
            let test = std::thread::current().name().unwrap_or("unnamed").replace("::", "-");
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/failed");
            let path = folder.join(format!("{test}-{}.log", self.child.id()));
            let kept = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &log));
            eprintln!("--- Envoy's log is in {}: {kept:?}. Its end:", path.display());
            let lines = log.lines().filter(|line| !line.contains("formhook.push "));
            let lines: Vec<&str> = lines.rev().take(20).collect();
            for line in lines.iter().rev() {
                eprintln!("{}", line.chars().take(200).collect::<String>());
            }
            eprintln!("---");
        }
    }
}
