//! What the script does in Redis.

use super::SimRedis;
use serde_json::{Value, json};
use std::cell::Cell;

const SCRIPT: &str = include_str!("../../../src/store/redis/script.lua");
const LEASE: u64 = 10_000;
const RETENTION: u64 = 3_600_000;

struct Bench {
    redis: SimRedis,
    sha: String,
    now: Cell<u64>,
}

impl Bench {
    fn new() -> Self {
        let bench =
            Bench { redis: SimRedis::new(), sha: String::new(), now: Cell::new(1_700_000_000_000) };
        let sha = bench.put("/SCRIPT/LOAD.raw", SCRIPT.as_bytes());
        let sha = sha.strip_prefix("$40\r\n").unwrap().trim_end().to_owned();
        Bench { sha, ..bench }
    }

    fn put(&self, path: &str, body: &[u8]) -> String {
        let (status, answer) = self.redis.http("PUT", path, body, self.now.get());
        assert_eq!(status, 200);
        String::from_utf8(answer).unwrap()
    }

    /// The raw answer to the batch of a gateway's session, which may be named behind it: `g1/b`.
    fn send(&self, session: &str, number: u64, ops: &Value) -> String {
        let gateway = session.split('/').next();
        let batch = json!({
            "gateway": gateway, "session": session, "number": number, "lease": LEASE,
            "retention": RETENTION, "max_failed": 3, "ops": ops,
        });
        self.put(&format!("/EVALSHA/{}/1/%7Bns%7D.raw", self.sha), batch.to_string().as_bytes())
    }

    fn answer(&self, gateway: &str, number: u64, ops: &Value) -> Value {
        let answer = self.send(gateway, number, ops);
        let (_, json) = answer.split_once("\r\n").unwrap_or_else(|| panic!("{answer}"));
        let mut answer: Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{answer}"));
        let now = answer.as_object_mut().and_then(|answer| answer.remove("now"));
        let now = now.and_then(|now| now.as_str()?.parse::<u64>().ok());
        assert!(now.is_some_and(|now| now <= self.now.get()), "{now:?}: {answer}");
        answer
    }

    fn results(&self, gateway: &str, number: u64, ops: &Value) -> Value {
        self.answer(gateway, number, ops)["results"].take()
    }

    fn fields(&self, key: &str) -> Vec<String> {
        let fields = self.redis.hash(key).into_iter();
        fields.map(|(field, _)| String::from_utf8(field).unwrap()).collect()
    }
}

/// A push fails that was stored nowhere.
fn fail(id: &str, limit: u64) -> Value {
    json!(["fail", id, "crm", format!("push {id}"), 0, limit, "HTTP 500"])
}

#[test]
fn a_batch_that_comes_twice_is_done_once_and_answered_alike() {
    let bench = Bench::new();
    let first = bench.send("g1", 1, &json!([fail("a", 100), ["restart", "erp"]]));
    let before = (bench.redis.hash("{ns}:webhook:crm"), bench.redis.hash("{ns}:failed"));
    bench.now.set(bench.now.get() + 60_000);
    assert_eq!(bench.send("g1", 1, &json!([fail("a", 100), ["restart", "erp"]])), first);
    assert_eq!(before, (bench.redis.hash("{ns}:webhook:crm"), bench.redis.hash("{ns}:failed")));
}

#[test]
fn a_batch_that_was_overtaken_changes_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.results("g1", 1, &json!([["put", "a", "x"]])), json!([1]));
    assert_eq!(bench.results("g1", 2, &json!([["put", "b", "x"]])), json!([1]));
    assert_eq!(bench.answer("g1", 1, &json!([["discard", "b"]])), json!({"error": "late"}));
    assert_eq!(bench.fields("{ns}:waiting:g1"), ["a", "b"]);
}

#[test]
fn a_batch_after_what_redis_lost_is_refused() {
    let bench = Bench::new();
    bench.answer("g1", 1, &json!([["put", "a", "x"]]));
    let before = bench.redis.snapshot();
    bench.answer("g1", 2, &json!([["done", "a", "crm", 1]]));
    bench.redis.restore(&before);
    assert_eq!(bench.fields("{ns}:waiting:g1"), ["a"]);
    assert_eq!(bench.answer("g1", 3, &json!([["put", "b", "x"]])), json!({"error": "forgotten"}));
    assert_eq!(bench.answer("g1", 2, &json!([["put", "b", "x"]]))["results"], json!([1]));
    bench.redis.flush_all();
    assert!(bench.redis.keys("").is_empty());
    assert_eq!(bench.answer("g1", 3, &json!([])), json!({"error": "forgotten"}));
}

#[test]
fn failures_are_counted_exactly_and_disable_a_webhook_once() {
    let bench = Bench::new();
    let mut disabled = Vec::new();
    for count in 1..=12 {
        // Two gateways count together, and one batch came twice.
        let (gateway, number) = (["g1", "g2"][count % 2], (count as u64).div_ceil(2));
        let ops = json!([fail(&count.to_string(), 10)]);
        bench.answer(gateway, number, &ops);
        let state = bench.results(gateway, number, &ops)[0].take();
        assert_eq!(state[0], count);
        if state[5] == 1 {
            disabled.push((count, state[2].clone()));
        }
        let warns = [50, 70, 90].into_iter().find(|percent| *percent == count * 10);
        assert_eq!(state[4], warns.unwrap_or(0));
    }
    assert_eq!(disabled, [(10, "HTTP 500".into())]);
    let state = bench.results("g1", 7, &json!([["restart", "crm"]]))[0].take();
    assert_eq!((&state[0], &state[5]), (&json!(0), &json!(1)));
}

#[test]
fn a_push_that_two_gateways_have_is_counted_once() {
    let bench = Bench::new();
    for gateway in ["g1", "g2"] {
        bench.answer(gateway, 1, &json!([["put", "a", "push"]]));
    }
    let fails = json!([["fail", "a", "crm", "push", 1, 100, "HTTP 500"]]);
    assert_eq!(bench.results("g1", 2, &fails)[0][0], 1);
    assert_eq!(bench.results("g2", 2, &fails), json!([0]));
    assert!(bench.redis.keys("{ns}:waiting:").is_empty());
    assert_eq!(bench.fields("{ns}:failed"), ["a"]);
}

#[test]
fn a_push_that_is_retried_comes_whole_to_whoever_claims_it() {
    let bench = Bench::new();
    let push = "{\"a\":\"\\u0000/\u{0}\n\u{7f}é\u{1f600}\"}\n\\";
    let ops = json!([["put", "a", push], ["fail", "a", "crm", push, 1, 100, "HTTP 500"]]);
    bench.answer("g1", 1, &ops);
    assert_eq!(bench.results("g1", 2, &json!([["failed_one", "a"]])), json!([push]));
    assert_eq!(bench.results("g1", 3, &json!([["retry", ["a", "b"], null, 0]])), json!([[1, 0]]));
    assert!(bench.fields("{ns}:failed").is_empty());
    assert!(bench.redis.keys("{ns}:failed_index").is_empty());
    let claim = json!([["held"], ["claim", 10, 100_000, 1]]);
    assert_eq!(bench.results("g2", 1, &claim), json!([{}, [["a", push]]]));
    assert_eq!(bench.results("g1", 4, &claim), json!([{}, {}]));
    assert_eq!(bench.fields("{ns}:waiting:g2"), ["a"]);
}

#[test]
fn a_foreign_value_makes_only_what_meets_it_an_error() {
    let bench = Bench::new();
    bench.redis.set_string("{ns}:waiting:g1", b"foreign");
    let ops = json!([["put", "a", "x"], ["set_additions", "", "mark", "blob"], ["nonsense"]]);
    let results = bench.results("g1", 1, &ops);
    let wrong = "error WRONGTYPE Operation against a key holding the wrong kind of value \
                 (HSET {ns}:waiting:g1)";
    assert_eq!(results, json!([wrong, 1, "error attempt to call a nil value"]));
    bench.redis.set_string("{ns}:failed_count", b"foreign");
    let news = bench.results("g1", 2, &json!([["poll", 0, "", 0, 0]]))[0].take();
    assert_eq!(news["additions"], "blob");
    assert!(news["error"].as_str().unwrap().ends_with("(HGETALL {ns}:failed_count)"), "{news}");
}

#[test]
fn what_a_gateway_had_is_claimed_when_its_lease_is_over_and_it_is_told() {
    let bench = Bench::new();
    bench.answer("g1", 1, &json!([["put", "a", "x"], ["put", "b", "y"], ["put", "c", "z"]]));
    bench.now.set(bench.now.get() + LEASE);
    let claim = json!([["claim", 2, 100_000, 1]]);
    assert_eq!(
        bench.results("g2", 1, &json!([["held"], ["claim", 2, 100_000, 1]])),
        json!([{}, {}])
    );
    bench.now.set(bench.now.get() + 1);
    // Who may not judge leases does not.
    assert_eq!(bench.results("g2", 2, &json!([["claim", 2, 100_000, 0]])), json!([{}]));
    assert_eq!(bench.results("g2", 3, &claim)[0].as_array().unwrap().len(), 2);
    let put = json!([["put", "d", "x"]]);
    assert_eq!(bench.answer("g1", 2, &put), json!({"error": "reaped"}));
    assert_eq!(bench.results("g2", 4, &claim)[0].as_array().unwrap().len(), 1);
    assert_eq!(bench.fields("{ns}:waiting:g2"), ["a", "b", "c"]);
    assert!(!bench.redis.keys("").contains(&"{ns}:orphaned".to_owned()));
    // After a day nobody asks any more.
    bench.now.set(bench.now.get() + 90_000_000);
    bench.answer("g2", 5, &claim);
    assert_ne!(bench.answer("g1", 2, &put), json!({"error": "reaped"}));
}

#[test]
fn a_late_claim_of_who_no_longer_speaks_for_the_gateway_takes_nothing() {
    let bench = Bench::new();
    let ops = json!([["held"], fail("a", 100), ["retry", ["a"], null, 0]]);
    bench.answer("g1/first", 1, &ops);
    let claim = json!([["claim", 10, 100_000, 1]]);
    assert_eq!(bench.results("g1/second", 1, &json!([["held"]])), json!([{}]));
    assert_eq!(bench.results("g1/first", 2, &claim), json!([0]));
    assert_eq!(bench.fields("{ns}:waiting:"), ["a"]);
    assert_eq!(bench.results("g1/second", 2, &claim), json!([[["a", "push a"]]]));
    // It does speak again, and sees what was claimed meanwhile.
    let again = json!([["held"], ["claim", 10, 100_000, 1]]);
    assert_eq!(bench.results("g1/first", 3, &again), json!([["a"], {}]));
}

#[test]
fn the_history_comes_in_pages_newest_first() {
    let bench = Bench::new();
    let number = Cell::new(0);
    let ask = |ops: Value| {
        number.set(number.get() + 1);
        bench.results("g1", number.get(), &ops)[0].take()
    };
    for at in 0..10_usize {
        bench.now.set(bench.now.get() + at as u64 % 2);
        let (hook, result) = (["crm", "erp"][at % 2], ["s", "f"][at % 3 % 2]);
        let found_by = format!("data_create\napp\nform\nr{}", at % 5);
        let record = json!(["record", at, hook, result, found_by, at.to_string()]);
        // Its number says that it is there already.
        ask(json!([record, record]));
    }
    // The pages, as the records in each.
    let all = |hook: Value, result: &str, found_by: [&str; 4], looks: u64| {
        let (mut cursor, mut pages) = (json!(""), Vec::new());
        loop {
            let page = ask(json!([["history", hook, result, found_by, 0, 0, cursor, 3, looks]]));
            let records = page[0].as_array().into_iter().flatten();
            pages.push(records.filter_map(|record| record[1].as_str()).collect::<String>());
            cursor = page[1].clone();
            if cursor == "" {
                return pages.join(" ");
            }
        }
    };
    assert_eq!(all(Value::Null, "", [""; 4], 500), "987 654 321 0");
    assert_eq!(all(json!("crm"), "", [""; 4], 500), "864 20");
    assert_eq!(all(Value::Null, "f", [""; 4], 500), "741");
    assert_eq!(all(json!("erp"), "s", [""; 4], 500), "953");
    assert_eq!(all(Value::Null, "", ["", "", "", "r4"], 500), "94");
    assert_eq!(all(json!("erp"), "", ["data_create", "", "", "r4"], 500), "9");
    assert_eq!(all(Value::Null, "", ["data_delete", "", "", ""], 500), "");
    assert_eq!(all(Value::Null, "", ["", "app", "form", ""], 500), "987 654 321 0");
    assert_eq!(all(Value::Null, "s", ["data_create", "", "", ""], 500), "986 532 0");
    assert_eq!(all(Value::Null, "", ["", "app", "other", ""], 500), "");
    // A look at four records at a time.
    assert_eq!(all(json!("erp"), "", ["", "", "other", ""], 4), " ");
    let now = bench.now.get();
    let range = |from: u64, to: u64| {
        let page = ask(json!([["history", null, "", ["", "", "", ""], from, to, "", 10, 500]]));
        page[0].as_array().map_or(0, Vec::len)
    };
    assert_eq!((range(now, 0), range(0, now), range(now - 1, now)), (1, 9, 2));
    // What nothing is added to goes, too.
    bench.now.set(now + RETENTION);
    assert_eq!(all(Value::Null, "", [""; 4], 500), "");
    assert_eq!(bench.redis.keys("{ns}:history"), [""; 0]);
}

#[test]
fn misses_have_a_bound_of_their_own_and_stand_among_the_pushes_by_their_time() {
    let bench = Bench::new();
    let number = Cell::new(0);
    let ask = |ops: Value| {
        number.set(number.get() + 1);
        bench.results("g1", number.get(), &ops)
    };
    let push =
        |at: u64| json!(["record", at, "crm", "s", "data_create\napp\nform\nr1", format!("p{at}")]);
    let miss = |at: u64| json!(["miss", at, "data_update\napp\nform\nr2", format!("m{at}")]);
    let page = |hook: Value, result: &str, found_by: [&str; 4], cursor: &Value, looks: u64| {
        let limit = 4;
        ask(json!([["history", hook, result, found_by, 0, 0, cursor, limit, looks]]))[0].take()
    };
    let all = |hook: Value, result: &str, found_by: [&str; 4], looks: u64| {
        let (mut cursor, mut found) = (json!(""), Vec::new());
        loop {
            let page = page(hook.clone(), result, found_by, &cursor, looks);
            for record in page[0].as_array().into_iter().flatten() {
                let (reference, record) =
                    (record[0].clone(), record[1].as_str().unwrap().to_owned());
                // It is found again by its reference.
                assert_eq!(ask(json!([["history_one", reference]]))[0], *record);
                found.push(record);
            }
            assert!(page[1] == "" || page[1] != cursor, "a page leads on");
            cursor = page[1].clone();
            if cursor == "" {
                return found.join(" ");
            }
        }
    };
    for at in 0..6 {
        bench.now.set(bench.now.get() + at % 2);
        // Their numbers say of those that come twice that they are there already.
        ask(json!([push(at), miss(at), push(at), miss(at)]));
    }
    let merged = "p5 m5 p4 m4 p3 m3 p2 m2 p1 m1 p0 m0";
    let by_time = |found: String| {
        let mut parts: Vec<String> = found.split(' ').map(str::to_owned).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part[1..].to_owned()));
        parts.join(" ")
    };
    for looks in [500, 5, 2] {
        let found = all(Value::Null, "", [""; 4], looks);
        assert_eq!(by_time(found.replace('m', "p")), by_time(merged.replace('m', "p")), "{looks}");
    }
    assert_eq!(all(json!(""), "", [""; 4], 500), "m5 m4 m3 m2 m1 m0");
    assert_eq!(all(Value::Null, "f", [""; 4], 500), "m5 m4 m3 m2 m1 m0");
    assert_eq!(all(Value::Null, "s", [""; 4], 500), "p5 p4 p3 p2 p1 p0");
    assert_eq!(all(Value::Null, "", ["", "", "", "r2"], 500), "m5 m4 m3 m2 m1 m0");
    assert_eq!(all(Value::Null, "", ["data_create", "", "", ""], 500), "p5 p4 p3 p2 p1 p0");
    // What comes between two pages displaces nothing.
    let first = page(Value::Null, "", [""; 4], &json!(""), 500);
    ask(json!([push(6), miss(6)]));
    let second = page(Value::Null, "", [""; 4], &first[1], 500);
    let texts = [&first, &second].map(|page| {
        let records = page[0].as_array().unwrap().iter();
        records.map(|record| record[1].as_str().unwrap()).collect::<Vec<_>>()
    });
    let both: std::collections::HashSet<_> = texts.iter().flatten().collect();
    assert_eq!(both.len(), 8, "{texts:?}");
    // Tens of thousands of them.
    for from in (7..30_000).step_by(1000) {
        ask(Value::Array((from..from + 1000).map(miss).collect()));
    }
    assert_eq!(all(Value::Null, "s", [""; 4], 500), "p6 p5 p4 p3 p2 p1 p0");
    assert_eq!(bench.redis.stream_length("{ns}:misses"), 10_000);
    assert_eq!(all(Value::Null, "", ["data_create", "", "", ""], 500), "p6 p5 p4 p3 p2 p1 p0");
    bench.now.set(bench.now.get() + RETENTION);
    assert_eq!(all(Value::Null, "", [""; 4], 500), "");
}

#[test]
fn the_failed_cache_drops_its_oldest() {
    let bench = Bench::new();
    for (number, id) in (1..).zip(["d", "c", "b"]) {
        bench.now.set(bench.now.get() + 1);
        let answer = bench.answer("g1", number, &json!([fail(id, 100)]));
        assert_eq!(answer["dropped"], json!({}));
    }
    bench.now.set(bench.now.get() + 1);
    let answer = bench.answer("g1", 4, &json!([fail("a", 100), fail("e", 100)]));
    assert_eq!(answer["dropped"], json!(["push d", "push c"]));
    assert_eq!(bench.fields("{ns}:failed"), ["a", "b", "e"]);
    let page = bench.results("g1", 5, &json!([["failed", "crm", "", 2]]))[0].take();
    assert_eq!(page[0], json!(["push b", "push a"]));
    let page = bench.results("g1", 6, &json!([["failed", "crm", page[1], 2]]))[0].take();
    assert_eq!(page, json!([["push e"], ""]));
    let poll = bench.results("g1", 7, &json!([["poll", 0, "", 0, 0]]))[0].take();
    assert_eq!((&poll["failed"], poll["failed_bytes"].as_u64()), (&json!([["crm", 3]]), Some(84)));
    let given_up = bench.results("g1", 8, &json!([["abandon", null, "crm", 3]]));
    assert_eq!(given_up, json!([[["push b", "push a", "push e"], 1]]));
    assert_eq!(bench.results("g1", 9, &json!([["poll", 0, "", 0, 0]]))[0]["failed_bytes"], 0);
}

#[test]
fn a_batch_that_redis_refuses_does_nothing_and_is_done_when_it_comes_again() {
    let bench = Bench::new();
    bench.answer("g1", 1, &json!([["put", "a", "x"]]));
    for error in ["OOM command not allowed.", "READONLY You can't write."] {
        bench.redis.refuse(Some(error));
        let answer = bench.send("g1", 2, &json!([["put", "b", "x"]]));
        assert!(answer.starts_with(&format!("-{error}")), "{answer}");
        assert_eq!(bench.fields("{ns}:waiting:g1"), ["a"]);
    }
    bench.redis.refuse(None);
    assert_eq!(bench.results("g1", 2, &json!([["put", "b", "x"]])), json!([1]));
}

#[test]
fn only_a_script_that_is_loaded_runs_and_nothing_else_does() {
    let bench = Bench::new();
    bench.redis.forget_scripts();
    let no_script = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    assert_eq!(bench.send("g1", 1, &json!([])), no_script);
    let sha = bench.put("/SCRIPT/LOAD.raw", SCRIPT.as_bytes());
    assert_eq!(sha, format!("$40\r\n{}\r\n", bench.sha));
    let now = bench.now.get();
    let answer = format!(r#"{{"dropped":{{}},"now":"{now}","results":{{}}}}"#);
    let answer = format!("${}\r\n{answer}\r\n", answer.len());
    assert_eq!(bench.send("g1", 1, &json!([])), answer);
    let error = bench.put(&format!("/EVALSHA/{}/1/ns.raw", bench.sha), b"{\"ops\":");
    assert!(error.starts_with("-ERR user_script:"), "{error}");
    assert!(bench.put("/SCRIPT/LOAD.raw", b"return ]").starts_with("-ERR Error compiling script"));
    for (method, path) in [("PUT", "/EVAL.raw"), ("GET", "/SCRIPT/LOAD.raw"), ("PUT", "/INFO")] {
        assert_eq!(bench.redis.http(method, path, b"", 0), (403, Vec::new()));
    }
}

#[test]
fn what_is_learned_of_a_form_is_compared_with_what_is_known() {
    let bench = Bench::new();
    let learn = |seen: u64, text: &str, age: u64| {
        let asked = bench.now.get() - age;
        json!([["learn", "a\ne", seen, text, asked, u8::from(seen > 0)]])
    };
    let result = |number, ops: &Value| bench.results("g1", number, ops)[0].take();
    assert_eq!(result(1, &learn(0, "one", 5)), json!([1]));
    bench.now.set(bench.now.get() + 100);
    let known = format!("1 {} one", bench.now.get() - 100);
    // Who has not seen it is told what it is.
    assert_eq!(result(2, &learn(0, "two", 5)), json!([1, known]));
    // What was asked for before it was known is old.
    assert_eq!(result(3, &learn(1, "two", 100)), 0);
    assert_eq!(result(4, &learn(1, "two", 99)), json!([2]));
    let poll = |number, since: u64| result(number, &json!([["poll", 0, "", since, 0]]));
    let known = format!("2 {} two", bench.now.get());
    let answer = poll(5, 1);
    assert_eq!(
        (&answer["forms_version"], &answer["forms"]),
        (&json!(2), &json!([["a\ne", known]]))
    );
    assert_eq!(poll(6, 2)["forms"], json!({}));
    // Who knows more than Redis is told all that it has.
    assert_eq!(poll(7, 9)["forms"], json!([["a\ne", known]]));
    // 500 forms and 4 MiB.
    let many: Vec<_> =
        (0..600).map(|n| json!(["learn", format!("a\n{n}"), 0, "x", 0, 0])).collect();
    bench.now.set(bench.now.get() + 1);
    bench.answer("g1", 8, &json!(many));
    assert_eq!(bench.fields("{ns}:forms").len(), 500);
    let large = "x".repeat(512 * 1024);
    bench.now.set(bench.now.get() + 1);
    let many: Vec<_> = (0..9)
        .map(|n| json!(["learn", format!("a\n{n}"), n + 3, large, bench.now.get(), 1]))
        .collect();
    let results = bench.results("g1", 9, &json!(many));
    let learned = results.as_array().unwrap().iter().filter(|result| result.is_array()).count();
    assert_eq!(learned, 7);
}

#[test]
fn one_gateway_asks_the_platform_until_it_is_silent() {
    let bench = Bench::new();
    let asks = |gateway: &str, number, lease: u64| {
        let answer = bench.results(gateway, number, &json!([["poll", 0, "", 0, lease]]));
        answer[0]["asks"] == 1
    };
    assert!(!asks("g1", 1, 0));
    assert!(asks("g1", 2, LEASE));
    assert!(!asks("g2", 1, LEASE));
    bench.now.set(bench.now.get() + LEASE - 1);
    assert!(asks("g1", 3, LEASE));
    bench.now.set(bench.now.get() + LEASE - 1);
    assert!(!asks("g2", 2, LEASE));
    bench.now.set(bench.now.get() + 1);
    assert!(asks("g2", 3, LEASE) && !asks("g1", 4, LEASE));
}

/// A push of which two are as much as an answer has.
fn large_push() -> String {
    "x".repeat(900_000)
}

/// The failed cache has three large pushes; the next batch is the fourth.
fn bench_with_large_failures() -> Bench {
    let bench = Bench::new();
    for (number, id) in (1..).zip(["a", "b", "c"]) {
        bench.now.set(bench.now.get() + 1);
        bench.answer("g1", number, &json!([["fail", id, "crm", large_push(), 0, 100, "x"]]));
    }
    bench
}

#[test]
fn a_page_of_the_failed_cache_has_no_more_than_a_gateway_reads() {
    let bench = bench_with_large_failures();
    let page = |number, cursor: &Value| {
        bench.results("g1", number, &json!([["failed", "crm", cursor, 3]]))[0].take()
    };
    let first = page(4, &json!(""));
    assert_eq!(first[0].as_array().unwrap().len(), 2);
    assert!(page(5, &first[1]) == json!([[large_push()], ""]));
}

#[test]
fn what_is_given_up_comes_in_parts_that_a_gateway_reads() {
    let selections = [(Value::Null, json!("crm")), (json!(["a", "b", "c"]), Value::Null)];
    for (ids, hook) in selections {
        let bench = bench_with_large_failures();
        let abandon = json!([["abandon", ids, hook, 1000]]);
        let given_up = bench.results("g1", 4, &abandon)[0].take();
        assert_eq!((given_up[0].as_array().unwrap().len(), &given_up[1]), (2, &json!(1)));
        assert_eq!(bench.fields("{ns}:failed"), ["c"]);
        assert!(bench.results("g1", 5, &abandon) == json!([[[large_push()], 0]]));
    }
}

#[test]
fn what_there_is_no_room_for_is_dropped_in_parts_that_a_gateway_reads() {
    let bench = bench_with_large_failures();
    let answer = bench.answer("g1", 4, &json!([fail("d", 100), fail("e", 100), fail("f", 100)]));
    assert_eq!(answer["dropped"].as_array().unwrap().len(), 2);
    assert_eq!(bench.fields("{ns}:failed"), ["c", "d", "e", "f"]);
    let answer = bench.answer("g1", 5, &json!([fail("g", 100)]));
    assert!(answer["dropped"] == json!([large_push(), "push d"]));
}

#[test]
fn pushes_come_to_a_gateway_in_parts_that_it_reads() {
    let bench = Bench::new();
    for (number, id) in (1..).zip(["a", "b", "c"]) {
        bench.answer("g1", number, &json!([["put", id, large_push()]]));
    }
    let reclaim = json!([["reclaim", ["a", "b"]], ["reclaim", ["c", "none"]]]);
    let two = json!([["a", large_push()], ["b", large_push()]]);
    // It is said that there is more.
    assert!(bench.results("g1", 4, &reclaim) == json!([two, [0]]));
    bench.now.set(bench.now.get() + LEASE + 1);
    let claim = json!([["held"], ["claim", 10, 100_000_000, 1]]);
    assert_eq!(bench.results("g2", 1, &claim)[1].as_array().unwrap().len(), 2);
    assert_eq!(bench.results("g2", 2, &claim)[1].as_array().unwrap().len(), 1);
}

#[test]
fn a_clock_that_is_set_back_silences_nothing_and_makes_no_answer_old() {
    let bench = Bench::new();
    let notice = json!([["notice", "crm", 3, 2]]);
    assert_eq!(bench.results("g1", 1, &notice), json!([2]));
    assert_eq!(bench.results("g1", 2, &notice), json!([0]));
    bench.answer("g1", 3, &json!([["learn", "a\ne", 0, "one", 0, 0]]));
    bench.now.set(bench.now.get() - 86_400_000);
    assert_eq!(bench.results("g1", 4, &notice), json!([4]));
    assert_eq!(bench.results("g1", 5, &notice), json!([0]));
    assert_eq!(
        bench.results("g1", 6, &json!([["learn", "a\ne", 1, "two", bench.now.get(), 1]])),
        json!([[2]])
    );
    bench.now.set(bench.now.get() + 60_000);
    let held = bench.results("g1", 7, &json!([["poll", 0, "", 0, 0]]))[0]["notices"].take();
    assert_eq!(held, json!([["crm", 3, 2]]));
}
