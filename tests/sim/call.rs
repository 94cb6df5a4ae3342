//! An API call that passes through a worker.

use super::host::SimHost;
use formhook::capture::{Exchange, Head};
use formhook::config::Config;
use formhook::host::Host as _;
use formhook::pipeline::Pipeline;
use formhook::store::PushId;

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
    let path = format!("/api/v5/app/entry/data/{tail}");
    let matched = config.operations.find(b"POST", path.as_bytes()).unwrap();
    let limit = config.limits.max_body_bytes;
    let mut exchange = Exchange::begin(matched, limit, pipeline.budget(), host.uptime(), |_| None);
    let response =
        format!(r#"{{"data":{{"_id":"{record}","change":{number},"filler":"{filler}"}}}}"#);
    let request = r#"{"app_id":"a","entry_id":"e"}"#;
    if exchange.request().make_room(request.len()) {
        exchange.request().append(request.into());
    }
    exchange.response_head(Head { status: Some(200), is_local: false, is_encoded: false });
    if exchange.response().make_room(response.len()) {
        exchange.response().append(response.into());
    }
    let captured = exchange.finish(host.now()).unwrap();
    pipeline.take_additions(host);
    let id = PushId::random(host);
    pipeline.captured(host, captured, id);
}

/// The number of the change that a push tells of.
pub fn change_in(body: &str) -> Option<u64> {
    let (_, rest) = body.split_once("\"change\":")?;
    rest.split(',').next()?.parse().ok()
}
