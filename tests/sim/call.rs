//! An API call that passes through a worker.

use super::host::SimHost;
use formhook::capture::{Exchange, Head};
use formhook::config::Config;
use formhook::host::Host as _;
use formhook::pipeline::Pipeline;
use formhook::store::PushId;
use std::time::Duration;

const REQUEST: &str = r#"{"app_id":"a","entry_id":"e"}"#;

/// A change of a record: `tail` of the path is `create` or `update`.
pub struct Change<'a> {
    pub number: u64,
    pub record: u64,
    pub tail: &'a str,
    pub filler: &'a str,
}

/// Has the change captured, and its pushes accepted.
pub fn capture(config: &Config, host: &SimHost, pipeline: &mut Pipeline, change: &Change<'_>) {
    let Change { number, record, tail, filler } = change;
    let response =
        format!(r#"{{"data":{{"_id":"{record}","change":{number},"filler":"{filler}"}}}}"#);
    let bodies = (REQUEST, &*response);
    let path = format!("/api/v5/app/entry/data/{tail}");
    answered(config, host, pipeline, &path, host.uptime(), bodies);
}

/// Has the fields of the form listed as they were when that was asked for.
pub fn list_fields(
    config: &Config,
    host: &SimHost,
    pipeline: &mut Pipeline,
    began: Duration,
    version: u64,
) {
    let response = format!(
        r#"{{"widgets":[{{"name":"_widget_1","widgetName":"_widget_1","label":"v{version}","type":"text"}}]}}"#
    );
    answered(config, host, pipeline, "/api/v5/app/entry/widget/list", began, (REQUEST, &response));
}

/// The version of the form that a push tells of.
pub fn version_in(body: &serde_json::Value) -> Option<u64> {
    body["data"]["widgets"][0]["label"].as_str()?.strip_prefix('v')?.parse().ok()
}

/// Has a call with these bodies captured.
pub fn answered(
    config: &Config,
    host: &SimHost,
    pipeline: &mut Pipeline,
    path: &str,
    began: Duration,
    (request, response): (&str, &str),
) {
    let matched = config.operations.find_by("POST", path.as_bytes()).unwrap();
    let limit = config.limits.max_body_bytes;
    let mut exchange = Exchange::begin(matched, limit, pipeline.budget(), began, |_| None);
    exchange.request_chunk(request.len(), || request.into());
    exchange.response_head(Head { status: Some(200), is_local: false, is_encoded: false });
    if exchange.response().make_room(response.len()) {
        exchange.response().append(response.into());
    }
    let captured = exchange.finish(host.now(), || true).captured().unwrap();
    pipeline.take_additions(host);
    let id = PushId::random(host);
    pipeline.captured(host, captured, id);
}

/// The number of the change that a push tells of.
pub fn change_in(body: &str) -> Option<u64> {
    let (_, rest) = body.split_once("\"change\":")?;
    rest.split(',').next()?.parse().ok()
}
