//! Calls whose change is not captured, as the history tells of them.

use super::call::answered;
use super::host::{Process, SimHost};
use formhook::capture::{End, Exchange, Miss};
use formhook::config::Config;
use formhook::history::{Outcome, Query, Record, Ring, Show};
use formhook::host::{Host as _, UnixMillis};
use formhook::pipeline::Pipeline;
use formhook::store::{Bounds, Memory, Store as _};
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
        let (newest, _) = store.history_bounds(&self.host, Ring::Misses).unwrap();
        let record = store.history(&self.host, Ring::Misses, newest).unwrap();
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
    exchange.request_ended();
    let End::Missed(missed) = exchange.abort(|| true) else { panic!("something may have changed") };
    assert_eq!(missed.miss, Miss::Unanswered);
    play.pipeline.missed(&play.host, missed);
    let (app, form, cause) = play.last();
    assert_eq!((&*app, &*form), ("a1", "e1"), "{cause}");
}

#[test]
fn no_number_of_misses_pushes_a_record_of_a_push_out() {
    const KEPT: u64 = 500;
    let host = SimHost::new(&Process::new(1));
    let mut store = Memory::new("formhook", None, Bounds { bytes: 1 << 20, history: KEPT });
    let record = |store: &mut Memory, at: u64, outcome| {
        let id = format!("p{at}");
        store.record(&host, &Record::new(&id, outcome, UnixMillis(at), UnixMillis(at)));
    };
    let mut at = 0;
    for push in 0..KEPT {
        // Misses before, between and behind them: 600, and then tens of thousands.
        for _ in 0..60 {
            record(&mut store, at, Outcome::NotCaptured);
            at += 1;
        }
        let outcomes = [Outcome::Success, Outcome::Failure, Outcome::NotAttempted];
        record(&mut store, at, outcomes[push as usize % 3]);
        at += 1;
    }
    let pages = |webhook: Option<&str>, outcome| {
        let webhook = webhook.map(Into::into);
        let mut query = Query { webhook, outcome, limit: 100, ..Query::default() };
        let mut records = Vec::new();
        loop {
            let page = query.page(
                |ring| store.history_bounds(&host, ring),
                |ring, number| store.history(&host, ring, number),
            );
            records.extend(page.records.into_iter().map(|(_, record)| record));
            match page.next {
                Some(next) => query.before = next,
                None => return records,
            }
        }
    };
    let all = pages(None, None);
    let is_miss = |record: &&Record| record.outcome == Outcome::NotCaptured;
    assert_eq!(all.iter().filter(is_miss).count() as u64, KEPT, "the misses are bounded, too");
    assert_eq!(all.len() as u64, 2 * KEPT, "no push is lost");
    assert!(all.is_sorted_by_key(|record| std::cmp::Reverse(record.ended)));
    assert_eq!(pages(None, Some(Show::Success)).len() as u64, KEPT.div_ceil(3));
}
