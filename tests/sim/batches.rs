//! Calls that change many records, where the platform has to be asked for some of them.

use super::call::answered;
use super::host::{Process, SimHost};
use formhook::config::Config;
use formhook::host::{Answer, Host as _, Reply};
use formhook::pipeline::Pipeline;
use serde_json::Value;

/// Longer than all retries take.
const LONG: u64 = 30 * 60_000;

const CONFIG: &str = r#"{"platform":"jodoo","webhooks":[{"id":"w","url":"https://w.example/","cluster":"w",
    "batch":true,"events":["data_update","data_remove"]}],
    "platform_api":{"cluster":"platform","authority":"api.example","key_env":"KEY"}}"#;

/// What came of a batch.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The op and the record's id of each push.
    pushed: Vec<String>,
    /// The records that the platform was asked for.
    asked: Vec<String>,
    /// Misses by reason.
    missed: Vec<(&'static str, i64)>,
}

/// Plays a call that changes several records. `answer` says what the platform answers when it is
/// asked for a record, the so-manieth time.
fn play(
    tail: &str,
    request: &str,
    response: &str,
    answer: impl Fn(&str, usize) -> (u16, &'static str),
) -> Outcome {
    let process = Process::new(7);
    let host = SimHost::new(&process);
    let config = std::rc::Rc::new(
        Config::parse(CONFIG.as_bytes(), &|_| Some("key".to_owned())).expect("it is valid"),
    );
    let path = format!("/api/v5/app/entry/data/{tail}");
    let mut pipeline = Pipeline::new(config.clone(), &host, "formhook", None);
    answered(&config, &host, &mut pipeline, &path, host.uptime(), (request, response));
    pipeline.pump(&host);
    let mut outcome = Outcome { pushed: Vec::new(), asked: Vec::new(), missed: Vec::new() };
    while process.uptime.get() < LONG {
        let sent = host.sent.take();
        if sent.is_empty() {
            let Some(due) = host.timer.take() else { break };
            process.advance(due.saturating_sub(process.uptime.get()));
            pipeline.timer_fired(&host);
        }
        for call in sent {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (status, said) = match &*call.headers[":path"] {
                path if path.ends_with("/data/get") => {
                    let id = text(&body["data_id"]);
                    let before = outcome.asked.iter().filter(|asked| **asked == id).count();
                    let said = answer(&id, before);
                    outcome.asked.push(id);
                    said
                }
                // How forms look is of no interest here.
                path if path.contains("/v5/app/entry/") => (400, r#"{"code":3000}"#),
                _ => {
                    let (op, id) = (text(&body["op"]), text(&body["data"]["_id"]));
                    outcome.pushed.push(format!("{op} {id}"));
                    (200, "")
                }
            };
            host.body.replace(said.into());
            let excerpt = said.into();
            let reply = Reply::Answer(Answer { status, excerpt, ..Answer::default() });
            pipeline.reply(&host, call.id, &reply);
        }
    }
    for reason in ["inexact", "unfetched", "incomplete", "batch"] {
        let count = process.counted("formhook_capture_misses", &format!(".reason.{reason}"));
        if count > 0 {
            outcome.missed.push((reason, count));
        }
    }
    outcome
}

fn two_deleted(answer: impl Fn(&str, usize) -> (u16, &'static str)) -> Outcome {
    let request = r#"{"app_id":"a","entry_id":"e","data_ids":["x","y"]}"#;
    play("batch_delete", request, r#"{"status":"success","success_count":1}"#, answer)
}

const NO_RECORD: (u16, &str) = (400, r#"{"code":4001,"msg":"data does not exist"}"#);

#[test]
fn a_success_without_a_record_does_not_say_that_the_record_is_there() {
    // Of two records that are not there, nobody can say which was deleted.
    let outcome = two_deleted(|id, _| match id {
        "x" => (200, r#"{"code":4001,"msg":"data does not exist"}"#),
        _ => NO_RECORD,
    });
    assert_eq!(outcome.pushed, [""; 0]);
    assert_eq!((outcome.asked.len(), outcome.missed), (2, vec![("inexact", 1)]));
    for nothing in [r#"{"data":null}"#, r#"{"code":8301}"#, "<html>", ""] {
        let outcome = two_deleted(|id, _| if id == "x" { (200, nothing) } else { NO_RECORD });
        assert_eq!(outcome.pushed, [""; 0], "{nothing}");
        assert_eq!(outcome.missed, [("unfetched", 1)], "{nothing}");
    }
}

#[test]
fn a_repeated_transaction_says_that_it_changed_more_than_can_be_told() {
    let request = r#"{"app_id":"a","entry_id":"e","transaction_id":"t","data_list":[{},{},{}]}"#;
    let created = |ids| {
        let response = format!(r#"{{"status":"success","success_count":3,"success_ids":{ids}}}"#);
        play("batch_create", request, &response, |id, _| match id {
            "b" => (200, r#"{"data":{"_id":"b"}}"#),
            _ => (200, r#"{"data":{"_id":"c"}}"#),
        })
    };
    let some = created(r#"["b","c"]"#);
    assert_eq!(some.pushed, ["data_create b", "data_create c"]);
    assert_eq!(some.missed, [("inexact", 1)]);
    let none = created("[]");
    assert_eq!((none.pushed, none.missed), (vec![], vec![("inexact", 1)]));
    let all = created(r#"["a","b","c"]"#);
    assert_eq!((all.pushed.len(), all.missed), (3, vec![]));
}

#[test]
fn a_refusal_with_the_status_of_a_success_has_the_platform_asked_again() {
    let busy = (200, r#"{"code":8303,"msg":"too many"}"#);
    let outcome = two_deleted(|id, before| match (id, before) {
        ("x", 0 | 1) => busy,
        ("x", _) => (200, r#"{"data":{"_id":"x"}}"#),
        _ => NO_RECORD,
    });
    assert_eq!((outcome.pushed, outcome.missed), (vec!["data_remove y".to_owned()], vec![]));
    assert_eq!(outcome.asked, ["x", "x", "x", "y"]);

    let request = r#"{"app_id":"a","entry_id":"e","data_ids":["x"],"data":{}}"#;
    let updated = r#"{"status":"success","success_count":1}"#;
    let outcome = play("batch_update", request, updated, |_, before| match before {
        0 => busy,
        _ => (200, r#"{"data":{"_id":"x"}}"#),
    });
    assert_eq!((outcome.pushed, outcome.missed), (vec!["data_update x".to_owned()], vec![]));
}
