//! "Test connection": one push of no consequence, to see whether a target takes it.

use super::Webhook;
use super::courier::{Ending, record_of_ending};
use super::request::{self, Route, Stamp};
use super::rotation::{Signer, is_rotating, may_refuse_signer};
use super::shortcut::Turn;
use super::verdict::{Cause, Verdict, Way, judge};
use crate::form::FormKey;
use crate::history::{Outcome, Record};
use crate::host::{Answer, CalloutId, Host, Reply, UnixMillis};
use crate::store::{Push, PushId};
use std::rc::Rc;
use std::time::Duration;

/// The platform's own test push, to the byte.
const BODY: &[u8] = br#"{"data":{},"op":"data_test"}"#;

/// A test push on its way.
#[derive(Debug)]
pub struct Probe {
    webhook: Rc<Webhook>,
    push: Push,
    stamp: Stamp,
    sent: Duration,
    turn: Turn,
}

/// How many addresses the egress listener says that the target has.
fn addresses(reply: &Reply) -> u32 {
    match reply {
        Reply::Answer(Answer { egress: Some(report), .. }) => report.addresses,
        _ => 0,
    }
}

/// What a reply to a test push means.
#[derive(Debug)]
pub enum Heard {
    /// The test is made once more: there is another reply to come.
    Again(CalloutId, Box<Probe>),
    /// It is over.
    Over(Box<Probed>),
}

/// What came of a test push.
#[derive(Debug)]
pub struct Probed {
    /// When it was sent.
    pub sent: UnixMillis,
    /// How long it took.
    pub duration: Duration,
    /// All else, as the history has it.
    pub record: Record,
}

impl Probe {
    /// Sends a test push, signed as any other.
    ///
    /// # Errors
    /// It did not get out of the gateway.
    pub fn send(host: &impl Host, webhook: Rc<Webhook>) -> Result<(CalloutId, Self), Box<Probed>> {
        let push = Push {
            id: PushId::random(host),
            webhook: webhook.id.clone(),
            op: "data_test".into(),
            form: FormKey { app_id: "".into(), entry_id: "".into() },
            record_id: "".into(),
            accepted: host.now(),
            sequence: 0,
            trace: Vec::new(),
            body: BODY.to_vec(),
        };
        Probe::send_so(host, webhook, push, Signer::New, Turn::default())
    }

    fn send_so(
        host: &impl Host,
        webhook: Rc<Webhook>,
        push: Push,
        signer: Signer,
        turn: Turn,
    ) -> Result<(CalloutId, Self), Box<Probed>> {
        let stamp = Stamp::new(host, signer);
        let route = Route { address: None, turn, timeout: webhook.timeout };
        let sent = request::send(host, &webhook, &push, stamp, route);
        let probe = Probe { webhook, push, stamp, sent: host.uptime(), turn };
        match sent {
            Ok(id) => Ok((id, probe)),
            Err(error) => {
                let cause = Cause::from(error).to_string();
                let cluster = probe.webhook.target.cluster().to_owned();
                Err(Box::new(probe.end(host, &format!("{cause} (cluster \"{cluster}\")"), None)))
            }
        }
    }

    /// What the reply means. As any push, the test is made once more if it may do better with the old secret of a
    /// rotation, or at the next address.
    pub fn hear(self, host: &impl Host, reply: &Reply) -> Heard {
        let elapsed = host.uptime().saturating_sub(self.sent);
        let Webhook { target, timeout, .. } = &*self.webhook;
        let verdict = judge(reply, Way::to(target, None), elapsed, *timeout);
        let answer = verdict.answer(reply);
        let cause = match &verdict {
            Verdict::Delivered => return Heard::Over(Box::new(self.end(host, "", answer))),
            Verdict::Failed(cause) => cause,
        };
        let signer = self.stamp.signer;
        let again = if signer == Signer::New
            && is_rotating(&self.webhook)
            && may_refuse_signer(cause, true)
        {
            Some((Signer::Old, self.turn))
        } else {
            let next = self.turn.next();
            let is_another = cause.is_unconnected() && next.failed < addresses(reply);
            is_another.then_some((signer, next))
        };
        let Some((signer, turn)) = again else {
            return Heard::Over(Box::new(self.end(host, &cause.to_string(), answer)));
        };
        match Probe::send_so(host, self.webhook, self.push, signer, turn) {
            Ok((id, again)) => Heard::Again(id, Box::new(again)),
            Err(probed) => Heard::Over(probed),
        }
    }

    fn end(self, host: &impl Host, cause: &str, answer: Option<&Answer>) -> Probed {
        let outcome = if cause.is_empty() { Outcome::Success } else { Outcome::Failure };
        let stamp = Some(self.stamp);
        let ending = Ending { outcome, attempts: 1, cause, answer, stamp };
        Probed {
            sent: self.stamp.sent,
            duration: host.uptime().saturating_sub(self.sent),
            record: record_of_ending(Some(&self.webhook), &self.push, &ending, host.now()),
        }
    }
}
