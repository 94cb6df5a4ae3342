//! How the platform's API is called, and how it refuses.

use crate::delivery::USER_AGENT;
use crate::host::{Callout, CalloutError, CalloutId, Host};
use crate::json::{Document, Kind, Value};
use std::fmt;
use std::time::Duration;

/// How long a call may take: twice what the platform's own client gives it, as nobody waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How calls get to the platform.
pub struct PlatformApi {
    /// The gateway's cluster.
    pub cluster: Box<str>,
    /// The host name, for `:authority`.
    pub authority: Box<str>,
    /// What stands before the version in paths.
    pub prefix: Box<str>,
    /// The value of `authorization`.
    pub authorization: Box<str>,
    /// How often each form is asked for.
    pub every: Duration,
}

/// It has a key in it.
impl fmt::Debug for PlatformApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformApi").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl PlatformApi {
    /// Calls version 5 of the API. `tail` is what follows `/v5/app/entry/`.
    ///
    /// # Errors
    /// The call did not get out of the gateway.
    pub(super) fn call(
        &self,
        host: &impl Host,
        tail: &str,
        body: &[u8],
    ) -> Result<CalloutId, CalloutError> {
        let path = format!("{}/v5/app/entry/{tail}", self.prefix);
        host.call(Callout {
            cluster: &self.cluster,
            headers: vec![
                (":method", "POST"),
                (":scheme", "https"),
                (":authority", &self.authority),
                (":path", &path),
                ("authorization", &self.authorization),
                ("content-type", "application/json"),
                ("user-agent", USER_AGENT),
            ],
            body,
            timeout: TIMEOUT,
        })
    }
}

/// The record in an answer of `data/get`; without one it is none, whatever its status says.
pub fn record<'d>(answer: &'d Document<'_>) -> Option<Value<'d>> {
    answer.root().get("data").filter(|data| data.kind() == Kind::Object)
}

/// Why the platform did not answer what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such record.
    NoRecord,
    /// It would answer to nobody at the moment, or not with this key.
    NotNow,
    /// It does not answer this.
    Never,
}

impl Refusal {
    /// What an answer that is no success means, by its status and body. Codes are those of the
    /// platform's documentation.
    pub fn of(status: u16, body: &[u8]) -> Self {
        let document = Document::parse(body).ok();
        let code = document.as_ref().and_then(|document| document.root().get("code"));
        match (status, code.map(|code| code.raw())) {
            (_, Some("4001")) => Refusal::NoRecord,
            // The key, its rate, the company's rate, a lock.
            (_, Some("8301" | "8303" | "8304" | "9007" | "17018")) => Refusal::NotNow,
            (400, Some(_)) => Refusal::Never,
            _ => Refusal::NotNow,
        }
    }
}
