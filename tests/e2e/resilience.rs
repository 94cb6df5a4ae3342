//! Nothing is lost: targets that fail in every way, VMs that crash, configurations that change.
//!
//! Each fault that is tried says in a line `fault: ...` what became of the pushes;
//! `.ci/fault-table` makes a table of these lines.

mod configurations;
mod counting;
mod crash;
mod history;
mod lanes;
mod notices;
mod room;

use super::support::gateway::Gateway;
use super::support::receiver::Received;
use super::support::wait;
use super::*;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Instant;

/// Says what became of the pushes that met a fault. None may be lost.
pub fn tried(fault: &str, pushes: usize, lost: usize, duplicates: usize) {
    println!("fault: {fault}: pushes {pushes}, lost {lost}, duplicates {duplicates}");
    assert_eq!(lost, 0, "{fault}");
}

/// How the pushes of a webhook ended, so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ends {
    success: usize,
    failure: usize,
    not_attempted: usize,
    dropped: usize,
}

impl Ends {
    async fn of(gateway: &Gateway, webhook: &str) -> Self {
        let metrics = gateway.metrics().await;
        let count = |result| {
            let name = format!(r#"formhook_pushes_total{{result="{result}",webhook="{webhook}"}}"#);
            metrics.get(&name).map_or(0, |count| *count as usize)
        };
        Ends {
            success: count("success"),
            failure: count("failure"),
            not_attempted: count("not_attempted"),
            dropped: count("dropped"),
        }
    }

    /// Waits until so many pushes of the webhook have ended, delivered or kept.
    async fn wait_for(gateway: &Gateway, webhook: &str, pushes: usize) -> Self {
        let mut last = Ends::default();
        let ended = wait::attempt("", async || {
            last = Ends::of(gateway, webhook).await;
            (last.kept_or_delivered() >= pushes).then_some(())
        });
        ended.await.unwrap_or_else(|_| panic!("of {pushes} pushes to {webhook}: {last:?}"));
        assert_eq!(last.kept_or_delivered(), pushes, "{webhook}: {last:?}");
        last
    }

    fn kept_or_delivered(&self) -> usize {
        self.success + self.failure + self.not_attempted
    }
}

/// A metric that is a webhook's.
fn of_webhook(name: &str, webhook: &str) -> String {
    format!(r#"formhook_{name}{{webhook="{webhook}"}}"#)
}

/// Waits until a metric that may also fall has this value.
async fn wait_for_gauge(gateway: &Gateway, name: &str, value: f64) {
    let mut last = f64::NAN;
    let reached = wait::attempt("", async || {
        last = gateway.metric(name).await;
        (last == value).then_some(())
    });
    reached.await.unwrap_or_else(|_| panic!("{name} stays {last} and not {value}"));
}

/// Creates orders for these customers, all at once and each over a connection of its own. When
/// each call was answered; each is answered 200.
async fn create(
    gateway: &Gateway,
    platform: &Platform,
    customers: Range<usize>,
) -> HashMap<String, Instant> {
    let mut calls = tokio::task::JoinSet::new();
    for number in customers {
        let call = gateway.post(CREATE, platform.api_key()).json(&order(&number.to_string()));
        calls.spawn(async move {
            assert_eq!(call.send().await.unwrap().status(), 200);
            (number.to_string(), Instant::now())
        });
    }
    calls.join_all().await.into_iter().collect()
}

/// The same over the connection of this client, so on one worker.
async fn create_over(
    client: &reqwest::Client,
    gateway: &Gateway,
    platform: &Platform,
    customers: Range<usize>,
) {
    let mut calls = tokio::task::JoinSet::new();
    for number in customers {
        let call = client.post(gateway.url(CREATE)).bearer_auth(platform.api_key());
        let call = call.json(&order(&number.to_string()));
        calls.spawn(async move {
            let answer = call.send().await.unwrap();
            (answer.status(), answer.text().await.unwrap())
        });
    }
    let answers = calls.join_all().await;
    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status != 200).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// A client with one connection, which one worker serves.
fn one_connection() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .timeout(wait::PATIENCE)
        .build()
        .unwrap()
}

fn customer(push: &Received) -> String {
    push.json()["data"]["customer"].as_str().unwrap().to_owned()
}

/// What a target has seen.
pub struct Arrivals {
    /// Customers whose push was answered 2xx.
    pub taken: HashSet<String>,
    /// How often a push came again that was answered 2xx before.
    pub duplicates: usize,
}

impl Arrivals {
    /// Sorts what arrived. Each customer has one push, and whenever that comes it has the same id
    /// and the same body.
    pub fn of(received: &[Received]) -> Self {
        let mut pushes = HashMap::<String, &Received>::new();
        let mut customers = HashMap::<String, String>::new();
        let mut arrivals = Arrivals { taken: HashSet::new(), duplicates: 0 };
        for push in received {
            let id = push.header("webhook-id");
            let first = pushes.entry(id.to_owned()).or_insert(push);
            assert_eq!(first.body, push.body, "{id}");
            let customer = customer(push);
            let known = customers.entry(customer.clone()).or_insert_with(|| id.to_owned());
            assert_eq!(known, id, "the push for customer {customer} has two ids");
            if arrivals.taken.contains(&customer) {
                arrivals.duplicates += 1;
            } else if push.status.is_success() {
                arrivals.taken.insert(customer);
            }
        }
        arrivals
    }

    /// How many of these customers' pushes were never taken.
    fn lost(&self, customers: Range<usize>) -> usize {
        customers.filter(|number| !self.taken.contains(&number.to_string())).count()
    }
}

/// No VM has crashed, and none was taken for one that has.
pub fn assert_all_alive(gateway: &Gateway) {
    gateway.assert_vm_alive();
    assert!(!gateway.log().contains("another worker took over pushes of this one"));
}
