//! A gateway made of memory: its clock is told, its shared map may be forged, and it counts what is done.

use formhook::capture::{Budget, Captured, Exchange, Head};
use formhook::config::Config;
use formhook::host::{
    Callout, CalloutError, CalloutId, Expected, Host, MetricId, MetricKind, QueueId, UnixMillis,
    Version,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

/// A call that waits for an answer.
pub struct Call {
    pub id: CalloutId,
    pub cluster: String,
    /// What the answer of Redis has to repeat.
    pub echo: Option<String>,
}

impl Call {
    /// The answer of Webdis that would be this text, where `@` stands for what it has to repeat.
    pub fn bulk(&self, text: &str) -> String {
        let text = text.replace('@', self.echo.as_deref().unwrap_or_default());
        format!("${}\r\n{text}\r\n", text.len())
    }
}

#[derive(Default)]
pub struct Gateway {
    map: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    /// Callouts, versions and random bytes are numbered by the same count.
    count: Cell<u32>,
    uptime: Cell<Duration>,
    calls: RefCell<Vec<Call>>,
    reply: RefCell<Vec<u8>>,
    metrics: RefCell<Vec<(String, i64)>>,
}

impl Gateway {
    /// All that is in the shared map.
    pub fn kept(&self) -> BTreeMap<String, Vec<u8>> {
        let map = self.map.borrow();
        map.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// Puts something in the place of a value of the shared map, as if another program had.
    pub fn forge(&self, number: usize, value: &[u8]) {
        let mut map = self.map.borrow_mut();
        let count = map.len().max(1);
        if let Some((_, kept)) = map.iter_mut().nth(number % count) {
            self.count.set(self.count.get() + 1);
            *kept = (value.to_vec(), self.count.get());
        }
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.uptime.set(self.uptime.get() + time);
    }

    /// Takes out a call that waits for an answer.
    pub fn take_call(&self, number: usize) -> Option<Call> {
        let mut calls = self.calls.borrow_mut();
        match calls.len() {
            0 => None,
            count => Some(calls.remove(number % count)),
        }
    }

    /// Takes out the call with this id.
    pub fn take(&self, id: CalloutId) -> Option<Call> {
        let at = self.calls.borrow().iter().position(|call| call.id == id)?;
        self.take_call(at)
    }

    /// The answer of Webdis that would be this text, where `@` stands for what it has to repeat.
    pub fn bulk(&self, number: usize, text: &str) -> Option<String> {
        let calls = self.calls.borrow();
        let call = calls.get(number.checked_rem(calls.len())?)?;
        Some(call.bulk(text))
    }

    /// How many calls wait for an answer.
    pub fn calls(&self) -> usize {
        self.calls.borrow().len()
    }

    /// No answers come to a worker that is no more.
    pub fn forget_calls(&self) {
        self.calls.borrow_mut().clear();
    }

    /// The body of the answer that is handed over next.
    pub fn set_reply(&self, body: &[u8]) {
        *self.reply.borrow_mut() = body.to_vec();
    }

    /// What a metric is.
    pub fn metric_value(&self, name: &str) -> i64 {
        let metrics = self.metrics.borrow();
        metrics.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
    }

    fn next(&self) -> u32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }
}

fn echo(body: &[u8]) -> Option<String> {
    let (_, rest) = str::from_utf8(body).ok()?.split_once("\"echo\":\"")?;
    rest.split_once('"').map(|(echo, _)| echo.to_owned())
}

impl Host for Gateway {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_778_575_509_018).after(self.uptime())
    }

    fn env(&self, _: &str) -> Option<String> {
        Some("user:password".to_owned())
    }

    fn random(&self, bytes: &mut [u8]) {
        let number = self.next().to_le_bytes();
        bytes.iter_mut().zip(number.iter().cycle()).for_each(|(byte, random)| *byte = *random);
    }

    fn call(&self, callout: Callout<'_>) -> Result<CalloutId, CalloutError> {
        for (name, value) in &callout.headers {
            let is_plain = value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control());
            let is_token = |byte: u8| byte.is_ascii_lowercase() || b"-0123456789".contains(&byte);
            let is_name = name.strip_prefix(':').unwrap_or(name).bytes().all(is_token);
            assert!(is_plain && is_name, "{name:?}: {value:?} cannot be a header");
        }
        let pseudo = callout.headers.iter().filter(|(name, _)| name.starts_with(':'));
        let mut pseudo: Vec<_> = pseudo.map(|(name, _)| *name).collect();
        pseudo.sort_unstable();
        assert_eq!(pseudo, [":authority", ":method", ":path", ":scheme"]);
        assert!(!callout.timeout.is_zero());
        let id = CalloutId(self.next());
        let cluster = callout.cluster.to_owned();
        self.calls.borrow_mut().push(Call { id, cluster, echo: echo(callout.body) });
        Ok(id)
    }

    fn reply_body(&self, most: usize) -> Vec<u8> {
        let body = self.reply.borrow();
        body.get(..most).unwrap_or(&body).to_vec()
    }

    fn set_timer(&self, _: Option<Duration>) {}

    fn uptime(&self) -> Duration {
        self.uptime.get() + Duration::from_secs(1)
    }

    fn load(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let map = self.map.borrow();
        map.get(key).map(|(value, version)| (value.clone(), Version(*version)))
    }

    fn save(&self, key: &str, value: &[u8], expected: Expected) -> bool {
        let version = self.next();
        let mut map = self.map.borrow_mut();
        let is_expected = match (map.get(key), expected) {
            (None, _) | (_, Expected::Any) => true,
            (Some(_), Expected::Absent) => false,
            (Some((_, known)), Expected::Version(Version(expected))) => *known == expected,
        };
        if is_expected {
            map.insert(key.to_owned(), (value.to_vec(), version));
        }
        is_expected
    }

    fn wake(&self, _: QueueId) {}

    fn metric(&self, _: MetricKind, name: &str) -> MetricId {
        let mut metrics = self.metrics.borrow_mut();
        let at = metrics.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            metrics.push((name.to_owned(), 0));
            metrics.len() - 1
        });
        MetricId(u32::try_from(at).unwrap())
    }

    fn add(&self, MetricId(metric): MetricId, by: i64) {
        if let Some((_, value)) = self.metrics.borrow_mut().get_mut(metric as usize) {
            *value += by;
        }
    }

    fn record(&self, MetricId(metric): MetricId, value: u64) {
        if let Some((_, known)) = self.metrics.borrow_mut().get_mut(metric as usize) {
            *known = i64::try_from(value).unwrap_or(i64::MAX);
        }
    }
}

/// A call that created a record.
///
/// # Panics
/// If the configuration does not watch such calls.
pub fn event(config: &Config, record: u8) -> Captured {
    let budget = Budget::new(1 << 20);
    let matched = config.operations.find_by("POST", b"/api/v5/app/entry/data/create").unwrap();
    let mut call = Exchange::begin(matched, 1 << 16, &budget, Duration::ZERO, |_| None);
    call.response_head(Head { status: Some(200), is_local: false, is_encoded: false });
    let answer = format!(
        r#"{{"data":{{"_id":"r{record}","appId":"a","entryId":"e","updateTime":"2026-05-12T08:45:09.018Z"}}}}"#
    );
    assert!(call.response().make_room(answer.len()));
    call.response().append(answer.into_bytes());
    call.finish(UnixMillis(0), || true).captured().unwrap()
}
