//! Which owners there are, and how to wake them.
//!
//! An owner that has nothing to do takes no ticks, so it would not notice that another one died
//! with work undone. Whoever gets work therefore wakes the others, once.

use super::TRIES;
use crate::codec::{Reader, Writer};
use crate::host::{Expected, Host, QueueId, UnixMillis};
use std::time::Duration;

/// The version of the binary form.
const VERSION: u8 = 1;

/// Owners that can be woken. Those beyond still do their own work.
const PLACES: u16 = 64;

/// An owner that was woken so long ago and did not answer is gone.
const SILENCE: Duration = Duration::from_secs(60);

/// An owner, as all can see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Member {
    /// Whose it is; zero for a free place.
    nonce: u64,
    queue: u32,
    /// When it was woken, and did not answer yet. A queue keeps what is never taken out, so each
    /// is woken once until it answers.
    woken: Option<UnixMillis>,
}

impl Member {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.number(self.nonce)
            .number(self.queue.into())
            .number(self.woken.map_or(0, |at| at.0.saturating_add(1)));
        out.finish()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let mut value = Reader::new(value, VERSION)?;
        Some(Member {
            nonce: value.number()?,
            queue: value.small()?,
            woken: value.number()?.checked_sub(1).map(UnixMillis),
        })
    }

    /// Whether it cannot be alive.
    fn is_gone(&self, now: UnixMillis) -> bool {
        self.nonce == 0 || self.woken.is_some_and(|at| now.since(at) > SILENCE)
    }
}

/// This owner's place among all.
#[derive(Debug, Default)]
pub(super) struct Directory {
    place: Option<u16>,
}

fn key(prefix: &str, place: u16) -> String {
    format!("{prefix}/v/{place}")
}

fn load(host: &impl Host, prefix: &str, place: u16) -> Option<(Member, Expected)> {
    let (value, version) = host.load(&key(prefix, place))?;
    Some((Member::decode(&value).unwrap_or_default(), Expected::Version(version)))
}

impl Directory {
    /// Takes a place, or answers whoever woke us. Whether there is anything new to look for.
    pub(super) fn enter(
        &mut self,
        host: &impl Host,
        prefix: &str,
        nonce: u64,
        queue: QueueId,
    ) -> bool {
        let me = Member { nonce, queue: queue.0, woken: None };
        if let Some(place) = self.place {
            match load(host, prefix, place) {
                Some((member, _)) if member == me => return false,
                Some((member, expected)) if member.nonce == nonce => {
                    // If this fails somebody woke us just now, and the next call answers.
                    host.save(&key(prefix, place), &me.encode(), expected);
                    return true;
                }
                _ => self.place = None,
            }
        }
        let now = host.now();
        for place in 0..PLACES {
            let expected = match load(host, prefix, place) {
                None => Expected::Absent,
                Some((member, expected)) if member.is_gone(now) => expected,
                Some(_) => continue,
            };
            if host.save(&key(prefix, place), &me.encode(), expected) {
                self.place = Some(place);
                return true;
            }
        }
        true
    }

    /// Gives the place back.
    pub(super) fn leave(&mut self, host: &impl Host, prefix: &str, nonce: u64) {
        let Some(place) = self.place.take() else { return };
        if let Some((member, expected)) = load(host, prefix, place)
            && member.nonce == nonce
        {
            host.save(&key(prefix, place), &Member::default().encode(), expected);
        }
    }

    /// Whether an owner is here, so far as is known.
    pub(super) fn knows(&self, host: &impl Host, prefix: &str, nonce: u64) -> bool {
        let now = host.now();
        (0..PLACES)
            .map_while(|place| load(host, prefix, place))
            .any(|(member, _)| member.nonce == nonce && !member.is_gone(now))
    }

    /// Wakes all but this owner.
    pub(super) fn wake_others(&self, host: &impl Host, prefix: &str, nonce: u64) {
        let now = host.now();
        for place in 0..PLACES {
            for _ in 0..TRIES {
                let Some((mut member, expected)) = load(host, prefix, place) else {
                    return;
                };
                if member.nonce == nonce || member.nonce == 0 || member.woken.is_some() {
                    break;
                }
                member.woken = Some(now);
                if host.save(&key(prefix, place), &member.encode(), expected) {
                    host.wake(QueueId(member.queue));
                    break;
                }
            }
        }
    }
}
