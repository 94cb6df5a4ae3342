//! What a gateway is started with: a file of `envoy/`, with as few changes as a test allows.

use super::envoy::{Process, Serving};
use super::{Gateway, PLATFORM_KEY_ENV, client, root, shipped};
use crate::support::store::{UPSTASH_TOKEN, WEBDIS_AUTH};
use crate::support::wait;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

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
    pub(super) config: Value,
    pub(super) workers: usize,
    pub(super) is_dynamic: bool,
    /// Further arguments of Envoy.
    pub(super) arguments: &'static [&'static str],
    /// What is said to the store.
    pub(super) store_auth: &'static str,
}

impl Setup {
    /// The shipped gateway, in front of this platform, with this plugin configuration.
    pub fn new(platform: SocketAddr, plugin: &Value) -> Self {
        Self::with_plugin_text(platform, &plugin.to_string())
    }

    /// What is shipped, as it is.
    fn of(file: &str) -> Self {
        let config = shipped(file);
        Setup { config, workers: 1, is_dynamic: false, arguments: &[], store_auth: WEBDIS_AUTH }
    }

    /// What is shipped, in front of this platform.
    pub fn before(file: &str, platform: SocketAddr) -> Self {
        let mut setup = Setup::of(file);
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

    /// Starts Envoy with further arguments.
    pub fn arguments(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    /// Lets the gateway be changed while it runs, by [`Gateway::change_to`].
    pub fn dynamic(mut self) -> Self {
        self.is_dynamic = true;
        self
    }

    /// The gateway's listener as a file of Envoy's listener discovery service.
    pub(super) fn listener_file(&mut self) -> Value {
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
    pub fn allow(mut self, address: &str, prefix_len: u8) -> Self {
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

    /// The listener that others see pages of Envoy's admin interface by.
    pub(super) fn metrics_listener(&mut self) -> &'static str {
        let listeners = self.at("/static_resources/listeners").as_array().unwrap();
        let is_there = |name: &&str| listeners.iter().any(|listener| listener["name"] == *name);
        ["metrics", "health"].into_iter().find(is_there).unwrap()
    }

    fn connection_manager_of(&mut self, listener: &str) -> &mut Value {
        let manager = "/filter_chains/0/filters/0/typed_config";
        self.listener(listener).pointer_mut(manager).unwrap()
    }

    /// What handles API calls.
    pub fn connection_manager(&mut self) -> &mut Value {
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
    pub(super) fn move_sockets(&mut self, folder: &Path) {
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

    /// Has the names of targets resolved by this server.
    pub fn resolving_by(mut self, server: SocketAddr) -> Self {
        let address = json!({"address": server.ip().to_string(), "port_value": server.port()});
        let resolver = json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [{"socket_address": address}],
                "dns_resolver_options": {"no_default_search_domain": true},
            },
        });
        self.cluster("formhook_names")["typed_dns_resolver_config"] = resolver.clone();
        let filters = &mut self.connection_manager_of("formhook_egress")["http_filters"];
        let filter = named(filters, "envoy.filters.http.dynamic_forward_proxy");
        filter["typed_config"]["dns_cache_config"]["typed_dns_resolver_config"] = resolver.clone();
        let cluster = self.cluster("formhook_resolve");
        let cache = cluster.pointer_mut("/cluster_type/typed_config/dns_cache_config").unwrap();
        cache["typed_dns_resolver_config"] = resolver;
        self
    }

    /// Adds a cluster with one host, at this address.
    pub fn with_cluster(mut self, name: &str, host: SocketAddr) -> Self {
        let clusters = self.at("/static_resources/clusters").as_array_mut().unwrap();
        clusters.push(cluster(name, host));
        self
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
        let Serving { envoy_admin, metrics_page, gateway, admin_api } = serving;
        let client = client();
        Ok(Gateway { address: gateway, metrics_page, admin_api, client, envoy_admin, envoy })
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

/// A cluster with one host, at this address.
pub fn cluster(name: &str, host: SocketAddr) -> Value {
    let address = json!({"address": host.ip().to_string(), "port_value": host.port()});
    let endpoint = json!({"endpoint": {"address": {"socket_address": address}}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}

pub(super) fn named<'v>(list: &'v mut Value, name: &str) -> &'v mut Value {
    let list = list.as_array_mut().unwrap();
    let found = list.iter_mut().find(|item| item["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {name}"))
}
