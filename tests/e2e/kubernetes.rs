//! What Istio and Envoy Gateway make of `istio.yaml` and `envoy-gateway.yaml`, in real Envoy. The control planes are
//! not here: each test does by itself what they do with a resource, and says so.

use super::support::gateway::{Gateway, Setup, root};
use super::support::raw::exchange;
use super::support::receiver::Receiver;
use super::support::tls::Authority;
use super::*;
use reqwest::Method;

/// The resource of a kind and with a name.
fn resource(file: &str, kind: &str, name: &str) -> Value {
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    let mut documents = documents.map(|one| serde::Deserialize::deserialize(one).unwrap());
    let is_it = |one: &Value| one["kind"] == kind && one["metadata"]["name"] == name;
    documents.find(is_it).unwrap_or_else(|| panic!("{file} has no {kind} {name}"))
}

/// A gateway with none of what only a plain Envoy has: filters that undo compression, and a way out to any URL.
fn bare(platform: &Platform) -> Setup {
    Setup::before("envoy/envoy.yaml", platform.address()).edited(|setup| {
        let filters = setup.http_filters().as_array_mut().unwrap();
        filters.retain(|filter| {
            ["envoy.filters.http.wasm", "envoy.filters.http.router"]
                .iter()
                .any(|name| filter["name"] == *name)
        });
        let listeners = setup.at("/static_resources/listeners").as_array_mut().unwrap();
        listeners.retain(|listener| listener["name"] != "formhook_egress");
        let clusters = setup.at("/static_resources/clusters").as_array_mut().unwrap();
        clusters.retain(|cluster| {
            ["form_platform", "envoy_admin"].iter().any(|name| cluster["name"] == *name)
        });
        let manager = setup.connection_manager().as_object_mut().unwrap();
        manager.remove("http_protocol_options");
        manager.remove("proxy_100_continue");
    })
}

/// Calls that a listener refuses unless it is told otherwise.
async fn passes_what_passes_directly(gateway: &Gateway) {
    let upgrade = "connection: Upgrade, close\r\nupgrade: TLS/1.2\r\n";
    for (version, headers) in [("1.1", upgrade), ("1.0", "")] {
        let request = format!(
            "POST {CREATE} HTTP/{version}\r\nhost: a\r\n{headers}content-length: 2\r\n\r\n{{}}"
        );
        let answer = exchange(gateway.address, &[request]).await;
        // The platform's own: no key was sent.
        assert!(answer.contains(r#""code":8301"#), "{answer}");
    }
}

fn add_cluster(setup: &mut Setup, cluster: Value) {
    setup.at("/static_resources/clusters").as_array_mut().unwrap().push(cluster);
}

/// As both control planes hand it over.
fn as_text(config: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": config.to_string(),
    })
}

/// Makes an API call, and expects its push at this target, signed.
async fn makes_a_push(gateway: &Gateway, platform: &Platform, target: &Receiver) {
    let answer = gateway.call(CREATE, platform.api_key(), &order("Ada")).await;
    assert_eq!(answer.status(), 200);
    let push = target.wait_for(1).await.remove(0);
    assert_signed(&push);
    assert_eq!(push.json()["data"]["customer"], "Ada");
    assert_eq!(push.header("host"), "crm.example.com");
    gateway.wait_for_metric(PUSHED, 1.0).await;
    gateway.assert_vm_alive();
}

/// A plugin as istiod makes it of a WasmPlugin: no `vm_id`, and a variable that differs from plugin to plugin.
/// For Envoy 1.40 that means a VM of its own, for 1.36 it does not.
fn of_wasm_plugin(plugin: &Value) -> Value {
    let spec = &plugin["spec"];
    let variables = spec["vmConfig"]["env"].as_array().unwrap().iter();
    let from_host: Vec<_> = variables.map(|variable| variable["name"].clone()).collect();
    json!({
        "name": "default.formhook",
        "root_id": spec["pluginName"],
        "failure_policy": spec["failStrategy"],
        "configuration": as_text(&spec["pluginConfig"]),
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": null}},
            "environment_variables": {
                "host_env_keys": from_host,
                "key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1"},
            },
        },
    })
}

/// The listener that `formhook-admin` adds, with the filter that it has by discovery in its place. Istio's agent
/// has put a file in place of the image.
fn of_envoy_filter(filter: &Value) -> Value {
    let patches = &filter["spec"]["configPatches"];
    let mut extension = patches[0]["patch"]["value"].clone();
    let mut listener = patches[1]["patch"]["value"].clone();
    listener["address"]["socket_address"]["port_value"] = json!(0);
    let code = &mut extension["typed_config"]["config"]["vm_config"]["code"];
    assert!(code["remote"]["http_uri"]["uri"].as_str().unwrap().starts_with("oci://"));
    *code = json!({"local": {"filename": null}});
    extension["name"] = json!("envoy.filters.http.wasm");
    let filters = "/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = listener.pointer_mut(filters).unwrap();
    assert!(filters[0]["config_discovery"]["config_source"]["ads"].is_object());
    filters[0] = extension;
    listener
}

/// A cluster as istiod makes it of a ServiceEntry and a DestinationRule with TLS.
fn of_service_entry(name: &str, sni: &str) -> Value {
    let mut sidecar = Setup::before("envoy/sidecar.yaml", ([127, 0, 0, 1], 1).into());
    let mut cluster = sidecar.cluster("crm").clone();
    cluster["name"] = json!(name);
    cluster["load_assignment"]["cluster_name"] = json!(name);
    cluster["transport_socket"]["typed_config"]["sni"] = json!(sni);
    let options = cluster["typed_extension_protocol_options"].as_object_mut().unwrap();
    for (_, options) in options {
        let options = options.as_object_mut().unwrap();
        options.remove("upstream_http_protocol_options");
        options.remove("http_filters");
    }
    let context = "/transport_socket/typed_config/common_tls_context/validation_context";
    cluster.pointer_mut(context).unwrap()["match_typed_subject_alt_names"] =
        json!([{"san_type": "DNS", "matcher": {"exact": sni}}]);
    cluster
}

#[tokio::test]
async fn under_istio_a_call_makes_a_push_and_the_console_commands_the_filter() {
    const FILE: &str = "envoy/istio.yaml";
    let platform = orders_platform().await;
    let ca = Authority::new();
    let target = Receiver::over_tls(ca.server(&["crm.example.com"])).await;
    let plugin = resource(FILE, "WasmPlugin", "formhook");
    let cluster = plugin["spec"]["pluginConfig"]["webhooks"][0]["cluster"].as_str().unwrap();
    let sidecar = bare(&platform)
        .edited(|setup| {
            *setup.plugin() = of_wasm_plugin(&plugin);
            let admin = of_envoy_filter(&resource(FILE, "EnvoyFilter", "formhook-admin"));
            *setup.listener("formhook_admin") = admin;
            let calls = resource(FILE, "EnvoyFilter", "formhook-calls");
            let merged =
                calls["spec"]["configPatches"][0]["patch"]["value"]["typed_config"].clone();
            setup
                .connection_manager()
                .as_object_mut()
                .unwrap()
                .extend(merged.as_object().unwrap().clone());
            add_cluster(setup, of_service_entry(cluster, "crm.example.com"));
        })
        .module("formhook.wasm")
        .leading_to(cluster, target.address)
        .trusting_for(cluster, ca.file())
        .start()
        .await;
    makes_a_push(&sidecar, &platform, &target).await;
    passes_what_passes_directly(&sidecar).await;

    // The console sees what the other filter has done, and its requests have bodies.
    let webhook: Value =
        sidecar.admin(Method::GET, "/webhooks/crm").send().await.unwrap().json().await.unwrap();
    assert_eq!(webhook["id"], "crm", "{webhook}");
    let history: Value =
        sidecar.admin(Method::GET, "/history").send().await.unwrap().json().await.unwrap();
    assert_eq!(history["items"][0]["webhook"], "crm", "{history}");
    let new = json!({"id": "erp", "url": "https://erp.example.com/in"});
    let made = sidecar.admin(Method::POST, "/webhooks").json(&new).send().await.unwrap();
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
    sidecar.assert_vm_alive();
}

/// A plugin as Envoy Gateway makes it of an EnvoyExtensionPolicy, which has fetched the image.
fn of_extension_policy(policy: &Value) -> Value {
    let wasm = &policy["spec"]["wasm"][0];
    json!({
        "name": wasm["name"],
        "root_id": wasm["rootID"],
        "fail_open": wasm["failOpen"],
        "configuration": as_text(&wasm["config"]),
        "vm_config": {
            "vm_id": "envoyextensionpolicy/default/formhook/wasm/0",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": null}},
            "environment_variables": {"host_env_keys": wasm["env"]["hostKeys"]},
        },
    })
}

/// What Envoy Gateway makes of a ClientTrafficPolicy, and of its own: it has bodies held up to 32 KiB.
fn of_client_policy(setup: &mut Setup, policy: &Value) {
    let http1 = &policy["spec"]["http1"];
    let options = json!({
        "enable_trailers": http1["enableTrailers"],
        "accept_http_10": http1["http10"].is_object(),
    });
    setup.connection_manager()["http_protocol_options"] = options;
    setup.listener("gateway")["per_connection_buffer_limit_bytes"] = json!(32768);
}

#[tokio::test]
async fn under_envoy_gateway_a_call_makes_a_push_to_the_cluster_that_is_patched_in() {
    const FILE: &str = "envoy/envoy-gateway.yaml";
    let platform = orders_platform().await;
    let ca = Authority::new();
    let target = Receiver::over_tls(ca.server(&["crm.example.com"])).await;
    let patches =
        resource(FILE, "EnvoyPatchPolicy", "formhook-targets")["spec"]["jsonPatches"].take();
    let gateway = bare(&platform)
        .edited(|setup| {
            *setup.plugin() =
                of_extension_policy(&resource(FILE, "EnvoyExtensionPolicy", "formhook"));
            add_cluster(setup, patches[0]["operation"]["value"].clone());
            of_client_policy(setup, &resource(FILE, "ClientTrafficPolicy", "formhook"));
            let calls = resource(FILE, "EnvoyPatchPolicy", "formhook-calls");
            for patch in calls["spec"]["jsonPatches"].as_array().unwrap() {
                let path = patch["operation"]["path"].as_str().unwrap();
                let path =
                    path.strip_prefix("/default_filter_chain/filters/0/typed_config").unwrap();
                let (parent, name) = path.rsplit_once('/').unwrap();
                let parent = setup.connection_manager().pointer_mut(parent).unwrap();
                parent[name] = patch["operation"]["value"].clone();
            }
        })
        .module("formhook.wasm")
        .leading_to("formhook_crm", target.address)
        .trusting_for("formhook_crm", ca.file())
        .start()
        .await;
    makes_a_push(&gateway, &platform, &target).await;
    passes_what_passes_directly(&gateway).await;
    for name in target.received()[0].headers.keys() {
        assert!(!name.as_str().starts_with("x-envoy-"), "the target was sent {name}");
    }
}
