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
mod keep;
mod request;
mod router;
mod status;
mod token;
mod view;
mod webhooks;

pub use answer::Answer;
pub use request::{MAX_BODY_BYTES, Request};
pub use token::{Token, TokenError};

use crate::config::AdminConfig;
use crate::delivery::{Probe, Probed};
use crate::host::{CalloutId, Host};
use crate::metrics::Metrics;
use crate::store::{Bounds, Memory, Store as _};
use addresses::Addresses;
use answer::Problem;
use router::Outcome;
use std::rc::Rc;
use view::View;

/// The admin API of one worker.
#[derive(Debug)]
pub struct Admin {
    token: Token,
    /// What the filter that watches keeps its state under.
    namespace: Box<str>,
    store: Memory,
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
}

/// What one request works with.
struct Context<'a, H> {
    host: &'a H,
    store: &'a mut Memory,
    view: &'a View,
    metrics: &'a Metrics,
    request: &'a Request,
}

impl Admin {
    /// The admin API of the filter that watches under this namespace.
    pub fn new(config: AdminConfig, namespace: &str) -> Self {
        Admin {
            token: config.token,
            namespace: namespace.into(),
            store: Memory::new(namespace, None, Bounds { bytes: 0, history: 0 }),
            view: None,
            metrics: None,
            addresses: Addresses::default(),
        }
    }

    /// Whether the request may be answered at all, as far as its head tells; otherwise the answer
    /// to it.
    ///
    /// # Errors
    /// The answer: it has no token, or not the right one, or asks for the console.
    pub fn admit(&mut self, host: &impl Host, request: &Request) -> Result<(), Answer> {
        if let Some(answer) = console::answer(request) {
            return Err(answer);
        }
        if !request.is_for_api() {
            return Err(Problem::not_found().into());
        }
        let now = host.uptime();
        if let Some(wait) = self.addresses.wait(&request.source, now) {
            return Err(Problem::too_many_bad_tokens(wait).into());
        }
        if request.token().is_some_and(|token| self.token.is(token)) {
            return Ok(());
        }
        if request.token().is_some() {
            self.addresses.failed(&request.source, now);
        }
        Err(Problem::unauthorized(request.token().is_some()).into())
    }

    /// Answers a request that was admitted, or sends the test push that it asks for.
    pub fn handle(&mut self, host: &impl Host, request: &Request) -> Handled {
        let outcome = self.look(host).and_then(|view| {
            let metrics = self.metrics.get_or_insert_with(|| Metrics::new(host, &[]));
            let store = &mut self.store;
            router::route(&mut Context { host, store, view: &view, metrics, request })
        });
        match outcome {
            Ok(Outcome::Answer(answer)) => Handled::Answered(answer),
            Ok(Outcome::Test(webhook)) => match Probe::send(host, webhook) {
                Ok((id, probe)) => Handled::Sent(id, Box::new(probe)),
                Err(probed) => Handled::Answered(self.probed(host, &probed)),
            },
            Err(problem) => Handled::Answered(problem.into()),
        }
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
                self.store = Memory::new(&self.namespace, None, bounds);
                let webhooks = &view.in_force.webhooks;
                self.metrics = Some(match &self.metrics {
                    Some(metrics) => metrics.with_webhooks(host, webhooks),
                    None => Metrics::new(host, webhooks),
                });
                Rc::new(view)
            }
        };
        self.view = Some(Rc::clone(&view));
        Ok(view)
    }
}
