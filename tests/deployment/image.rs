//! `build/formhook.oci.tar`, by the specification of OCI images and its variant "compat" for Wasm:
//! <https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md>. `make image` builds it.

use super::{path, text};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Read;

/// The files of a tar archive. It must have an end, as some readers ask for it and others do not.
fn files(mut archive: impl Read) -> HashMap<String, Vec<u8>> {
    let mut bytes = Vec::new();
    archive.read_to_end(&mut bytes).unwrap();
    assert!(bytes.ends_with(&[0; 1024]), "the archive has no end");
    let mut archive = tar::Archive::new(&*bytes);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.header().entry_type().is_file()).map(|mut entry| {
        let name = entry.path().unwrap().to_str().unwrap().trim_start_matches("./").to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (name, content)
    });
    files.collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The image's archive.
struct Image(HashMap<String, Vec<u8>>);

impl Image {
    fn open() -> Self {
        let file = path("build/formhook.oci.tar");
        let opened = std::fs::File::open(&file);
        Image(files(opened.unwrap_or_else(|error| {
            panic!("{}: {error}; run `make image`", file.display());
        })))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.0[name]).unwrap()
    }

    /// What a descriptor leads to, which must be what it says.
    fn blob(&self, descriptor: &Value) -> &[u8] {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let blob = &self.0[&format!("blobs/sha256/{digest}")];
        assert_eq!(sha256(blob), digest);
        assert_eq!(descriptor["size"], blob.len());
        blob
    }

    fn json_blob(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(self.blob(descriptor)).unwrap()
    }

    fn manifest(&self) -> Value {
        let index = self.json("index.json");
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 1);
        self.json_blob(&manifests[0])
    }
}

#[test]
fn the_image_has_one_layer_with_the_module_and_nothing_else() {
    let image = Image::open();
    assert_eq!(image.json("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
    let manifest = image.manifest();
    assert_eq!(manifest["annotations"], json!({"module.wasm.image/variant": "compat"}));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let mut layer = Vec::new();
    GzDecoder::new(image.blob(&layers[0])).read_to_end(&mut layer).unwrap();
    let diff_id = format!("sha256:{}", sha256(&layer));
    assert_eq!(image.json_blob(&manifest["config"])["rootfs"]["diff_ids"], json!([diff_id]));
    let files = files(&*layer);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["plugin.wasm"]);
    assert!(files["plugin.wasm"] == std::fs::read(path("build/formhook.wasm")).unwrap());
}

#[test]
fn the_image_has_the_labels_of_the_dockerfile_and_the_version_of_the_crate() {
    let image = Image::open();
    let labels = image.json_blob(&image.manifest()["config"])["config"]["Labels"].take();
    let dockerfile = text("envoy/Dockerfile");
    let expected = dockerfile.lines().filter_map(|line| {
        let (key, value) = line.strip_prefix("LABEL ")?.split_once('=')?;
        Some((key.to_owned(), value.trim_matches('"').into()))
    });
    assert_eq!(labels, Value::Object(expected.collect()));
    assert_eq!(labels["org.opencontainers.image.description"], env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(labels["org.opencontainers.image.licenses"], env!("CARGO_PKG_LICENSE"));
    let tag = "/manifests/0/annotations/org.opencontainers.image.ref.name";
    assert_eq!(image.json("index.json").pointer(tag).unwrap(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_command_that_brings_the_image_to_a_registry_is_taken() {
    let page = text("envoy/README.md");
    let command = page.lines().find(|line| line.starts_with("skopeo copy ")).unwrap();
    let (copy, registry) = command.split_once("docker://").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(registry, format!("registry.example.com/formhook:{version}"));
    let folder = tempfile::tempdir().unwrap();
    let copied = folder.path().join("image");
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{copy}dir:{}", copied.display())])
        .current_dir(path("."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest = std::fs::read(copied.join("manifest.json")).unwrap();
    assert!(Image::open().0.contains_key(&format!("blobs/sha256/{}", sha256(&manifest))));
}
