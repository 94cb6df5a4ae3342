//! `istio.yaml` and `envoy-gateway.yaml`: resources that their schemas take, and names that fit each other.

use super::{changed, documents, judged, text};
use serde_json::Value;
use std::process::Command;

const ISTIO: &str = "envoy/istio.yaml";
const ENVOY_GATEWAY: &str = "envoy/envoy-gateway.yaml";

/// What is wrong with these resources, by their schemas; empty if nothing is.
fn faults(yaml: &str) -> String {
    let (ended_well, said) =
        judged(Command::new("node").arg("tests/deployment/kubernetes.mjs"), yaml);
    assert!(ended_well, "{said}");
    said
}

/// The resources of a kind.
fn of_kind(file: &str, kind: &str) -> Vec<Value> {
    let documents = documents(&text(file));
    let found: Vec<_> = documents.into_iter().filter(|one| one["kind"] == kind).collect();
    assert!(!found.is_empty(), "{file} has no {kind}");
    found
}

fn only(file: &str, kind: &str) -> Value {
    let mut found = of_kind(file, kind);
    assert_eq!(found.len(), 1, "{file} has several {kind}");
    found.remove(0)
}

fn named(file: &str, kind: &str, name: &str) -> Value {
    let mut found = of_kind(file, kind);
    found.retain(|one| one["metadata"]["name"] == name);
    assert_eq!(found.len(), 1, "{file} has {} of {kind} {name}", found.len());
    found.remove(0)
}

#[test]
fn their_schemas_take_the_resources() {
    assert_eq!(faults(&text(ISTIO)), "");
    assert_eq!(faults(&text(ENVOY_GATEWAY)), "");
}

/// Makes these changes, and expects a fault of each resource with this text.
fn refused(file: &str, changes: &[(&str, &str, &str, &str)]) {
    let yaml = changes.iter().fold(text(file), |text, (from, to, ..)| changed(&text, from, to));
    let said = faults(&yaml);
    for (_, to, resource, fault) in changes {
        let is_said = |line: &str| line.starts_with(resource) && line.contains(fault);
        assert!(said.lines().any(is_said), "{to}: {said}");
    }
}

#[test]
fn they_refuse_fields_that_are_not_in_them() {
    refused(
        ISTIO,
        &[
            ("pluginName:", "rootID:", "WasmPlugin formhook: ", "'\"rootID\"' does not exist"),
            ("targetPort:", "port:", "ServiceEntry form-platform: ", "'\"port\"' does not exist"),
        ],
    );
    refused(
        ENVOY_GATEWAY,
        &[
            ("hostKeys:", "keys:", "EnvoyExtensionPolicy formhook: ", "'\"keys\"' does not exist"),
            ("fqdn: {hostname:", "fqdn: {host:", "Backend form-platform: ", "'\"host\"' does not"),
        ],
    );
}

#[test]
fn they_refuse_values_that_are_none_of_theirs() {
    refused(
        ISTIO,
        &[
            ("valueFrom: HOST", "valueFrom: ENV", "WasmPlugin formhook: ", "env/0/valueFrom"),
            (": FAIL_RELOAD", ": RELOAD", "WasmPlugin formhook: ", "spec/failStrategy"),
            ("SIMPLE", "TLS", "DestinationRule form-platform: ", "trafficPolicy/tls/mode"),
            ("operation: ADD", "operation: PUT", "EnvoyFilter formhook-admin: ", "patch/operation"),
        ],
    );
    refused(
        ENVOY_GATEWAY,
        &[
            ("type: Image", "type: OCI", "EnvoyExtensionPolicy formhook: ", "wasm/0/code/type"),
            ("op: add", "op: put", "EnvoyPatchPolicy formhook-calls: ", "operation/op"),
            ("request: 0s", "request: none", "HTTPRoute form-platform: ", "timeouts/request"),
        ],
    );
}

#[test]
fn an_unknown_kind_is_no_silence() {
    let unknown =
        changed(&text(ISTIO), "extensions.istio.io/v1alpha1", "extensions.istio.example/v1");
    let mut judge = Command::new("node");
    let (ended_well, said) = judged(judge.arg("tests/deployment/kubernetes.mjs"), &unknown);
    assert!(!ended_well && said.contains("this group is not known"), "{said}");
}

#[test]
fn under_istio_a_webhook_leads_to_a_service_entry_with_tls() {
    let plugin = only(ISTIO, "WasmPlugin");
    for webhook in plugin["spec"]["pluginConfig"]["webhooks"].as_array().unwrap() {
        let cluster: Vec<_> = webhook["cluster"].as_str().unwrap().split('|').collect();
        let ["outbound", port, "", host] = cluster[..] else { panic!("{cluster:?}") };
        assert!(webhook["url"].as_str().unwrap().starts_with(&format!("https://{host}/")));
        let port: u64 = port.parse().unwrap();
        let entries = of_kind(ISTIO, "ServiceEntry");
        let mut entries = entries.iter().filter(|entry| entry["spec"]["hosts"][0] == host);
        let ports = &entries.next().unwrap_or_else(|| panic!("no ServiceEntry for {host}"))["spec"]
            ["ports"];
        assert_eq!(ports[0]["number"], port);
        assert_eq!(ports[0]["protocol"], "HTTP", "or Istio would not see requests");
        let rules = of_kind(ISTIO, "DestinationRule");
        let mut rules = rules.iter().filter(|rule| rule["spec"]["host"] == host);
        let settings = &rules.next().unwrap()["spec"]["trafficPolicy"]["portLevelSettings"][0];
        assert_eq!(settings["port"]["number"], port);
        assert_eq!(settings["tls"]["sni"], host);
        assert_eq!(settings["tls"]["subjectAltNames"][0], host);
    }
}

#[test]
fn under_istio_the_filter_sees_the_port_of_the_platform_and_the_console_the_same_pods() {
    let plugin = only(ISTIO, "WasmPlugin");
    let entry = &of_kind(ISTIO, "ServiceEntry")[0];
    assert_eq!(entry["spec"]["hosts"][0], "api.jodoo.com");
    let seen = &plugin["spec"]["match"][0]["ports"][0]["number"];
    assert_eq!(*seen, entry["spec"]["ports"][0]["number"]);
    let route = &only(ISTIO, "VirtualService")["spec"]["http"][0];
    assert_eq!(route["route"][0]["destination"]["port"]["number"], *seen);

    let admin = named(ISTIO, "EnvoyFilter", "formhook-admin");
    let pods = &admin["spec"]["workloadSelector"]["labels"];
    assert_eq!(*pods, plugin["spec"]["selector"]["matchLabels"]);
    let patches = admin["spec"]["configPatches"].as_array().unwrap();
    let extension = &patches[0]["patch"]["value"];
    let config = &extension["typed_config"]["config"];
    assert_eq!(config["root_id"], plugin["spec"]["pluginName"]);
    assert_eq!(config["vm_config"].get("vm_id"), None, "a WasmPlugin has none");
    let variables = plugin["spec"]["vmConfig"]["env"].as_array().unwrap().iter();
    let variables: Vec<_> = variables.map(|variable| &variable["name"]).collect();
    let of_admin = &config["vm_config"]["environment_variables"]["host_env_keys"];
    assert_eq!(of_admin.as_array().unwrap().iter().collect::<Vec<_>>(), variables);
    let remote = &config["vm_config"]["code"]["remote"];
    assert_eq!(remote["http_uri"]["uri"], plugin["spec"]["url"]);
    assert_eq!(remote["sha256"], plugin["spec"]["sha256"]);
    let filters = "/patch/value/filter_chains/0/filters/0/typed_config/http_filters/0/name";
    assert_eq!(patches[1].pointer(filters), Some(&extension["name"]));
}

#[test]
fn under_envoy_gateway_a_webhook_leads_to_a_cluster_that_is_patched_in() {
    let patches =
        named(ENVOY_GATEWAY, "EnvoyPatchPolicy", "formhook-targets")["spec"]["jsonPatches"].take();
    let policy = only(ENVOY_GATEWAY, "EnvoyExtensionPolicy");
    for webhook in policy["spec"]["wasm"][0]["config"]["webhooks"].as_array().unwrap() {
        let mut patches = patches.as_array().unwrap().iter();
        let patch = patches.find(|patch| patch["name"] == webhook["cluster"]).unwrap();
        let cluster = &patch["operation"]["value"];
        assert_eq!(cluster["name"], webhook["cluster"]);
        let endpoint =
            "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let host = cluster.pointer(endpoint).unwrap()["address"].as_str().unwrap();
        assert!(webhook["url"].as_str().unwrap().starts_with(&format!("https://{host}/")));
    }
}

#[test]
fn under_envoy_gateway_the_filter_gets_its_variables_and_the_metrics_their_labels() {
    let proxy = only(ENVOY_GATEWAY, "EnvoyProxy");
    let policy = only(ENVOY_GATEWAY, "EnvoyExtensionPolicy");
    let variables = "/spec/provider/kubernetes/envoyDeployment/container/env";
    let variables = proxy.pointer(variables).unwrap().as_array().unwrap();
    for key in policy["spec"]["wasm"][0]["env"]["hostKeys"].as_array().unwrap() {
        assert!(variables.iter().any(|variable| variable["name"] == *key), "{key}");
    }
    let bootstrap = documents(proxy["spec"]["bootstrap"]["value"].as_str().unwrap()).remove(0);
    let envoy = documents(&text("envoy/envoy.yaml")).remove(0);
    assert_eq!(bootstrap["stats_config"], envoy["stats_config"]);
}
