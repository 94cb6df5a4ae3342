//! One record, and how it is stored.

use super::redact::{
    MAX_ANSWER_BYTES, MAX_BODY_BYTES, MAX_CAUSE_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_ID_BYTES,
    MAX_URL_BYTES, cut, shown_url,
};
use crate::capture::Miss;
use crate::codec::{Reader, Writer};
use crate::host::UnixMillis;

/// The version of a stored record. A lower bound is a new version too: what is longer than its
/// bound is not read.
const VERSION: u8 = 1;

/// What most records take beside the body.
const USUAL_ROOM: usize = 1024;

/// How a push ended. Stored as its place in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The target took it.
    Success,
    /// The last attempt failed.
    Failure,
    /// It was not sent, because its webhook was disabled.
    NotAttempted,
    /// The operator gave it up.
    Abandoned,
    /// There was no push: a change could not be read from the API call.
    NotCaptured,
    /// There was no room to keep it.
    Dropped,
}

impl Outcome {
    /// Every outcome, in the order of their stored form.
    pub const ALL: [Outcome; 6] = [
        Outcome::Success,
        Outcome::Failure,
        Outcome::NotAttempted,
        Outcome::Abandoned,
        Outcome::NotCaptured,
        Outcome::Dropped,
    ];

    /// The outcome as it stands in JSON and logs.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::NotAttempted => "not_attempted",
            Outcome::Abandoned => "abandoned",
            Outcome::NotCaptured => "not_captured",
            Outcome::Dropped => "dropped",
        }
    }
}

/// A push that ended, or a change that was not captured.
///
/// Texts are cut to their bounds when a record is stored or written as JSON, whatever was put in;
/// what a header may show has to be decided before, by [`super::shown_headers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The push's id; at most [`MAX_ID_BYTES`].
    pub id: Box<str>,
    /// The webhook's id, empty if the change was not captured; at most [`MAX_ID_BYTES`].
    pub webhook: Box<str>,
    /// The platform's name for the change, such as `data_create`, or empty; at most
    /// [`MAX_ID_BYTES`].
    pub op: Box<str>,
    /// The id of the form's app, or empty; at most [`MAX_ID_BYTES`].
    pub app_id: Box<str>,
    /// The form's id, or empty; at most [`MAX_ID_BYTES`].
    pub entry_id: Box<str>,
    /// The changed record's id, or empty; at most [`MAX_ID_BYTES`].
    pub record_id: Box<str>,
    /// The address as configured, shown as [`shown_url`] does, or empty.
    pub url: Box<str>,
    /// When the change was seen.
    pub accepted: UnixMillis,
    /// When the push ended.
    pub ended: UnixMillis,
    /// How often it was attempted.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of the last answer, if there was one.
    pub status: Option<u16>,
    /// Why it did not succeed, in words; at most [`MAX_CAUSE_BYTES`].
    pub cause: Box<str>,
    /// The beginning of the last answer's body; at most [`MAX_ANSWER_BYTES`].
    pub answer: Box<str>,
    /// The headers of the last attempt, at most [`MAX_HEADERS`]; each name and each value at most
    /// [`MAX_HEADER_BYTES`].
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The beginning of the request's body; at most [`MAX_BODY_BYTES`].
    pub body: Box<str>,
}

impl Record {
    /// A record that says no more than this; everything else is empty.
    pub fn new(id: &str, outcome: Outcome, accepted: UnixMillis, ended: UnixMillis) -> Self {
        Record {
            id: id.into(),
            webhook: "".into(),
            op: "".into(),
            app_id: "".into(),
            entry_id: "".into(),
            record_id: "".into(),
            url: "".into(),
            accepted,
            ended,
            attempts: 0,
            outcome,
            status: None,
            cause: "".into(),
            answer: "".into(),
            headers: Vec::new(),
            body: "".into(),
        }
    }

    /// The record of a change that was not captured. `op` is empty if it is not known.
    pub fn not_captured(id: &str, op: &str, miss: Miss, at: UnixMillis) -> Self {
        Record {
            op: op.into(),
            cause: in_words(miss).into(),
            ..Record::new(id, Outcome::NotCaptured, at, at)
        }
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let usual = self.body.len().min(MAX_BODY_BYTES).saturating_add(USUAL_ROOM);
        let mut writer = Writer::with_room(VERSION, usual);
        writer.byte(self.outcome as u8).number(self.ended.0);
        for text in
            [&self.webhook, &self.op, &self.app_id, &self.entry_id, &self.record_id, &self.id]
        {
            writer.text(&cut(text, MAX_ID_BYTES));
        }
        writer.text(&shown_url(&self.url));
        writer.number(self.accepted.0).number(self.attempts.into());
        writer.number(self.status.map_or(0, |status| u64::from(status) + 1));
        writer.text(&cut(&self.cause, MAX_CAUSE_BYTES));
        writer.text(&cut(&self.answer, MAX_ANSWER_BYTES));
        writer.text(&cut(&self.body, MAX_BODY_BYTES));
        writer.number(self.headers.len().min(MAX_HEADERS) as u64);
        for (name, value) in self.headers.iter().take(MAX_HEADERS) {
            writer.text(&cut(name, MAX_HEADER_BYTES)).text(&cut(value, MAX_HEADER_BYTES));
        }
        writer.finish()
    }

    /// Reads the stored form; `None` if it is not one.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value, VERSION)?;
        // The fields are read in the order in which they stand here.
        let record = Record {
            outcome: *Outcome::ALL.get(usize::from(reader.byte()?))?,
            ended: UnixMillis(reader.number()?),
            webhook: text(&mut reader, MAX_ID_BYTES)?.into(),
            op: text(&mut reader, MAX_ID_BYTES)?.into(),
            app_id: text(&mut reader, MAX_ID_BYTES)?.into(),
            entry_id: text(&mut reader, MAX_ID_BYTES)?.into(),
            record_id: text(&mut reader, MAX_ID_BYTES)?.into(),
            id: text(&mut reader, MAX_ID_BYTES)?.into(),
            url: text(&mut reader, MAX_URL_BYTES)?.into(),
            accepted: UnixMillis(reader.number()?),
            attempts: reader.small()?,
            status: match reader.number()? {
                0 => None,
                more => Some(u16::try_from(more - 1).ok()?),
            },
            cause: text(&mut reader, MAX_CAUSE_BYTES)?.into(),
            answer: text(&mut reader, MAX_ANSWER_BYTES)?.into(),
            body: text(&mut reader, MAX_BODY_BYTES)?.into(),
            headers: headers(&mut reader)?,
        };
        reader.is_at_end().then_some(record)
    }
}

fn text<'v>(reader: &mut Reader<'v>, max: usize) -> Option<&'v str> {
    reader.text().filter(|text| text.len() <= max)
}

fn headers(reader: &mut Reader<'_>) -> Option<Vec<(Box<str>, Box<str>)>> {
    let count = usize::try_from(reader.number()?).ok().filter(|count| *count <= MAX_HEADERS)?;
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let name = text(reader, MAX_HEADER_BYTES)?;
        headers.push((name.into(), text(reader, MAX_HEADER_BYTES)?.into()));
    }
    Some(headers)
}

fn in_words(miss: Miss) -> &'static str {
    match miss {
        Miss::TooLarge => "not captured: a body is larger than limits.max_body_bytes",
        Miss::Encoded => "not captured: a body is compressed in a way that is not read here",
        Miss::Malformed => "not captured: a body is not JSON",
        Miss::TooDeep => "not captured: a body is nested deeper than 512 levels",
        Miss::Unanswered => {
            "not captured: the call was sent to the platform, and no whole answer came back: the change may have happened"
        }
        Miss::Incomplete => "not captured: the id or the content of the record is missing",
        Miss::Batch => {
            "not captured: a call changed many records at once, and no webhook has `batch: true`"
        }
        Miss::Inexact => {
            "not captured: the platform does not say which records of the batch it changed"
        }
        Miss::Unfetched => {
            "not captured: what the record of a batch is now was not to be had from the platform; see `platform_api`"
        }
        Miss::Overload => "not captured: limits.memory_bytes is used up",
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        /// Any record, texts of any length.
        pub(in super::super) fn any_record()(
            ids in any::<[String; 6]>(),
            (url, cause, answer, body) in (long(), long(), long(), long()),
            (accepted, ended, attempts) in any::<(u64, u64, u32)>(),
            outcome in prop::sample::select(&Outcome::ALL[..]),
            status in any::<Option<u16>>(),
            headers in prop::collection::vec(any::<(String, String)>(), 0..30),
        ) -> Record {
            let [id, webhook, op, app_id, entry_id, record_id] = ids.map(Into::into);
            Record {
                webhook, op, app_id, entry_id, record_id,
                url: url.into(),
                attempts,
                status,
                cause: cause.into(),
                answer: answer.into(),
                headers: headers.into_iter().map(|(a, b)| (a.into(), b.into())).collect(),
                body: body.into(),
                ..Record::new(&id, outcome, UnixMillis(accepted), UnixMillis(ended))
            }
        }
    }

    fn long() -> impl Strategy<Value = String> {
        (any::<String>(), 0..40_usize).prop_map(|(text, times)| text.repeat(times))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::any_record;
    use super::*;
    use proptest::prelude::*;

    fn is_bounded(record: &Record) -> bool {
        let Record { id, webhook, op, app_id, entry_id, record_id, .. } = record;
        [id, webhook, op, app_id, entry_id, record_id].iter().all(|id| id.len() <= MAX_ID_BYTES)
            && record.url.len() <= MAX_URL_BYTES
            && record.cause.len() <= MAX_CAUSE_BYTES
            && record.answer.len() <= MAX_ANSWER_BYTES
            && record.body.len() <= MAX_BODY_BYTES
            && record.headers.len() <= MAX_HEADERS
            && (record.headers.iter())
                .all(|(name, value)| name.len().max(value.len()) <= MAX_HEADER_BYTES)
    }

    proptest! {
        #[test]
        fn a_bounded_record_is_read_as_it_was_stored(mut record in any_record()) {
            record.url = shown_url(&record.url).into();
            for (text, max) in [
                (&mut record.cause, MAX_CAUSE_BYTES),
                (&mut record.answer, MAX_ANSWER_BYTES),
                (&mut record.body, MAX_BODY_BYTES),
            ] {
                *text = cut(text, max).into();
            }
            record.headers.truncate(MAX_HEADERS);
            prop_assume!(is_bounded(&record));
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn whatever_is_stored_is_bounded(record in any_record()) {
            let value = record.encode();
            let stored = Record::decode(&value).unwrap();
            prop_assert!(is_bounded(&stored));
            prop_assert_eq!(stored.encode(), value);
        }

        #[test]
        fn a_value_that_is_cut_or_too_long_is_refused(
            record in any_record(),
            at: prop::sample::Index,
        ) {
            let value = record.encode();
            prop_assert_eq!(Record::decode(&value[..at.index(value.len())]), None);
            prop_assert_eq!(Record::decode(&[&value[..], &[0]].concat()), None);
        }

        #[test]
        fn foreign_bytes_are_read_or_refused_but_never_panic(
            mut value in prop_oneof![any::<Vec<u8>>(), any_record().prop_map(|r| r.encode())],
            changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..4),
        ) {
            value.splice(..0, format!("{VERSION} ").into_bytes());
            for (at, byte) in changes {
                let at = at.index(value.len());
                value[at] = byte;
            }
            for value in [&value[..], &value[2..]] {
                if let Some(record) = Record::decode(value) {
                    prop_assert!(is_bounded(&record));
                }
            }
        }
    }

    #[test]
    fn the_stored_form_of_an_outcome_is_its_place() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }

    #[test]
    fn a_change_that_was_not_captured_says_why() {
        for miss in Miss::ALL {
            let record = Record::not_captured("id", "data_create", miss, UnixMillis(7));
            assert_eq!(record.outcome, Outcome::NotCaptured);
            assert!(record.cause.starts_with("not captured: "));
            assert_eq!(
                (&*record.op, record.accepted, record.ended),
                ("data_create", UnixMillis(7), UnixMillis(7))
            );
        }
    }
}
