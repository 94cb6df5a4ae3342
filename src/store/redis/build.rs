//! Trims the Lua script for `wire.rs`: Redis does not need what only its readers need.

use std::io::{ErrorKind, Result};
use std::path::Path;
use std::{env, fs};

const SCRIPT: &str = "src/store/redis/script.lua";

pub fn trim() -> Result<()> {
    println!("cargo::rerun-if-changed={SCRIPT}");
    let script = fs::read_to_string(SCRIPT)?;
    let lines = script.lines().map(str::trim);
    // The script has no comment behind code, and no string over several lines.
    let lines: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("--")).collect();
    let out = env::var_os("OUT_DIR").ok_or(ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("script.lua"), lines.join("\n"))
}
