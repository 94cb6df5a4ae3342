//! One watched API call while it passes.

use super::{Body, Budget, Captured, Change, Matched, Miss, RequestBody, trace};
use crate::form::FormKey;
use crate::host::UnixMillis;
use std::rc::Rc;
use std::time::Duration;

/// The longest header value that is kept.
const MAX_HEADER_BYTES: usize = 4096;

/// The longest capture of a path that is kept: no id is as long. What is kept of a call's head is no part of the
/// budget, since it cannot be given up while the call goes on; so each piece of it has a bound, and Envoy keeps more of it.
const MAX_CAPTURE_BYTES: usize = 1024;

/// What the head of a response says.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The status code, if it is one.
    pub status: Option<u16>,
    /// It was made by the gateway and not by the platform.
    pub is_local: bool,
    /// The body is compressed.
    pub is_encoded: bool,
}

impl Head {
    /// Whether the platform says that it did what it was asked.
    pub fn is_success(&self) -> bool {
        matches!(self.status, Some(200..=299)) && !self.is_local
    }
}

/// A watched call that is under way.
///
/// Whoever holds it feeds it and, at whichever of its ends comes first, consumes it with
/// [`Exchange::finish`]: so no call can make two events.
#[derive(Debug)]
pub struct Exchange {
    /// Its request's body is empty until there is an answer.
    captured: Captured,
    /// The request's body until then.
    request: Option<RequestBody>,
    progress: Progress,
    /// The end of the request was seen.
    is_whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is no response yet.
    Waiting,
    /// The response is a success of the platform.
    Succeeded,
    /// The response says that nothing changed.
    Failed,
    /// The response is the gateway's own. It says nothing of the platform, if that got the request.
    Replaced,
    /// The response says that a gateway between here and the platform got no answer.
    Unanswered,
}

/// What a call came to.
#[derive(Debug)]
pub enum End {
    /// A success, to be read.
    Captured(Captured),
    /// A change that may have happened, and cannot be pushed.
    Missed(Missed),
    /// Nothing was changed.
    Unchanged,
}

impl End {
    /// The call, if it was captured.
    pub fn captured(self) -> Option<Captured> {
        match self {
            End::Captured(call) => Some(call),
            End::Missed(_) | End::Unchanged => None,
        }
    }
}

/// A change that cannot be pushed, as far as the call tells of it: an id that is not told is empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Missed {
    /// Why.
    pub miss: Miss,
    /// What the call does.
    pub change: Change,
    /// The form.
    pub form: FormKey,
    /// The record.
    pub record_id: Box<str>,
}

impl Exchange {
    /// Begins to watch a call that came at this time, by uptime. `header` reads a header of its
    /// request.
    pub fn begin(
        matched: Matched,
        max_body_bytes: usize,
        budget: &Rc<Budget>,
        began: Duration,
        header: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Self {
        let header = |name: &str| {
            let value = header(name).filter(|value| value.len() <= MAX_HEADER_BYTES)?;
            // A value that is not text is no use in a push, and no reason to lose the event.
            String::from_utf8(value).ok().map(String::into_boxed_str)
        };
        let operation = matched.operation;
        let named = operation.headers();
        let headers = named.filter_map(|name| Some((name.into(), header(name)?))).collect();
        let trace = trace::carried(header);
        let mut path = matched.path;
        path.retain(|(_, value)| value.len() <= MAX_CAPTURE_BYTES);
        let mut request = RequestBody::new(max_body_bytes, budget);
        if !operation.reads_request() {
            request.lose(Miss::Incomplete);
        } else if header("content-encoding").is_some_and(|coding| is_encoded(coding.as_bytes())) {
            request.lose(Miss::Encoded);
        }
        let mut response = Body::new(max_body_bytes, budget.reservation());
        if !operation.reads_response() {
            response.lose(Miss::Incomplete);
        }
        Exchange {
            progress: Progress::Waiting,
            request: Some(request),
            is_whole: false,
            captured: Captured {
                trace,
                headers,
                operation,
                path,
                request: Body::new(0, budget.reservation()),
                response,
                at: UnixMillis(0),
                began,
            },
        }
    }

    /// Whether a response has begun.
    pub fn is_answered(&self) -> bool {
        self.progress != Progress::Waiting
    }

    /// The end of the request has passed.
    pub fn request_ended(&mut self) {
        self.is_whole = true;
    }

    /// Copies a chunk of the request's body, of this size, which `read` reads if it is wanted.
    pub fn request_chunk(&mut self, size: usize, read: impl FnOnce() -> Vec<u8>) {
        match &mut self.request {
            Some(request) => {
                request.append(size, || self.captured.operation.request_members(), read);
            }
            // Its answer has begun before its end.
            None if self.captured.request.make_room(size) => self.captured.request.append(read()),
            None => {}
        }
    }

    /// From now on the request's body is that of a call that has an answer, or is over.
    fn keep_request(&mut self) {
        if let Some(request) = self.request.take() {
            self.captured.request = request.answered();
        }
    }

    /// The response's body.
    pub fn response(&mut self) -> &mut Body {
        &mut self.captured.response
    }

    /// Takes note of the head of the response. Unless it is a success nothing more is copied.
    pub fn response_head(&mut self, head: Head) {
        self.progress = match head.status {
            _ if head.is_success() => Progress::Succeeded,
            _ if head.is_local => Progress::Replaced,
            // RFC 9110 sections 15.6.3 and 15.6.5.
            Some(502 | 504) => Progress::Unanswered,
            _ => Progress::Failed,
        };
        self.keep_request();
        if self.progress == Progress::Failed {
            self.captured.request.lose(Miss::Unanswered);
        }
        if self.progress != Progress::Succeeded {
            self.captured.response.lose(Miss::Unanswered);
        } else if head.is_encoded {
            self.captured.response.lose(Miss::Encoded);
        }
    }

    /// The response is complete. `was_sent` says whether the platform may have got the request; it is only
    /// asked if the platform did not answer.
    pub fn finish(mut self, now: UnixMillis, was_sent: impl FnOnce() -> bool) -> End {
        match self.progress {
            Progress::Succeeded => {
                self.captured.at = now;
                End::Captured(self.captured)
            }
            _ => self.abort(was_sent),
        }
    }

    /// The call ended before its response was complete. `was_sent` is as in [`Exchange::finish`].
    ///
    /// What never was a whole request cannot have changed anything, and neither can a call that only reads.
    pub fn abort(mut self, was_sent: impl FnOnce() -> bool) -> End {
        let may_have_changed = self.is_whole
            && self.captured.operation.change.op().is_some()
            && match self.progress {
                Progress::Succeeded | Progress::Unanswered => true,
                Progress::Waiting | Progress::Replaced => was_sent(),
                Progress::Failed => false,
            };
        if !may_have_changed {
            return End::Unchanged;
        }
        self.keep_request();
        // Half an answer tells nothing.
        self.captured.response.lose(Miss::Unanswered);
        End::Missed(self.captured.documents().missed(Miss::Unanswered))
    }
}

/// Whether the platform may have got a request, by what the gateway says of it: Envoy's response code details,
/// how often the request was sent on, and whether there was a connection for it the last time.
///
/// With more than one attempt nothing is known of those before the last.
pub fn may_have_arrived(details: &[u8], attempts: u64, was_connected: bool) -> bool {
    // A stream that the peer refused was not processed there (RFC 9113 section 8.7).
    let refused = b"refused_stream";
    let was_refused = details.windows(refused.len()).any(|part| part == refused);
    attempts > 1 || was_connected && !was_refused
}

/// Whether a `content-encoding` says that the body is not plain.
pub fn is_encoded(coding: &[u8]) -> bool {
    let coding = coding.trim_ascii();
    !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Event, Lookup, Op, Operations, Outcome, jodoo_operations};
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1024;
    const CREATED: &str = r#"{"data":{"_id":"1","appId":"a","entryId":"e","updateTime":"2026-05-12T08:45:09.018Z","x":"y"}}"#;

    fn begin(budget: &Rc<Budget>, tail: &str) -> Exchange {
        let mut operations = Operations::default();
        for (path, operation) in jodoo_operations("", &Lookup::default()) {
            operations.add("POST", &path, operation).unwrap();
        }
        let path = match tail.strip_prefix("../") {
            Some(tail) => format!("/v5/app/entry/{tail}"),
            None => format!("/v5/app/entry/data/{tail}"),
        };
        let matched = operations.find_by("POST", path.as_bytes()).unwrap();
        Exchange::begin(matched, LIMIT, budget, Duration::ZERO, |name| match name {
            "traceparent" => Some(b"00-1-2-01".to_vec()),
            "tracestate" => Some(vec![0xff]),
            "x-request-id" => Some(b"request-1".to_vec()),
            _ => None,
        })
    }

    fn feed(body: &mut Body, chunks: &[&[u8]]) {
        for chunk in chunks {
            if body.make_room(chunk.len()) {
                body.append(chunk.to_vec());
            }
        }
    }

    const OK: Head = Head { status: Some(200), is_local: false, is_encoded: false };

    fn captured(tail: &str, request: &[u8], response: &[&[u8]]) -> Captured {
        let mut exchange = begin(&Budget::new(1 << 20), tail);
        exchange.request_chunk(request.len(), || request.to_vec());
        exchange.response_head(OK);
        feed(exchange.response(), response);
        exchange.finish(UnixMillis(7), || true).captured().unwrap()
    }

    /// What a call turned out to be, in words.
    fn outcome(tail: &str, request: &str, response: &str) -> String {
        let captured = captured(tail, request.as_bytes(), &[response.as_bytes()]);
        let documents = captured.documents();
        match documents.outcome() {
            Outcome::Event(Event { op, form, record_id, time, .. }) => {
                format!("{} {}/{}/{record_id} {}", op.name(), form.app_id, form.entry_id, time.0)
            }
            Outcome::Batch(Batch { op, form, ids, changed, .. }) => {
                let FormKey { app_id, entry_id } = form;
                let changed = changed.map_or("each".into(), |count| count.to_string());
                format!("{} {app_id}/{entry_id}/{} {changed}", op.name(), ids.join("+"))
            }
            Outcome::Lessons(lessons) => {
                let forms =
                    lessons.iter().map(|(form, _)| format!("{}/{}", form.app_id, form.entry_id));
                format!("lessons of {}", forms.collect::<Vec<_>>().join(", "))
            }
            Outcome::NoChange => "no change".into(),
            Outcome::Missed(miss) => miss.name().into(),
        }
    }

    #[test]
    fn what_a_call_changed_is_read_from_its_answer() {
        let request = r#"{"app_id":"A","entry_id":"E","data_id":"D","data":{}}"#;
        for (tail, response, expected) in [
            ("create", CREATED, "data_create a/e/1 1778575509018"),
            ("update", CREATED, "data_update a/e/1 1778575509018"),
            // Without ids in the record those of the request count, and without a time the clock.
            ("update", r#"{"data":{"_id":"1"}}"#, "data_update A/E/1 7"),
            ("delete", r#"{"status":"success"}"#, "data_remove A/E/D 7"),
            ("../widget/list", r#"{"widgets":[]}"#, "lessons of A/E"),
            ("../widget/list", r#"{"code":8303,"msg":"x"}"#, "no change"),
            (
                "../list",
                r#"{"forms":[{"name":"N","app_id":"a","entry_id":"e"}]}"#,
                "lessons of a/e",
            ),
            ("../list", r#"{"apps":[]}"#, "lessons of "),
            ("create", r#"{"data":{"name":"x"}}"#, "incomplete"),
            ("create", r#"{"data":[]}"#, "no change"),
            ("create", r#"{"data":null}"#, "no change"),
            ("create", r#"{"code":8303,"msg":"x"}"#, "no change"),
            ("delete", r#"{"status":"failure","code":4008}"#, "no change"),
            ("delete", r#"{"status":true}"#, "no change"),
            ("create", "[]", "no change"),
            ("create", "", "malformed"),
            ("create", "<html>", "malformed"),
        ] {
            assert_eq!(outcome(tail, request, response), expected, "{tail} {response}");
        }
        assert_eq!(outcome("delete", "{}", r#"{"status":"success"}"#), "incomplete");
        assert_eq!(outcome("delete", "{", r#"{"status":"success"}"#), "malformed");
        // The request is only looked at where the answer does not say it.
        assert_eq!(outcome("create", "garbage", CREATED), "data_create a/e/1 1778575509018");
    }

    #[test]
    fn each_call_has_its_own_sign_of_success_and_none_an_error() {
        let request = r#"{"app_id":"A","entry_id":"E","data_id":"D","data_ids":["D"]}"#;
        let record = r#""data":{"_id":"1","appId":"a","entryId":"e"}"#;
        let batch = r#""success_count":1,"success_ids":["1"]"#;
        for (tail, shown, other) in [
            ("create", record, r#""status":"success""#),
            ("update", record, r#""status":"success""#),
            ("delete", r#""status":"success""#, record),
            ("batch_create", &format!(r#""status":"success",{batch}"#), record),
            ("batch_update", &format!(r#""status":"success",{batch}"#), record),
            ("batch_delete", &format!(r#""status":"success",{batch}"#), record),
        ] {
            let outcome_of = |answer: String| outcome(tail, request, &answer);
            let changed = outcome_of(format!("{{{shown}}}"));
            assert!(changed.starts_with("data_"), "{tail}: {changed}");
            for none in ["0", "0.0", "-0", "0e7", "null", r#""0""#, r#""""#, r#""0000""#] {
                let answer = format!(r#"{{"code":{none},{shown},"msg":"ok"}}"#);
                assert_eq!(outcome_of(answer), changed, "{tail}: {none}");
            }
            for error in [
                "1",
                "4001",
                "-1",
                "0.5",
                "1e-9",
                r#""4001""#,
                r#""E""#,
                "true",
                "false",
                "{}",
                "[0]",
            ] {
                for answer in [
                    format!(r#"{{"code":{error},"msg":"x",{shown}}}"#),
                    format!(r#"{{{shown},"code":0,"\u0063ode":{error}}}"#),
                ] {
                    assert_eq!(outcome_of(answer), "no change", "{tail}: {error}");
                }
            }
            for status in [r#""failure""#, r#""Success""#, "true", "200", "{}", r#""""#] {
                let answer = format!(r#"{{{shown},"status":{status}}}"#);
                assert_eq!(outcome_of(answer), "no change", "{tail}: {status}");
            }
            for answer in
                [format!("{{{other}}}"), r#"{"data":{}}"#.into(), "{}".into(), "[]".into()]
            {
                let told = outcome_of(answer.clone());
                let is_none = ["no change", "incomplete"].contains(&told.as_str());
                assert!(is_none, "{tail}: {answer} is {told}");
            }
        }
        // Of the record itself the id is missing: something may have changed.
        assert_eq!(outcome("create", request, r#"{"data":{}}"#), "incomplete");
        assert_eq!(outcome("delete", request, r#"{"data":{}}"#), "no change");
        assert_eq!(
            outcome("create", request, r#"{"status":null,"data":{"_id":"1"}}"#),
            "data_create A/E/1 7"
        );
        assert_eq!(
            outcome("../widget/list", request, r#"{"code":4001,"widgets":[]}"#),
            "no change"
        );
    }

    #[test]
    fn what_a_batch_changed_is_read_from_both_bodies() {
        let request =
            r#"{"app_id":"A","entry_id":"E","data_ids":["x","y","x"],"data_list":[{},{}]}"#;
        for (tail, response, expected) in [
            (
                "batch_create",
                r#""success_count":9,"success_ids":["1","2"]"#,
                "data_create A/E/1+2 9",
            ),
            ("batch_create", r#""success_ids":["1","2"]"#, "data_create A/E/1+2 each"),
            // A transaction that was repeated overwrote what it had created.
            ("batch_create", r#""success_count":2,"success_ids":[]"#, "inexact"),
            ("batch_create", r#""success_count":0,"success_ids":[]"#, "incomplete"),
            ("batch_create", r#""success_ids":[1,null]"#, "incomplete"),
            ("batch_update", r#""success_count":2"#, "data_update A/E/x+y 2"),
            ("batch_delete", r#""success_count":1"#, "data_remove A/E/x+y 1"),
            ("batch_delete", r#""success_count":"?""#, "incomplete"),
            ("batch_delete", r#""ok":1"#, "incomplete"),
        ] {
            let response = format!(r#"{{"status":"success",{response}}}"#);
            assert_eq!(outcome(tail, request, &response), expected, "{tail} {response}");
        }
        let failure = r#"{"status":"failure","code":17023}"#;
        assert_eq!(outcome("batch_update", request, failure), "no change");
    }

    #[test]
    fn only_headers_that_are_well_formed_go_along() {
        let captured = captured("create", b"", &[CREATED.as_bytes()]);
        assert_eq!(captured.trace, [("x-request-id", "request-1".into())]);
    }

    #[test]
    fn nothing_is_kept_of_a_call_that_failed() {
        for head in [
            Head { status: Some(400), ..OK },
            Head { status: Some(302), ..OK },
            Head { status: Some(503), ..OK },
            Head { status: None, ..OK },
        ] {
            let budget = Budget::new(1 << 20);
            let mut exchange = begin(&budget, "create");
            exchange.request_chunk(2, || b"{}".to_vec());
            exchange.response_head(head);
            feed(exchange.response(), &[CREATED.as_bytes()]);
            assert_eq!(budget.used(), 0, "{head:?}");
            let end = exchange.finish(UnixMillis(0), || panic!("the platform has answered"));
            assert!(matches!(end, End::Unchanged), "{head:?}");
        }
    }

    /// A call of which the request is whole, if it is.
    fn sent(tail: &str, is_whole: bool) -> Exchange {
        let mut exchange = begin(&Budget::new(1 << 20), tail);
        let request = br#"{"app_id":"A","entry_id":"E","data_id":"D"}"#;
        exchange.request_chunk(request.len(), || request.to_vec());
        if is_whole {
            exchange.request_ended();
        }
        exchange
    }

    fn missed(end: &End) -> Option<&Missed> {
        match end {
            End::Missed(missed) => Some(missed),
            _ => None,
        }
    }

    #[test]
    fn a_request_that_was_sent_whole_and_got_no_whole_answer_may_have_changed_something() {
        let heads = [
            None,
            Some(OK),
            Some(Head { status: Some(502), ..OK }),
            Some(Head { status: Some(504), ..OK }),
            Some(Head { status: Some(503), is_local: true, ..OK }),
            Some(Head { is_local: true, ..OK }),
        ];
        for head in heads {
            let exchange = |is_whole| {
                let mut exchange = sent("delete", is_whole);
                head.into_iter().for_each(|head| exchange.response_head(head));
                exchange
            };
            let end = exchange(true).abort(|| true);
            let told = missed(&end).unwrap();
            assert_eq!((told.miss, &*told.record_id), (Miss::Unanswered, "D"), "{head:?}");
            assert_eq!((&*told.form.app_id, &*told.form.entry_id), ("A", "E"), "{head:?}");
            assert!(missed(&exchange(false).abort(|| true)).is_none(), "{head:?}");
            // A whole answer of the gateway's own is none of the platform.
            if !head.is_some_and(|head| head.is_success()) {
                assert!(
                    missed(&exchange(true).finish(UnixMillis(0), || true)).is_some(),
                    "{head:?}"
                );
            }
            let is_from_afar = head.is_some_and(|head| !head.is_local);
            assert_eq!(missed(&exchange(true).abort(|| false)).is_some(), is_from_afar, "{head:?}");
        }
    }

    #[test]
    fn a_call_that_failed_or_only_reads_changed_nothing() {
        for status in [400, 404, 429, 500, 503] {
            let mut exchange = sent("update", true);
            exchange.response_head(Head { status: Some(status), ..OK });
            assert!(matches!(exchange.abort(|| true), End::Unchanged), "{status}");
        }
        assert!(matches!(sent("../widget/list", true).abort(|| true), End::Unchanged));
    }

    #[test]
    fn what_no_connection_took_or_the_peer_refused_did_not_arrive() {
        for (details, attempts, was_connected, arrived) in [
            ("upstream_reset_before_response_started{connection_termination}", 1, true, true),
            ("upstream_reset_before_response_started{remote_reset}", 1, true, true),
            ("upstream_reset_before_response_started{remote_refused_stream_reset}", 1, true, false),
            (
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                1,
                false,
                false,
            ),
            ("upstream_reset_before_response_started{overflow}", 1, false, false),
            ("upstream_reset_before_response_started{remote_connection_failure}", 2, false, true),
            ("response_timeout", 1, true, true),
            ("response_timeout", 1, false, false),
            ("downstream_remote_disconnect", 1, true, true),
            ("no_healthy_upstream", 0, false, false),
            ("request_rate_limited", 0, false, false),
            ("", 0, false, false),
        ] {
            let told = may_have_arrived(details.as_bytes(), attempts, was_connected);
            assert_eq!(told, arrived, "{details}");
        }
    }

    #[test]
    fn a_coding_is_told_from_plain() {
        for plain in ["", "identity", " Identity "] {
            assert!(!is_encoded(plain.as_bytes()), "{plain}");
        }
        for coding in ["gzip", "br", "identity, gzip", "x"] {
            assert!(is_encoded(coding.as_bytes()), "{coding}");
        }
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(cuts in proptest::collection::vec(1usize..CREATED.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut rest, mut chunks, mut at) = (CREATED.as_bytes(), Vec::new(), 0);
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut - at);
                chunks.push(chunk);
                (rest, at) = (after, cut);
            }
            chunks.push(rest);
            let captured = captured("create", b"", &chunks);
            prop_assert_eq!(captured.response.bytes(), Ok(CREATED.as_bytes()));
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_the_limit(
            request in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..4),
            response in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..4),
        ) {
            let budget = Budget::new(1500);
            let mut exchange = begin(&budget, "update");
            for chunk in &request {
                exchange.request_chunk(chunk.len(), || chunk.clone());
            }
            exchange.response_head(OK);
            feed(exchange.response(), &response.iter().map(|chunk| &chunk[..]).collect::<Vec<_>>());
            prop_assert!(budget.used() <= 1500);
            let captured = exchange.finish(UnixMillis(0), || true).captured().unwrap();
            for body in [&captured.request, &captured.response] {
                prop_assert!(body.bytes().is_err() || body.bytes().unwrap().len() <= LIMIT);
            }
            let documents = captured.documents();
            let is_event = matches!(documents.outcome(), Outcome::Event(Event { op: Op::Update, .. }));
            prop_assert!(!is_event);
            drop(captured);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
