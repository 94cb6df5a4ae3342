//! Cargo's build script: what the module has in it beside code.

#[path = "admin/build.rs"]
mod console;
#[path = "store/redis/build.rs"]
mod script;

fn main() -> std::io::Result<()> {
    console::pack()?;
    script::pack()
}
