//! Cargo's build script: what the module has in it beside code.

#[path = "admin/build.rs"]
mod console;
#[path = "store/redis/build.rs"]
mod script;

fn main() -> std::io::Result<()> {
    // `.ci/build-wasm` knows it: asked here, every commit would have all tests built again.
    println!("cargo::rerun-if-env-changed=FORMHOOK_COMMIT");
    let commit = std::env::var("FORMHOOK_COMMIT").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo::rustc-env=FORMHOOK_COMMIT={commit}");
    console::pack()?;
    script::pack()
}
