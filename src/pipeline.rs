//! The whole way of the data for one owner: captured calls go in, callouts come out.
//!
//! It joins the parts, and hands to each what another found out. It can be run without Envoy.

mod batch;

use crate::capture::{Budget, Captured, Event, Miss, Missed, Op, Outcome};
use crate::config::{Config, InForce};
use crate::delivery::{Courier, Draft, commands};
use crate::form::{FormKey, Forms, Lesson, Schema};
use crate::history::{MAX_ID_BYTES, Record, cut};
use crate::host::{CalloutId, Host, QueueId, Reply};
use crate::json::{Document, Value};
use crate::metrics::Metrics;
use crate::payload::{form_update, payload};
use crate::platform::{Poller, Step};
use crate::store::{Asked, Bounds, Entry, MAX_LEARNED_FORMS, PushId, Selection, Store, Tiers};
use std::rc::Rc;
use std::time::Duration;

/// The pipeline of one owner.
#[derive(Debug)]
pub struct Pipeline {
    config: Rc<Config>,
    in_force: InForce,
    /// Of the additions that are in force, and of what is learned.
    marks: [u64; 2],
    budget: Rc<Budget>,
    metrics: Rc<Metrics>,
    courier: Courier<Tiers>,
    poller: Option<Poller>,
    /// When the caller wants to be woken.
    wake_by: Option<Duration>,
    /// When it was last said of a call that its time is none, by uptime.
    no_time_said: Option<Duration>,
}

/// How long nothing more is said of times that are none.
const NO_TIME_PAUSE: Duration = Duration::from_secs(600);

impl Pipeline {
    /// A pipeline for this configuration. What it keeps is kept under `namespace`; `queue` wakes
    /// it.
    pub fn new(
        config: Rc<Config>,
        host: &impl Host,
        namespace: &str,
        queue: Option<QueueId>,
    ) -> Self {
        let webhooks = Rc::clone(&config.webhooks);
        let metrics = Rc::new(Metrics::new(host, &webhooks));
        let bounds =
            Bounds { bytes: config.limits.memory_bytes, history: config.limits.history_records };
        let store = Tiers::new(namespace, queue, bounds, config.redis.as_ref());
        for webhook in webhooks.iter() {
            metrics.webhook(host, &store, &webhook.id);
        }
        let mut pipeline = Pipeline {
            budget: Budget::new(config.limits.memory_bytes),
            courier: Courier::new(Rc::clone(&webhooks), Rc::clone(&metrics), store),
            in_force: InForce { webhooks, forms: Rc::clone(&config.forms) },
            marks: [0; 2],
            poller: config
                .platform_api
                .as_ref()
                .map(|api| Poller::new(Rc::clone(api), config.limits.max_body_bytes)),
            wake_by: None,
            no_time_said: None,
            config,
            metrics,
        };
        pipeline.take_additions(host);
        pipeline
    }

    /// Shows the configuration, as JSON, to the admin of this gateway.
    pub fn publish(&mut self, host: &impl Host, config: &[u8]) {
        let before = self.courier.store().published(host).unwrap_or_default();
        if let Ok(before) = Document::parse(&before) {
            let webhooks = before.root().get("webhooks");
            let ids = webhooks.iter().flat_map(|list| list.items()).filter_map(|one| one.get("id"));
            // Envoy keeps the gauges of a webhook that is gone, and alerts would go on.
            ids.filter_map(|id| id.as_str()).for_each(|id| self.metrics.forget(host, &id));
        }
        self.courier.store().publish(host, config);
    }

    /// Puts into force what an admin set meanwhile. To be called before anything is decided by
    /// webhooks and forms.
    pub fn take_additions(&mut self, host: &impl Host) {
        let store = self.courier.store();
        let marks = store.marks(host);
        if marks == self.marks {
            return;
        }
        let (additions, learned) = (store.additions(host), store.learned(host));
        let (in_force, faults) = self.config.with(&additions, &learned, &|name| host.env(name));
        let [mark, _] = std::mem::replace(&mut self.marks, marks);
        if marks.first() == Some(&mark) {
            self.in_force.forms = in_force.forms;
            return;
        }
        faults.iter().for_each(|fault| log::error!("{fault}"));
        self.metrics = Rc::new(self.metrics.with_webhooks(host, &in_force.webhooks));
        let (webhooks, metrics) = (Rc::clone(&in_force.webhooks), Rc::clone(&self.metrics));
        self.courier.retarget(host, webhooks, metrics);
        self.in_force = in_force;
    }

    /// The forms as they count at the moment.
    pub fn forms(&self) -> &Rc<Forms> {
        &self.in_force.forms
    }

    /// A body of an API call was not translated.
    pub fn untranslated(&self, host: &impl Host, miss: Miss) {
        self.metrics.untranslated(host, miss);
    }

    /// The memory that the bodies of captured calls share.
    pub fn budget(&self) -> &Rc<Budget> {
        &self.budget
    }

    /// What pushes are kept in, and commands act on.
    pub fn store(&mut self) -> &mut Tiers {
        self.courier.store()
    }

    /// Reads a captured call and takes on the pushes that come of it. The first of them gets this
    /// id, each other one its own.
    pub fn captured(&mut self, host: &impl Host, mut call: Captured, id: PushId) {
        let trace = std::mem::take(&mut call.trace).into_iter();
        let trace: Trace = trace.map(|(name, value)| (name.into(), value)).collect();
        let documents = call.documents();
        match documents.outcome() {
            Outcome::Event(event) => {
                if event.time == call.at
                    && let Some(text) = documents.unread_time()
                {
                    self.no_time(host, &text, &event.form);
                }
                self.event(host, &event, &trace, id, Origin::Call);
            }
            Outcome::Batch(batch) if self.wants_batch(&batch) => {
                if batch.has_unnamed() {
                    self.missed_of(host, Miss::Inexact, &batch, "");
                }
                self.step(host, &batch, Step::first(batch.clone()), &trace, &id);
            }
            Outcome::Batch(batch) => self.missed_of(host, Miss::Batch, &batch, ""),
            Outcome::Lessons(lessons) => self.courier.store().learn(host, lessons, call.began),
            Outcome::NoChange => {}
            Outcome::Missed(miss) => self.missed(host, documents.missed(miss)),
        }
    }

    /// Says now and then that what a call gives as its time is none.
    fn no_time(&mut self, host: &impl Host, text: &str, form: &FormKey) {
        let now = host.uptime();
        if self.no_time_said.is_none_or(|last| now.saturating_sub(last) >= NO_TIME_PAUSE) {
            self.no_time_said = Some(now);
            let (text, FormKey { app_id, entry_id }) = (cut(text, MAX_ID_BYTES), form);
            log::warn!(
                "\"{text}\", in a call about form {app_id}/{entry_id}, is no time: the gateway's clock counts for \
                 `opTime`. A time is RFC 3339, such as 2026-05-12T08:45:09Z, or milliseconds since 1970; see \
                 `time` of the operation"
            );
        }
    }

    /// Tells of a change that cannot be pushed.
    pub fn missed(&mut self, host: &impl Host, missed: Missed) {
        let Missed { miss, change, form, record_id } = missed;
        match change.op() {
            Some(op) => self.not_captured(host, miss, op, form, &record_id),
            None => self.metrics.miss(host, miss),
        }
    }

    fn not_captured(
        &mut self,
        host: &impl Host,
        miss: Miss,
        op: Op,
        form: FormKey,
        record_id: &str,
    ) {
        self.metrics.miss(host, miss);
        let (id, record_id) = (PushId::random(host), record_id.into());
        let FormKey { app_id, entry_id } = form;
        let record = Record::not_captured(id.as_str(), op.name(), miss, host.now());
        self.record(host, &Record { app_id, entry_id, record_id, ..record });
    }

    fn record(&mut self, host: &impl Host, record: &Record) {
        self.courier.store().record(host, record);
        log::info!("{}", record.log_line());
    }

    /// A number that stands for all pushes until now, and the one up to which they are stored.
    pub fn tickets(&self) -> (u64, u64) {
        self.courier.tickets()
    }

    /// Since when pushes cannot be stored, by uptime.
    pub fn store_is_down_since(&self) -> Option<Duration> {
        self.courier.store_is_down_since()
    }

    /// Asks to be woken by then, whatever else is to be done.
    pub fn wake_by(&mut self, due: Option<Duration>) {
        self.wake_by = due;
    }

    /// So many API responses went without their pushes being stored.
    pub fn not_stored_in_time(&self, host: &impl Host, calls: u32) {
        self.metrics.not_stored_in_time(host, calls);
    }

    /// Sends what is due.
    pub fn pump(&mut self, host: &impl Host) {
        self.poll(host);
        self.pump_courier(host);
        let (restructured, fetched) =
            (self.courier.take_restructured(), self.courier.take_fetched());
        let unasked = self.courier.take_unasked();
        if restructured.is_empty() && fetched.is_empty() && unasked.is_empty() {
            return;
        }
        self.take_additions(host);
        for (form, schema) in &restructured {
            self.restructured(host, form, schema);
        }
        for fetched in fetched {
            self.fetched(host, fetched);
        }
        for question in unasked {
            self.unasked(host, &question);
        }
        self.pump_courier(host);
    }

    fn pump_courier(&mut self, host: &impl Host) {
        let poll = self.poller.as_ref().and_then(Poller::due);
        self.courier.wake_by(self.wake_by.into_iter().chain(poll).min());
        self.courier.pump(host);
    }

    /// Asks the platform how forms look, if that is due.
    fn poll(&mut self, host: &impl Host) {
        let Some(poller) = &mut self.poller else { return };
        let store = self.courier.store();
        let forms = self.in_force.forms.iter().map(|(key, _)| key);
        let named = self.in_force.webhooks.iter().flat_map(|webhook| webhook.forms.named());
        if !poller.pump(host, forms.chain(named), || store.may_ask(host)) {
            self.metrics.polled(host, false);
        }
    }

    /// Another owner, or a command, wants this one to look at the store.
    pub fn woken(&mut self, host: &impl Host) {
        self.take_additions(host);
        self.courier.woken(host);
        self.pump(host);
    }

    /// The timer that the host was asked for went off.
    pub fn timer_fired(&mut self, host: &impl Host) {
        self.take_additions(host);
        self.courier.timer_fired();
        self.pump(host);
    }

    /// Hears what came back for a callout.
    pub fn reply(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) {
        match self.poller.as_mut().and_then(|poller| poller.hear(host, id, reply)) {
            Some(polled) => {
                self.metrics.polled(host, polled.is_answered);
                self.courier.store().learn(host, polled.lessons, polled.began);
            }
            None => self.courier.reply(host, id, reply),
        }
        self.pump(host);
    }

    /// Hands everything over to other owners. True when that is done.
    pub fn leave(&mut self, host: &impl Host) -> bool {
        self.courier.leave(host)
    }

    /// Gives pushes of the failed cache up. Which.
    ///
    /// # Errors
    /// Redis has to be asked.
    pub fn abandon(
        &mut self,
        host: &impl Host,
        selection: &Selection,
    ) -> Result<Vec<Entry>, Asked> {
        let store = self.courier.store();
        let (given_up, _) = store.abandon_failed(host, selection)?;
        commands::abandoned(store, host, &self.metrics, &given_up);
        Ok(given_up)
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.courier.is_idle()
    }

    /// Takes on the pushes that tell of a form's new structure.
    fn restructured(&mut self, host: &impl Host, key: &FormKey, schema: &Schema) {
        let forms = Rc::clone(&self.in_force.forms);
        let body = |_| form_update(key, forms.get(key), schema, host.now());
        let about = About { op: Op::FormUpdate, form: key, record_id: "", origin: Origin::Call };
        self.push(host, &about, &Trace::new(), PushId::random(host), &body);
    }

    fn event(
        &mut self,
        host: &impl Host,
        event: &Event<'_>,
        trace: &Trace,
        id: PushId,
        origin: Origin,
    ) {
        let forms = Rc::clone(&self.in_force.forms);
        let before = self.before(host, event);
        let before = before.as_ref().and_then(|text| Document::parse(text.as_bytes()).ok());
        let body = |wants_before: bool| {
            let before = before.as_ref().filter(|_| wants_before).map(Document::root);
            payload(event, forms.get(&event.form), before)
        };
        let (op, form, record_id) = (event.op, &event.form, &*event.record_id);
        self.push(host, &About { op, form, record_id, origin }, trace, id, &body);
    }

    /// Has the platform asked about a form that nobody has described.
    fn be_curious(&mut self, host: &impl Host, form: &FormKey) {
        let forms = &self.in_force.forms;
        if self.poller.is_some() && forms.get(form).is_none() && forms.count() < MAX_LEARNED_FORMS {
            let lesson = (form.clone(), Lesson::Seen);
            self.courier.store().learn(host, vec![lesson], host.uptime());
        }
    }

    /// How the record was before, if a webhook wants to know that and it was seen.
    fn before(&mut self, host: &impl Host, event: &Event<'_>) -> Option<String> {
        let mut webhooks = self.in_force.webhooks.iter();
        if !webhooks.any(|webhook| webhook.changes || webhook.remove_with_record) {
            return None;
        }
        let time = |record: Value<'_>| record.get("updateTime").map(|time| time.raw().to_owned());
        let now = event.record.and_then(time);
        // Times of this form are in the order of their texts.
        let is_later = |before: &str| {
            let before = Document::parse(before.as_bytes()).ok();
            let before = before.and_then(|before| time(before.root()));
            before.zip(now.as_ref()).is_none_or(|(before, now)| before <= *now)
        };
        let record = event.record.map(|record| record.raw());
        self.courier.store().see(host, &event.form, &event.record_id, record, is_later)
    }

    /// Takes on a push to each webhook that wants to hear of this. The first gets this id; if it
    /// was a batch, all get what follows from it. `body` may have how the record was before.
    fn push(
        &mut self,
        host: &impl Host,
        about: &About<'_>,
        trace: &Trace,
        id: PushId,
        body: &dyn Fn(bool) -> Vec<u8>,
    ) {
        let About { op, form, record_id, origin } = *about;
        self.metrics.event(host, op);
        self.be_curious(host, form);
        let mut first = Some(id.clone());
        let mut made = [None, None];
        let webhooks = Rc::clone(&self.in_force.webhooks);
        for (position, webhook) in webhooks.iter().enumerate() {
            if !webhook.wants(op, form) || origin == Origin::Batch && !webhook.batch {
                continue;
            }
            let wants_before = webhook.wants_before(op);
            let [plain, with_before] = &mut made;
            let made = if wants_before { with_before } else { plain };
            let draft = Draft {
                id: match origin {
                    Origin::Call => first.take().unwrap_or_else(|| PushId::random(host)),
                    Origin::Batch => id.derived(&webhook.id),
                },
                op: op.name().into(),
                form: form.clone(),
                record_id: record_id.into(),
                trace: trace.clone(),
                body: made.get_or_insert_with(|| body(wants_before)).clone(),
            };
            self.courier.accept(host, position, draft);
        }
    }
}

/// Headers of the API call that go along.
type Trace = Vec<(Box<str>, Box<str>)>;

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A call that changed one thing.
    Call,
    /// One that changed many.
    Batch,
}

/// What a push is about.
struct About<'a> {
    op: Op,
    form: &'a FormKey,
    record_id: &'a str,
    origin: Origin,
}
