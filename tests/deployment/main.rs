//! The deployment files of `envoy/`, and the workflows that release them, as far as they can be judged without
//! what they are for: the filter's settings in them by the filter's own parser, and all else by the tools and
//! schemas that `.ci/get-linters` installs. `tests/e2e` runs those of `envoy/` in real Envoy.

mod containers;
mod downloads;
mod image;
mod kubernetes;
mod plugins;
mod workflows;

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file of the project.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents of a YAML file.
fn documents(yaml: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(yaml);
    documents.map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
}

/// What a text is after a change, which it must have been open to.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no {from}");
    text.replacen(from, to, 1)
}

/// What a judge says of a text on its stdin, and whether it ended well.
fn judged(judge: &mut Command, text: &str) -> (bool, String) {
    let judge = judge.current_dir(path(""));
    let started = judge.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child =
        started.unwrap_or_else(|error| panic!("{judge:?}: {error}; run .ci/get-linters"));
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A judge that `.ci/get-linters` took from PyPI.
fn linter(name: &str) -> Command {
    Command::new(path("build/linters/python/bin").join(name))
}

/// What a schema that check-jsonschema brings along says of a YAML file.
fn check_jsonschema(schema: &str, yaml: &str) -> (bool, String) {
    let schema = ["--builtin-schema", schema, "--default-filetype", "yaml", "-"];
    judged(linter("check-jsonschema").args(schema), yaml)
}
