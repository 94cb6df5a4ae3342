//! A target answers before it has read the whole push: that answer counts, on each way there.

use super::support::gateway::{Gateway, Setup};
use super::support::raw::{Server, Step};
use super::*;
use std::net::SocketAddr;

/// Records of so many bytes are refused by their size; both are beyond what sockets take at once.
const SIZES: [usize; 2] = [900_000, 8_000_000];

/// What the target takes.
const MOST: usize = 100_000;

/// A webhook that pushes to this address, past the egress if by its own cluster.
fn gateway_to(platform: &Platform, target: SocketAddr, by_cluster: bool) -> Setup {
    let mut config = plugin(&format!("http://{target}/"));
    config["limits"] = json!({"max_body_bytes": 16 * 1024 * 1024});
    config["webhooks"][0]["retry"] = json!(["1ms", "1ms"]);
    config["webhooks"][0]["timeout"] = json!("20s");
    if by_cluster {
        config["webhooks"][0]["cluster"] = json!("target");
    }
    Setup::new(platform.address(), &config).with_cluster("target", target)
}

async fn create(gateway: &Gateway, platform: &Platform, bytes: usize) {
    let answer = gateway.call(CREATE, platform.api_key(), &order(&"x".repeat(bytes))).await;
    assert_eq!(answer.status(), 200);
    // A client that went away before the end would have made the call a miss.
    answer.bytes().await.unwrap();
}

#[tokio::test]
async fn an_answer_before_the_push_was_read_is_the_answer_on_each_way() {
    let platform = orders_platform().await;
    for (status, head) in
        [(413, "413 Payload Too Large"), (401, "401 Unauthorized"), (400, "400 Bad Request")]
    {
        let early =
            format!("HTTP/1.1 {head}\r\ncontent-length: 5\r\nconnection: close\r\n\r\nearly");
        for by_cluster in [false, true] {
            let steps = vec![Step::send(&early), Step::Hang];
            let target = Server::refusing_above(MOST, steps).await;
            let gateway = gateway_to(&platform, target.address, by_cluster).start().await;
            for (number, bytes) in SIZES.into_iter().enumerate() {
                // Retries after the first go past the listener, once it is known where the target is.
                create(&gateway, &platform, 1).await;
                gateway.wait_for_metric(PUSHED, number as f64 + 1.0).await;
                create(&gateway, &platform, bytes).await;
                gateway.wait_for_metric(FAILED, number as f64 + 1.0).await;
            }
            // The sentence for people is said once a second, the record of each push always.
            let mut failed = records(&gateway, 2 * SIZES.len()).await;
            failed.retain(|record| record["outcome"] == "failure");
            assert_eq!(failed.len(), SIZES.len());
            for record in failed {
                let seen = [&record["attempts"], &record["status"], &record["cause"]];
                assert_eq!(json!(seen), json!([3, status, format!("HTTP {status}")]), "{record}");
            }
            let name = r#"formhook_gateway_failures_total{webhook="crm"}"#;
            assert_eq!(gateway.metric(name).await, 0.0);
        }
    }
}
