//! What a worker's store tells Redis, and makes of what comes back: short plays with a certain end.

use super::SimRedis;
use crate::host::{Process, Sent, SimHost};
use formhook::form::FormKey;
use formhook::host::{Answer, Host as _, Reply, UnixMillis};
use formhook::store::{
    Ack, Additions, Bounds, Change, Counting, Entry, Event, Failure, Memory, NoticeKind, Place,
    Progress, Protocol, Push, PushId, RedisSettings, State, Store as _, Tiers,
};
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;

const BOUNDS: Bounds = Bounds { bytes: 1 << 24, history: 10 };
const IN_A_ROW: Counting = Counting { limit: 100, total: false };

struct Worker {
    host: SimHost,
    store: Tiers,
    redis: Rc<SimRedis>,
}

fn settings() -> Rc<RedisSettings> {
    Rc::new(RedisSettings {
        cluster: "webdis".into(),
        authority: "webdis".into(),
        namespace: "ns".into(),
        protocol: Protocol::Webdis,
        authorization: None,
        timeout: Duration::from_secs(2),
        ack: Ack::Async,
        max_failed: 1000,
        retention: Duration::from_secs(3600),
    })
}

/// A worker of this gateway that has told all.
fn worker_of(process: &Rc<Process>, redis: &Rc<SimRedis>, bounds: Bounds) -> Worker {
    let store = Tiers::new("formhook", None, bounds, Some(&settings()));
    let mut worker = Worker { host: SimHost::new(process), store, redis: Rc::clone(redis) };
    worker.tell();
    worker
}

/// The only worker of the only gateway.
fn worker() -> Worker {
    worker_of(&Process::new(1), &Rc::new(SimRedis::new()), BOUNDS)
}

impl Worker {
    fn millis(&self) -> u64 {
        1_800_000_000_000 + self.host.process.uptime.get()
    }

    /// The batch that is to be sent now.
    fn send(&mut self) -> Option<Sent> {
        self.store.flush(&self.host);
        self.host.sent.take().pop()
    }

    /// Redis does a batch, and is heard. What it answered.
    fn answer(&mut self, sent: &Sent) -> String {
        let (method, path) = (&sent.headers[":method"], &sent.headers[":path"]);
        let (status, body) = self.redis.http(method, path, &sent.body, self.millis());
        let text = String::from_utf8(body).unwrap();
        self.say(sent, status, &text);
        text
    }

    fn say(&mut self, sent: &Sent, status: u16, body: &str) {
        self.host.body.replace(body.into());
        let reply = Reply::Answer(Answer { status, ..Answer::default() });
        assert!(self.store.heard(&self.host, sent.id, &reply));
    }

    /// Says this in the place of Redis.
    fn say_json(&mut self, sent: &Sent, mut answer: Value) {
        let batch: Value = serde_json::from_slice(&sent.body).unwrap();
        answer["echo"] = batch["echo"].clone();
        let text = answer.to_string();
        self.say(sent, 200, &format!("${}\r\n{text}\r\n", text.len()));
    }

    /// Tells Redis all that there is to tell now. The answers.
    fn tell(&mut self) -> Vec<String> {
        let mut answers = Vec::new();
        while let Some(sent) = self.send() {
            answers.push(self.answer(&sent));
        }
        answers
    }

    /// After a second all that there is to tell. The answers.
    fn tell_later(&mut self) -> Vec<String> {
        self.host.process.advance(1_000);
        self.tell()
    }

    fn accept(&mut self, body: &str) -> Place {
        let entry = entry(&self.host, &mut self.store, body);
        self.store.accept(&self.host, &entry).unwrap()
    }

    fn fails(&mut self, place: Place) {
        let loaded = self.store.load(&self.host, place).unwrap();
        self.store.fail(&self.host, loaded, failure(), IN_A_ROW).unwrap();
    }

    fn is_delivered(&mut self, place: Place) {
        let loaded = self.store.load(&self.host, place).unwrap();
        self.store.delivered(&self.host, loaded, IN_A_ROW).unwrap();
    }

    /// How often the webhook failed, and whether it is disabled.
    fn failures(&self) -> (u32, bool) {
        let state = self.store.webhook(&self.host, "crm");
        (state.failures, state.disabled.is_some())
    }

    /// The ids that the hash under this key has.
    fn stored(&self, key: &str) -> usize {
        self.redis.hash(key).len()
    }
}

fn failure() -> Failure {
    Failure { at: UnixMillis(1), attempts: 6, status: Some(500), cause: "HTTP 500".into() }
}

fn entry(host: &SimHost, store: &mut Tiers, body: &str) -> Entry {
    let push = Push {
        id: PushId::random(host),
        webhook: "crm".into(),
        op: "data_create".into(),
        form: FormKey { app_id: "a".into(), entry_id: "e".into() },
        record_id: "r".into(),
        accepted: host.now(),
        sequence: store.next_sequence(),
        trace: Vec::new(),
        body: body.into(),
    };
    Entry { push, state: State::Waiting(Progress::default()) }
}

/// The operations of a batch that have this name.
fn ops(sent: &Sent, name: &str) -> Vec<Value> {
    let mut batch: Value = serde_json::from_slice(&sent.body).unwrap();
    let Value::Array(mut ops) = batch["ops"].take() else { panic!("{batch}") };
    ops.retain(|op| op[0] == name);
    ops
}

#[test]
fn what_a_batch_did_not_store_counts_as_stored_no_earlier_than_it_is() {
    let wrong = json!("error WRONGTYPE");
    for said in [
        json!({"error": "forgotten"}),
        json!({"error": "reaped"}),
        json!({"results": [wrong, wrong, wrong]}),
        json!({"results": []}),
        json!({"results": [1, wrong, 1]}),
    ] {
        for is_marked_again in [false, true] {
            let mut worker = worker();
            let places = ["one", "two", "three"].map(|body| worker.accept(body));
            let (held, _) = worker.store.tickets();
            let sent = worker.send().unwrap();
            assert_eq!(ops(&sent, "put").len(), 3);
            if is_marked_again {
                for place in places {
                    let loaded = worker.store.load(&worker.host, place).unwrap();
                    worker.store.wait(&worker.host, loaded, Progress::default()).unwrap();
                }
            }
            worker.accept("four");
            worker.say_json(&sent, said.clone());
            let (_, stored) = worker.store.tickets();
            assert!(stored < held, "{said}: {stored} of {held}, again: {is_marked_again}");
            worker.tell_later();
            let (given, stored) = worker.store.tickets();
            assert_eq!(given, stored, "{said}");
            let gateways = worker.redis.keys("{ns}:waiting:");
            let pushes: usize = gateways.iter().map(|key| worker.stored(key)).sum();
            assert_eq!(pushes, 4, "{said}: all of them are stored");
        }
    }
}

#[test]
fn a_worker_that_had_nothing_to_tell_for_a_day_is_not_forgotten() {
    let mut worker = worker();
    worker.host.process.advance(25 * 3_600_000);
    worker.accept("one");
    let answers = worker.tell();
    assert!(!answers.iter().any(|answer| answer.contains("forgotten")), "{answers:?}");
    assert_eq!(worker.store.tickets(), (1, 1));
}

#[test]
fn what_happens_to_a_webhook_during_an_outage_is_told_as_one() {
    let mut worker = worker();
    let id = PushId::random(&worker.host);
    let (kind, host) = (NoticeKind::CacheFull, &worker.host);
    for _ in 0..1000 {
        worker.store.notice(host, "crm", kind, &id, "no room");
        worker.store.disable(host, "crm", &id, "HTTP 410");
        worker.store.notice(host, "erp", kind, &id, "no room");
    }
    let sent = worker.send().unwrap();
    let notices = [json!(["notice", "crm", 3, 1000]), json!(["notice", "erp", 3, 1000])];
    assert_eq!(ops(&sent, "notice"), notices);
    assert_eq!(ops(&sent, "disable").len(), 1);
    // What came meanwhile goes with what was refused.
    worker.store.notice(&worker.host, "crm", kind, &id, "no room");
    worker.say_json(&sent, json!({"error": "forgotten"}));
    let sent = worker.send().unwrap();
    assert!(ops(&sent, "notice").contains(&json!(["notice", "crm", 3, 1001])));
    worker.answer(&sent);
    let mut told = worker.store.noticed().into_iter().filter_map(|event| match event {
        Event::Changed(changed) => Some(changed),
        _ => None,
    });
    let told = told.find(|changed| changed.changes == [Change::Notice(kind, 1001)]).unwrap();
    assert_eq!(&*told.webhook, "crm");
}

/// These fail, then those arrive, then others fail.
fn fail_twice(worker: &mut Worker, [first, between, second]: [Vec<Place>; 3]) {
    first.into_iter().for_each(|place| worker.fails(place));
    between.into_iter().for_each(|place| worker.is_delivered(place));
    second.into_iter().for_each(|place| worker.fails(place));
}

#[test]
fn failures_that_ended_during_an_outage_disable_nothing() {
    let many = |worker: &mut Worker, count: usize| -> Vec<Place> {
        (0..count).map(|_| worker.accept("")).collect()
    };
    // One after the other.
    let mut worker = worker();
    let first = many(&mut worker, 60);
    first.into_iter().for_each(|place| worker.fails(place));
    let between = worker.accept("");
    worker.is_delivered(between);
    let second = many(&mut worker, 60);
    second.into_iter().for_each(|place| worker.fails(place));
    worker.tell();
    assert_eq!(worker.failures(), (60, false));
    // All at once, of which Redis has heard or not; and what is told fails at first or not.
    for is_known in [false, true] {
        for is_refused in [false, true] {
            let mut worker = self::worker();
            let places = [60, 1, 60].map(|count| many(&mut worker, count));
            if is_known {
                worker.tell();
                for place in places.iter().flatten() {
                    let loaded = worker.store.load(&worker.host, *place).unwrap();
                    worker.store.wait(&worker.host, loaded, Progress::default()).unwrap();
                }
            }
            fail_twice(&mut worker, places);
            if is_refused {
                let sent = worker.send().unwrap();
                worker.say_json(&sent, json!({"error": "forgotten"}));
            }
            worker.tell_later();
            assert_eq!(worker.failures(), (60, false), "known: {is_known}, refused: {is_refused}");
            assert_eq!(worker.store.tickets().0, worker.store.tickets().1);
        }
    }
}

#[test]
fn what_fails_while_a_batch_is_refused_is_told_behind_what_ended_the_failures() {
    let mut worker = worker();
    let places = [60, 1, 60].map(|count| (0..count).map(|_| worker.accept("")).collect());
    let sent = worker.send().unwrap();
    fail_twice(&mut worker, places);
    worker.say_json(&sent, json!({"error": "forgotten"}));
    assert_eq!(worker.store.tickets().1, 0);
    worker.tell();
    assert_eq!(worker.failures(), (60, false));
    assert_eq!(worker.store.tickets(), (242, 242));
}

#[test]
fn a_webhook_without_failures_has_one_end_of_them_to_tell() {
    let mut worker = worker();
    for _ in 0..100 {
        let place = worker.accept("");
        worker.is_delivered(place);
    }
    let place = worker.accept("");
    worker.fails(place);
    for _ in 0..100 {
        let place = worker.accept("");
        worker.is_delivered(place);
    }
    let sent = worker.send().unwrap();
    assert_eq!((ops(&sent, "done").len(), ops(&sent, "fail").len()), (2, 1));
    worker.answer(&sent);
    assert_eq!(worker.failures(), (0, false));
    let place = worker.accept("");
    worker.is_delivered(place);
    assert_eq!(ops(&worker.send().unwrap(), "done").len(), 1);
}

#[test]
fn pushes_for_which_there_is_no_room_are_not_claimed_over_and_over() {
    let redis = Rc::new(SimRedis::new());
    let mut first = worker_of(&Process::new(1), &redis, BOUNDS);
    let body = "x".repeat(300_000);
    for _ in 0..3 {
        first.accept(&body);
    }
    first.tell();
    // Another gateway is too small for one of them.
    let bounds = Bounds { bytes: 200_000, ..BOUNDS };
    let mut second = worker_of(&Process::new(2), &redis, bounds);
    let mut batches = 0;
    for _ in 0..4_000 {
        second.host.process.advance(10);
        while let Some(sent) = second.send() {
            second.answer(&sent);
            batches += 1;
            assert!(batches < 200, "it does not wait between two claims");
        }
    }
    assert!(second.store.survey(&second.host).by_webhook.is_empty());
}

/// A webhook that an admin set while state was in memory alone.
fn set_in_memory(process: &Rc<Process>, id: &str) {
    let set = |additions: &mut Additions| {
        additions.set_webhook(id, "{}".into());
        Ok::<_, ()>(())
    };
    let mut memory = Memory::new("formhook", None, BOUNDS);
    memory.update_additions(&SimHost::new(process), set).unwrap();
}

#[test]
fn what_an_admin_set_goes_to_a_redis_that_knows_nothing_of_it() {
    let (process, redis) = (Process::new(1), Rc::new(SimRedis::new()));
    set_in_memory(&process, "erp");
    let mut worker = worker_of(&process, &redis, BOUNDS);
    let has = |worker: &Worker, id| worker.store.additions(&worker.host).webhook(id).is_some();
    assert!(has(&worker, "erp"), "it was forgotten when Redis came");
    redis.flush_all();
    worker.tell_later();
    worker.tell_later();
    assert!(has(&worker, "erp"), "it was forgotten when Redis forgot it");
    // Another gateway hears of it.
    let mut other = worker_of(&Process::new(2), &redis, BOUNDS);
    assert!(has(&other, "erp"));
    // Who comes with something else learns what the others have.
    let process = Process::new(3);
    set_in_memory(&process, "late");
    let late = worker_of(&process, &redis, BOUNDS);
    assert!(has(&late, "erp") && !has(&late, "late"));
    // Two that come at once with something else: the first sets it.
    redis.flush_all();
    set_in_memory(&other.host.process, "second");
    loop {
        other.host.process.advance(1_000);
        if let Some(sent) = other.send()
            && other.answer(&sent).contains(r#""mark":"""#)
        {
            break;
        }
    }
    worker.tell_later();
    worker.tell_later();
    other.tell();
    assert!(has(&other, "erp") && !has(&other, "second"));
}

#[test]
fn what_an_admin_sets_when_redis_has_forgotten_all_keeps_what_was_set_before() {
    let (process, redis) = (Process::new(1), Rc::new(SimRedis::new()));
    set_in_memory(&process, "erp");
    let mut worker = worker_of(&process, &redis, BOUNDS);
    redis.flush_all();
    for _ in 0..3 {
        let mut set = |additions: &mut Additions| {
            additions.set_webhook("new", "{}".into());
            Ok::<_, ()>(())
        };
        worker.store.set(&worker.host, &mut set).unwrap();
        let mut question = worker.store.take_question(&worker.host, &settings()).unwrap();
        question.send(&worker.host).unwrap();
        let sent = worker.host.sent.take().remove(0);
        let (method, path) = (&sent.headers[":method"], &sent.headers[":path"]);
        let (status, body) = redis.http(method, path, &sent.body, worker.millis());
        worker.host.body.replace(body);
        let reply = Reply::Answer(Answer { status, ..Answer::default() });
        let formhook::store::Turn::Answered(answer) = question.hear(&worker.host, &reply) else {
            panic!("Redis knows the script");
        };
        if !worker.store.answered(&worker.host, question, &answer).unwrap() {
            break;
        }
    }
    let additions = worker.store.additions(&worker.host);
    let ids: Vec<_> = additions.webhooks.iter().map(|(id, _)| &**id).collect();
    assert_eq!(ids, ["erp", "new"]);
    worker.tell_later();
    assert_eq!(worker.store.additions(&worker.host), additions);
}
