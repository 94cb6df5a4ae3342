//! The shipped alerting rules and dashboard: promtool accepts them, and all that they ask for is
//! in what a live gateway shows.

use super::support::gateway::{Gateway, root};
use super::support::receiver::Receiver;
use super::support::wait;
use super::*;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const RULES: &str = "envoy/alerts.yaml";
const TESTS_OF_RULES: &str = "tests/alerts/alerts_test.yaml";

/// What promtool says against Envoy's metrics and is right about, but cannot be helped.
const ACCEPTED: [&str; 2] = [
    // Envoy has no help text for any metric.
    " no help text",
    // Envoy's histograms hold whole numbers, and their buckets are made for milliseconds.
    "_milliseconds use base unit \"seconds\" instead of \"milliseconds\"",
];

/// The promtool that `.ci/get-promtool` finds or unpacks.
fn promtool() -> Command {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let found = Command::new(root().join(".ci/get-promtool")).stderr(Stdio::inherit()).output();
        let found = found.unwrap();
        assert!(found.status.success(), ".ci/get-promtool failed");
        PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
    });
    let mut command = Command::new(path);
    command.current_dir(root());
    command
}

fn accepted_by_promtool(arguments: &[&str]) {
    let output = promtool().args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn rules() -> Vec<Value> {
    list(&yaml(RULES)["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

fn dashboard() -> Value {
    let text = std::fs::read_to_string(root().join("envoy/grafana.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What the dashboard asks Prometheus, with Grafana's variables filled in.
fn dashboard_expressions() -> Vec<String> {
    let dashboard = dashboard();
    let targets = list(&dashboard["panels"]).iter().flat_map(|panel| list(&panel["targets"]));
    let filled = |target: &Value| {
        let expression = text(&target["expr"]).replace("$__rate_interval", "5m");
        expression.replace("$instance", ".*").replace("$webhook", ".*")
    };
    targets.map(filled).collect()
}

/// The metrics in a PromQL expression.
fn metrics_in(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("formhook_") || word.starts_with("envoy_"))
}

/// The name of the metric that a sample belongs to.
fn family(name: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    match parts.iter().find_map(|part| name.strip_suffix(part)) {
        Some(histogram) if histogram.ends_with("_milliseconds") => histogram,
        _ => name,
    }
}

/// A gateway that has pushed once.
async fn gateway_that_pushed() -> Gateway {
    let platform = orders_platform().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&platform, &receiver.url("/hooks")).start().await;
    let created = gateway.call(CREATE, platform.api_key(), &order("a")).await;
    assert_eq!(created.status(), 200);
    gateway.wait_for_metric(PUSHED, 1.0).await;
    gateway
}

/// The metrics that a gateway shows, by the names of their samples.
async fn shown(gateway: &Gateway) -> BTreeSet<String> {
    let scrape = gateway.stats("/stats/prometheus").await;
    let samples = scrape.lines().filter_map(|line| line.split_once('{'));
    samples.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn promtool_accepts_the_rules_and_they_fire_when_they_should() {
    accepted_by_promtool(&["check", "rules", RULES]);
    accepted_by_promtool(&["test", "rules", TESTS_OF_RULES]);
}

#[test]
fn each_alert_says_how_bad_it_is_and_what_to_do_and_is_tested_firing_and_silent() {
    let tests = yaml(TESTS_OF_RULES);
    let checks = list(&tests["tests"]).iter().flat_map(|test| list(&test["alert_rule_test"]));
    let mut checked = BTreeSet::new();
    for check in checks {
        checked.insert((text(&check["alertname"]), list(&check["exp_alerts"]).is_empty()));
    }
    for rule in rules() {
        let name = text(&rule["alert"]);
        assert!(["critical", "warning"].contains(&text(&rule["labels"]["severity"])), "{name}");
        for annotation in ["summary", "description"] {
            assert!(
                text(&rule["annotations"][annotation]).len() > 20,
                "{name} has no {annotation}"
            );
        }
        assert!(checked.contains(&(name, false)), "no test has {name} fire");
        assert!(checked.contains(&(name, true)), "no test has {name} be silent");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_and_prometheus_can_read() {
    let dashboard = dashboard();
    let panels = list(&dashboard["panels"]);
    let rows = panels.iter().filter(|panel| panel["type"] == "row").count();
    assert_eq!(rows, 7);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let sources = list(&panel["targets"]).iter().map(|target| &target["datasource"]);
        for source in sources.chain([&panel["datasource"]]) {
            assert_eq!(source["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    let expressions = dashboard_expressions();
    let as_rules = expressions.iter().enumerate().map(|(number, expression)| {
        assert!(!expression.contains('$'), "a variable that is not known: {expression}");
        json!({"record": format!("dashboard:{number}"), "expr": expression})
    });
    let as_rules = json!({"groups": [{"name": "g", "rules": as_rules.collect::<Vec<_>>()}]});
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(as_rules.to_string().as_bytes()).unwrap();
    accepted_by_promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

#[tokio::test]
async fn promtool_finds_no_fault_with_the_metrics() {
    let gateway = gateway_that_pushed().await;
    let scrape = gateway.stats("/stats/prometheus").await;
    let own = scrape
        .lines()
        .filter(|line| line.strip_prefix("# TYPE ").unwrap_or(line).starts_with("formhook_"));
    let own: String = own.map(|line| format!("{line}\n")).collect();
    let mut child = promtool()
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads all of it before it says anything.
    child.stdin.take().unwrap().write_all(own.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // 3: it could read the metrics, and has something to say about them.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}{own}");
    let is_accepted = |line: &&str| ACCEPTED.iter().any(|accepted| line.ends_with(accepted));
    let faults: Vec<_> = said.lines().filter(|line| !is_accepted(line)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn a_gateway_shows_every_metric_that_rules_and_dashboard_ask_for() {
    let gateway = gateway_that_pushed().await;
    let mut asked = dashboard_expressions();
    asked.extend(rules().iter().map(|rule| text(&rule["expr"]).to_owned()));
    let asked: BTreeSet<_> = asked.iter().flat_map(|asked| metrics_in(asked)).collect();
    assert!(asked.len() > 15, "{asked:?}");
    let mut missing = Vec::new();
    // Envoy puts together what the workers have measured only every few seconds.
    let complete = wait::attempt("all metrics", async || {
        let shown = shown(&gateway).await;
        missing = asked.iter().filter(|name| !shown.contains(**name)).collect();
        missing.is_empty().then_some(())
    });
    let complete = complete.await;
    assert!(complete.is_ok(), "missing: {missing:#?}");
}

#[tokio::test]
async fn the_dashboard_shows_every_metric_of_a_gateway() {
    let gateway = gateway_that_pushed().await;
    let expressions = dashboard_expressions();
    let on_dashboard: BTreeSet<_> =
        expressions.iter().flat_map(|asked| metrics_in(asked)).map(family).collect();
    let shown = shown(&gateway).await;
    let own = shown.iter().filter(|name| name.starts_with("formhook_"));
    let left_out: Vec<_> = own.filter(|name| !on_dashboard.contains(family(name))).collect();
    assert!(left_out.is_empty(), "{left_out:#?}");
}
