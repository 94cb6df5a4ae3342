//! Real Envoy with the built filter, run from a file of `envoy/` with as few changes as a test
//! allows: ports of the kernel's choice, the stand-in platform, and loopback as an allowed target.

use super::store::{UPSTASH_TOKEN, WEBDIS_AUTH};
use super::{platform, wait};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The plugin's environment in every test.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const SECRET_ENV: &str = "CRM_WEBHOOK_SECRET";
pub const ADMIN_TOKEN: &str = "9f0d5ad2c57c4f4b9c1e7a3d8b6e2f10";
const ADMIN_TOKEN_ENV: &str = "FORMHOOK_ADMIN_TOKEN";
pub const STORE_AUTH_ENV: &str = "FORMHOOK_STORE_AUTH";
pub const PLATFORM_KEY_ENV: &str = "JODOO_API_KEY";

/// The listeners that have the filter.
const WITH_FILTER: [&str; 2] = ["gateway", "formhook_admin"];

/// How the plugin's configuration is written into Envoy's.
#[derive(Clone, Copy, Debug)]
pub enum Wrapping {
    StringValue,
    Struct,
}

/// A gateway that is to be started.
pub struct Setup {
    config: Value,
    workers: usize,
    is_dynamic: bool,
    /// What is said to the store.
    store_auth: &'static str,
}

impl Setup {
    /// The shipped gateway, in front of this platform, with this plugin configuration.
    pub fn new(platform: SocketAddr, plugin: &Value) -> Self {
        Self::with_plugin_text(platform, &plugin.to_string())
    }

    /// What is shipped, as it is.
    fn of(file: &str) -> Self {
        Setup { config: shipped(file), workers: 1, is_dynamic: false, store_auth: WEBDIS_AUTH }
    }

    /// What is shipped, in front of this platform.
    pub fn before(file: &str, platform: SocketAddr) -> Self {
        let mut setup = Setup::of(file);
        if let Some(admin) = setup.at("/admin/address").get_mut("socket_address") {
            admin["port_value"] = json!(0);
        }
        for listener in setup.at("/static_resources/listeners").as_array_mut().unwrap() {
            if let Some(address) = listener["address"].get_mut("socket_address") {
                *address = json!({"address": "127.0.0.1", "port_value": 0});
            }
        }
        let mut setup = setup.leading_to("form_platform", platform).module("formhook.wasm");
        setup.cluster("form_platform").as_object_mut().unwrap().remove("transport_socket");
        setup
    }

    /// The same, where the plugin's configuration may be no JSON at all.
    pub fn with_plugin_text(platform: SocketAddr, plugin: &str) -> Self {
        let mut setup = Setup::before("envoy/envoy.yaml", platform);
        setup.plugin()["configuration"] =
            json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": plugin});
        setup.allow("127.0.0.0", 8)
    }

    /// Leads a cluster to another address.
    pub fn leading_to(mut self, cluster: &str, address: SocketAddr) -> Self {
        let endpoint =
            "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        *self.cluster(cluster).pointer_mut(endpoint).unwrap() =
            json!({"address": address.ip().to_string(), "port_value": address.port()});
        self
    }

    /// Takes another build of the filter.
    ///
    /// # Panics
    /// If it is not there.
    pub fn module(mut self, name: &str) -> Self {
        let wasm = root().join("build").join(name);
        assert!(wasm.exists(), "{} is missing: run `make wasm wasm-crash`", wasm.display());
        for listener in WITH_FILTER {
            self.plugin_of(listener)["vm_config"]["code"]["local"]["filename"] = json!(wasm);
        }
        self
    }

    /// Changes how the plugin's configuration is written down.
    pub fn wrapped(mut self, wrapping: Wrapping) -> Self {
        if let Wrapping::Struct = wrapping {
            let configuration = &mut self.plugin()["configuration"];
            let text = configuration["value"].as_str().unwrap();
            let value: Value = serde_json::from_str(text).unwrap();
            *configuration =
                json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": value});
        }
        self
    }

    /// Lets the plugin ask the platform, with what its configuration says of `platform_api`.
    pub fn with_platform_key(mut self) -> Self {
        for listener in WITH_FILTER {
            let variables = &mut self.plugin_of(listener)["vm_config"]["environment_variables"];
            variables["host_env_keys"].as_array_mut().unwrap().push(json!(PLATFORM_KEY_ENV));
        }
        self
    }

    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Lets the gateway be changed while it runs, by [`Gateway::change_to`].
    pub fn dynamic(mut self) -> Self {
        self.is_dynamic = true;
        self
    }

    /// The gateway's listener as a file of Envoy's listener discovery service.
    fn listener_file(&mut self) -> Value {
        let mut listener = self.listener("gateway").clone();
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        json!({"resources": [listener]})
    }

    /// The authorities that targets' certificates are checked against.
    pub fn trusting(self, authorities: &Path) -> Self {
        self.trusting_for("formhook_egress_https", authorities)
    }

    /// The authorities that the certificates of this cluster are checked against.
    pub fn trusting_for(mut self, cluster: &str, authorities: &Path) -> Self {
        let context = "/transport_socket/typed_config/common_tls_context/validation_context";
        let context = self.cluster(cluster).pointer_mut(context).unwrap();
        context["trusted_ca"]["filename"] = json!(authorities);
        self
    }

    /// Lets pushes reach a private network, as the comment in the file describes.
    fn allow(mut self, address: &str, prefix_len: u8) -> Self {
        let filters = &mut self.connection_manager_of("formhook_egress")["http_filters"];
        let rbac = named(filters, "envoy.filters.http.rbac");
        let rules = "/typed_config/rules/policies/address_not_allowed/permissions/0/and_rules";
        let rules = rbac.pointer_mut(rules).unwrap();
        let allowed = "/rules/0/not_rule/or_rules/rules";
        let denied = "/rules/1/or_rules/rules/0";
        let mut rule = rules.pointer(denied).unwrap().clone();
        rule["matcher"]["typed_config"]["upstream_ip"] =
            json!({"address_prefix": address, "prefix_len": prefix_len});
        rules.pointer_mut(allowed).unwrap().as_array_mut().unwrap().push(rule);
        self
    }

    /// The shipped rules again, with which nothing on this machine can be reached.
    pub fn denying_loopback(mut self) -> Self {
        let mut shipped = Setup::of("envoy/envoy.yaml");
        let shipped = shipped.connection_manager_of("formhook_egress")["http_filters"].take();
        self.connection_manager_of("formhook_egress")["http_filters"] = shipped;
        self
    }

    /// Adds what `envoy/redis/envoy.yaml` has beside the plugin's configuration, with Webdis on this port
    /// of this machine.
    pub fn with_webdis(mut self, port: u16) -> Self {
        let mut with_redis = Setup::of("envoy/redis/envoy.yaml");
        let mut webdis = with_redis.cluster("webdis").clone();
        let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
        webdis.pointer_mut(endpoint).unwrap()["socket_address"]["port_value"] = json!(port);
        let clusters = self.at("/static_resources/clusters").as_array_mut().unwrap();
        clusters.retain(|cluster| cluster["name"] != "webdis");
        clusters.push(webdis);
        let variables = with_redis.plugin()["vm_config"]["environment_variables"].clone();
        for listener in WITH_FILTER {
            self.plugin_of(listener)["vm_config"]["environment_variables"] = variables.clone();
        }
        self
    }

    /// The same for what speaks as Upstash does.
    pub fn with_upstash(mut self, port: u16) -> Self {
        self.store_auth = UPSTASH_TOKEN;
        self.with_webdis(port)
    }

    /// Any other change of the configuration.
    pub fn edited(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self
    }

    pub fn at(&mut self, pointer: &str) -> &mut Value {
        self.config.pointer_mut(pointer).unwrap_or_else(|| panic!("the file has no {pointer}"))
    }

    pub fn listener(&mut self, name: &str) -> &mut Value {
        named(self.at("/static_resources/listeners"), name)
    }

    fn connection_manager_of(&mut self, listener: &str) -> &mut Value {
        let manager = "/filter_chains/0/filters/0/typed_config";
        self.listener(listener).pointer_mut(manager).unwrap()
    }

    /// What handles API calls.
    fn connection_manager(&mut self) -> &mut Value {
        self.connection_manager_of("gateway")
    }

    /// The routes of API calls.
    pub fn routes(&mut self) -> &mut Vec<Value> {
        let hosts = &mut self.connection_manager()["route_config"]["virtual_hosts"];
        hosts[0]["routes"].as_array_mut().unwrap()
    }

    /// Leads calls with such paths past the filter, as a comment in the shipped file says.
    pub fn leading_past(mut self, prefix: &str) -> Self {
        let mut past = self.routes()[0].clone();
        past["match"] = json!({"prefix": prefix});
        let disabled = json!({
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true,
        });
        past["typed_per_filter_config"] = json!({"envoy.filters.http.wasm": disabled});
        self.routes().insert(0, past);
        self
    }

    /// The filters that an API call passes.
    pub fn http_filters(&mut self) -> &mut Value {
        &mut self.connection_manager()["http_filters"]
    }

    pub fn plugin(&mut self) -> &mut Value {
        self.plugin_of("gateway")
    }

    /// The plugin of the admin listener.
    pub fn admin_plugin(&mut self) -> &mut Value {
        self.plugin_of("formhook_admin")
    }

    fn plugin_of(&mut self, listener: &str) -> &mut Value {
        let filters = &mut self.connection_manager_of(listener)["http_filters"];
        &mut named(filters, "envoy.filters.http.wasm")["typed_config"]["config"]
    }

    pub fn cluster(&mut self, name: &str) -> &mut Value {
        named(self.at("/static_resources/clusters"), name)
    }

    /// Puts every Unix socket into a folder of this gateway's own.
    fn move_sockets(&mut self, folder: &Path) {
        fn moved(value: &mut Value, folder: &Path) {
            if let Some(path) = value.pointer_mut("/pipe/path") {
                let name = Path::new(path.as_str().unwrap()).file_name().unwrap().to_owned();
                *path = json!(folder.join(name));
            }
            match value {
                Value::Array(items) => items.iter_mut().for_each(|item| moved(item, folder)),
                Value::Object(members) => {
                    members.values_mut().for_each(|member| moved(member, folder));
                }
                _ => {}
            }
        }
        moved(&mut self.config, folder);
    }

    /// Starts Envoy and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(self) -> Gateway {
        self.try_start().await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same; an error says why Envoy does not serve, with its log.
    pub async fn try_start(self) -> Result<Gateway, String> {
        let mut envoy = Process::spawn(self)?;
        let serving = envoy.serving().await.map_err(|why| envoy.with_log(&why))?;
        let Serving { admin, gateway, admin_api } = serving;
        Ok(Gateway { address: gateway, admin, admin_api, client: client(), envoy })
    }

    /// Starts Envoy, which must refuse this configuration. Its log.
    pub async fn refused(self) -> String {
        let mut envoy = Process::spawn(self).unwrap();
        let status = wait::until("Envoy to refuse its configuration", async || {
            envoy.child.try_wait().unwrap()
        })
        .await;
        assert!(!status.success(), "Envoy ended with {status}");
        envoy.log()
    }
}

/// Where a dynamic gateway finds its listener.
const LISTENER_FILE: &str = "listener.json";

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A configuration of Envoy as it is shipped.
pub fn shipped(file: &str) -> Value {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

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

fn named<'v>(list: &'v mut Value, name: &str) -> &'v mut Value {
    let list = list.as_array_mut().unwrap();
    let found = list.iter_mut().find(|item| item["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

fn ended(status: ExitStatus) -> String {
    format!("Envoy ended with {status}")
}

struct Process {
    child: Child,
    folder: tempfile::TempDir,
}

impl Process {
    fn spawn(mut setup: Setup) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("envoy.json");
        setup.move_sockets(folder.path());
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
        Ok(Process { child, folder })
    }

    fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn with_log(&self, why: &str) -> String {
        format!("{why}\n--- Envoy's log\n{}---", self.log())
    }

    /// Waits until all is ready.
    async fn serving(&mut self) -> Result<Serving, String> {
        let admin_file = self.folder.path().join("admin");
        let admin = wait::attempt("Envoy's admin address", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(Err(ended(status)));
            }
            let text = std::fs::read_to_string(&admin_file).ok()?;
            (!text.is_empty()).then_some(Ok(text))
        });
        let admin = admin.await??;
        // Its address, or the path of its socket.
        let of_admin = admin.trim().parse::<SocketAddr>().ok();
        let (client, host) = match of_admin {
            Some(address) => (client(), address.to_string()),
            None => {
                let client = client_builder().unix_socket(admin.trim()).build().unwrap();
                (client, "envoy".to_owned())
            }
        };
        let ready = wait::attempt("Envoy to be ready", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(Err(ended(status)));
            }
            let ready = client.get(format!("http://{host}/ready")).send().await.ok()?;
            ready.status().is_success().then_some(Ok(()))
        });
        ready.await??;
        let listeners = async || {
            let url = format!("http://{host}/listeners?format=json");
            client.get(url).send().await?.json::<Value>().await
        };
        let mut listeners = listeners().await.map_err(|error| error.to_string())?;
        let mut address = |name| {
            let listener = named(&mut listeners["listener_statuses"], name);
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
            SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
        };
        let admin = of_admin.unwrap_or_else(|| address("health"));
        Ok(Serving { admin, gateway: address("gateway"), admin_api: address("formhook_admin") })
    }
}

/// Where an Envoy serves.
struct Serving {
    admin: SocketAddr,
    gateway: SocketAddr,
    admin_api: SocketAddr,
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

/// A running gateway. It ends when this is dropped.
pub struct Gateway {
    /// Where API calls go.
    pub address: SocketAddr,
    /// Envoy's own admin interface; in a sidecar, what others see of it.
    pub admin: SocketAddr,
    /// Formhook's console and admin API.
    pub admin_api: SocketAddr,
    client: reqwest::Client,
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
        let url = format!("http://{}{page}", self.admin);
        self.client.get(url).send().await?.text().await
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
        wait::until(&format!("a log line with {texts:?}"), async || {
            let log = self.log();
            let mut lines = log.lines();
            lines.find(|line| texts.iter().all(|text| line.contains(text))).map(str::to_owned)
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

    /// Sends bytes as they are, and reads until the gateway closes or `wait` has passed without
    /// anything coming.
    pub async fn raw(&self, request: &[u8], wait: Duration) -> Vec<u8> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(Ok(read @ 1..)) = tokio::time::timeout(wait, stream.read(&mut buffer)).await {
            answer.extend_from_slice(&buffer[..read]);
        }
        answer
    }
}
