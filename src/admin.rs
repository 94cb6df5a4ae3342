//! The admin API and the console: what a platform gives its admin in pages, at the gateway.
//!
//! A request comes in whole and leaves with an answer, or waits for a test push. Every command is
//! a step over the store, so it does not matter which worker answers. `admin/openapi.json`
//! describes the API; nothing here knows how a request arrived.

mod addresses;
mod answer;
mod console;
mod failed;
mod forms;
mod history;
mod hosts;
mod keep;
mod origin;
mod request;
mod router;
mod status;
mod tables;
mod token;
mod view;
mod webhooks;

pub use answer::Answer;
pub use hosts::HostName;
pub use request::{MAX_BODY_BYTES, Request};
pub use token::{Token, TokenError};

use crate::config::AdminConfig;
use crate::delivery::{Probe, Probed};
use crate::host::{CalloutId, Host, Reply};
use crate::metrics::Metrics;
use crate::store::{Bounds, Question, Store as _, Tiers, Turn};
use addresses::Addresses;
use answer::Problem;
use router::Outcome;
use std::rc::Rc;
use view::View;

/// The admin API of one worker.
#[derive(Debug)]
pub struct Admin {
    token: Token,
    /// The names that requests may be for.
    hosts: Vec<HostName>,
    /// What webhooks that are made here may name.
    clusters: Vec<String>,
    /// What the filter that watches keeps its state under.
    namespace: Box<str>,
    store: Tiers,
    view: Option<Rc<View>>,
    metrics: Option<Metrics>,
    addresses: Addresses,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Handled {
    /// It is answered.
    Answered(Answer),
    /// A test push was sent; [`Admin::probed`] has the answer once its reply is there.
    Sent(CalloutId, Box<Probe>),
    /// The store was asked; [`Admin::told`] goes on once its reply is there.
    Asked(CalloutId, Box<Pending>),
}

/// A request that waits for the store.
#[derive(Debug)]
pub struct Pending {
    question: Question,
    /// The answer, if the store does as it is told.
    answer: Option<Answer>,
    tries: u32,
}

/// How often a request is handled anew because others changed what it changes.
const TRIES: u32 = 5;

/// What one request works with.
struct Context<'a, H> {
    host: &'a H,
    store: &'a mut Tiers,
    view: &'a View,
    metrics: &'a Metrics,
    clusters: &'a [String],
    request: &'a Request,
}

impl Admin {
    /// The admin API of the filter that watches under this namespace.
    pub fn new(config: AdminConfig, namespace: &str) -> Self {
        Admin {
            token: config.token,
            hosts: config.hosts,
            clusters: config.clusters,
            namespace: namespace.into(),
            store: Tiers::new(namespace, None, Bounds { bytes: 0, history: 0 }, None),
            view: None,
            metrics: None,
            addresses: Addresses::default(),
        }
    }

    /// Whether the request may be answered at all, as far as its head tells; otherwise the answer
    /// to it.
    ///
    /// # Errors
    /// The answer: it is for another host, has no token, or not the right one, or asks for the
    /// console.
    pub fn admit(&mut self, host: &impl Host, request: &Request) -> Result<(), Answer> {
        if !self.hosts.iter().any(|host| host.is(&request.authority)) {
            return Err(Problem::misdirected(&request.authority, &self.hosts).into());
        }
        if let Some(answer) = console::answer(request) {
            return Err(answer);
        }
        if !request.is_for_api() {
            return Err(Problem::not_found().into());
        }
        let Some(token) = request.token() else {
            return Err(Problem::unauthorized(false).into());
        };
        // Always looked at: others behind the same address must not be able to lock its owner out.
        if self.token.is(token) {
            return Ok(());
        }
        let now = host.uptime();
        if let Some(wait) = self.addresses.wait(&request.source, now) {
            return Err(Problem::too_many_bad_tokens(wait).into());
        }
        self.addresses.failed(&request.source, now);
        Err(Problem::unauthorized(true).into())
    }

    /// Answers a request that was admitted, or sends the test push that it asks for.
    pub fn handle(&mut self, host: &impl Host, request: &Request) -> Handled {
        self.handle_again(host, request, 0)
    }

    fn handle_again(&mut self, host: &impl Host, request: &Request, tries: u32) -> Handled {
        let outcome = self.look(host).and_then(|view| {
            let metrics = self.metrics.get_or_insert_with(|| Metrics::new(host, &[]));
            let store = &mut self.store;
            let clusters = &self.clusters;
            router::route(&mut Context { host, store, view: &view, metrics, clusters, request })
        });
        self.store.forget_answer();
        if let Some(question) = self.take_question(host) {
            let answer = match outcome {
                Ok(Outcome::Answer(answer)) => Some(answer),
                _ => None,
            };
            return ask(host, Box::new(Pending { question, answer, tries }));
        }
        match outcome {
            Ok(Outcome::Answer(answer)) => Handled::Answered(answer),
            Ok(Outcome::Test(webhook)) => match Probe::send(host, webhook) {
                Ok((id, probe)) => Handled::Sent(id, Box::new(probe)),
                Err(probed) => Handled::Answered(self.probed(host, &probed)),
            },
            Err(problem) => Handled::Answered(problem.into()),
        }
    }

    /// Goes on with a request that waits for the store. To be called while the host hands the
    /// reply over.
    pub fn told(
        &mut self,
        host: &impl Host,
        request: &Request,
        mut pending: Box<Pending>,
        reply: &Reply,
    ) -> Handled {
        let answer = match pending.question.hear(host, reply) {
            Turn::Again(id) => return Handled::Asked(id, pending),
            Turn::Answered(answer) => answer,
            Turn::Failed(words) => return Handled::Answered(Problem::store(&words).into()),
        };
        let Pending { question, answer: held, tries } = *pending;
        match (self.store.answered(host, question, &answer), held) {
            (Ok(false), Some(held)) => match self.take_question(host) {
                Some(question) => {
                    ask(host, Box::new(Pending { question, answer: Some(held), tries }))
                }
                None => Handled::Answered(held),
            },
            (Ok(_), _) if tries < TRIES => self.handle_again(host, request, tries + 1),
            (Ok(_), _) => Handled::Answered(Problem::store("it is changed all the time").into()),
            (Err(words), _) => Handled::Answered(Problem::store(&words).into()),
        }
    }

    fn take_question(&mut self, host: &impl Host) -> Option<Question> {
        let settings = self.view.as_ref()?.config.redis.clone()?;
        self.store.take_question(host, &settings)
    }

    /// The answer to who asked for a test push.
    pub fn probed(&mut self, host: &impl Host, probed: &Probed) -> Answer {
        self.store.record(host, &probed.record);
        log::info!("{}", probed.record.log_line());
        webhooks::tested(probed)
    }

    /// What there is at the moment. It is read anew only if it may have changed.
    fn look(&mut self, host: &impl Host) -> Result<Rc<View>, Problem> {
        let known = self.view.take();
        let view = match View::refreshed(host, &self.store, known)? {
            view::Look::Same(view) => view,
            view::Look::New(view) => {
                let limits = view.config.limits;
                let bounds = Bounds { bytes: limits.memory_bytes, history: limits.history_records };
                let redis = view.config.redis.as_ref();
                self.store = Tiers::new(&self.namespace, None, bounds, redis);
                let webhooks = &view.in_force.webhooks;
                self.metrics = Some(match &self.metrics {
                    Some(metrics) => metrics.with_webhooks(host, webhooks),
                    None => Metrics::new(host, &view.config.webhooks).with_webhooks(host, webhooks),
                });
                Rc::from(view)
            }
        };
        self.view = Some(Rc::clone(&view));
        Ok(view)
    }
}

fn ask(host: &impl Host, mut pending: Box<Pending>) -> Handled {
    match pending.question.send(host) {
        Ok(id) => Handled::Asked(id, pending),
        Err(words) => Handled::Answered(Problem::store(&words).into()),
    }
}
