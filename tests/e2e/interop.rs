//! Independent judges: the public Standard Webhooks libraries, the snippets that docs/receivers.md gives
//! to receivers, and JavaScript's own JSON.

use super::support::documents::{ANY_NUMBER, EXACT_NUMBER, document};
use super::support::gateway::{SECRET, root};
use super::support::receiver::Receiver;
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formhook::payload::canonical;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Of each kind.
const DOCUMENTS: usize = 5_000;

/// Where `.ci/get-verifiers` put the libraries; it installs what is missing.
fn verifiers() -> (PathBuf, PathBuf) {
    let status = Command::new(root().join(".ci/get-verifiers")).status().unwrap();
    assert!(status.success(), ".ci/get-verifiers failed");
    (root().join("build/python/bin/python"), PathBuf::from("node"))
}

/// Runs a judge on the pushes and expects the last word to be `ok`.
fn judge(program: &std::path::Path, script: &str, input: &str) -> String {
    let mut child = Command::new(program)
        .arg(root().join("tests/receivers").join(script))
        .env("NODE_PATH", root().join("build/node/node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer =
        std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}: {said}");
    said
}

#[tokio::test]
async fn independent_libraries_and_the_readmes_snippets_accept_pushes_and_refuse_forgeries() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let plain_secret = "kein Geheimnis, 简道云";
    let mut config = plugin(&receiver.url("/hooks?x=1"));
    let mut plain = webhook("plain", &receiver.url("/plain"));
    plain.as_object_mut().unwrap().remove("secret_env");
    plain["secret"] = json!(plain_secret);
    config["webhooks"].as_array_mut().unwrap().push(plain);
    let gateway = Setup::new(platform.address(), &config).start().await;
    for customer in ["a", "简道云 😀", "\u{0} \\ \" \u{2028}"] {
        let created = gateway.call(CREATE, platform.api_key(), &order(customer)).await;
        assert_eq!(created.status(), 200);
    }
    let pushes = receiver.wait_for(6).await;
    let lines = pushes.iter().map(|push| {
        let is_plain = push.path_and_query.starts_with("/plain");
        let headers = push.headers.iter().map(|(name, value)| {
            (name.to_string(), Value::from(value.to_str().unwrap_or_default()))
        });
        let line = json!({
            "secret": if is_plain { plain_secret } else { SECRET },
            "url": push.path_and_query,
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "body": STANDARD.encode(&push.body),
        });
        format!("{line}\n")
    });
    let input: String = lines.collect();
    let (python, node) = verifiers();
    for (program, script) in [(python, "check.py"), (node, "check.mjs")] {
        let said = judge(&program, script, &input);
        assert_eq!(said, "6 pushes accepted, 18 forgeries refused\n", "{script}");
    }
}

#[test]
fn canonical_bytes_are_what_javascript_makes_of_them() {
    let mut runner = TestRunner::deterministic();
    let mut input = String::new();
    for (number, exact) in [(EXACT_NUMBER, true), (ANY_NUMBER, false)] {
        let strategy = document(number);
        for _ in 0..DOCUMENTS {
            let text = strategy.new_tree(&mut runner).unwrap().current();
            let written = String::from_utf8(canonical(text.as_bytes()).unwrap()).unwrap();
            let line = json!({"text": text, "written": written, "exact": exact});
            input.push_str(&format!("{line}\n"));
        }
    }
    let said = judge(&verifiers().1, "canonical.mjs", &input);
    let all = 2 * DOCUMENTS;
    assert_eq!(said, format!("{all} documents judged, {DOCUMENTS} of them byte for byte\n"));
}

#[test]
fn the_page_for_receivers_shows_the_snippets_that_are_tested() {
    let page = std::fs::read_to_string(root().join("docs/receivers.md")).unwrap();
    for name in ["verify.py", "verify.mjs", "verify.rs"] {
        let snippet = std::fs::read_to_string(root().join("tests/receivers").join(name)).unwrap();
        assert!(page.contains(snippet.trim()), "{name} is not there as it is tested");
    }
}
