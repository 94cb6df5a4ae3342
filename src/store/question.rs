//! What an admin asks of the store, and tells it.
//!
//! Memory answers at once. Redis is asked by a callout: whoever asks gets [`Asked`], sends the
//! [`Question`], and asks the same again once its answer is there.

use super::entry::Entry;
use super::memory::{AT_ONCE, BYTES_AT_ONCE};
use super::redis::{Exchange, Heard, Sought, has_lost_additions, learn_additions, records, report};
use super::{Additions, Loaded, Place, RedisSettings, Selection, Store, Tiers};
use crate::history::{Cursor, Query, Record, Reference, Show};
use crate::host::{CalloutId, Host, Reply, random_number};
use crate::json::{Builder, Document, Value};
use std::rc::Rc;

/// How many records Redis looks at for one page.
const LOOKS: u64 = 10_000;

/// The answer is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked;

/// What Redis is asked.
#[derive(Debug)]
pub struct Question {
    exchange: Exchange,
    /// The first operation.
    op: String,
    /// Additions that are set, and their mark.
    set: Option<(u64, Additions)>,
    /// A webhook that begins anew: once the additions are set or, if there are none, now.
    anew: Option<Box<str>>,
}

/// What became of a question.
#[derive(Debug)]
pub enum Turn {
    /// It is asked again, under this id.
    Again(CalloutId),
    /// It is answered. [`Tiers::answered`] takes it.
    Answered(String),
    /// It is not, and why.
    Failed(String),
}

impl Question {
    /// Sends it.
    ///
    /// # Errors
    /// Why it could not be sent, in words.
    pub fn send(&mut self, host: &impl Host) -> Result<CalloutId, String> {
        self.exchange.send(host)
    }

    /// Hears a reply. To be called while the host hands it over.
    pub fn hear(&mut self, host: &impl Host, reply: &Reply) -> Turn {
        match self.exchange.hear(host, reply) {
            Heard::Answer(answer) => Turn::Answered(answer),
            Heard::Failed(words) => Turn::Failed(words),
            Heard::Again => self.send(host).map_or_else(Turn::Failed, Turn::Again),
        }
    }
}

/// A question that is being put, and an answer that was given.
#[derive(Debug, Default)]
pub(super) struct Desk {
    ops: Vec<String>,
    set: Option<(u64, Additions)>,
    /// Redis has no additions, so that those that are set are the first.
    are_first: bool,
    anew: Option<Box<str>>,
    answer: Option<(String, String)>,
}

/// A page of the history: references and records, and where to go on.
pub(super) type HistoryPage = (Vec<(Box<str>, Record)>, Option<Box<str>>);

/// A page of the failed cache, and where to go on.
pub(super) type FailedPage = (Vec<Entry>, Option<Box<str>>);

fn op(name: &str) -> Builder {
    let mut json = Builder::new();
    json.open(b'[').text(name);
    json
}

impl Tiers {
    /// The question that has to be sent before [`Asked`] can become an answer, or before what was
    /// said to be changed is changed.
    pub fn take_question(
        &mut self,
        host: &impl Host,
        settings: &Rc<RedisSettings>,
    ) -> Option<Question> {
        let ops = std::mem::take(&mut self.desk.ops);
        let (set, anew) = (self.desk.set.take(), self.desk.anew.take());
        let op = ops.first()?.clone();
        let exchange = Exchange::of_ops(host, settings, &ops);
        Some(Question { exchange, op, set, anew })
    }

    /// Takes the answer to a question. True if the same request has to be handled again, with the
    /// answer or because the additions were changed meanwhile. If not, there may be one more
    /// question to be sent.
    ///
    /// # Errors
    /// Redis could not do it, and why.
    pub fn answered(
        &mut self,
        host: &impl Host,
        question: Question,
        answer: &str,
    ) -> Result<bool, String> {
        let document = Document::parse(answer.as_bytes()).map_err(|error| error.to_string())?;
        let result = document.root().get("results").and_then(|results| results.items().next());
        let result = result.ok_or("its answer has no result")?;
        if let Some(error) = result.as_str().filter(|text| text.starts_with("error")) {
            return Err(error.into_owned());
        }
        let Some((mark, additions)) = question.set else {
            if let Some(id) = question.anew {
                self.learn_restart(host, &id, result);
                return Ok(false);
            }
            self.desk.answer = Some((question.op, result.raw().to_owned()));
            return Ok(true);
        };
        let mut items = result.items();
        match (items.next(), items.next()) {
            (Some(mark), Some(additions)) => {
                self.desk.are_first = has_lost_additions(host, &self.near, mark);
                if !self.desk.are_first {
                    learn_additions(host, &mut self.near, mark, additions);
                }
                Ok(true)
            }
            _ => {
                self.near.set_additions(host, mark, &additions);
                if let Some(id) = question.anew {
                    let mut op = op("restart");
                    op.text(&id).close(b']');
                    self.desk.ops.push(op.into_text());
                    self.desk.anew = Some(id);
                }
                Ok(false)
            }
        }
    }

    /// Forgets an answer that nobody asked for.
    pub fn forget_answer(&mut self) {
        self.desk.answer = None;
    }

    /// Whether state is shared with other gateways and outlasts this one.
    pub fn is_shared(&self) -> bool {
        self.far.is_some()
    }

    /// What `read` makes of the answer to an operation.
    fn ask<T>(
        &mut self,
        op: Builder,
        read: impl FnOnce(&mut Self, Value<'_>) -> T,
    ) -> Result<T, Asked> {
        let answer = self.answer_to(op)?;
        let answer = Document::parse(answer.as_bytes()).map_err(|_| Asked)?;
        Ok(read(self, answer.root()))
    }

    /// By itself, so that it is in the module once.
    fn answer_to(&mut self, mut op: Builder) -> Result<String, Asked> {
        op.close(b']');
        let op = op.into_text();
        if let Some((asked, answer)) = self.desk.answer.take()
            && asked == op
        {
            return Ok(answer);
        }
        self.desk.ops.push(op);
        Err(Asked)
    }

    /// A page of the history. `cursor` is what the page before said.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn history_page(
        &mut self,
        host: &impl Host,
        query: &Query,
        cursor: Option<&str>,
    ) -> Result<HistoryPage, Asked> {
        if self.far.is_none() {
            let before = cursor.and_then(Cursor::parse).unwrap_or(Cursor::START);
            let query = Query { before, ..query.clone() };
            let page = query.page(
                |ring| self.near.history_bounds(host, ring),
                |ring, number| self.near.history(host, ring, number),
            );
            let records = page.records.into_iter();
            let records = records.map(|(at, record)| (at.to_string().into(), record));
            return Ok((records.collect(), page.next.map(|next| next.to_string().into())));
        }
        let mut op = op("history");
        op.maybe(query.webhook.as_deref()).text(match query.outcome {
            None => "",
            Some(Show::Success) => "s",
            Some(Show::Failure) => "f",
        });
        let name = |name: &Option<Box<str>>| name.as_deref().unwrap_or_default().to_owned();
        let names = [&query.op, &query.app_id, &query.entry_id, &query.record_id].map(name);
        Sought::new(names.each_ref().map(String::as_str)).write(&mut op);
        op.number(query.from.map_or(0, |from| from.0)).number(query.to.map_or(0, |to| to.0));
        op.text(cursor.unwrap_or_default()).number(query.limit as u64).number(LOOKS);
        self.ask(op, |_, answer| {
            let mut items = answer.items();
            let found = items.next().map(records).unwrap_or_default();
            (found, items.next().and_then(cursor_of))
        })
    }

    /// A record of the history, by its reference.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn history_record(
        &mut self,
        host: &impl Host,
        reference: &str,
    ) -> Result<Option<Record>, Asked> {
        if self.far.is_none() {
            return Ok(Reference::parse(reference).and_then(|Reference { ring, number }| {
                let (newest, oldest) = self.near.history_bounds(host, ring)?;
                let record = self.near.history(host, ring, number)?;
                (oldest..=newest).contains(&number).then_some(record)
            }));
        }
        if !is_reference(reference) {
            return Ok(None);
        }
        let mut op = op("history_one");
        op.text(reference);
        self.ask(op, |_, answer| Record::decode(answer.as_str()?.as_bytes()))
    }

    /// Whether a text may be the cursor of a page of the history.
    pub fn is_history_cursor(&self, text: &str) -> bool {
        // With Redis a ring that was not looked at yet has no reference in it.
        let is_part = |part: &str| part.is_empty() || is_reference(part);
        match self.far {
            Some(_) => text.split_once('_').is_some_and(|(a, b)| is_part(a) && is_part(b)),
            None => Cursor::parse(text).is_some(),
        }
    }

    /// A page of the failed cache, of all webhooks or of one. `places` is how much of it is
    /// looked at.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn failed_page(
        &mut self,
        host: &impl Host,
        webhook: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
        places: usize,
    ) -> Result<FailedPage, Asked> {
        if self.far.is_none() {
            let (mut entries, mut bytes) = (Vec::new(), 0_usize);
            let from = cursor.and_then(Place::parse);
            let wants = |entry: &Entry| webhook.is_none_or(|id| *entry.push.webhook == *id);
            let next = self.near.failed_from(host, from, places, &mut |loaded| {
                let is_wanted = wants(&loaded.entry);
                let is_over = is_wanted && (entries.len() >= limit || bytes >= BYTES_AT_ONCE);
                if is_wanted && !is_over {
                    bytes = bytes.saturating_add(loaded.entry.push.body.len());
                    entries.push(loaded.entry);
                }
                !is_over
            });
            return Ok((entries, next.map(|place| place.to_string().into())));
        }
        let mut op = op("failed");
        op.maybe(webhook).text(cursor.unwrap_or_default()).number(limit as u64);
        self.ask(op, |_, answer| {
            let mut items = answer.items();
            (entries_of(items.next()), items.next().and_then(cursor_of))
        })
    }

    /// Whether a text may be the cursor of a page of the failed cache.
    pub fn is_failed_cursor(&self, text: &str) -> bool {
        self.far.is_some() || Place::parse(text).is_some()
    }

    /// A push of the failed cache.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn failed_push(&mut self, host: &impl Host, id: &str) -> Result<Option<Entry>, Asked> {
        if self.far.is_none() {
            let mut found: Option<Loaded> = None;
            self.near.failed(host, &mut |loaded| {
                let is_it = loaded.entry.push.id.as_str() == id;
                if is_it {
                    found = Some(loaded);
                }
                !is_it
            });
            return Ok(found.map(|loaded| loaded.entry));
        }
        let mut op = op("failed_one");
        op.text(id);
        self.ask(op, |_, answer| Entry::decode(answer.as_str()?.as_bytes()))
    }

    /// Has pushes of the failed cache tried again. How many, and whether more are left.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn retry_failed(
        &mut self,
        host: &impl Host,
        selection: &Selection,
    ) -> Result<(usize, bool), Asked> {
        if self.far.is_none() {
            return Ok(self.near.retry(host, selection));
        }
        let mut op = op("retry");
        write_selection(&mut op, selection);
        self.ask(op, |_, answer| {
            let mut items = answer.items();
            let count = items.next().and_then(|count| count.raw().parse().ok());
            (count.unwrap_or(0), is_yes(items.next()))
        })
    }

    /// Takes pushes out of the failed cache for good. What they were, and whether more are left.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn abandon_failed(
        &mut self,
        host: &impl Host,
        selection: &Selection,
    ) -> Result<(Vec<Entry>, bool), Asked> {
        if self.far.is_none() {
            return Ok(self.near.abandon(host, selection));
        }
        let mut op = op("abandon");
        write_selection(&mut op, selection);
        self.ask(op, |_, answer| {
            let mut items = answer.items();
            (entries_of(items.next()), is_yes(items.next()))
        })
    }

    /// Enables a webhook and counts its failures anew. Whether it was disabled.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn restart_webhook(&mut self, host: &impl Host, id: &str) -> Result<bool, Asked> {
        if self.far.is_none() {
            return Ok(self.near.restart(host, id));
        }
        let mut op = op("restart");
        op.text(id);
        self.ask(op, |store, answer| {
            store.learn_restart(host, id, answer);
            is_yes(answer.items().nth(5))
        })
    }

    fn learn_restart(&mut self, host: &impl Host, id: &str, answer: Value<'_>) {
        if let Some(report) = report(answer) {
            self.near.learn_webhook(host, id, &report, false);
        }
    }

    /// Has a webhook that was just set begin without failures. With Redis it does when it is known
    /// to be set: it may be another gateway's already.
    pub fn begin_anew(&mut self, host: &impl Host, id: &str) {
        match self.far {
            Some(_) => self.desk.anew = Some(id.into()),
            None => {
                self.near.restart(host, id);
            }
        }
    }

    /// Changes the additions, atomically; an error of `change`, which may be called several times,
    /// leaves everything as it is. With Redis they are changed when [`Tiers::answered`] says so.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn set<E>(
        &mut self,
        host: &impl Host,
        change: &mut dyn FnMut(&mut Additions) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.far.is_none() {
            return self.near.update_additions(host, change);
        }
        let before = match std::mem::take(&mut self.desk.are_first) {
            true => 0,
            false => self.near.additions_mark(host),
        };
        let mut additions = self.near.additions(host);
        change(&mut additions)?;
        let mark = random_number(host);
        let mut op = op("set_additions");
        op.text(&mark_text(before)).text(&mark_text(mark));
        op.text(&String::from_utf8_lossy(&additions.encode())).close(b']');
        self.desk.ops.push(op.into_text());
        self.desk.set = Some((mark, additions));
        Ok(())
    }
}

/// A mark as Redis keeps it; there is none before anything was set.
pub(super) fn mark_text(mark: u64) -> String {
    if mark == 0 { String::new() } else { mark.to_string() }
}

fn write_selection(op: &mut Builder, selection: &Selection) {
    match selection {
        Selection::Ids(ids) => {
            op.texts(ids).maybe(None);
        }
        Selection::Webhook(webhook) => {
            op.maybe(None).text(webhook);
        }
    }
    op.number(AT_ONCE as u64);
}

/// Pushes of the failed cache. What cannot be read is left out.
fn entries_of(list: Option<Value<'_>>) -> Vec<Entry> {
    let pushes = list.iter().flat_map(Value::items);
    pushes.filter_map(|push| Entry::decode(push.as_str()?.as_bytes())).collect()
}

fn is_yes(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|value| value.raw() == "1")
}

fn cursor_of(value: Value<'_>) -> Option<Box<str>> {
    let text = value.as_str()?;
    (!text.is_empty()).then(|| text.into())
}

/// Whether a text may name an entry of a stream, such as `1700000000000-0`, or `m1700000000000-0` for a missed
/// change.
fn is_reference(text: &str) -> bool {
    let text = text.strip_prefix('m').unwrap_or(text);
    let is_number = |part: &str| part.parse::<u64>().is_ok();
    text.split_once('-').is_some_and(|(time, number)| is_number(time) && is_number(number))
}
