//! The root context: one per worker and configuration. It owns the pipeline.

use super::desk::Desk;
use super::holds::Holds;
use super::inbox::{Finished, Hold, Inbox};
use super::stream::Stream;
use super::unused::{unused_of_context, unused_of_root_context};
use super::watch::Watch;
use crate::admin::Admin;
use crate::capture::{Budget, Miss};
use crate::config::{Config, Plugin, as_json};
use crate::form::Forms;
use crate::host::wasm::{self, Envoy};
use crate::host::{CalloutId, Host, QueueId, random_name};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::store::Ack;
use crate::{COMMIT, VERSION};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, Status};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// How soon after its start an owner looks at what others left behind.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// When a wake could not be asked for, the timer stands in.
const WAKE_FALLBACK: Duration = Duration::from_millis(5);

thread_local! {
    /// Whether this VM has told of its start.
    static IS_STARTED: Cell<bool> = const { Cell::new(false) };
}

/// What the root and the streams of a configuration share.
pub(super) struct Shared {
    pub(super) config: Rc<Config>,
    pub(super) budget: Rc<Budget>,
    pub(super) inbox: Inbox,
    pub(super) holds: Holds,
    /// Streams that cannot go on, for the root to end.
    broken: RefCell<Vec<u32>>,
    /// The forms as they count at the moment.
    forms: RefCell<Rc<Forms>>,
    /// Whether callers may speak of any of them by aliases.
    speaks_aliases: Cell<bool>,
    /// Wakes the root, on this worker only.
    queue: Option<QueueId>,
}

impl Shared {
    pub(super) fn forms(&self) -> Rc<Forms> {
        Rc::clone(&self.forms.borrow())
    }

    pub(super) fn speaks_aliases(&self) -> bool {
        self.speaks_aliases.get()
    }

    /// Puts other forms into force.
    fn set_forms(&self, forms: &Rc<Forms>) {
        if !Rc::ptr_eq(&self.forms.borrow(), forms) {
            let mut all = forms.iter();
            self.speaks_aliases.set(all.any(|(_, form)| form.speaks_aliases()));
            *self.forms.borrow_mut() = Rc::clone(forms);
        }
    }

    /// Has the root look at what a stream leaves.
    pub(super) fn hand_over(&self, call: Finished) {
        if self.inbox.put(call) {
            self.wake_root();
        }
    }

    /// Has the root end a stream that cannot go on.
    pub(super) fn end_stream(&self, stream: u32) {
        self.broken.borrow_mut().push(stream);
        self.wake_root();
    }

    /// Has Envoy call the root as soon as the stream's callback has returned.
    pub(super) fn wake_root(&self) {
        match self.queue {
            Some(queue) => wasm::wake_root(queue),
            None => Envoy.set_timer(Some(WAKE_FALLBACK)),
        }
    }
}

/// A root context, before and after it is configured.
pub(crate) struct Root {
    /// This context.
    id: u32,
    role: Role,
    /// The configuration was replaced; what is under way is brought to its end.
    is_leaving: bool,
}

/// What a root context is there for.
#[derive(Default)]
enum Role {
    #[default]
    Unconfigured,
    Watch(Box<Running>),
    Admin(Rc<RefCell<Admin>>),
}

struct Running {
    shared: Rc<Shared>,
    pipeline: Pipeline,
}

impl Running {
    fn read_inbox(&mut self) {
        let calls = self.shared.inbox.take();
        if !calls.is_empty() {
            self.pipeline.take_additions(&Envoy);
        }
        for call in calls {
            match call {
                Finished::Captured { call, id, hold } => {
                    self.pipeline.captured(&Envoy, call, id);
                    match hold {
                        Hold::NotAsked => {}
                        Hold::Stream(stream) => {
                            let (ticket, _) = self.pipeline.tickets();
                            self.shared.holds.hold(stream, ticket, Envoy.uptime());
                        }
                        Hold::TooLarge => self.pipeline.not_stored_in_time(&Envoy, 1),
                    }
                }
                Finished::Missed(missed) => self.pipeline.missed(&Envoy, missed),
                Finished::Untranslated(miss) => self.pipeline.untranslated(&Envoy, miss),
            }
        }
        self.wake_for_streams();
    }

    /// Has the root woken when a stream has waited for long enough.
    fn wake_for_streams(&mut self) {
        self.pipeline.wake_by(self.shared.holds.due());
    }

    /// Ends the streams that cannot go on, and the requests whose bodies were given up for others: they had not
    /// come to their end.
    fn end_streams(&mut self, root: u32) {
        for stream in self.shared.broken.take() {
            wasm::for_stream(stream, root, hostcalls::reset_http_response);
        }
        for stream in self.shared.budget.take_given_up() {
            self.pipeline.untranslated(&Envoy, Miss::Overload);
            wasm::for_stream(stream, root, || hostcalls::send_http_response(408, Vec::new(), None));
        }
    }

    /// Lets responses go whose pushes are stored.
    fn let_go(&mut self) {
        if self.shared.holds.due().is_some() {
            let (_, stored) = self.pipeline.tickets();
            let down_since = self.pipeline.store_is_down_since();
            let unstored = self.shared.holds.let_go(stored, down_since, Envoy.uptime());
            self.pipeline.not_stored_in_time(&Envoy, unstored);
        }
        self.wake_for_streams();
    }
}

impl Root {
    /// A context that is not configured yet.
    pub(crate) fn new(id: u32) -> Self {
        Root { id, role: Role::default(), is_leaving: false }
    }

    fn running(&mut self) -> Option<&mut Running> {
        match &mut self.role {
            Role::Watch(running) => Some(running),
            Role::Admin(_) | Role::Unconfigured => None,
        }
    }

    /// Whether everything that was under way is over, or has another owner.
    fn has_left(&mut self) -> bool {
        self.running().is_none_or(|running| {
            let has_left = running.pipeline.leave(&Envoy);
            running.let_go();
            has_left
        })
    }

    /// Brings to its end what a replaced configuration has under way.
    fn go_on_leaving(&mut self) {
        if !self.is_leaving {
            return;
        }
        if self.has_left() {
            self.is_leaving = false;
            let _ = hostcalls::done();
        }
    }
}

impl Context for Root {
    unused_of_context!();

    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        let reply = wasm::reply(headers, body);
        if let Some(running) = self.running() {
            running.pipeline.reply(&Envoy, CalloutId(token), &reply);
            running.let_go();
        }
        self.go_on_leaving();
    }

    fn on_done(&mut self) -> bool {
        let is_done = self.has_left();
        self.is_leaving = !is_done;
        is_done
    }
}

impl RootContext for Root {
    unused_of_root_context!();

    fn on_vm_start(&mut self, _: usize) -> bool {
        // Envoy says so for each root context of a VM.
        if !IS_STARTED.replace(true) {
            log::info!("formhook {VERSION} ({COMMIT}) started");
            Metrics::vm_start(&Envoy);
        }
        true
    }

    fn on_configure(&mut self, size: usize) -> bool {
        if let Ok(level) = hostcalls::get_log_level() {
            proxy_wasm::set_log_level(level);
        }
        let text = match hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size) {
            Ok(text) => text.unwrap_or_default(),
            Err(_) => {
                log::error!("the host does not give the configuration");
                return false;
            }
        };
        let plugin = as_json(&text).and_then(|json| {
            let plugin = Plugin::parse(&json, &|name| Envoy.env(name))?;
            Ok((plugin, json))
        });
        match plugin {
            Ok((Plugin::Watch(config), json)) => {
                self.role = Role::Watch(Box::new(watch(self.id, config, &json)))
            }
            Ok((Plugin::Admin(config), _)) => {
                let admin = Admin::new(config, &namespace());
                self.role = Role::Admin(Rc::new(RefCell::new(admin)));
            }
            Err(faults) => {
                log::error!("the configuration has {} fault(s):", faults.len());
                faults.iter().for_each(|fault| log::error!("{fault}"));
                return false;
            }
        }
        true
    }

    fn on_queue_ready(&mut self, queue: u32) {
        let is_by_another = wasm::is_woken_by_another(queue);
        let root = self.id;
        if let Some(running) = self.running() {
            running.end_streams(root);
            running.read_inbox();
            if is_by_another {
                running.pipeline.woken(&Envoy);
            } else {
                running.pipeline.pump(&Envoy);
            }
            running.shared.set_forms(running.pipeline.forms());
            running.let_go();
        }
        self.go_on_leaving();
    }

    fn on_tick(&mut self) {
        Envoy.set_timer(None);
        if let Some(running) = self.running() {
            running.read_inbox();
            running.let_go();
            running.pipeline.timer_fired(&Envoy);
            running.shared.set_forms(running.pipeline.forms());
        }
        self.go_on_leaving();
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        match &self.role {
            Role::Watch(running) => {
                let watch = Watch::new(Rc::clone(&running.shared), id);
                Some(Box::new(Stream::Watch(watch)))
            }
            Role::Admin(admin) => Some(Box::new(Stream::Desk(Desk::new(Rc::clone(admin))))),
            Role::Unconfigured => None,
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Begins to watch.
fn watch(root: u32, config: Config, json: &[u8]) -> Running {
    let config = Rc::new(config);
    let ack_timeout = config.redis.as_ref().and_then(|redis| match redis.ack {
        Ack::Async => None,
        Ack::BeforeResponse(timeout) => Some(timeout),
    });
    let mut pipeline = Pipeline::new(Rc::clone(&config), &Envoy, &namespace(), own_queue());
    pipeline.publish(&Envoy, json);
    let budget = Rc::clone(pipeline.budget());
    // There may be pushes of an owner that is gone. Nothing may be sent before this returns.
    Envoy.set_timer(Some(FIRST_LOOK));
    let shared = Rc::new(Shared {
        config,
        budget,
        inbox: Inbox::default(),
        holds: Holds::new(root, ack_timeout),
        broken: RefCell::default(),
        forms: RefCell::default(),
        speaks_aliases: Cell::new(false),
        queue: own_queue(),
    });
    shared.set_forms(pipeline.forms());
    Running { shared, pipeline }
}

/// A shared queue of this root alone: of a queue that several have registered, only the last to
/// do so would be woken.
fn own_queue() -> Option<QueueId> {
    let name = format!("formhook-{}", random_name(&Envoy));
    hostcalls::register_shared_queue(&name).ok().map(QueueId)
}

/// What is kept belongs to all filters with this root id: replaced ones find it again.
fn namespace() -> String {
    let root_id = hostcalls::get_property(vec!["plugin_root_id"]).ok().flatten();
    String::from_utf8_lossy(&root_id.unwrap_or_default()).into_owned()
}
