//! One run of the script: what is sent, and whether what comes back is its answer.

use super::wire::{self, Command, Trouble};
use super::{LEASE, RedisSettings};
use crate::duration::millis;
use crate::history::Record;
use crate::host::{CalloutId, Host, Reply, random_name};
use crate::json::{Builder, Value};
use crate::text::has;
use std::rc::Rc;

/// The script's argument, but for its operations.
pub(super) fn begin(settings: &RedisSettings, gateway: &str, echo: &str) -> Builder {
    let mut json = Builder::new();
    json.open(b'{').name("echo").text(echo).name("gateway").text(gateway);
    json.name("lease").number(millis(LEASE));
    json.name("retention").number(millis(settings.retention));
    json.name("max_failed").number(settings.max_failed.into());
    json
}

/// A batch on its way, which may need the script to be loaded first.
#[derive(Debug)]
pub(in super::super) struct Exchange {
    settings: Rc<RedisSettings>,
    text: String,
    /// What the answer to it has to have in it: it may be somebody else's.
    echo: String,
    step: Command,
}

/// What a reply is.
#[derive(Debug)]
pub(in super::super) enum Heard {
    /// The script's answer.
    Answer(String),
    /// Redis has learned the script, or has yet to: send it once more.
    Again,
    /// There is no answer, and why.
    Failed(String),
}

impl Exchange {
    pub(super) fn new(settings: &Rc<RedisSettings>, text: String, echo: &str) -> Self {
        let echo = format!("\"echo\":\"{echo}\"");
        Exchange { settings: Rc::clone(settings), text, echo, step: Command::Run }
    }

    /// These operations, outside any session.
    pub(in super::super) fn of_ops(
        host: &impl Host,
        settings: &Rc<RedisSettings>,
        ops: &[String],
    ) -> Self {
        let echo = random_name(host);
        let mut json = begin(settings, "", &echo);
        json.name("ops").open(b'[');
        ops.iter().for_each(|op| {
            json.raw(op);
        });
        json.close(b']').close(b'}');
        Exchange::new(settings, json.into_text(), &echo)
    }

    pub(in super::super) fn send(&self, host: &impl Host) -> Result<CalloutId, String> {
        wire::send(host, &self.settings, self.step, &self.text).map_err(|error| {
            let cluster = &self.settings.cluster;
            format!("{error} (cluster \"{cluster}\")")
        })
    }

    pub(in super::super) fn hear(&mut self, host: &impl Host, reply: &Reply) -> Heard {
        match (wire::hear(host, self.settings.protocol, reply), self.step) {
            (Ok(answer), Command::Run) if has(&answer, &self.echo) => Heard::Answer(answer),
            (Ok(name), Command::Load) if name == wire::script_name() => {
                self.step = Command::Run;
                Heard::Again
            }
            (Err(Trouble::NoScript), Command::Run) => {
                self.step = Command::Load;
                Heard::Again
            }
            (Err(Trouble::NoScript), Command::Load) => {
                Heard::Failed("it does not take the script".to_owned())
            }
            (Ok(_), _) => Heard::Failed("it answered something else".to_owned()),
            (Err(Trouble::Failed(words)), _) => Heard::Failed(words),
        }
    }
}

/// What a record of the history is found by: its op, app, form and record, as the script compares
/// them.
pub(in super::super) struct Sought([String; 4]);

impl Sought {
    pub(in super::super) fn new(names: [&str; 4]) -> Self {
        Sought(names.map(|name| name.replace('\n', " ")))
    }

    pub(super) fn joined(&self) -> String {
        self.0.join("\n")
    }

    pub(in super::super) fn write(&self, json: &mut Builder) {
        json.texts(&self.0);
    }
}

/// References and records, as a page has them. What cannot be read is left out.
pub(in super::super) fn records(list: Value<'_>) -> Vec<(Box<str>, Record)> {
    let one = |item: Value<'_>| {
        let mut items = item.items();
        let (reference, record) = (items.next()?.as_str()?, items.next()?.as_str()?);
        Some((reference.into(), Record::decode(record.as_bytes())?))
    };
    list.items().filter_map(one).collect()
}
