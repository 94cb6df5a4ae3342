//! Every configuration that stands in a file here is valid.

use crate::schema::{SCHEMA, root};
use crate::verdict::assert_accepted;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The files of a folder and its folders with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => files(&path, ending),
        false => vec![path],
    });
    let mut found: Vec<_> =
        found.filter(|path| path.extension().is_some_and(|known| known == ending)).collect();
    found.sort();
    found
}

fn yaml(text: &str, of: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    let read = |document| serde::Deserialize::deserialize(document);
    let documents =
        documents.map(|document| read(document).unwrap_or_else(|error| panic!("{of}: {error}")));
    documents.collect()
}

/// The plugin configurations within one of Envoy, a `WasmPlugin` or an `EnvoyExtensionPolicy`.
fn within(envoy: &Value, found: &mut Vec<Value>) {
    found.extend(envoy.get("pluginConfig").cloned());
    found.extend(envoy.get("rootID").map(|_| envoy["config"].clone()));
    match (envoy["@type"].as_str(), &envoy["value"]) {
        (Some("type.googleapis.com/google.protobuf.Struct"), value) => found.push(value.clone()),
        (Some("type.googleapis.com/google.protobuf.StringValue"), Value::String(text)) => {
            found.push(serde_json::from_str(text).unwrap());
        }
        _ => match envoy {
            Value::Object(members) => members.values().for_each(|value| within(value, found)),
            Value::Array(items) => items.iter().for_each(|value| within(value, found)),
            _ => {}
        },
    }
}

#[test]
fn the_configurations_for_envoy_are_valid() {
    let mut roles = Vec::new();
    for file in files(&root().join("envoy"), "yaml") {
        let of = file.display().to_string();
        let mut found = Vec::new();
        yaml(&std::fs::read_to_string(&file).unwrap(), &of)
            .iter()
            .for_each(|document| within(document, &mut found));
        for config in found {
            assert_accepted(&config, &of);
            roles.push((of.clone(), config["role"] == "admin"));
        }
    }
    let of = |file: &str, is_admin| (root().join(file).display().to_string(), is_admin);
    for file in ["envoy.yaml", "redis/envoy.yaml", "sidecar.yaml", "istio.yaml"] {
        for is_admin in [false, true] {
            assert!(roles.contains(&of(&format!("envoy/{file}"), is_admin)), "{file}: {roles:?}");
        }
    }
    assert!(roles.contains(&of("envoy/envoy-gateway.yaml", false)), "{roles:?}");
}

/// The YAML in a Markdown text.
fn blocks(markdown: &str) -> Vec<String> {
    let (mut blocks, mut current) = (Vec::new(), None::<String>);
    for line in markdown.lines() {
        match (line.trim(), &mut current) {
            ("```yaml", None) => current = Some(String::new()),
            ("```", Some(_)) => blocks.extend(current.take()),
            (_, Some(block)) => *block += &format!("{line}\n"),
            _ => {}
        }
    }
    blocks
}

/// A part of a configuration, with what else one must have.
fn completed(part: &Value) -> Value {
    let mut config = part.clone();
    if config["role"] == "admin" {
        return config;
    }
    if part.get("webhooks").is_none() {
        config["webhooks"] = json!([]);
    }
    if part.get("platform").is_none() && part.get("operations").is_none() {
        config["platform"] = json!("jodoo");
    }
    config
}

#[test]
fn the_examples_in_documents_are_valid() {
    let keys = |name: &str| SCHEMA["$defs"][name]["properties"].as_object().unwrap().keys();
    let keys: Vec<_> = keys("watch").chain(keys("admin")).collect();
    let folders = ["docs", "envoy"].map(|folder| files(&root().join(folder), "md")).concat();
    let mut tried = Vec::new();
    for file in folders.into_iter().chain([root().join("README.md")]) {
        let of = file.strip_prefix(root()).unwrap().display().to_string();
        for block in blocks(&std::fs::read_to_string(&file).unwrap()) {
            let documents = yaml(&block, &of);
            // Other blocks are configurations of Envoy, or of something else.
            let is_ours = |part: &&Value| keys.iter().any(|key| part.get(key).is_some());
            for part in documents.iter().filter(is_ours) {
                assert_accepted(&completed(part), &of);
                tried.push(of.clone());
            }
        }
    }
    let count = |of: &str| tried.iter().filter(|file| *file == of).count();
    assert!(count("README.md") >= 1 && count("docs/configuration.md") >= 10, "{tried:?}");
}
