//! `envoy/sidecar.yaml`: an Envoy beside the application that calls the API.

use super::support::gateway::{Gateway, Setup, client, shipped};
use super::support::receiver::Receiver;
use super::support::tls::Authority;
use super::support::wait;
use super::*;
use std::os::unix::fs::PermissionsExt as _;

/// The shipped sidecar with the shipped webhook, which leads to this target.
async fn sidecar(platform: &Platform, target: &Receiver, ca: &Authority) -> Gateway {
    Setup::before("envoy/sidecar.yaml", platform.address())
        .leading_to("crm", target.address)
        .trusting_for("crm", ca.file())
        .start()
        .await
}

#[tokio::test]
async fn a_call_of_the_application_makes_one_push_over_tls() {
    let platform = orders_platform().await;
    let ca = Authority::new();
    let target = Receiver::over_tls(ca.server(&["crm.example.com"])).await;
    let sidecar = sidecar(&platform, &target, &ca).await;
    let answer = sidecar.call(CREATE, platform.api_key(), &order("Ada")).await;
    assert_eq!(answer.status(), 200);
    let push = target.wait_for(1).await.remove(0);
    assert_signed(&push);
    assert!(push.path_and_query.starts_with("/hooks/orders?"), "{}", push.path_and_query);
    assert_eq!(push.header("host"), "crm.example.com");
    assert_eq!(push.json()["data"]["customer"], "Ada");
    for name in push.headers.keys() {
        let is_envoys = name.as_str().starts_with("x-envoy-") || name == "x-forwarded-for";
        assert!(!is_envoys, "the target was sent {name}");
    }
    sidecar.wait_for_metric(PUSHED, 1.0).await;
    assert_eq!(target.received().len(), 1);
    sidecar.assert_vm_alive();
}

#[tokio::test]
async fn nothing_is_pushed_to_who_has_no_certificate_for_the_name() {
    let platform = orders_platform().await;
    let ca = Authority::new();
    let target = Receiver::over_tls(ca.server(&["other.example.com"])).await;
    let sidecar = sidecar(&platform, &target, &ca).await;
    sidecar.call(CREATE, platform.api_key(), &order("Ada")).await;
    let refused = "envoy_cluster_ssl_fail_verify_san{envoy_cluster_name=\"crm\"} ";
    wait::until("a refused certificate", async || {
        let page = sidecar.stats("/stats/prometheus").await;
        let count = page.lines().find_map(|line| line.strip_prefix(refused))?;
        (count != "0").then_some(())
    })
    .await;
    assert!(target.received().is_empty());
}

#[tokio::test]
async fn others_see_two_pages_of_envoys_admin_interface() {
    let platform = orders_platform().await;
    let ca = Authority::new();
    let target = Receiver::over_tls(ca.server(&["crm.example.com"])).await;
    let sidecar = sidecar(&platform, &target, &ca).await;
    let health = sidecar.metrics_page;
    let get = async |path: &str| {
        client().get(format!("http://{health}{path}")).send().await.unwrap().status()
    };
    assert_eq!(get("/ready").await, 200);
    assert_eq!(get("/stats/prometheus").await, 200);
    for path in
        ["/", "/stats", "/config_dump", "/ready/../config_dump", "//quitquitquit", "/ready/"]
    {
        assert_eq!(get(path).await, 404, "{path}");
    }
    let stop = client().post(format!("http://{health}/ready")).send().await.unwrap();
    assert_eq!(stop.status(), 404);
}

#[tokio::test]
async fn only_its_own_user_can_open_envoys_admin_interface() {
    let platform = orders_platform().await;
    let ca = Authority::new();
    let target = Receiver::over_tls(ca.server(&["crm.example.com"])).await;
    let sidecar = sidecar(&platform, &target, &ca).await;
    let socket = sidecar.socket("envoy_admin.sock");
    assert_eq!(std::fs::metadata(socket).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Takes the only item with this name out of a list.
fn take(list: &mut Value, name: &str) -> Value {
    let list = list.as_array_mut().unwrap();
    let at = list.iter().position(|item| item["name"] == name);
    list.remove(at.unwrap_or_else(|| panic!("there is no {name}")))
}

#[test]
fn the_sidecar_is_the_gateway_but_for_what_it_says_is_different() {
    let (mut sidecar, mut gateway) = (shipped("envoy/sidecar.yaml"), shipped("envoy/envoy.yaml"));
    let resources = &mut sidecar["static_resources"];
    for name in ["crm", "envoy_admin"] {
        take(&mut resources["clusters"], name);
    }
    take(&mut resources["listeners"], "health");
    let plugin = resources["listeners"][0]
        .pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters/1/typed_config/config")
        .unwrap();
    let config = plugin["configuration"]["value"].as_object_mut().unwrap();
    assert!(config.remove("limits").is_some());
    let webhook = config["webhooks"][0].as_object_mut().unwrap();
    assert_eq!(webhook.remove("cluster").unwrap(), "crm");
    let console = resources["listeners"][1]
        .pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config")
        .unwrap();
    let console = console["configuration"]["value"].as_object_mut().unwrap();
    assert_eq!(console.remove("clusters").unwrap(), json!(["crm"]));
    assert!(sidecar["admin"].take()["address"]["pipe"].is_object());
    assert!(sidecar.as_object_mut().unwrap().remove("overload_manager").is_some());

    gateway["admin"].take();
    let resources = &mut gateway["static_resources"];
    for name in ["formhook_egress", "metrics"] {
        take(&mut resources["listeners"], name);
    }
    resources["clusters"].as_array_mut().unwrap().truncate(1);
    assert_eq!(sidecar, gateway);
}
