//! The whole way of the data for one owner: captured calls go in, callouts come out.
//!
//! It joins the parts and decides nothing itself, and it can be run without Envoy.

use crate::capture::{Budget, Captured, Change, Event, Miss, Outcome};
use crate::config::{Config, InForce};
use crate::delivery::{Courier, Draft, commands};
use crate::form::Forms;
use crate::history::Record;
use crate::host::{CalloutId, Host, QueueId, Reply};
use crate::metrics::Metrics;
use crate::payload::payload;
use crate::store::{Asked, Bounds, Entry, PushId, Selection, Store, Tiers};
use std::rc::Rc;
use std::time::Duration;

/// The pipeline of one owner.
#[derive(Debug)]
pub struct Pipeline {
    config: Rc<Config>,
    in_force: InForce,
    /// Of the additions that are in force.
    mark: u64,
    budget: Rc<Budget>,
    metrics: Rc<Metrics>,
    courier: Courier<Tiers>,
}

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
            mark: 0,
            config,
            metrics,
        };
        pipeline.take_additions(host);
        pipeline
    }

    /// Shows the configuration, as JSON, to the admin of this gateway.
    pub fn publish(&mut self, host: &impl Host, config: &[u8]) {
        self.courier.store().publish(host, config);
    }

    /// Puts into force what an admin set meanwhile. To be called before anything is decided by
    /// webhooks and forms.
    pub fn take_additions(&mut self, host: &impl Host) {
        let mark = self.courier.store().additions_mark(host);
        if mark == self.mark {
            return;
        }
        self.mark = mark;
        let additions = self.courier.store().additions(host);
        let (in_force, faults) = self.config.with(&additions, &|name| host.env(name));
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
        let trace = std::mem::take(&mut call.trace);
        let documents = call.documents();
        match documents.outcome() {
            Outcome::Event(event) => self.event(host, &event, &trace, id),
            Outcome::NoChange => {}
            Outcome::Missed(miss) => self.missed(host, miss, call.operation.change),
        }
    }

    /// Tells of a change that cannot be pushed.
    pub fn missed(&mut self, host: &impl Host, miss: Miss, change: Change) {
        self.metrics.miss(host, miss);
        let id = PushId::random(host);
        let op = match change {
            Change::Record(op) => op.name(),
            Change::Batch => "",
        };
        let record = Record::not_captured(id.as_str(), op, miss, host.now());
        self.courier.store().record(host, &record);
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
        self.courier.wake_by(due);
    }

    /// So many API responses went without their pushes being stored.
    pub fn not_stored_in_time(&self, host: &impl Host, calls: u32) {
        self.metrics.not_stored_in_time(host, calls);
    }

    /// Sends what is due.
    pub fn pump(&mut self, host: &impl Host) {
        self.courier.pump(host);
    }

    /// Another owner, or a command, wants this one to look at the store.
    pub fn woken(&mut self, host: &impl Host) {
        self.take_additions(host);
        self.courier.woken(host);
        self.courier.pump(host);
    }

    /// The timer that the host was asked for went off.
    pub fn timer_fired(&mut self, host: &impl Host) {
        self.take_additions(host);
        self.courier.timer_fired();
        self.courier.pump(host);
    }

    /// Hears what came back for a callout.
    pub fn reply(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) {
        self.courier.reply(host, id, reply);
        self.courier.pump(host);
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

    fn event(
        &mut self,
        host: &impl Host,
        event: &Event<'_>,
        trace: &[(&'static str, Box<str>)],
        id: PushId,
    ) {
        let mut id = Some(id);
        self.metrics.event(host, event.op);
        let InForce { webhooks, forms } = self.in_force.clone();
        let form = forms.get(&event.form);
        let mut body = None;
        for (position, webhook) in webhooks.iter().enumerate() {
            if !webhook.wants(event.op, &event.form) {
                continue;
            }
            let body = body.get_or_insert_with(|| payload(event, form));
            let draft = Draft {
                id: id.take().unwrap_or_else(|| PushId::random(host)),
                op: event.op.name().into(),
                form: event.form.clone(),
                record_id: event.record_id.as_ref().into(),
                trace: trace.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
                body: body.clone(),
            };
            self.courier.accept(host, position, draft);
        }
    }
}
