//! A record as JSON: all of it for the admin API, and in short for the log.

use super::Record;
use super::redact::{
    MAX_ANSWER_BYTES, MAX_BODY_BYTES, MAX_CAUSE_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_ID_BYTES,
    cut, shown_url,
};
use crate::json::escape;

/// Most lines of the log are no longer.
const USUAL_LINE_BYTES: usize = 640;

impl Record {
    /// Writes all of it as one compact object. Every member is always there, in the same order;
    /// times are RFC 3339 in UTC, and a push without an answer has the status `null`.
    pub fn json(&self, out: &mut Vec<u8>) {
        self.summary(out);
        name(out, ",\"headers\":[");
        for (place, (name, value)) in self.headers.iter().take(MAX_HEADERS).enumerate() {
            out.extend_from_slice(if place == 0 { b"{" } else { b",{" });
            text(out, "\"name\":", &cut(name, MAX_HEADER_BYTES));
            text(out, ",\"value\":", &cut(value, MAX_HEADER_BYTES));
            out.push(b'}');
        }
        text(out, "],\"answer\":", &cut(&self.answer, MAX_ANSWER_BYTES));
        text(out, ",\"body\":", &cut(&self.body, MAX_BODY_BYTES));
        out.push(b'}');
    }

    /// The same without headers, answer and body.
    pub fn summary_json(&self, out: &mut Vec<u8>) {
        self.summary(out);
        out.push(b'}');
    }

    /// The record as one line for the log: `formhook.push`, a space and a JSON object. Headers and
    /// bodies do not belong into a log.
    pub fn log_line(&self) -> String {
        let mut line = Vec::with_capacity(USUAL_LINE_BYTES);
        name(&mut line, "formhook.push ");
        self.summary_json(&mut line);
        // Only whole characters were written.
        String::from_utf8(line).unwrap_or_default()
    }

    /// Writes the members that both have, and leaves the object open.
    fn summary(&self, out: &mut Vec<u8>) {
        for (name, value) in [
            ("{\"id\":", &self.id),
            (",\"webhook\":", &self.webhook),
            (",\"op\":", &self.op),
            (",\"app_id\":", &self.app_id),
            (",\"entry_id\":", &self.entry_id),
            (",\"record_id\":", &self.record_id),
        ] {
            text(out, name, &cut(value, MAX_ID_BYTES));
        }
        text(out, ",\"url\":", &shown_url(&self.url));
        text(out, ",\"accepted\":", &self.accepted.to_string());
        text(out, ",\"ended\":", &self.ended.to_string());
        number(out, ",\"duration_ms\":", self.ended.0.saturating_sub(self.accepted.0));
        number(out, ",\"attempts\":", self.attempts.into());
        text(out, ",\"outcome\":", self.outcome.name());
        match self.status {
            Some(status) => number(out, ",\"status\":", status.into()),
            None => name(out, ",\"status\":null"),
        }
        text(out, ",\"cause\":", &cut(&self.cause, MAX_CAUSE_BYTES));
    }
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(name.as_bytes());
}

fn number(out: &mut Vec<u8>, before: &str, number: u64) {
    name(out, before);
    name(out, &number.to_string());
}

/// Writes a string as [`crate::json::quote`] does, but so that no reader of logs takes it for more
/// than one line and no terminal for a command.
fn text(out: &mut Vec<u8>, before: &str, text: &str) {
    name(out, before);
    out.push(b'"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        name(out, text);
    } else {
        text.chars().for_each(|character| character_of_log(out, character));
    }
    out.push(b'"');
}

fn character_of_log(out: &mut Vec<u8>, character: char) {
    match character {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
            name(out, &format!("\\u{:04x}", u32::from(character)));
        }
        other => escape(out, other),
    }
}

#[cfg(test)]
mod tests {
    use crate::history::record::testing::any_record;
    use crate::history::{Outcome, Record, cut, shown_url};
    use crate::host::UnixMillis;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn record() -> Record {
        Record {
            webhook: "crm".into(),
            op: "data_create".into(),
            app_id: "a1".into(),
            entry_id: "e1".into(),
            record_id: "r1".into(),
            url: "https://crm.example.com/hooks?token=secret".into(),
            attempts: 6,
            status: Some(500),
            cause: "HTTP 500".into(),
            answer: "oh \"no\"\n".into(),
            headers: vec![
                ("webhook-id".into(), "p1".into()),
                ("webhook-signature".into(), "[redacted]".into()),
            ],
            body: "{\"op\":\"data_create\"}".into(),
            ..Record::new(
                "p1",
                Outcome::Failure,
                UnixMillis(1_778_575_509_018),
                UnixMillis(1_778_575_510_000),
            )
        }
    }

    const SUMMARY: &str = r#"{"id":"p1","webhook":"crm","op":"data_create","app_id":"a1","entry_id":"e1","record_id":"r1","url":"https://crm.example.com/hooks?…","accepted":"2026-05-12T08:45:09.018Z","ended":"2026-05-12T08:45:10.000Z","duration_ms":982,"attempts":6,"outcome":"failure","status":500,"cause":"HTTP 500""#;

    #[test]
    fn a_record_is_one_object_in_a_stable_order() {
        let mut out = Vec::new();
        record().json(&mut out);
        let rest = r#","headers":[{"name":"webhook-id","value":"p1"},{"name":"webhook-signature","value":"[redacted]"}],"answer":"oh \"no\"\n","body":"{\"op\":\"data_create\"}"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{SUMMARY}{rest}"));
    }

    #[test]
    fn the_log_has_neither_headers_nor_bodies_nor_queries() {
        assert_eq!(record().log_line(), format!("formhook.push {SUMMARY}}}"));
    }

    #[test]
    fn a_push_without_an_answer_has_no_status_and_a_clock_that_went_back_no_duration() {
        let record = Record::new("p", Outcome::Abandoned, UnixMillis(2), UnixMillis(1));
        let line = record.log_line();
        assert!(
            line.contains(r#""duration_ms":0,"attempts":0,"outcome":"abandoned","status":null,"#)
        );
    }

    #[test]
    fn what_some_readers_take_for_a_line_end_or_a_terminal_command_is_escaped() {
        let mut record = record();
        record.cause = "\u{85}\u{2028}\u{2029}\u{7f}\u{9b}\u{1b}\r\n".into();
        let line = record.log_line();
        assert!(line.contains(r#""\u0085\u2028\u2029\u007f\u009b\u001b\r\n""#), "{line}");
    }

    proptest! {
        #[test]
        fn every_record_is_valid_json_and_says_what_it_holds(record in any_record()) {
            let mut out = Vec::new();
            record.json(&mut out);
            let value: Value = serde_json::from_slice(&out).unwrap();
            let headers: Vec<Value> = (record.headers.iter().take(24))
                .map(|(name, value)| json!({"name": cut(name, 256), "value": cut(value, 256)}))
                .collect();
            prop_assert_eq!(value, json!({
                "id": cut(&record.id, 256),
                "webhook": cut(&record.webhook, 256),
                "op": cut(&record.op, 256),
                "app_id": cut(&record.app_id, 256),
                "entry_id": cut(&record.entry_id, 256),
                "record_id": cut(&record.record_id, 256),
                "url": shown_url(&record.url),
                "accepted": record.accepted.to_string(),
                "ended": record.ended.to_string(),
                "duration_ms": record.ended.0.saturating_sub(record.accepted.0),
                "attempts": record.attempts,
                "outcome": record.outcome.name(),
                "status": record.status,
                "cause": cut(&record.cause, 512),
                "headers": headers,
                "answer": cut(&record.answer, 1024),
                "body": cut(&record.body, 2048),
            }));
        }

        #[test]
        fn every_log_line_is_one_line_of_valid_json(record in any_record()) {
            let line = record.log_line();
            let is_break = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
            prop_assert!(!line.contains(is_break), "{:?}", line);
            let value: Value =
                serde_json::from_str(line.strip_prefix("formhook.push ").unwrap()).unwrap();
            for absent in ["headers", "answer", "body"] {
                prop_assert!(value.get(absent).is_none());
            }
            prop_assert_eq!(&value["cause"], &json!(cut(&record.cause, 512)));
        }
    }
}
