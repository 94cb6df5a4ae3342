//! The filter's settings in every file, with the variables that the file itself hands to the filter.

use super::{documents, path, text};
use formhook::config::Plugin;
use serde_json::{Value, json};

/// A configuration of the filter, and the variables that it gets to see.
struct Embedded {
    config: Value,
    variables: Vec<String>,
}

/// Every YAML file in `envoy/` and its folders.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["envoy", "envoy/redis"] {
        for entry in std::fs::read_dir(path(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".yaml") {
                files.push(format!("{folder}/{name}"));
            }
        }
    }
    files.sort();
    files
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Finds the configurations in Envoy's own files, in a `WasmPlugin` and in an `EnvoyExtensionPolicy`.
fn embedded(value: &Value, found: &mut Vec<Embedded>) {
    if let Some(config) = value.pointer("/configuration/value") {
        let variables = value.pointer("/vm_config/environment_variables/host_env_keys");
        found.push(Embedded { config: config.clone(), variables: strings(variables) });
    }
    if let Some(config) = value.get("pluginConfig") {
        let variables = value.pointer("/vmConfig/env").and_then(Value::as_array).unwrap();
        let from_host = variables.iter().filter(|one| one["valueFrom"] == "HOST");
        let variables = from_host.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        found.push(Embedded { config: config.clone(), variables });
    }
    if value.get("rootID").is_some() {
        let variables = strings(value.pointer("/env/hostKeys"));
        found.push(Embedded { config: value["config"].clone(), variables });
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| embedded(item, found)),
        Value::Object(members) => members.values().for_each(|member| embedded(member, found)),
        _ => {}
    }
}

fn embedded_in(file: &str) -> Vec<Embedded> {
    let mut found = Vec::new();
    for document in documents(&text(file)) {
        embedded(&document, &mut found);
    }
    found
}

fn parse(plugin: &Embedded) -> Result<Plugin, String> {
    // What is in a variable is not asked for, but for its form.
    let env = |name: &str| {
        let is_given = plugin.variables.iter().any(|one| one == name);
        is_given.then(|| "formhook:MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())
    };
    Plugin::parse(plugin.config.to_string().as_bytes(), &env)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn every_configuration_of_the_filter_is_taken_with_the_variables_beside_it() {
    let counts: Vec<_> = files()
        .into_iter()
        .map(|file| {
            let plugins = embedded_in(&file);
            for plugin in &plugins {
                parse(plugin).unwrap_or_else(|faults| panic!("{file}: {faults}"));
            }
            (file, plugins.len())
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    let expected = [
        ("envoy/envoy-gateway.yaml", 1),
        ("envoy/envoy.yaml", 2),
        ("envoy/istio.yaml", 2),
        ("envoy/redis/envoy.yaml", 2),
        ("envoy/sidecar.yaml", 2),
    ];
    assert_eq!(counts, expected.map(|(file, count)| (file.to_owned(), count)));
}

#[test]
fn a_configuration_with_a_fault_is_not_taken() {
    for file in ["envoy/istio.yaml", "envoy/envoy-gateway.yaml"] {
        let mut plugin = embedded_in(file).remove(0);
        plugin.config["webhooks"][0]["evnets"] = json!([]);
        let faults = parse(&plugin).unwrap_err();
        assert!(faults.contains("webhooks[0].evnets"), "{file}: {faults}");
    }
}

#[test]
fn a_configuration_is_not_taken_without_its_variables() {
    for file in ["envoy/istio.yaml", "envoy/envoy-gateway.yaml", "envoy/sidecar.yaml"] {
        let mut plugin = embedded_in(file).remove(0);
        plugin.variables.clear();
        let faults = parse(&plugin).unwrap_err();
        assert!(faults.contains("webhooks[0].secret_env"), "{file}: {faults}");
    }
}
