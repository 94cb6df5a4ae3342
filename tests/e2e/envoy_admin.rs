//! Envoy's own admin interface: whoever reaches it can stop the gateway, so only its user can.

use super::support::gateway::{ADMIN_TOKEN, Gateway, client, envoy_binary, root, shipped};
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The files of plain Envoy.
const FILES: [&str; 3] = ["envoy/envoy.yaml", "envoy/redis/envoy.yaml", "envoy/sidecar.yaml"];

/// All values at a key, anywhere.
fn every<'v>(key: &str, value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| every(key, item, found)),
        Value::Object(members) => {
            found.extend(members.get(key));
            members.values().for_each(|member| every(key, member, found));
        }
        _ => {}
    }
}

#[test]
fn every_socket_that_is_shipped_is_in_the_folder_run_and_for_its_user_alone() {
    for file in FILES {
        let config = shipped(file);
        let admin = &config["admin"]["address"];
        assert_eq!(admin["pipe"]["path"], "run/envoy_admin.sock", "{file}");
        let mut pipes = Vec::new();
        every("pipe", &config, &mut pipes);
        assert!(pipes.len() >= 2, "{file}");
        for pipe in &pipes {
            let path = pipe["path"].as_str().unwrap();
            assert!(path.starts_with("run/") && !path.contains(".."), "{file}: {path}");
        }
        let mut listening: Vec<&Value> = vec![&config["admin"]];
        listening.extend(config["static_resources"]["listeners"].as_array().unwrap());
        let pipes = listening.iter().filter_map(|one| one.pointer("/address/pipe"));
        pipes.for_each(|pipe| assert_eq!(pipe["mode"], 0o600, "{file}"));
    }
}

/// What a browser sends for a form or a `fetch` of a page of another site.
async fn posted(address: SocketAddr, path: &str) -> u16 {
    let request = client().post(format!("http://{address}{path}"));
    let request = request.header("origin", "https://evil.example").body("");
    request.send().await.unwrap().status().as_u16()
}

async fn gateway_of(platform: &Platform) -> Gateway {
    gateway(platform, "http://127.0.0.1:1/").start().await
}

#[tokio::test]
async fn a_web_page_reaches_nothing_of_envoys_admin_interface() {
    let platform = orders_platform().await;
    let gateway = gateway_of(&platform).await;
    for path in ["/drain_listeners", "/quitquitquit", "/logging?wasm=debug", "/stats/prometheus"] {
        assert_eq!(posted(gateway.metrics_page, path).await, 404, "{path}");
        assert!([401, 404, 405].contains(&posted(gateway.admin_api, path).await), "{path}");
    }
    let get = async |path: &str, host: &str| {
        let url = format!("http://{}{path}", gateway.metrics_page);
        client().get(url).header("host", host).send().await.unwrap().status().as_u16()
    };
    for host in ["localhost", "localhost:9901", "127.0.0.1:9901", "[::1]:9901"] {
        assert_eq!(get("/stats/prometheus", host).await, 200, "{host}");
    }
    for path in [
        "/",
        "/stats",
        "/config_dump",
        "/ready",
        "/stats/prometheus/../../config_dump",
        "/stats/prometheus/..%2f..%2fconfig_dump",
        "/stats/prometheus/",
        "//quitquitquit",
    ] {
        assert_eq!(get(path, "localhost").await, 404, "{path}");
    }
    // A name of another site that leads to this machine.
    for host in ["rebound.example", "rebound.example:9901", "localhost.rebound.example"] {
        assert_eq!(get("/stats/prometheus", host).await, 404, "{host}");
    }
    // It obeyed nobody.
    let levels = gateway.stats("/listeners").await;
    assert!(levels.contains("gateway::"), "{levels}");
    let answer = gateway.call(CREATE, platform.api_key(), &order("Ada")).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn only_its_own_user_can_open_the_sockets_of_a_gateway() {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/")).start().await;
    for name in ["envoy_admin.sock", "formhook_egress.sock"] {
        let mode = std::fs::metadata(gateway.socket(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// The gateway as it is shipped, on ports of the kernel's choice, started in this folder.
fn start(folder: &Path) -> Child {
    let mut config = shipped("envoy/envoy.yaml");
    for listener in config["static_resources"]["listeners"].as_array_mut().unwrap() {
        if let Some(address) = listener["address"].get_mut("socket_address") {
            address["port_value"] = json!(0);
        }
    }
    std::os::unix::fs::symlink(root().join("build"), folder.join("build")).ok();
    std::fs::write(folder.join("envoy.json"), config.to_string()).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut envoy = Command::new(envoy_binary());
    envoy.args(["--config-path", "envoy.json", "--concurrency", "1", "--disable-hot-restart"]);
    envoy.env(SECRET_ENV, SECRET).env("FORMHOOK_ADMIN_TOKEN", ADMIN_TOKEN).current_dir(folder);
    envoy.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn log(folder: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(folder.join("log")).unwrap()).into_owned()
}

#[tokio::test]
async fn a_gateway_starts_with_the_folder_of_the_documents_and_says_what_it_lacks_without() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    let status = wait::until("Envoy to give up", async || child.try_wait().unwrap()).await;
    assert!(!status.success(), "{status}");
    let said = log(folder.path());
    let expected = "cannot bind 'run/envoy_admin.sock': No such file or directory";
    assert!(said.contains(expected), "{said}");

    // As the README has it.
    let mut mkdir = Command::new("mkdir");
    mkdir.args(["-m", "700", "-p", "run"]).current_dir(folder.path());
    assert!(mkdir.status().unwrap().success());
    let mut child = start(folder.path());
    let socket = folder.path().join("run/envoy_admin.sock");
    let client = reqwest::Client::builder().no_proxy().unix_socket(socket).build().unwrap();
    let ready = wait::attempt("Envoy to be ready", async || {
        let answer = client.get("http://envoy/ready").send().await.ok()?;
        answer.status().is_success().then_some(())
    });
    let ready = ready.await;
    child.kill().unwrap();
    child.wait().unwrap();
    ready.unwrap_or_else(|why| panic!("{why}: {}", log(folder.path())));
    let mode = std::fs::metadata(folder.path().join("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
