//! Any bodies of any watched call, in any pieces, to any end, beside another call that takes room.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use formhook::capture::{Body, Budget, Captured, Exchange, Head, Miss, Outcome};
use formhook::config::Config;
use formhook::form::Schema;
use formhook::host::UnixMillis;
use formhook::json::Document;
use formhook::payload::payload;
use formhook::platform::{Job, Step};
use formhook_fuzz::pieces::{chunks, texts};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

/// The preset, and operations that look everywhere.
const CONFIG: &str = r#"{"platform":"jodoo","actor":{"header":"x-user"},"webhooks":[],
    "forms":[{"app_id":"a","entry_id":"e","name":"Orders","fields":[{"id":"_widget_1","alias":"x"},
        {"id":"_widget_2","alias":"y","type":"subform","items":[{"id":"_widget_3","alias":"z"}]}]}],
    "operations":[
        {"method":"PUT","path":"/v2/{app}/{form}/restore","op":"data_recover","app_id":"path:app",
         "entry_id":"path:form","record_id":["request:/id","header:x-id","literal:none"],
         "record":"response:/record","actor":"response:/by","time":"response:/time",
         "success":[{"at":"response:/ok","equals":true},{"at":"header:x-ok","equals":"1"}]},
        {"method":"DELETE","path":"/v2/{*rest}","op":"data_remove","app_id":"literal:a",
         "entry_id":"request:/0/e~0~1","record_id":"path:rest","time":"request:/time"},
        {"path":"/v2/rows","op":"data_update","app_id":"response:/a","entry_id":"response:/e",
         "record":"request:"}]}"#;

const CALLS: [(&str, &str); 14] = [
    ("POST", "/api/v5/app/entry/data/create"),
    ("POST", "/api/v5/app/entry/data/update"),
    ("POST", "/api/v5/app/entry/data/delete"),
    ("POST", "/api/v5/app/entry/data/batch_create"),
    ("POST", "/api/v5/app/entry/data/batch_update"),
    ("POST", "/api/v5/app/entry/data/batch_delete"),
    ("POST", "/api/v5/app/entry/widget/list"),
    ("POST", "/api/v5/app/entry/list"),
    ("POST", "/api/v1/app/a/entry/e/data_create"),
    ("POST", "/API/v1//app/a%2F/x/../entry/%41;b/data_delete/?x"),
    ("POST", "/api/v1/app/a/entry/e/data_batch_update"),
    ("PUT", "/v2/a/e/restore"),
    ("DELETE", "/v2/a/b/c"),
    ("POST", "/v2/rows"),
];

/// The largest body that is read; in one play of two, all of them have room for little more than that.
const LIMIT: usize = 2048;
const SCARCE: usize = 3000;

/// One byte each, so that seeds can be written by hand.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct How {
    call: u8,
    head: u8,
    end: u8,
    /// What another call holds meanwhile, in sixteenths of the budget.
    other: u8,
    pieces: [u8; 2],
}

impl How {
    fn head(self) -> Head {
        let status = match self.head % 8 {
            0 if self.head & 64 != 0 => Some(502),
            0 => Some(404),
            1 => Some(299),
            2 => Some(300),
            3 => None,
            _ => Some(200),
        };
        Head { status, is_local: self.head & 8 != 0, is_encoded: self.head & 16 != 0 }
    }

    fn is_request_whole(self) -> bool {
        self.end & 64 == 0
    }

    /// Whether the platform may have got the request.
    fn was_sent(self) -> bool {
        self.end & 128 == 0
    }

    fn is_request_encoded(self) -> bool {
        self.head & 32 != 0
    }

    fn end(self) -> End {
        match self.end % 6 {
            0 => End::BeforeHead,
            1 => End::InBody,
            2 => End::Trailers,
            3 => End::WithHead,
            _ => End::LastChunk,
        }
    }

    fn budget(self) -> usize {
        if self.other == 0 { 1 << 20 } else { SCARCE }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The stream breaks off before the response.
    BeforeHead,
    /// The stream breaks off in the response.
    InBody,
    /// The response ends with trailers: no chunk was said to be the last.
    Trailers,
    /// There is no body.
    WithHead,
    LastChunk,
}

struct Call<'d> {
    how: How,
    request: &'d [u8],
    response: &'d [u8],
    user: &'d [u8],
}

type Told = Result<Result<String, Miss>, Option<Miss>>;

fn length(body: &Body) -> usize {
    body.bytes().map_or(0, <[u8]>::len)
}

fn feed(body: &mut Body, bytes: &[u8], pieces: &[u8], (budget, most): (&Budget, usize)) {
    for chunk in chunks(bytes, pieces) {
        if body.make_room(chunk.len()) {
            body.append(chunk.to_vec());
        }
        assert!(length(body) <= LIMIT, "the bound of a body holds");
        assert!(budget.used() <= most, "the bound of all bodies holds");
    }
}

/// What comes of a call: the ways in which it ends are those of Envoy's callbacks.
fn play(config: &Config, call: &Call<'_>, pieces: &[u8]) -> Told {
    let Call { how, request, response, user } = call;
    let budget = Budget::new(how.budget());
    let mut other = budget.reservation();
    assert!(other.grow(SCARCE / 16 * usize::from(how.other % 16)));
    let held = budget.used();
    let (method, path) = CALLS[usize::from(how.call) % CALLS.len()];
    let matched = config.operations.find_by(method, path.as_bytes()).unwrap();
    let header = |name: &str| match name {
        "content-encoding" => how.is_request_encoded().then(|| b"gzip".to_vec()),
        "x-user" | "x-ok" | "x-id" | "traceparent" => Some(user.to_vec()),
        _ => None,
    };
    let mut exchange = Exchange::begin(matched, LIMIT, &budget, Duration::ZERO, header);
    for chunk in chunks(request, pieces) {
        exchange.request_chunk(chunk.len(), || chunk.to_vec());
        assert!(budget.used() <= how.budget(), "the bound of all bodies holds");
    }
    if how.is_request_whole() {
        exchange.request_ended();
    }
    let told = if how.end() == End::BeforeHead {
        judge_end(config, exchange.abort(|| how.was_sent()))
    } else {
        exchange.response_head(how.head());
        if how.end() != End::WithHead {
            feed(exchange.response(), response, pieces, (&budget, how.budget()));
        }
        assert!(budget.used() >= held + length(exchange.response()), "what is held is counted");
        match how.end() {
            End::InBody => judge_end(config, exchange.abort(|| how.was_sent())),
            _ => judge_end(config, exchange.finish(UnixMillis(7), || how.was_sent())),
        }
    };
    assert_eq!(budget.used(), held, "what was used is given back");
    drop(other);
    assert_eq!(budget.used(), 0);
    told
}

fn judge_end(config: &Config, end: formhook::capture::End) -> Told {
    use formhook::capture::End;
    match end {
        End::Captured(captured) => Ok(tell(config, &captured)),
        End::Missed(missed) => {
            assert!(missed.change.op().is_some(), "what only reads is not missed");
            Err(Some(missed.miss))
        }
        End::Unchanged => Err(None),
    }
}

/// All that others hear of the call.
fn tell(config: &Config, captured: &Captured) -> Result<String, Miss> {
    let documents = captured.documents();
    Ok(match documents.outcome() {
        Outcome::Event(event) => {
            assert!(!event.record_id.is_empty() && !event.form.app_id.is_empty());
            let push = payload(&event, config.forms.get(&event.form), event.record);
            assert!(Document::parse(&push).is_ok() || event.record.is_some(), "{push:?}");
            String::from_utf8(push).expect("a push is text")
        }
        Outcome::Batch(batch) => {
            let ids: HashSet<_> = batch.ids.iter().collect();
            assert!(!ids.is_empty() && ids.len() == batch.ids.len() && ids.len() <= 1000);
            if let Step::Ask(job) = Step::first(batch.clone()) {
                let kept = job.encode();
                let again = Job::decode(&kept).expect("what is kept can be read");
                assert_eq!(again.encode(), kept);
                assert!(Document::parse(&job.request()).is_ok(), "a question is JSON");
            }
            format!("{batch:?}")
        }
        Outcome::Lessons(lessons) => {
            for (_, lesson) in &lessons {
                if let Some(schema) = Schema::default().after(lesson) {
                    assert_eq!(Schema::decode(&schema.encode()).as_ref(), Some(&schema));
                    assert!(!schema.differs_from(&schema), "{schema:?}");
                }
            }
            format!("{lessons:?}")
        }
        Outcome::NoChange => "no change".to_owned(),
        Outcome::Missed(miss) => return Err(miss),
    })
}

/// Which bound a body was too large for may depend on its pieces, if there is little room.
fn told_of_bounds(told: Told) -> Told {
    told.map(|told| told.map_err(|miss| if miss == Miss::Overload { Miss::TooLarge } else { miss }))
}

thread_local! {
    static CONFIGURED: Rc<Config> = Rc::new(Config::parse(CONFIG.as_bytes(), &|_| None).unwrap());
}

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok(how) = How::arbitrary(&mut input) else { return };
    let [user, request, response] = texts::<3>(input.take_rest());
    let call = Call { how, request, response, user };
    let config = CONFIGURED.with(Rc::clone);
    let told = told_of_bounds(play(&config, &call, &how.pieces));
    for pieces in [&[][..], &[0], &[6, 250, 30]] {
        assert_eq!(told, told_of_bounds(play(&config, &call, pieces)), "pieces make no difference");
    }
    let head = how.head();
    let (_, path) = CALLS[usize::from(how.call) % CALLS.len()];
    let may_have_changed = how.is_request_whole() && !path.ends_with("list");
    let missed = |may: bool| Err((may && may_have_changed).then_some(Miss::Unanswered));
    match how.end() {
        End::BeforeHead => assert_eq!(told, missed(how.was_sent())),
        _ if head.is_success() && how.end() != End::InBody => {
            assert!(told.is_ok(), "it came to its end")
        }
        _ if head.is_success() => assert_eq!(told, missed(true)),
        _ if head.is_local => assert_eq!(told, missed(how.was_sent())),
        _ => assert_eq!(told, missed(head.status == Some(502)), "nothing was changed"),
    }
    if call.request.len() <= LIMIT && call.response.len() <= LIMIT && how.budget() > SCARCE {
        assert!(told != Ok(Err(Miss::TooLarge)), "both bodies have room");
    }
});
