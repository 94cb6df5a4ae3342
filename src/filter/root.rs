//! The root context: one per worker and configuration. It owns the pipeline.

use super::inbox::Inbox;
use super::watch::Watch;
use crate::capture::Budget;
use crate::config::Config;
use crate::host::wasm::{self, Envoy};
use crate::host::{CalloutId, Host};
use crate::pipeline::Pipeline;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType};
use std::rc::Rc;
use std::time::Duration;

/// When a wake could not be asked for, the timer stands in.
const WAKE_FALLBACK: Duration = Duration::from_millis(5);

/// What the root and the streams of a configuration share.
pub(super) struct Shared {
    pub(super) config: Rc<Config>,
    pub(super) budget: Rc<Budget>,
    pub(super) inbox: Inbox,
    /// Wakes the root, on this worker only.
    queue: Option<u32>,
}

impl Shared {
    /// Has Envoy call the root as soon as the stream's callback has returned.
    pub(super) fn wake_root(&self) {
        let woken = self.queue.map(|queue| hostcalls::enqueue_shared_queue(queue, None));
        if !matches!(woken, Some(Ok(()))) {
            Envoy.set_timer(Some(WAKE_FALLBACK));
        }
    }
}

/// A root context, before and after it is configured.
#[derive(Default)]
pub(crate) struct Root {
    running: Option<Running>,
    /// The configuration was replaced; what is under way is brought to its end.
    is_leaving: bool,
}

struct Running {
    shared: Rc<Shared>,
    pipeline: Pipeline,
}

impl Running {
    fn read_inbox(&mut self) {
        for call in self.shared.inbox.take() {
            match call {
                Ok(captured) => self.pipeline.captured(&Envoy, captured),
                Err(miss) => self.pipeline.missed(&Envoy, miss),
            }
        }
    }
}

impl Root {
    fn leave_if_idle(&mut self) {
        let is_idle = self.running.as_ref().is_none_or(|running| running.pipeline.is_idle());
        if self.is_leaving && is_idle {
            self.is_leaving = false;
            Envoy.set_timer(None);
            let _ = hostcalls::done();
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _: usize, _: usize) {
        let reply = wasm::reply(headers);
        if let Some(running) = &mut self.running {
            running.pipeline.reply(&Envoy, CalloutId(token), &reply);
        }
        self.leave_if_idle();
    }

    fn on_done(&mut self) -> bool {
        let is_idle = self.running.as_ref().is_none_or(|running| running.pipeline.is_idle());
        self.is_leaving = !is_idle;
        if is_idle {
            // Envoy would go on ticking for a root that is gone.
            Envoy.set_timer(None);
        }
        is_idle
    }
}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        log::info!("formhook {} started", env!("CARGO_PKG_VERSION"));
        true
    }

    fn on_configure(&mut self, size: usize) -> bool {
        if let Ok(level) = hostcalls::get_log_level() {
            proxy_wasm::set_log_level(level);
        }
        let text = match hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size) {
            Ok(text) => text.unwrap_or_default(),
            Err(status) => {
                log::error!("the configuration cannot be read: {status:?}");
                return false;
            }
        };
        let config = match Config::parse(&text, &|name| std::env::var(name).ok()) {
            Ok(config) => Rc::new(config),
            Err(faults) => {
                log::error!("the configuration has {} fault(s):", faults.len());
                faults.iter().for_each(|fault| log::error!("{fault}"));
                return false;
            }
        };
        let pipeline = Pipeline::new(Rc::clone(&config), &Envoy);
        let budget = Rc::clone(pipeline.budget());
        self.running = Some(Running {
            shared: Rc::new(Shared { config, budget, inbox: Inbox::default(), queue: own_queue() }),
            pipeline,
        });
        true
    }

    fn on_queue_ready(&mut self, queue: u32) {
        while let Ok(Some(_)) = hostcalls::dequeue_shared_queue(queue) {}
        if let Some(running) = &mut self.running {
            running.read_inbox();
            running.pipeline.pump(&Envoy);
        }
        self.leave_if_idle();
    }

    fn on_tick(&mut self) {
        Envoy.set_timer(None);
        if let Some(running) = &mut self.running {
            running.read_inbox();
            running.pipeline.timer_fired(&Envoy);
        }
        self.leave_if_idle();
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let running = self.running.as_ref()?;
        Some(Box::new(Watch::new(Rc::clone(&running.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// A shared queue of this root alone: of a queue that several have registered, only the last to
/// do so would be woken.
fn own_queue() -> Option<u32> {
    let mut random = [0; 16];
    Envoy.random(&mut random);
    let name = format!("formhook-{:032x}", u128::from_ne_bytes(random));
    hostcalls::register_shared_queue(&name).ok()
}
