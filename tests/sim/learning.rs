//! What the platform says of forms, as a gateway's memory takes it in.

use super::host::{Process, SimHost};
use formhook::form::{FormKey, Lesson, Widget};
use formhook::store::{Bounds, Event, Store as _, Tiers};
use std::time::Duration;

const LARGEST: usize = 512 * 1024;
const ALL: usize = 4 * 1024 * 1024;

fn store() -> Tiers {
    Tiers::new("formhook", None, Bounds { bytes: 1 << 20, history: 10 }, None)
}

fn form(number: usize) -> FormKey {
    FormKey { app_id: "app".into(), entry_id: format!("form{number}").into() }
}

fn fields(label: &str) -> Lesson {
    let widget = Widget {
        name: "_widget_1".into(),
        id: Some("_widget_1".into()),
        label: Some(label.into()),
        kind: Some("text".into()),
        items: None,
    };
    Lesson::Widgets(vec![widget])
}

/// Has a store learn a label that was asked for so long ago; what it tells of then.
fn learn(store: &mut Tiers, host: &SimHost, label: &str, age: u64) -> Vec<String> {
    let began = Duration::from_millis(host.process.uptime.get() - age);
    store.learn(host, vec![(form(1), fields(label))], began);
    let events = store.noticed().into_iter();
    let told = events.filter_map(|event| match event {
        Event::Restructured(key, schema) => {
            assert_eq!(key, form(1));
            let widgets = schema.widgets.unwrap();
            Some(widgets[0].label.as_deref().unwrap().to_owned())
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn an_answer_that_was_asked_for_before_the_last_change_was_seen_is_old() {
    let host = SimHost::new(&Process::new(1));
    let (mut one, mut other) = (store(), store());
    host.process.advance(1_000);
    assert_eq!(learn(&mut one, &host, "v1", 10), [""; 0]);
    host.process.advance(1_000);
    assert_eq!(learn(&mut other, &host, "v2", 10), ["v2"]);
    assert_eq!(learn(&mut one, &host, "v2", 10), [""; 0]);
    host.process.advance(100);
    // Asked for before, and late.
    assert_eq!(learn(&mut one, &host, "v1", 200), [""; 0]);
    assert_eq!(learn(&mut one, &host, "v1", 50), ["v1"]);
    // After the clock was set back, too.
    host.process.clock.set(1_600_000_000_000);
    host.process.advance(100);
    assert_eq!(learn(&mut other, &host, "v3", 10), ["v3"]);
}

#[test]
fn a_renamed_form_is_told_once_whoever_hears_of_it() {
    let host = SimHost::new(&Process::new(1));
    let (mut one, mut other) = (store(), store());
    let told = |store: &mut Tiers, lesson| {
        host.process.advance(10);
        let now = Duration::from_millis(host.process.uptime.get());
        store.learn(&host, vec![(form(1), lesson)], now);
        let events = store.noticed().into_iter();
        let names = events.filter_map(|event| match event {
            Event::Restructured(_, schema) => schema.name.map(String::from),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(told(&mut one, Lesson::Name("Orders".into())), [""; 0]);
    assert_eq!(told(&mut one, fields("v1")), [""; 0]);
    assert_eq!(told(&mut other, Lesson::Name("Sales".into())), ["Sales"]);
    assert_eq!(told(&mut one, Lesson::Name("Sales".into())), [""; 0]);
    assert_eq!(told(&mut one, fields("v2")), ["Sales"]);
}

#[test]
fn what_is_learned_has_its_bounds() {
    let host = SimHost::new(&Process::new(1));
    let mut store = store();
    let lessons = |count, label: &str| (0..count).map(|n| (form(n), fields(label))).collect();
    store.learn(&host, lessons(600, "label"), Duration::ZERO);
    assert_eq!(store.learned(&host).len(), 500);
    // What is too large leaves what was known.
    host.process.advance(10);
    store.learn(&host, lessons(1, &"x".repeat(LARGEST)), Duration::from_millis(5));
    assert_eq!(store.learned(&host)[0].schema().widgets, Some(widgets("label")));
    store.learn(&host, lessons(20, &"x".repeat(LARGEST - 200)), Duration::from_millis(5));
    let large = |schema: formhook::form::Schema| schema.encode().len() > 1_000;
    let learned = store.learned(&host);
    let count = learned.iter().filter(|one| large(one.schema())).count();
    assert_eq!((learned.len(), count), (500, (ALL - 500 * 100) / LARGEST));
}

fn widgets(label: &str) -> Vec<Widget> {
    match fields(label) {
        Lesson::Widgets(widgets) => widgets,
        Lesson::Seen | Lesson::Name(_) => Vec::new(),
    }
}

#[test]
fn a_form_that_is_only_seen_is_known_and_its_fields_are_no_change() {
    let host = SimHost::new(&Process::new(1));
    let mut store = store();
    store.learn(&host, vec![(form(1), Lesson::Seen)], Duration::ZERO);
    let marks = store.marks(&host);
    store.learn(&host, vec![(form(1), Lesson::Seen)], Duration::ZERO);
    assert_eq!((store.learned(&host).len(), store.marks(&host)), (1, marks));
    host.process.advance(10);
    assert_eq!(learn(&mut store, &host, "v1", 1), [""; 0]);
    host.process.advance(10);
    assert_eq!(learn(&mut store, &host, "v2", 1), ["v2"]);
    store.learn(&host, vec![(form(1), Lesson::Seen)], Duration::ZERO);
    assert_eq!(store.learned(&host)[0].schema().widgets, Some(widgets("v2")));
}

#[test]
fn a_record_is_kept_as_it_was_seen_last_and_among_its_own_kind() {
    let host = SimHost::new(&Process::new(1));
    let store = store();
    let always = |_: &str| true;
    for n in 0..10_000 {
        let id = n.to_string();
        assert_eq!(store.see(&host, &form(1), &id, Some(&id), always), None);
        assert_eq!(store.see(&host, &form(1), &id, Some("new"), always), Some(id));
    }
    let keys = host.process.map.borrow().len();
    assert!(keys <= 4096, "{keys} keys");
    let is_own = |key: &String| key.starts_with("formhook/formhook/seen/");
    assert!(host.process.map.borrow().keys().all(is_own), "another kind of value is overwritten");
    // Another form's record with the same id is another record.
    assert_eq!(store.see(&host, &form(2), "9999", Some("x"), always), None);
    assert_eq!(store.see(&host, &form(1), "9998", Some("late"), |_| false), None);
    assert_eq!(store.see(&host, &form(1), "9998", None, always), Some("new".into()));
    assert_eq!(store.see(&host, &form(1), "9998", Some("again"), always), None);
    // What is too large is not kept, and nor is what was before it.
    let large = "x".repeat(17 * 1024);
    assert_eq!(store.see(&host, &form(1), "9998", Some(&large), always), Some("again".into()));
    assert_eq!(store.see(&host, &form(1), "9998", Some("small"), always), None);
}

/// Whoever is woken by the first sight may ask in the same millisecond.
#[test]
fn what_is_said_of_a_form_that_was_just_seen_is_not_old() {
    let host = SimHost::new(&Process::new(1));
    let mut store = store();
    host.process.advance(10);
    let now = Duration::from_millis(host.process.uptime.get());
    store.learn(&host, vec![(form(1), Lesson::Seen)], now);
    store.learn(&host, vec![(form(1), Lesson::Name("Orders".into()))], now);
    store.learn(&host, vec![(form(1), fields("v1"))], now);
    let schema = store.learned(&host)[0].schema();
    assert_eq!((schema.name.as_deref(), schema.widgets), (Some("Orders"), Some(widgets("v1"))));
    // What was known is not replaced by what was asked for before.
    store.learn(&host, vec![(form(1), Lesson::Name("Old".into()))], now);
    assert_eq!(store.learned(&host)[0].schema().name.as_deref(), Some("Orders"));
}
