//! What the documents tell people to do, done: links lead somewhere, settings are taken, commands run.

use super::support::gateway::{ADMIN_TOKEN, Gateway, SECRET, SECRET_ENV, envoy_binary, root};
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use formhook::config::Plugin;
use formhook::payload::canonical;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tokio::sync::watch;

/// Every document, by its path from the top.
fn documents() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let names = String::from_utf8(listed.stdout).unwrap();
    let read = |name: &str| (name.into(), std::fs::read_to_string(root().join(name)).unwrap());
    names.lines().map(read).collect()
}

/// The fenced blocks of a language in a document, without the indentation of a list.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.find(|line| line.trim_start() == fence) {
        let indent = line.len() - line.trim_start().len();
        let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
        let block: Vec<&str> = block.map(|line| line.get(indent..).unwrap_or_default()).collect();
        found.push(block.join("\n"));
    }
    found
}

/// A document without its fenced blocks.
fn prose(text: &str) -> String {
    let fences = text.split("```").step_by(2);
    fences.collect()
}

/// The anchors of a document, as GitHub makes them of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let headings = headings.filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let of_letter = |letter: char| match letter {
        ' ' => Some('-'),
        letter if letter.is_alphanumeric() || "-_".contains(letter) => Some(letter),
        _ => None,
    };
    headings.map(|heading| heading.to_lowercase().chars().filter_map(of_letter).collect()).collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut count = 0;
    for (path, text) in documents() {
        for link in prose(&text).split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => root().join(&path),
                file => root().join(path.parent().unwrap()).join(file),
            };
            assert!(file.exists(), "{}: {target}", path.display());
            if !anchor.is_empty() {
                let there = anchors(&std::fs::read_to_string(&file).unwrap());
                assert!(there.contains(anchor), "{}: {target}: {there:?}", path.display());
            }
        }
    }
    assert!(count > 20, "{count}");
}

/// The same as a whole configuration: what an example leaves out is added.
fn completed(block: &str) -> Value {
    let mut example: Value = serde_yaml_ng::from_str(block).unwrap();
    if example.get("role") != Some(&json!("admin")) {
        let members = example.as_object_mut().expect("an example is a mapping");
        members.entry("platform").or_insert(json!("jodoo"));
        members.entry("webhooks").or_insert(json!([]));
    }
    example
}

#[test]
fn every_setting_in_the_documents_is_one() {
    let env = |name: &str| {
        let is_for_store = name.contains("STORE");
        Some(if is_for_store { "user:password" } else { "0123456789abcdef" }.to_owned())
    };
    let mut count = 0;
    for (path, text) in documents() {
        for block in blocks(&text, "yaml") {
            let faults = Plugin::parse(completed(&block).to_string().as_bytes(), &env).err();
            assert!(faults.is_none(), "{}: {block}\n{faults:?}", path.display());
            count += 1;
        }
        for block in blocks(&text, "json") {
            let written = String::from_utf8(canonical(block.as_bytes()).unwrap()).unwrap();
            assert_eq!(written, block, "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 5, "{count}");
}

/// Commands of the documents that one of the tests below runs, by what they begin with.
const TRIED: [&str; 4] = ["export CRM_WEBHOOK_SECRET=", "api() {", "admin() {", "umask 077"];

#[test]
fn every_command_in_the_documents_is_tried() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut tried = BTreeSet::new();
    for (path, text) in documents() {
        for block in blocks(&text, "sh") {
            if let Some(begin) = TRIED.iter().find(|begin| block.starts_with(**begin)) {
                tried.insert(begin);
                continue;
            }
            for line in block.lines() {
                // tests/deployment tries this one.
                if line.starts_with("skopeo copy ") {
                    continue;
                }
                let mut words = line.split_whitespace();
                let is_known = match words.next() {
                    Some("make") => {
                        let target = words.next().unwrap();
                        target.starts_with("e2e-") || makefile.contains(&format!("\n{target}:"))
                    }
                    Some("cargo") => words.next() == Some("test"),
                    _ => false,
                };
                assert!(is_known, "{}: nobody tries: {line}", path.display());
            }
        }
    }
    assert_eq!(tried.len(), TRIED.len(), "{tried:?}");
}

#[test]
fn the_versions_of_envoy_that_are_said_to_work_are_those_that_are_tried() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let page = read("docs/compatibility.md");
    let said = |when: &str| -> BTreeSet<String> {
        let rows = page.lines().filter(|line| line.contains(&format!("| {when} |")));
        rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
    };
    let makefile = read("Makefile");
    let tried = makefile.lines().find_map(|line| line.strip_prefix("ENVOY_VERSIONS := ")).unwrap();
    assert_eq!(said("every change"), tried.split(' ').map(str::to_owned).collect());
    let release = read(".github/workflows/release.yml");
    let tried =
        release.lines().find_map(|line| line.trim().strip_prefix("run: make e2e-")).unwrap();
    assert_eq!(said("every release"), tried.split(" e2e-").map(str::to_owned).collect());
}

#[test]
fn what_to_do_is_said_for_each_alert() {
    let rules = super::support::gateway::shipped("envoy/alerts.yaml");
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let said: BTreeSet<&str> = page.lines().filter(|row| row.starts_with("| `Formhook")).collect();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(said.len(), rules.len());
    for rule in rules {
        let (name, severity) = (&rule["alert"], &rule["labels"]["severity"]);
        let row = format!("| `{}` | {} |", name.as_str().unwrap(), severity.as_str().unwrap());
        assert!(said.iter().any(|said| said.starts_with(&row)), "{row}");
    }
}

/// The Rust files of a folder and its folders, as one text.
fn code(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| match path.is_dir() {
        true => code(&path),
        false if path.extension().is_some_and(|ending| ending == "rs") => {
            std::fs::read_to_string(path).unwrap()
        }
        false => String::new(),
    };
    entries.map(read).collect()
}

#[test]
fn each_test_that_the_table_of_attacks_names_is_there() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let (_, table) = page.split_once("| attack | what stops it | shown by |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 20, "{}", rows.len());
    let code = ["src", "tests"].map(|folder| code(&root().join(folder))).concat();
    // By what stands before: the attribute of a test, or of a property, which may have comments above.
    let is_test = |name: &str| {
        let definition = format!("fn {name}(");
        let mut found = code.match_indices(&definition);
        found.any(|(at, _)| {
            let before = code[..at].trim_end().trim_end_matches("async").trim_end();
            before.ends_with("#[test]") || before.ends_with("#[tokio::test]")
        })
    };
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        let names: Vec<&str> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing shows it: {row}");
        for name in names {
            assert!(is_test(name), "there is no test {name}");
        }
    }
}

/// The commands that begin so.
fn commands(begin: &str) -> String {
    let found = documents().into_iter().find_map(|(_, text)| {
        blocks(&text, "sh").into_iter().find(|block| block.starts_with(begin))
    });
    found.unwrap_or_else(|| panic!("no document has commands that begin with {begin}"))
}

/// A shell that runs these commands against a gateway, and ends with the first that fails.
fn shell(commands: &str, gateway: Option<&Gateway>) -> Command {
    let mut commands = commands.to_owned();
    if let Some(gateway) = gateway {
        for (shown, real) in
            [("127.0.0.1:10000", gateway.address), ("127.0.0.1:10001", gateway.admin_api)]
        {
            commands = commands.replace(shown, &real.to_string());
        }
        let socket = gateway.socket("envoy_admin.sock");
        commands = commands.replace("run/envoy_admin.sock", socket.to_str().unwrap());
    }
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands]).current_dir(root()).stdin(Stdio::null());
    shell.env("FORMHOOK_ADMIN_TOKEN", ADMIN_TOKEN);
    shell
}

async fn run(mut shell: Command) -> Output {
    tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap()
}

/// A folder with an `envoy` that checks a configuration and does not start.
fn validating_envoy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("exec {} \"$@\" --mode validate", envoy_binary().display());
    script(&folder.path().join("envoy"), &command);
    folder
}

fn script(path: &Path, command: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_commands_that_start_a_gateway_are_taken_by_envoy() {
    let envoy = validating_envoy();
    let commands = commands("export CRM_WEBHOOK_SECRET=").replace("--mode validate ", "");
    let commands = commands.replace("=whsec_...", &format!("={SECRET}"));
    let path = std::env::var("PATH").unwrap();
    let mut shell = shell(&commands, None);
    shell.env("PATH", format!("{}:{path}", envoy.path().display())).env_remove(SECRET_ENV);
    let output = run(shell).await;
    let said = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("configuration 'envoy/envoy.yaml' OK").count(), 2, "{said}");
}

#[tokio::test]
async fn the_commands_of_the_admin_api_are_answered() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    let output = run(shell(&commands("api() {"), Some(&gateway))).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for expected in ["\"id\":\"crm\"", "\"id\":\"erp\"", "\"delivered\":false", "\"count\":0"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[tokio::test]
async fn the_commands_that_stop_a_gateway_wait_for_its_pushes() {
    let platform = orders_platform().await;
    let (open, answers) = watch::channel(false);
    let receiver = Receiver::answering(move |_| match *answers.borrow() {
        true => StatusCode::OK.into_response(),
        false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    })
    .await;
    let mut config = plugin(&receiver.url("/"));
    config["webhooks"][0]["retry"] =
        json!(["100ms", "100ms", "100ms", "100ms", "1s", "1s", "1s", "1s", "1s"]);
    let gateway = Setup::new(platform.address(), &config).start().await;
    gateway.call(CREATE, platform.api_key(), &order("Ada")).await;
    receiver.wait_for(1).await;
    let stopping = shell(&commands("admin() {"), Some(&gateway));
    let stopping = tokio::spawn(run(stopping));
    let address = gateway.address;
    wait::until("the listener to close", async || {
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    assert!(!stopping.is_finished(), "a push is pending");
    open.send(true).unwrap();
    let output = stopping.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pushes = receiver.wait_for(2).await;
    assert!(pushes.len() >= 2, "{}", pushes.len());
    wait::until("Envoy to end", async || gateway.try_metrics().await.is_err().then_some(())).await;
}

#[tokio::test]
async fn the_commands_that_set_up_redis_leave_no_gap_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("envoy"), folder.path().join("envoy")).unwrap();
    for server in ["redis-server", "webdis"] {
        script(&folder.path().join(server), "echo started ${0##*/} $1");
    }
    let commands = commands("umask 077") + "\nwait; echo store $FORMHOOK_STORE_AUTH\n";
    let path = std::env::var("PATH").unwrap();
    let mut shell = shell(&commands, None);
    shell.env("PATH", format!("{}:{path}", folder.path().display())).current_dir(folder.path());
    let output = run(shell).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for expected in
        ["started redis-server redis.conf", "started webdis webdis.json", "store formhook:"]
    {
        assert!(said.contains(expected), "{said}");
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(!read("redis.conf").contains("SHA256_OF"));
    let webdis: Value = serde_json::from_str(&read("webdis.json")).unwrap();
    assert!(!webdis.to_string().contains('$'), "{webdis}");
    let password = said.split("store ").nth(1).unwrap().trim();
    assert!(webdis.to_string().contains(password), "{webdis}");
}
