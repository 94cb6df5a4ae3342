//! What the built module asks of its host, and how large it is. Needs `build/formhook.wasm`.

use std::collections::BTreeSet;
use std::path::Path;
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

/// An operator's limit for what is fetched and compiled at each start.
const MAX_BYTES: usize = 1536 * 1024;

/// What Rust's standard library needs of WASI for the clock, the environment, random numbers and
/// a last word on stderr: no files, no sockets.
const WASI: [&str; 6] =
    ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

fn module() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/formhook.wasm");
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make wasm`", path.display()))
}

fn payloads(module: &[u8]) -> impl Iterator<Item = Payload<'_>> {
    Parser::new(0).parse_all(module).map(Result::unwrap)
}

#[test]
fn it_imports_only_the_proxy_wasm_abi_and_a_little_of_wasi() {
    let module = module();
    let mut imports = BTreeSet::new();
    for payload in payloads(&module) {
        if let Payload::ImportSection(section) = payload {
            for import in section.into_imports() {
                let import = import.unwrap();
                imports.insert((import.module.to_owned(), import.name.to_owned()));
            }
        }
    }
    assert!(!imports.is_empty());
    for (from, name) in &imports {
        let allowed = match from.as_str() {
            "env" => name.starts_with("proxy_"),
            "wasi_snapshot_preview1" => WASI.contains(&name.as_str()),
            _ => false,
        };
        assert!(allowed, "it imports {from}.{name}");
    }
}

#[test]
fn it_is_a_reactor_and_exports_what_envoy_looks_for() {
    let module = module();
    let mut exports = BTreeSet::new();
    for payload in payloads(&module) {
        if let Payload::ExportSection(section) = payload {
            for export in section {
                let export = export.unwrap();
                if export.kind == ExternalKind::Func {
                    exports.insert(export.name.to_owned());
                }
            }
        }
    }
    for name in ["_initialize", "proxy_abi_version_0_2_1", "proxy_on_configure"] {
        assert!(exports.contains(name), "it does not export {name}: {exports:?}");
    }
    assert!(!exports.contains("_start"));
}

#[test]
fn it_runs_on_hosts_without_simd_and_threads() {
    let features = WasmFeatures::default()
        - WasmFeatures::SIMD
        - WasmFeatures::RELAXED_SIMD
        - WasmFeatures::THREADS
        - WasmFeatures::EXCEPTIONS;
    Validator::new_with_features(features).validate_all(&module()).unwrap();
}

#[test]
fn it_is_small() {
    let module = module();
    println!("formhook.wasm: {} bytes of {MAX_BYTES}", module.len());
    assert!(module.len() <= MAX_BYTES, "{} bytes, more than {MAX_BYTES}", module.len());
}
