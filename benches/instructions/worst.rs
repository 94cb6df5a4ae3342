//! Documents that cost the most for their size. A caller who may write a record may write any of these, and
//! the worker that reads it does nothing else meanwhile: so none may cost much more than an ordinary one.

use super::cases::{ALIASES, answer, captured, field_id};
use formhook::capture::{Budget, Event, Op, Outcome};
use formhook::config::Config;
use formhook::json::Document;
use formhook::payload::payload;
use formhook::translate::{Direction, Place, translated};
use serde_json::json;
use std::hint::black_box;

/// The size of all documents: large enough to tell what grows faster than they do.
const BYTES: usize = 250_000;

/// What one may take of what the ordinary one takes.
pub const MOST: f64 = 30.0;

/// The document that others are compared with.
pub const ORDINARY: &str = "worst/ordinary";

/// The field with rows.
const ROWS: &str = "_widget_1528854613291";

fn config() -> Config {
    let mut fields: Vec<_> =
        (0..ALIASES).map(|n| json!({"id": field_id(n), "alias": format!("field_{n}")})).collect();
    fields.push(json!({"id": ROWS, "alias": "items", "type": "subform", "items": [
        {"id": "_widget_1", "alias": "sku"}, {"id": "_widget_2", "alias": "amount"},
    ]}));
    let config = json!({
        "platform": "jodoo",
        "forms": [{"app_id": "a", "entry_id": "e", "name": "Orders", "fields": fields}],
        "webhooks": [],
    });
    Config::parse(config.to_string().as_bytes(), &|_| None).unwrap()
}

/// Pieces until the size is reached, separated by commas.
fn repeated(piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        let piece = piece(number);
        if text.len() + piece.len() > BYTES - 1_000 {
            return text;
        }
        if number > 0 {
            text.push(',');
        }
        text += &piece;
    }
    text
}

/// All letters as escapes.
fn escaped(text: &str) -> String {
    text.chars().map(|character| format!("\\u{:04x}", u32::from(character))).collect()
}

/// Numbers in an order that no sort is prepared for.
fn shuffled(number: usize) -> usize {
    number.wrapping_mul(2_654_435_761) % 1_000_003
}

fn digits(count: usize) -> String {
    "123456789".chars().cycle().take(count).collect()
}

fn deep() -> String {
    format!("{}1{}", r#"{"b":["#.repeat(254), r#"],"a":2}"#.repeat(254))
}

/// What is odd, and members of a record that have it.
type Odd = (&'static str, fn() -> String);

fn members() -> Vec<Odd> {
    vec![
        ("plain names", || repeated(|n| format!(r#""k{}":1"#, shuffled(n)))),
        ("names with a long beginning", || {
            repeated(|n| format!(r#""{}{}":1"#, "x".repeat(400), shuffled(n)))
        }),
        ("escaped names", || repeated(|n| format!(r#""{}":1"#, escaped(&shuffled(n).to_string())))),
        ("half escaped names", || repeated(|n| format!(r#""\u0061{}":1"#, shuffled(n)))),
        ("escaped names with a long beginning", || {
            repeated(|n| format!(r#""{}{}":1"#, escaped(&"x".repeat(60)), shuffled(n)))
        }),
        ("one name", || repeated(|_| r#""k":1"#.into())),
        ("one escaped name", || {
            repeated(|n| {
                format!(r#""{}":1"#, if n % 2 == 0 { escaped("_id") } else { escaped("k") })
            })
        }),
        ("names of a field", || {
            repeated(|n| format!(r#""{}":1,"field_{}":2"#, field_id(n % ALIASES), n % ALIASES))
        }),
        ("escaped names of a field", || {
            repeated(|n| format!(r#""{}":1"#, escaped(&field_id(n % ALIASES))))
        }),
        ("array indexes", || repeated(|n| format!(r#""{}":1"#, shuffled(n)))),
        ("names beyond ASCII", || repeated(|n| format!(r#""😀{}～":1"#, shuffled(n)))),
        ("lone surrogates", || repeated(|n| format!(r#""\ud800{}":"\udc00\ud800""#, shuffled(n)))),
        ("control characters", || {
            repeated(|n| format!(r#""{n}":"\u0001\u0002\u0003\u0004\u0005\u0006""#))
        }),
        ("deep", || repeated(|n| format!(r#""k{}":{}"#, shuffled(n), deep()))),
        ("empty containers", || {
            repeated(|n| format!(r#""k{}":[[],{{}},[],{{}},[[]]]"#, shuffled(n)))
        }),
        ("short numbers", || format!(r#""k":[{}]"#, repeated(|_| "0".into()))),
        ("small numbers", || {
            format!(r#""k":[{}]"#, repeated(|n| format!("{}e-{}", n % 9 + 1, 290 + n % 30)))
        }),
        ("large numbers", || {
            format!(r#""k":[{}]"#, repeated(|n| format!("{}e{}", n % 9 + 1, 280 + n % 28)))
        }),
        ("numbers of 17 digits", || {
            format!(
                r#""k":[{}]"#,
                repeated(|n| format!("{}.{}e-{}", n % 9 + 1, digits(16), 250 + n % 50))
            )
        }),
        ("numbers halfway", || {
            format!(r#""k":[{}]"#, repeated(|n| format!("{}", 9_007_199_254_740_993_usize + 2 * n)))
        }),
        ("numbers of 800 digits", || {
            format!(r#""k":[{}]"#, repeated(|n| format!("{}e-{}", digits(800), 300 + n % 900)))
        }),
        ("zeros before a digit", || {
            format!(r#""k":[{}]"#, repeated(|n| format!("0.{}1e{n}", "0".repeat(700))))
        }),
        ("a long number", || format!(r#""k":{}"#, digits(BYTES - 2_000))),
        ("zeros behind a digit", || {
            format!(r#""k":1{}e-{}"#, "0".repeat(BYTES - 2_000), BYTES - 2_000)
        }),
        ("rows", || {
            format!(
                r#""{ROWS}":[{}]"#,
                repeated(|n| format!(r#"{{"_widget_2":{n},"_widget_1":"x"}}"#))
            )
        }),
        ("rows with escaped names", || {
            format!(
                r#""{ROWS}":[{}]"#,
                repeated(|_| format!(r#"{{"{}":1,"sku":2}}"#, escaped("_widget_1")))
            )
        }),
        ("empty rows", || format!(r#""{ROWS}":[{}]"#, repeated(|_| "{}".into()))),
        ("items", || repeated(|_| r#""items":[{"name":"x"}],"name":"items""#.into())),
    ]
}

/// What is done with a record: the push of its creation, that of an update of it, and an answer with its
/// aliases.
fn read(config: &Config, budget: &std::rc::Rc<Budget>, answer: &[u8], before: &Document<'_>) {
    let call = captured(&config.operations, budget, answer);
    let documents = call.documents();
    let Outcome::Event(event) = documents.outcome() else { panic!("a record was changed") };
    let form = config.forms.get(&event.form);
    black_box(payload(&event, form, None));
    let update = Event { op: Op::Update, ..event };
    black_box(payload(&update, form, before.root().get("data")));
    let document = Document::parse(answer).unwrap();
    let fields = &form.unwrap().fields;
    for direction in [Direction::Ids, Direction::Aliases] {
        for place in [Place::Record, Place::Values, Place::Filter] {
            black_box(translated(&document, &[("data", place)], fields, direction));
        }
    }
    let widgets = format!(r#"{{"data":[{}]}}"#, document.root().get("data").unwrap().raw());
    let widgets = Document::parse(widgets.as_bytes()).unwrap();
    black_box(translated(&widgets, &[("data", Place::Widgets)], fields, Direction::Ids));
}

/// The names of all documents, the ordinary one first.
pub fn names() -> Vec<String> {
    let odd = members().into_iter().map(|(name, _)| format!("worst/{name}"));
    std::iter::once(ORDINARY.to_owned()).chain(odd).collect()
}

/// What has to be measured of a document.
pub fn case(name: &str) -> Box<dyn FnMut()> {
    let text = match members().into_iter().find(|(odd, _)| format!("worst/{odd}") == name) {
        Some((_, members)) => {
            let members = members();
            format!(r#"{{"data":{{"_id":"1","appId":"a","entryId":"e",{members}}}}}"#).into_bytes()
        }
        // Some two hundred bytes a field.
        None => {
            let text = String::from_utf8(answer(BYTES, BYTES / 200)).unwrap();
            text.replacen("59264073a2a60c0c08e20bfb", "a", 1)
                .replacen("59264073a2a60c0c08e20bfd", "e", 1)
                .into_bytes()
        }
    };
    assert!(text.len() <= 1 << 20, "{name} has {} bytes", text.len());
    let config = config();
    Box::new(move || {
        let budget = Budget::new(1 << 24);
        let before = Document::parse(&text).unwrap();
        read(&config, &budget, black_box(&text), &before);
    })
}
