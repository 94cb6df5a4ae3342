//! What is measured of the core, by time and by instructions: the steps of a push, and a whole one.

use super::world::World;
use formhook::capture::{
    Budget, Captured, Exchange, Head, Lookup, Operations, Outcome, jodoo_operations,
};
use formhook::config::Config;
use formhook::form::Forms;
use formhook::history::{self, Record};
use formhook::host::{Answer, EgressReport, QueueId, Reply, UnixMillis, VIA_UPSTREAM};
use formhook::payload::payload;
use formhook::pipeline::Pipeline;
use formhook::sign::{Secret, jodoo, standard};
use formhook::store::{Bounds, PushId, Store as _, Tiers};
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

const APP: &str = "59264073a2a60c0c08e20bfb";
const ENTRY: &str = "59264073a2a60c0c08e20bfd";
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATH: &str = "/api/v5/app/entry/data/create";
/// A call that is watched, and one that is not.
pub const CALLS: [(&str, &str); 2] =
    [("watched", PATH), ("not watched", "/api/v5/app/entry/data/list")];
pub const ID: &str = "4d1d1504-b885-439e-b79e-f10032ce3eed";
pub const TIMESTAMP: &str = "1778575509";

/// Sizes of records: bytes, and fields.
pub const SIZES: [(usize, usize); 7] =
    [(200, 5), (1_024, 5), (1_024, 20), (10_240, 5), (10_240, 50), (102_400, 50), (102_400, 500)];

/// Sizes of bodies that are signed.
pub const SIGNED: [usize; 2] = [1_024, 102_400];

/// So many fields have aliases.
pub const ALIASES: usize = 5;

pub fn field_id(number: usize) -> String {
    format!("_widget_1432728{:06}", 651_402 + number)
}

/// The answer of the platform with a record of about so many bytes in so many fields. Fields of a form
/// stand in the order in which people put them there, which is not that of their names.
pub fn answer(bytes: usize, fields: usize) -> Vec<u8> {
    let filler = "x".repeat(bytes.saturating_sub(60 + fields * 29) / fields);
    let mut text = format!(
        r#"{{"data":{{"_id":"5926407ea2a60c0c08e20c01","appId":"{APP}","entryId":"{ENTRY}","createTime":"2026-05-12T08:45:09.018Z","updateTime":"2026-05-12T08:45:09.018Z""#
    );
    for number in 0..fields {
        let id = field_id(number * 7 % fields);
        text += &format!(r#","{id}":"{filler}""#);
    }
    (text + "}}").into_bytes()
}

/// A case: its name, and what is done again and again.
pub struct Case {
    pub name: String,
    pub run: Box<dyn FnMut()>,
}

impl Case {
    pub fn new(name: impl Into<String>, run: impl FnMut() + 'static) -> Self {
        Case { name: name.into(), run: Box::new(run) }
    }
}

pub fn config() -> Config {
    let fields: Vec<_> = (0..ALIASES)
        .map(|n| serde_json::json!({"id": field_id(n), "alias": format!("field_{n}")}))
        .collect();
    let config = serde_json::json!({
        "platform": "jodoo",
        "forms": [{"app_id": APP, "entry_id": ENTRY, "name": "Orders", "fields": fields}],
        "webhooks": [{"id": "crm", "url": "http://127.0.0.1:1/hook", "secret": SECRET}],
    });
    let text = config.to_string();
    Config::parse(text.as_bytes(), &|_| None).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A call that has passed, with this answer.
pub fn captured(operations: &Operations, budget: &Rc<Budget>, answer: &[u8]) -> Captured {
    let matched = operations.find_by("POST", PATH.as_bytes()).unwrap();
    let mut call = Exchange::begin(matched, 1 << 20, budget, Duration::ZERO, |_| None);
    let request = br#"{"app_id":"a","entry_id":"e"}"#;
    call.request_chunk(request.len(), || request.to_vec());
    call.response_head(Head { status: Some(200), is_local: false, is_encoded: false });
    assert!(call.response().make_room(answer.len()));
    call.response().append(answer.to_vec());
    call.finish(UnixMillis(1_778_575_509_018), || true).captured().unwrap()
}

/// The push that comes of it.
pub fn body(call: &Captured, forms: &Forms) -> Vec<u8> {
    match call.documents().outcome() {
        Outcome::Event(event) => payload(&event, forms.get(&event.form), None),
        _ => panic!("this is a change of a record"),
    }
}

pub fn size_name(bytes: usize) -> String {
    if bytes < 1024 { format!("{bytes} B") } else { format!("{} KiB", bytes / 1024) }
}

/// From the bytes of an answer to those of the push.
pub fn payloads() -> impl Iterator<Item = Case> {
    SIZES.into_iter().map(|(bytes, fields)| {
        let config = config();
        let call = captured(&config.operations, &Budget::new(1 << 24), &answer(bytes, fields));
        Case::new(format!("payload/{}, {fields} fields", size_name(bytes)), move || {
            black_box(body(black_box(&call), &config.forms));
        })
    })
}

/// Finding out whether a call is watched.
pub fn matches() -> impl Iterator<Item = Case> {
    CALLS.into_iter().map(|(name, path)| {
        let mut operations = Operations::default();
        for (path, operation) in jodoo_operations("/api", &Lookup::default()) {
            operations.add("POST", &path, operation).unwrap();
        }
        Case::new(format!("match/{name}"), move || {
            black_box(operations.find_by("POST", black_box(path).as_bytes()).is_some());
        })
    })
}

/// Both signatures of a body.
pub fn signatures() -> impl Iterator<Item = Case> {
    SIGNED.into_iter().flat_map(|bytes| {
        let secret = Secret::parse(SECRET).unwrap();
        let again = secret.clone();
        let body = vec![b'x'; bytes];
        let other = body.clone();
        let size = size_name(bytes);
        [
            Case::new(format!("sign/standard, {size}"), move || {
                black_box(standard::signature([&secret], ID, TIMESTAMP, black_box(&body)));
            }),
            Case::new(format!("sign/jodoo, {size}"), move || {
                black_box(jodoo::signature(&again, "b16276", TIMESTAMP, black_box(&other)));
            }),
        ]
    })
}

pub fn record() -> Record {
    let body = String::from_utf8(answer(1_024, 20)).unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "formhook"),
        ("webhook-id", ID),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("webhook-timestamp", TIMESTAMP),
    ];
    Record {
        webhook: "crm".into(),
        op: "data_create".into(),
        app_id: APP.into(),
        entry_id: ENTRY.into(),
        record_id: "5926407ea2a60c0c08e20c01".into(),
        url: "https://crm.example.com/hooks/orders".into(),
        attempts: 1,
        status: Some(200),
        headers: history::shown_headers(&headers, &|_| false),
        body: body.into(),
        ..Record::new(
            ID,
            history::Outcome::Success,
            UnixMillis(1_778_575_509_018),
            UnixMillis(1_778_575_509_020),
        )
    }
}

/// Writing a record into the history, and as a line into the log.
pub fn histories() -> impl Iterator<Item = Case> {
    let world = World::default();
    let mut store = Tiers::new("bench", None, Bounds { bytes: 1 << 26, history: 1_000 }, None);
    let (kept, logged) = (record(), record());
    [
        Case::new("history/append", move || store.record(&world, black_box(&kept))),
        Case::new("history/log line", move || {
            black_box(black_box(&logged).log_line());
        }),
    ]
    .into_iter()
}

/// All that is done for a push, from the end of the API call to the target's answer.
pub fn pushes() -> impl Iterator<Item = Case> {
    [(1_024, 20), (10_240, 50)].into_iter().map(|(bytes, fields)| {
        let world = World::default();
        let config = Rc::new(config());
        let mut pipeline = Pipeline::new(Rc::clone(&config), &world, "bench", Some(QueueId(1)));
        let budget = Budget::new(1 << 24);
        let answer = answer(bytes, fields);
        let details = VIA_UPSTREAM.into();
        let report = EgressReport { flags: "-".into(), details, ..EgressReport::default() };
        let reply =
            Reply::Answer(Answer { status: 200, egress: Some(report), ..Answer::default() });
        Case::new(format!("push/{}, {fields} fields", size_name(bytes)), move || {
            let call = captured(&config.operations, &budget, black_box(&answer));
            pipeline.captured(&world, call, PushId::random(&world));
            pipeline.woken(&world);
            pipeline.reply(&world, world.last_call(), &reply);
            assert!(pipeline.is_idle());
        })
    })
}

pub fn all() -> impl Iterator<Item = Case> {
    matches().chain(payloads()).chain(signatures()).chain(histories()).chain(pushes())
}
