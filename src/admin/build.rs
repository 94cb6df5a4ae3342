//! Packs the console's files for `console.rs`.

use flate2::{Compression, write::GzEncoder};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new("src/admin/console");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let url = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        files.push((url, path));
    }
    // The same bytes from the same files, whatever order the folder has.
    files.sort();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut code = String::from(
        "/// Path, content type and packed content.\nconst FILES: &[(&str, &str, &[u8])] = &[\n",
    );
    for (position, (url, path)) in files.iter().enumerate() {
        let content_type = match path.extension().and_then(|extension| extension.to_str()) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => return Err(io::Error::other(format!("{}: what is this?", path.display()))),
        };
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(trimmed(&fs::read_to_string(path)?).as_bytes())?;
        let packed = out.join(format!("console-{position}.gz"));
        fs::write(&packed, packer.finish()?)?;
        let _ = writeln!(code, "    ({url:?}, {content_type:?}, include_bytes!({packed:?})),");
    }
    code.push_str("];\n");
    fs::write(out.join("console.rs"), code)
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
