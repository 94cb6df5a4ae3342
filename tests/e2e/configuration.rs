//! What Envoy does with a configuration that is not one.

use super::support::gateway::{Setup, Wrapping, root};
use super::support::raw::refusing_address;
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
fn the_shipped_gateway_is_valid() {
    let output = Command::new(super::support::gateway::envoy_binary())
        .args(["--mode", "validate", "--config-path", "envoy/envoy.yaml"])
        .env("CRM_WEBHOOK_SECRET", super::support::gateway::SECRET)
        .env("FORMHOOK_ADMIN_TOKEN", super::support::gateway::ADMIN_TOKEN)
        .current_dir(root())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(!log.contains("[warning]") && !log.contains("deprecated"), "{log}");
}
