//! What is kept of a push.

use super::{Counting, PushId};
use crate::codec::{Reader, Writer};
use crate::form::FormKey;
use crate::host::UnixMillis;

/// The version of the binary form.
const VERSION: u8 = 1;

/// The longest header that goes along, in bytes.
const MAX_TRACE_BYTES: usize = 512;

/// What most pushes take beside their body.
const USUAL_ROOM: usize = 512;

/// A payload on its way to one webhook. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Its id.
    pub id: PushId,
    /// The webhook's id.
    pub webhook: Box<str>,
    /// What happened, as in the payload's `op`.
    pub op: Box<str>,
    /// The form.
    pub form: FormKey,
    /// The record's id.
    pub record_id: Box<str>,
    /// When the change was seen.
    pub accepted: UnixMillis,
    /// Grows with each push of an owner.
    pub sequence: u64,
    /// Headers of the API call that go along.
    pub trace: Vec<(Box<str>, Box<str>)>,
    /// The payload.
    pub body: Vec<u8>,
}

/// How far a waiting push is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Attempts that failed by the target's fault or were answered.
    pub attempts: u32,
    /// When the next attempt is due; zero for at once.
    pub due: UnixMillis,
}

/// How a push got into the failed cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: UnixMillis,
    /// Attempts that were made; none if the webhook was disabled before the first.
    pub attempts: u32,
    /// The last HTTP status, if there was one.
    pub status: Option<u16>,
    /// Why, in words.
    pub cause: Box<str>,
}

/// Where a kept push stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is to be sent.
    Waiting(Progress),
    /// It failed, and its webhook is about to be charged for it.
    Counting(Failure, Counting),
    /// It is in the failed cache.
    Failed(Failure),
    /// It is to go to the failed cache that gateways share.
    Parking(Failure),
    /// It came to its end, and the store that gateways share has yet to know. Whether that ends
    /// its webhook's failures.
    Ended {
        /// The target took it, and failures are counted in a row.
        resets: bool,
    },
}

impl State {
    /// Attempts that were made.
    pub fn attempts(&self) -> u32 {
        match self {
            State::Waiting(progress) => progress.attempts,
            State::Counting(failure, _) | State::Failed(failure) | State::Parking(failure) => {
                failure.attempts
            }
            State::Ended { .. } => 0,
        }
    }
}

/// A kept push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub push: Push,
    /// Where it stands.
    pub state: State,
}

impl Entry {
    /// The binary form.
    pub(super) fn encode(&self) -> Vec<u8> {
        let usual = self.push.body.len().saturating_add(USUAL_ROOM);
        let mut out = Writer::with_room(VERSION, usual);
        match &self.state {
            State::Waiting(progress) => {
                out.byte(0).number(progress.attempts.into()).number(progress.due.0);
            }
            State::Counting(failure, counting) => {
                write_failure(out.byte(1), failure);
                out.number(counting.limit.into()).byte(counting.total.into());
            }
            State::Failed(failure) => write_failure(out.byte(2), failure),
            State::Parking(failure) => write_failure(out.byte(3), failure),
            State::Ended { resets } => {
                out.byte(4).byte((*resets).into());
            }
        }
        let push = &self.push;
        out.text(push.id.as_str())
            .text(&push.webhook)
            .text(&push.op)
            .text(&push.form.app_id)
            .text(&push.form.entry_id)
            .text(&push.record_id)
            .number(push.accepted.0)
            .number(push.sequence)
            .number(push.trace.len() as u64);
        for (name, value) in &push.trace {
            out.text(name).text(value);
        }
        out.bytes(&push.body);
        out.finish()
    }

    /// Reads the binary form; `None` for an empty place and for what is none.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut value = Reader::new(value, VERSION)?;
        let state = match value.byte()? {
            0 => State::Waiting(Progress {
                attempts: value.small()?,
                due: UnixMillis(value.number()?),
            }),
            1 => State::Counting(
                read_failure(&mut value)?,
                Counting { limit: value.small()?, total: value.byte()? == 1 },
            ),
            2 => State::Failed(read_failure(&mut value)?),
            3 => State::Parking(read_failure(&mut value)?),
            4 => State::Ended { resets: value.byte()? == 1 },
            _ => return None,
        };
        let mut push = Push {
            id: PushId::kept(value.text()?)?,
            webhook: value.text()?.into(),
            op: value.text()?.into(),
            form: FormKey { app_id: value.text()?.into(), entry_id: value.text()?.into() },
            record_id: value.text()?.into(),
            accepted: UnixMillis(value.number()?),
            sequence: value.number()?,
            trace: Vec::new(),
            body: Vec::new(),
        };
        for _ in 0..value.number()? {
            let (name, header) = (value.text()?, value.text()?);
            // A push can do without, and Envoy sends whatever a filter puts into a header.
            if can_be_header(name, header) {
                push.trace.push((name.into(), header.into()));
            }
        }
        push.body = value.bytes()?.to_vec();
        Some(Entry { push, state })
    }
}

fn can_be_header(name: &str, value: &str) -> bool {
    let is_of_name = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let is_of_value = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
    !name.is_empty()
        && value.len() <= MAX_TRACE_BYTES
        && name.bytes().all(is_of_name)
        && value.bytes().all(is_of_value)
}

fn write_failure(out: &mut Writer, failure: &Failure) {
    out.number(failure.at.0)
        .number(failure.attempts.into())
        .number(failure.status.unwrap_or_default().into())
        .text(&failure.cause);
}

fn read_failure(value: &mut Reader<'_>) -> Option<Failure> {
    Some(Failure {
        at: UnixMillis(value.number()?),
        attempts: value.small()?,
        status: u16::try_from(value.number()?).ok().filter(|status| *status > 0),
        cause: value.text()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn push() -> Push {
        Push {
            id: PushId::kept("4d1d1504-b885-439e-b79e-f10032ce3eed").unwrap(),
            webhook: "crm".into(),
            op: "data_create".into(),
            form: FormKey { app_id: "a".into(), entry_id: "e".into() },
            record_id: "r".into(),
            accepted: UnixMillis(1_778_575_509_018),
            sequence: 7,
            trace: vec![("traceparent".into(), "00".into())],
            body: b"{}".to_vec(),
        }
    }

    #[test]
    fn every_state_is_read_as_it_was_written() {
        let failure =
            |status| Failure { at: UnixMillis(9), attempts: 6, status, cause: "HTTP 500".into() };
        for state in [
            State::Waiting(Progress { attempts: 3, due: UnixMillis(5) }),
            State::Counting(failure(None), Counting { limit: 100, total: true }),
            State::Failed(failure(Some(500))),
            State::Parking(failure(Some(500))),
            State::Ended { resets: true },
        ] {
            let entry = Entry { push: push(), state };
            assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        }
    }

    #[test]
    fn what_cannot_be_sent_is_not_read() {
        let entry = Entry { push: push(), state: State::Waiting(Progress::default()) };
        let kept = String::from_utf8(entry.encode()).unwrap();
        let read = |from, to| Entry::decode(kept.replace(from, to).as_bytes());
        assert_eq!(read("4d1d1504-", "4d1d\r\na:b"), None);
        for header in
            [("traceparent", ":authority\n"), ("traceparent", ":path234567"), ("t2 00", "t2 \r\n")]
        {
            let without = Push { trace: Vec::new(), ..push() };
            let read = read(header.0, header.1).map(|entry| entry.push);
            assert_eq!(read, Some(without), "{header:?}");
        }
        let long = Push { trace: vec![("tracestate".into(), "x".repeat(513).into())], ..push() };
        let kept = Entry { push: long, ..entry }.encode();
        assert_eq!(Entry::decode(&kept).unwrap().push.trace, []);
    }

    proptest! {
        #[test]
        fn foreign_values_never_panic(value: Vec<u8>, cut in 0usize..80) {
            let _ = Entry::decode(&value);
            let entry = Entry { push: push(), state: State::Waiting(Progress::default()) };
            let bytes = entry.encode();
            let cut = cut.min(bytes.len() - 1);
            prop_assert_eq!(Entry::decode(&bytes[..cut]), None);
        }
    }
}
