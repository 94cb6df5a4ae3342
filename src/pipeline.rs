//! The whole way of the data on one worker: captured calls go in, callouts come out.
//!
//! It joins the parts and decides nothing itself, and it can be run without Envoy.

use crate::capture::{Budget, Captured, Event, Miss, Outcome};
use crate::config::Config;
use crate::delivery::{Courier, Message, Push, PushId, Webhook};
use crate::host::{CalloutId, Host, Reply};
use crate::metrics::{Metrics, PushResult};
use crate::payload::payload;
use std::rc::Rc;

/// What a waiting push takes beside its message, in bytes: an upper estimate.
const PUSH_BYTES: usize = 512;

/// The pipeline of one worker.
#[derive(Debug)]
pub struct Pipeline {
    config: Rc<Config>,
    webhooks: Rc<[Webhook]>,
    budget: Rc<Budget>,
    metrics: Rc<Metrics>,
    courier: Courier,
}

impl Pipeline {
    /// A pipeline for this configuration.
    pub fn new(config: Rc<Config>, host: &impl Host) -> Self {
        let webhooks = Rc::clone(&config.webhooks);
        let metrics = Rc::new(Metrics::new(host, &webhooks));
        Pipeline {
            budget: Budget::new(config.limits.memory_bytes),
            courier: Courier::new(Rc::clone(&webhooks), Rc::clone(&metrics)),
            config,
            webhooks,
            metrics,
        }
    }

    /// The memory that captured calls and waiting pushes share.
    pub fn budget(&self) -> &Rc<Budget> {
        &self.budget
    }

    /// Reads a captured call and takes on the pushes that come of it.
    pub fn captured(&mut self, host: &impl Host, mut call: Captured) {
        let trace = std::mem::take(&mut call.trace);
        let documents = call.documents();
        match documents.outcome() {
            Outcome::Event(event) => self.event(host, &event, trace),
            Outcome::NoChange => {}
            Outcome::Missed(miss) => self.missed(host, miss),
        }
    }

    /// Counts a change that cannot be pushed.
    pub fn missed(&self, host: &impl Host, miss: Miss) {
        log::info!("a change was not captured: {}", miss.name());
        self.metrics.miss(host, miss);
    }

    /// Sends what is due.
    pub fn pump(&mut self, host: &impl Host) {
        self.courier.pump(host);
    }

    /// The timer that the host was asked for went off.
    pub fn timer_fired(&mut self, host: &impl Host) {
        self.courier.timer_fired();
        self.courier.pump(host);
    }

    /// Hears what came back for a callout.
    pub fn reply(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) {
        self.courier.reply(host, id, reply);
        self.courier.pump(host);
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.courier.is_idle()
    }

    fn event(&mut self, host: &impl Host, event: &Event<'_>, trace: Vec<(&'static str, Box<str>)>) {
        self.metrics.event(host, event.op);
        let webhooks = Rc::clone(&self.webhooks);
        let wanting = || {
            let webhooks = webhooks.iter().enumerate();
            webhooks.filter(|(_, webhook)| webhook.wants(event.op, &event.form))
        };
        if wanting().next().is_none() {
            return;
        }
        let body = payload(event, self.config.forms.get(&event.form));
        let mut reservation = self.budget.reservation();
        if !reservation.grow(body.len()) {
            wanting().for_each(|(position, webhook)| self.dropped(host, position, webhook));
            return;
        }
        let message = Rc::new(Message { body, trace, op: event.op, reservation });
        for (position, webhook) in wanting() {
            let mut reservation = self.budget.reservation();
            if !reservation.grow(PUSH_BYTES) {
                self.dropped(host, position, webhook);
                continue;
            }
            let push = Push {
                id: PushId::random(host),
                message: Rc::clone(&message),
                accepted: host.now(),
                attempts: 0,
                reservation,
            };
            self.courier.accept(position, push);
        }
    }

    fn dropped(&self, host: &impl Host, position: usize, webhook: &Webhook) {
        let limit = self.config.limits.memory_bytes;
        log::error!(
            "webhook {}: a push was dropped, as limits.memory_bytes ({limit}) are used up",
            webhook.id
        );
        self.metrics.push(host, position, PushResult::Dropped);
    }
}
