//! Reading a captured call.

use super::source::Found;
use super::{Body, Change, Lookup, Miss, Missed, Operation};
use crate::calendar;
use crate::form::{self, FormKey, Lesson};
use crate::host::UnixMillis;
use crate::json::{Document, Value};
use hashbrown::HashSet;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

/// How many records a call may change; the platform's own limit is 100.
const MAX_BATCH: usize = 1000;

/// A kind of change that is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A record was created.
    Create,
    /// A record was changed.
    Update,
    /// A record was deleted.
    Remove,
    /// A deleted record was put back.
    Recover,
    /// A form's structure was changed.
    FormUpdate,
}

impl Op {
    /// Every kind.
    pub const ALL: [Op; 5] = [Op::Create, Op::Update, Op::Remove, Op::Recover, Op::FormUpdate];

    /// Those that are changes of a record.
    pub const OF_RECORDS: [Op; 4] = [Op::Create, Op::Update, Op::Remove, Op::Recover];

    /// The platform's name for it, as in a push's `op`.
    pub fn name(self) -> &'static str {
        match self {
            Op::Create => "data_create",
            Op::Update => "data_update",
            Op::Remove => "data_remove",
            Op::Recover => "data_recover",
            Op::FormUpdate => "form_update",
        }
    }
}

/// A watched call that ended with HTTP 2xx, with copies of what is needed from it.
#[derive(Debug)]
pub struct Captured {
    /// What the call does.
    pub operation: Rc<Operation>,
    /// The captures of its path.
    pub path: Vec<(Box<str>, Box<str>)>,
    /// The request headers that the operation reads.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Headers to carry on with the push, such as `traceparent`.
    pub trace: Vec<(&'static str, Box<str>)>,
    /// The request's body.
    pub request: Body,
    /// The response's body.
    pub response: Body,
    /// When the answer had passed.
    pub at: UnixMillis,
    /// When the request came, by uptime.
    pub began: Duration,
}

/// What a captured call turned out to be.
pub enum Outcome<'d> {
    /// A change to push.
    Event(Event<'d>),
    /// Changes of several records.
    Batch(Batch),
    /// What the platform says of forms.
    Lessons(Vec<(FormKey, Lesson)>),
    /// The platform did not carry it out.
    NoChange,
    /// A change that cannot be pushed.
    Missed(Miss),
}

/// A change of one record.
pub struct Event<'d> {
    /// What happened.
    pub op: Op,
    /// To a record of which form.
    pub form: FormKey,
    /// The record's id.
    pub record_id: Cow<'d, str>,
    /// The record after the change; `None` if it was removed.
    pub record: Option<Value<'d>>,
    /// Who did it, if known.
    pub actor: Option<Actor<'d>>,
    /// When.
    pub time: UnixMillis,
}

/// A change of several records, as far as the call tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What happened to each of them.
    pub op: Op,
    /// Their form.
    pub form: FormKey,
    /// Those that were created, or were to be changed.
    pub ids: Vec<Box<str>>,
    /// How many records the platform says were changed. Those that were created it names, but when a
    /// transaction is repeated the count is that of all that it ever created.
    pub changed: Option<u64>,
    /// The name of who did it, if known.
    pub actor: Option<Box<str>>,
    /// When.
    pub time: UnixMillis,
}

impl Batch {
    /// Whether records were changed that the platform does not name: a repeated transaction of
    /// `batch_create` overwrites those that it created before.
    pub fn has_unnamed(&self) -> bool {
        self.op == Op::Create && self.changed > Some(self.ids.len() as u64)
    }
}

/// Who made a change.
pub enum Actor<'d> {
    /// As the platform describes a member.
    Sent(Value<'d>),
    /// Only a name is known.
    Named(Cow<'d, str>),
}

impl Captured {
    /// Opens the bodies for reading. Each is parsed when it is first looked at.
    pub fn documents(&self) -> Documents<'_> {
        Documents { call: self, request: OnceCell::new(), response: OnceCell::new() }
    }

    pub(super) fn path(&self, name: &str) -> Option<&str> {
        value_of(&self.path, name)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }
}

fn value_of<'c>(pairs: &'c [(Box<str>, Box<str>)], name: &str) -> Option<&'c str> {
    let mut pairs = pairs.iter();
    pairs.find(|(known, _)| **known == *name).map(|(_, value)| &**value)
}

/// The bodies of a captured call, parsed.
pub struct Documents<'c> {
    call: &'c Captured,
    request: OnceCell<Result<Document<'c>, Miss>>,
    response: OnceCell<Result<Document<'c>, Miss>>,
}

impl<'c> Documents<'c> {
    /// What the call turned out to be.
    pub fn outcome(&self) -> Outcome<'_> {
        self.read().unwrap_or_else(Outcome::Missed)
    }

    fn read(&self) -> Result<Outcome<'_>, Miss> {
        let operation = &self.call.operation;
        if !operation.success.holds(self)? {
            return Ok(Outcome::NoChange);
        }
        match operation.change {
            Change::Record(op) => self.record(op),
            Change::Batch(op) => self.batch(op),
            Change::ListsFields => self.fields(),
            Change::ListsForms => Ok(Outcome::Lessons(form::names(self.response()?))),
        }
    }

    /// A change that cannot be pushed, with what the call tells of it: an id that cannot be read is empty.
    pub fn missed(&self, miss: Miss) -> Missed {
        let Operation { sources, change, .. } = &*self.call.operation;
        let told = |lookup: &Lookup| -> Box<str> {
            let found = lookup.find(self).ok().flatten();
            found.and_then(|found| found.as_text()).unwrap_or_default().into()
        };
        let form = FormKey { app_id: told(&sources.app_id), entry_id: told(&sources.entry_id) };
        Missed { miss, change: *change, form, record_id: told(&sources.record_id) }
    }

    /// What stands where the call says when it was, if that is no time: the clock counts instead.
    pub fn unread_time(&self) -> Option<Cow<'_, str>> {
        let found = self.call.operation.sources.time.find(self).ok().flatten()?;
        let is_unread = !found.is_null() && self::time(found).is_none();
        is_unread.then(|| found.as_text().unwrap_or(Cow::Borrowed(found.raw())))
    }

    /// What the call says of which form it is about: app and form.
    fn form(&self) -> Result<[Option<Found<'_>>; 2], Miss> {
        let sources = &self.call.operation.sources;
        Ok([sources.app_id.find(self)?, sources.entry_id.find(self)?])
    }

    fn record(&self, op: Op) -> Result<Outcome<'_>, Miss> {
        let sources = &self.call.operation.sources;
        let form = self.form()?;
        let record = match op {
            Op::Remove => None,
            _ => {
                let record = sources.record.find(self)?;
                Some(record.and_then(|found| found.as_object()).ok_or(Miss::Incomplete)?)
            }
        };
        let record_id = match sources.record_id.find(self)? {
            Some(found) => text(Some(found))?,
            None => text(record.and_then(|record| record.get("_id")).map(Found::Json))?,
        };
        // Who and when are worth having, but their absence is no reason to lose the event.
        let actor = sources.actor.find(self).unwrap_or_default();
        let time = sources.time.find(self).unwrap_or_default();
        Ok(Outcome::Event(Event {
            op,
            form: key(form)?,
            record_id,
            record,
            actor: actor.and_then(self::actor),
            time: time.and_then(self::time).unwrap_or(self.call.at),
        }))
    }

    fn fields(&self) -> Result<Outcome<'_>, Miss> {
        let form = self.form()?;
        // Older versions of the API, and errors that come as successes, have no such list.
        let Some(widgets) = form::widgets(self.response()?) else {
            return Ok(Outcome::NoChange);
        };
        Ok(Outcome::Lessons(vec![(key(form)?, Lesson::Widgets(widgets))]))
    }

    fn batch(&self, op: Op) -> Result<Outcome<'_>, Miss> {
        let sources = &self.call.operation.sources;
        let form = key(self.form()?)?;
        let list = sources.record_id.find(self)?;
        let (mut ids, mut known) = (Vec::<Box<str>>::new(), HashSet::new());
        for (position, id) in list.iter().flat_map(Found::items).enumerate() {
            let id: Box<str> = id.as_str().ok_or(Miss::Incomplete)?.into();
            if position >= MAX_BATCH {
                return Err(Miss::Incomplete);
            }
            if known.insert(id.clone()) {
                ids.push(id);
            }
        }
        let count = self.response()?.get("success_count");
        let changed: Option<u64> = count.and_then(|count| count.raw().parse().ok());
        match op {
            // A repeated transaction, which had nothing more to create.
            Op::Create if ids.is_empty() && changed > Some(0) => return Err(Miss::Inexact),
            Op::Create => {}
            _ if changed.is_none() => return Err(Miss::Incomplete),
            _ => {}
        }
        if ids.is_empty() {
            return Err(Miss::Incomplete);
        }
        let actor = sources.actor.find(self).unwrap_or_default();
        let actor = actor.and_then(|found| found.as_text()).map(Into::into);
        Ok(Outcome::Batch(Batch { op, form, ids, changed, actor, time: self.call.at }))
    }

    pub(super) fn call(&self) -> &'c Captured {
        self.call
    }

    pub(super) fn request(&self) -> Result<Value<'_>, Miss> {
        root(&self.request, &self.call.request)
    }

    pub(super) fn response(&self) -> Result<Value<'_>, Miss> {
        root(&self.response, &self.call.response)
    }
}

fn root<'d, 'c>(
    parsed: &'d OnceCell<Result<Document<'c>, Miss>>,
    body: &'c Body,
) -> Result<Value<'d>, Miss> {
    let parse = || {
        Document::parse(body.bytes()?)
            .map_err(|error| if error.is_too_deep() { Miss::TooDeep } else { Miss::Malformed })
    };
    match parsed.get_or_init(parse) {
        Ok(document) => Ok(document.root()),
        Err(miss) => Err(*miss),
    }
}

/// Calls for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::super::{Budget, Change, Condition, Sources};
    use super::*;

    /// A call with these bodies and a header `x-time`.
    pub(crate) fn captured(sources: Sources, request: &str, response: &str) -> Captured {
        let body = |text: &str| {
            let mut body = Body::new(1 << 14, Budget::new(1 << 20).reservation());
            assert!(body.make_room(text.len()));
            body.append(text.into());
            body
        };
        let change = Change::Record(Op::Remove);
        Captured {
            operation: Rc::new(Operation { change, sources, success: Condition::default() }),
            path: vec![("row".into(), "7".into())],
            headers: vec![("x-time".into(), "1778575509018".into())],
            trace: Vec::new(),
            request: body(request),
            response: body(response),
            at: UnixMillis(5),
            began: Duration::ZERO,
        }
    }
}

fn key([app_id, entry_id]: [Option<Found<'_>>; 2]) -> Result<FormKey, Miss> {
    Ok(FormKey { app_id: text(app_id)?.into(), entry_id: text(entry_id)?.into() })
}

fn text(found: Option<Found<'_>>) -> Result<Cow<'_, str>, Miss> {
    let text = found.and_then(|found| found.as_text());
    text.filter(|text| !text.is_empty()).ok_or(Miss::Incomplete)
}

fn actor(found: Found<'_>) -> Option<Actor<'_>> {
    found.as_object().map(Actor::Sent).or_else(|| found.as_text().map(Actor::Named))
}

fn time(found: Found<'_>) -> Option<UnixMillis> {
    let text = found.as_text()?;
    let millis = calendar::number(&text).map(UnixMillis);
    millis.or_else(|| UnixMillis::parse_rfc3339(&text))
}

#[cfg(test)]
mod tests {
    use super::super::{Condition, Lookup, Source, Sources};
    use super::*;

    #[test]
    fn a_time_may_be_written_in_each_way_in_each_place() {
        let lookup = |place: &str| Lookup(vec![Source::parse(place).unwrap()]);
        for (place, time) in [
            ("response:/number", 1),
            ("response:/digits", 2),
            ("response:/date", 1_778_575_509_018),
            ("header:x-time", 1_778_575_509_018),
            ("literal:3", 3),
            // When the answer had passed.
            ("response:/none", 5),
            ("response:/words", 5),
            ("response:/below", 5),
            ("response:/list", 5),
        ] {
            let [app_id, entry_id, record_id] = ["literal:a", "literal:e", "path:row"].map(lookup);
            let time_of = lookup(place);
            let sources =
                Sources { app_id, entry_id, record_id, time: time_of, ..Sources::default() };
            let answer = r#"{"number":1,"digits":"2","date":"2026-05-12T08:45:09.018Z","words":"now","below":-1,"list":[]}"#;
            let call = testing::captured(sources, "{}", answer);
            let documents = call.documents();
            let Outcome::Event(event) = documents.outcome() else { panic!("{place}") };
            assert_eq!(event.time, UnixMillis(time), "{place}");
            let unread = documents.unread_time();
            let expected = match place {
                "response:/words" => Some("now"),
                "response:/below" => Some("-1"),
                "response:/list" => Some("[]"),
                _ => None,
            };
            assert_eq!(unread.as_deref(), expected, "{place}");
        }
    }

    #[test]
    fn of_more_records_than_a_batch_may_have_none_is_left_out_silently() {
        let lookup = |place: &str| Lookup(vec![Source::parse(place).unwrap()]);
        let [app_id, entry_id, record_id] = ["literal:a", "literal:e", "request:/ids"].map(lookup);
        for (count, expected) in [(MAX_BATCH, Ok(2)), (MAX_BATCH + 1, Err(Miss::Incomplete))] {
            let request = format!(r#"{{"ids":[{}"y"]}}"#, r#""x","#.repeat(count - 1));
            let (app_id, entry_id) = (app_id.clone(), entry_id.clone());
            let record_id = record_id.clone();
            let sources = Sources { app_id, entry_id, record_id, ..Sources::default() };
            let mut call = testing::captured(sources.clone(), &request, r#"{"success_count":2}"#);
            let (change, success) = (Change::Batch(Op::Remove), Condition::default());
            call.operation = Rc::new(Operation { change, sources, success });
            let documents = call.documents();
            let told = match documents.outcome() {
                Outcome::Batch(batch) => Ok(batch.ids.len()),
                Outcome::Missed(miss) => Err(miss),
                _ => panic!("it is a batch"),
            };
            assert_eq!(told, expected, "{count}");
        }
    }
}
