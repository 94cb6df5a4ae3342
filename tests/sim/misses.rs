//! Calls whose change is not captured, as the history tells of them.

use super::call::answered;
use super::host::{Process, SimHost};
use formhook::capture::{Exchange, Miss};
use formhook::config::Config;
use formhook::history::Outcome;
use formhook::host::Host as _;
use formhook::pipeline::Pipeline;
use formhook::store::Store as _;
use std::rc::Rc;
use std::time::Duration;

const CONFIG: &str = r#"{"platform":"jodoo","webhooks":[]}"#;

struct Play {
    host: SimHost,
    config: Rc<Config>,
    pipeline: Pipeline,
}

impl Play {
    fn new() -> Self {
        let host = SimHost::new(&Process::new(1));
        let config = Rc::new(Config::parse(CONFIG.as_bytes(), &|_| None).unwrap());
        let pipeline = Pipeline::new(Rc::clone(&config), &host, "formhook", None);
        Play { host, config, pipeline }
    }

    fn call(&mut self, path: &str, bodies: (&str, &str)) {
        let began = self.host.uptime();
        answered(&self.config, &self.host, &mut self.pipeline, path, began, bodies);
    }

    /// The newest record: app, form, and why.
    fn last(&mut self) -> (Box<str>, Box<str>, Box<str>) {
        let store = self.pipeline.store();
        let (newest, _) = store.history_bounds(&self.host).unwrap();
        let record = store.history(&self.host, newest).unwrap();
        assert_eq!(record.outcome, Outcome::NotCaptured);
        (record.app_id, record.entry_id, record.cause)
    }
}

#[test]
fn a_change_that_is_not_captured_is_found_by_its_form() {
    let mut play = Play::new();
    let large = format!(r#"{{"data":{{"_id":"1","x":"{}"}}}}"#, "x".repeat(1 << 20));
    play.call("/api/v1/app/a1/entry/e1/data_create", ("{}", &large));
    assert_eq!(play.last().0.as_ref(), "a1");
    assert_eq!(play.last().1.as_ref(), "e1");
    let request = r#"{"app_id":"a2","entry_id":"e2"}"#;
    play.call("/api/v5/app/entry/data/create", (request, "<html>"));
    assert_eq!(play.last().0.as_ref(), "a2");
    // What is told nowhere is empty.
    play.call("/api/v5/app/entry/data/create", (r#"{"entry_id":"e3"}"#, r#"{"data":{"_id":"1"}}"#));
    let (app, form, _) = play.last();
    assert_eq!((&*app, &*form), ("", "e3"));
}

#[test]
fn a_call_that_was_cut_off_is_found_by_its_form() {
    let mut play = Play::new();
    let path = b"/api/v4/app/a1/entry/e1/data_update";
    let matched = play.config.operations.find_by("POST", path).unwrap();
    let budget = play.pipeline.budget();
    let mut exchange = Exchange::begin(matched, 1024, budget, Duration::ZERO, |_| None);
    let (change, form) = (exchange.change(), exchange.form());
    assert_eq!(exchange.abort(), Some(Miss::Aborted));
    play.pipeline.missed(&play.host, Miss::Aborted, change, form);
    let (app, form, cause) = play.last();
    assert_eq!((&*app, &*form), ("a1", "e1"), "{cause}");
}
