//! Packs the console's files for `console.rs`: the page, its style, and its modules as one script,
//! each without what only its readers need, and compressed.

use std::fmt::Write as _;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FOLDER: &str = "src/admin/console";

pub fn pack() -> Result<()> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let mut bundle = Bundle::default();
    bundle.add("app")?;
    let read = |name: &str| fs::read_to_string(Path::new(FOLDER).join(name));
    let files = [
        ("/", "text/html; charset=utf-8", trimmed(&read("index.html")?)),
        ("/console.css", "text/css; charset=utf-8", trimmed(&read("console.css")?)),
        ("/app.js", "text/javascript; charset=utf-8", bundle.script),
    ];
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut code = String::from("/// Path, content type and packed content.\n");
    let _ = writeln!(code, "const FILES: [(&str, &str, &[u8]); {}] = [", files.len());
    for (number, (url, content_type, text)) in files.iter().enumerate() {
        let packed = out.join(format!("console-{number}.gz"));
        let (options, format) = (zopfli::Options::default(), zopfli::Format::Gzip);
        zopfli::compress(options, format, text.as_bytes(), fs::File::create(&packed)?)?;
        let _ = writeln!(code, "    ({url:?}, {content_type:?}, include_bytes!({packed:?})),");
    }
    code.push_str("];\n");
    fs::write(out.join("console.rs"), code)
}

/// Modules one after the other, each in a scope of its own, after those that it imports.
#[derive(Default)]
struct Bundle {
    /// The modules that were begun.
    known: Vec<String>,
    script: String,
}

impl Bundle {
    fn add(&mut self, module: &str) -> Result<()> {
        if self.known.iter().any(|known| known == module) {
            return Ok(());
        }
        self.known.push(module.to_owned());
        let text = trimmed(&fs::read_to_string(Path::new(FOLDER).join(format!("{module}.js")))?);
        let (mut code, mut exports) = (String::new(), Vec::new());
        for line in text.lines() {
            if let Some(import) = line.strip_prefix("import ") {
                let (names, from) = imported(import).ok_or_else(|| unknown(module, line))?;
                self.add(from)?;
                let names = names.replace(" as ", ": ");
                let _ = writeln!(code, "const {names} = {};", scope(from));
            } else if let Some(export) = line.strip_prefix("export ") {
                exports.push(exported(export).ok_or_else(|| unknown(module, line))?);
                let _ = writeln!(code, "{export}");
            } else {
                let _ = writeln!(code, "{line}");
            }
        }
        let (scope, exports) = (scope(module), exports.join(", "));
        let _ = write!(
            self.script,
            "const {scope} = (() => {{\n{code}return {{ {exports} }};\n}})();\n"
        );
        Ok(())
    }
}

/// The variable that has what a module exports.
fn scope(module: &str) -> String {
    format!("_{}", module.replace('-', "_"))
}

/// The names and the module of `{ a, b as c } from "./module.js";`.
fn imported(import: &str) -> Option<(&str, &str)> {
    let (names, from) = import.split_once(" from ")?;
    let module = from.strip_prefix("\"./")?.strip_suffix(".js\";")?;
    names.starts_with('{').then_some((names, module))
}

/// The name of `function name(...) {`, `const name = ...` or `async function name`.
fn exported(export: &str) -> Option<&str> {
    let rest = export.strip_prefix("async ").unwrap_or(export);
    let rest = rest.strip_prefix("function ").or_else(|| rest.strip_prefix("const "))?;
    rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

fn unknown(module: &str, line: &str) -> io::Error {
    io::Error::other(format!("{FOLDER}/{module}.js: this is not understood here: {line}"))
}

/// The text without indentation, empty lines, and comments that have lines of their own. None of
/// the files has a string that goes over several lines.
fn trimmed(text: &str) -> String {
    let mut out = String::new();
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !(in_comment || line.is_empty() || line.starts_with("//")) {
            out.push_str(line);
            out.push('\n');
        }
        in_comment &= !line.ends_with("*/");
    }
    out
}
