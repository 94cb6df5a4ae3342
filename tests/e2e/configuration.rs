//! What Envoy does with a configuration that is not one.

use super::support::gateway::{
    ADMIN_TOKEN, SECRET, STORE_AUTH_ENV, Setup, Wrapping, envoy_binary, root, shipped,
};
use super::support::raw::refusing_address;
use super::support::store::WEBDIS_AUTH;
use super::*;
use std::process::Command;

#[tokio::test]
async fn five_faults_are_five_messages_and_envoy_does_not_start() {
    let config = json!({
        "platform": "joodo",
        "webhooks": [{
            "id": "crm",
            "url": "crm.example.com/hooks",
            "secret_env": "NOT_SET",
            "timeout": 2,
        }],
        "limit": {},
    });
    for wrapping in [Wrapping::StringValue, Wrapping::Struct] {
        let setup = Setup::new(refusing_address().await, &config).wrapped(wrapping);
        let log = setup.refused().await;
        for message in [
            "the configuration has 5 fault(s)",
            "platform: \"joodo\": must be one of jodoo",
            "webhooks[0].url: \"crm.example.com/hooks\": write a full URL",
            "webhooks[0].secret_env: \"NOT_SET\": this environment variable is not set",
            "webhooks[0].timeout: 2: must be a string",
            "limit: unknown key; known here are role, platform",
        ] {
            assert!(log.contains(message), "{wrapping:?}: {message}\n{log}");
        }
    }
}

#[tokio::test]
async fn what_is_no_configuration_at_all_is_refused() {
    for (text, message) in [
        ("", "the configuration is empty"),
        ("{", "the configuration is not JSON"),
        ("platform: jodoo", "the configuration is not JSON"),
        ("[]", "must be an object"),
    ] {
        let log = Setup::with_plugin_text(refusing_address().await, text).refused().await;
        assert!(log.contains(message), "{text}: {message}\n{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn the_shipped_gateways_are_valid() {
    for file in ["envoy/envoy.yaml", "envoy/redis/envoy.yaml", "envoy/sidecar.yaml"] {
        let output = Command::new(envoy_binary())
            .args(["--mode", "validate", "--config-path", file])
            .env(SECRET_ENV, SECRET)
            .env("FORMHOOK_ADMIN_TOKEN", ADMIN_TOKEN)
            .env(STORE_AUTH_ENV, WEBDIS_AUTH)
            .current_dir(root())
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{file}: {log}");
        assert!(!log.contains("[warning]") && !log.contains("deprecated"), "{file}: {log}");
    }
}

#[test]
fn the_gateway_with_redis_is_the_other_one_with_what_it_says_it_adds() {
    let mut with_redis = shipped("envoy/redis/envoy.yaml");
    let clusters = with_redis["static_resources"]["clusters"].as_array_mut().unwrap();
    assert_eq!(clusters.pop().unwrap()["name"], "webdis");
    for listener in [0, 2] {
        let filters = format!(
            "/static_resources/listeners/{listener}/filter_chains/0/filters/0/typed_config/http_filters"
        );
        let filters = with_redis.pointer_mut(&filters).unwrap().as_array_mut().unwrap();
        let is_ours = |filter: &&mut Value| filter["name"] == "envoy.filters.http.wasm";
        let filter = filters.iter_mut().find(is_ours).unwrap();
        let plugin = &mut filter["typed_config"]["config"];
        let variables = &mut plugin["vm_config"]["environment_variables"]["host_env_keys"];
        assert_eq!(variables.as_array_mut().unwrap().pop().unwrap(), STORE_AUTH_ENV);
        let store = plugin["configuration"]["value"].as_object_mut().unwrap().remove("store");
        assert_eq!(store.is_some(), listener == 0);
    }
    assert_eq!(with_redis, shipped("envoy/envoy.yaml"));
}
