//! The measurements.

use super::figures::{median, number, percentile};
use super::load::{Call, WATCHED, as_many_as_go, at_rate};
use super::report::{Report, Row};
use super::servers::Server;
use super::setups::{Kind, formhook, other_module, start};
use crate::support::gateway::Gateway;
use crate::support::wait;
use std::collections::HashMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Fields of a record of about 1 KiB.
const FIELDS: usize = 20;
const BODY: usize = 1024;
const LASTING: Duration = Duration::from_secs(3);

/// Waits until a receiver has got so many pushes more.
async fn wait_for(receiver: &Server, count: u64) {
    wait::until("all pushes", async || (receiver.count().await >= count).then_some(())).await;
}

/// Processor time of the gateway for each call, of every kind in turns: B1 and B2.
pub async fn cpu(report: &mut Report) {
    let (rounds, calls) = (number("ROUNDS", 9), 3_000);
    let platform = Server::start("platform", FIELDS);
    let mut gateways = Vec::new();
    for kind in Kind::all() {
        let receiver = Server::start("receiver", 0);
        let gateway = start(kind, platform.port, receiver.port).await;
        gateways.push((kind, gateway, receiver, Vec::new(), Vec::new()));
    }
    for round in 0..=rounds {
        for turn in 0..gateways.len() {
            let at = (turn + round) % gateways.len();
            let (kind, gateway, receiver, cpu, rate) = &mut gateways[at];
            let (before, count) = (gateway.cpu(), receiver.count().await);
            let speed = as_many_as_go(gateway.address, kind.path(), BODY, calls).await;
            if kind.pushes() {
                wait_for(receiver, count + calls as u64).await;
            }
            // The first round warms up.
            if round > 0 {
                let used = gateway.cpu().saturating_sub(before);
                cpu.push(used.as_secs_f64() * 1e6 / calls as f64);
                rate.push(speed);
            }
        }
    }
    let of = |kind: Kind| &gateways.iter().find(|gateway| gateway.0 == kind).unwrap().3;
    for (kind, _, _, cpu, rate) in &gateways {
        report.row(Row { name: kind.name(), cpu, rate, base: of(Kind::Nothing) });
    }
    // Each round is a pair, as what else the machine does changes.
    let ratio = |a: Kind, b: Kind| {
        let pairs: Vec<f64> = of(a).iter().zip(of(b)).map(|(a, b)| a / b).collect();
        median(pairs)
    };
    report.aim(
        "B1",
        "CPU of a call that is not watched, of one without the filter",
        ratio(Kind::NotWatched, Kind::Nothing),
        1.05,
    );
    report.aim(
        "B2",
        "CPU of a call that is pushed, of one that Envoy mirrors",
        ratio(Kind::Formhook, Kind::Mirror),
        1.5,
    );
    for (what, a, b) in [
        ("CPU of a call that is led past the filter, of one without", Kind::Past, Kind::Nothing),
        ("CPU of a call through an empty Wasm filter, of one without", Kind::Empty, Kind::Nothing),
        ("CPU of a push to a cluster, of a call that Envoy mirrors", Kind::Direct, Kind::Mirror),
        ("CPU of a push to a URL, of one by the Lua filter", Kind::Formhook, Kind::Lua),
        ("CPU of a push to a cluster, of one by the Lua filter", Kind::Direct, Kind::Lua),
    ] {
        report.note(what, ratio(a, b));
    }
    if other_module().is_some() {
        let what = "CPU of a push to a cluster, of one by the other build";
        report.note(what, ratio(Kind::Direct, Kind::OtherDirect));
    }
}

/// How long each call took, the shortest first.
fn millis(calls: &[Call]) -> Vec<f64> {
    sorted(calls.iter().map(|call| (call.ended - call.began) as f64 / 1e6).collect())
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Calls per second that keep the gateway's worker busy for half of the time. That is not half of what it
/// takes at most: a call that comes alone takes more processor time than one of many.
async fn half_load(gateway: &Gateway) -> u64 {
    let mut rate = 500;
    for _ in 0..3 {
        let before = gateway.cpu();
        let began = Instant::now();
        at_rate(gateway.address, WATCHED, rate, LASTING).await;
        let busy = gateway.cpu().saturating_sub(before).div_duration_f64(began.elapsed());
        rate = (rate as f64 * 0.5 / busy) as u64;
    }
    rate
}

/// What a call takes at half of the load that the gateway can take: B3.
pub async fn latency(report: &mut Report) {
    const KINDS: [Kind; 3] = [Kind::Nothing, Kind::Mirror, Kind::Formhook];
    let platform = Server::start("platform", FIELDS);
    let receiver = Server::start("receiver", 0);
    let mut gateways = Vec::new();
    for kind in KINDS {
        gateways.push(start(kind, platform.port, receiver.port).await);
    }
    let rate = half_load(&gateways[KINDS.len() - 1]).await;
    let mut p99 = [const { Vec::new() }; KINDS.len()];
    for round in 0..number("ROUNDS", 9) {
        for turn in 0..KINDS.len() {
            let at = (turn + round) % KINDS.len();
            let took = millis(&at_rate(gateways[at].address, WATCHED, rate, LASTING).await);
            p99[at].push(percentile(&took, 99.0));
        }
    }
    let [without, mirrored, pushed] = p99;
    let ratio = |of: &[f64]| median(of.iter().zip(&without).map(|(a, b)| a / b).collect());
    report.aim(
        "B3",
        &format!("p99 of a call at {rate} calls/s, of one without the filter"),
        ratio(&pushed),
        1.05,
    );
    report.note("the same of a call that Envoy mirrors", ratio(&mirrored));
    report.note("p99 without the filter, ms", median(without));
    report.note("p99 of a call that Envoy mirrors, ms", median(mirrored));
    report.note("p99 with Formhook pushing, ms", median(pushed));
}

/// How long it is from an answer to the arrival of its push, in milliseconds, the shortest first.
async fn arrivals(gateway: &Gateway, receiver: &Server, rate: u64) -> Vec<f64> {
    receiver.times().await;
    let count = receiver.count().await;
    let calls = at_rate(gateway.address, WATCHED, rate, LASTING).await;
    wait_for(receiver, count + calls.len() as u64).await;
    let ended: HashMap<u64, u64> = calls.iter().map(|call| (call.number, call.ended)).collect();
    let times = receiver.times().await;
    let lag = |(number, at): &(u64, u64)| Some(at.saturating_sub(*ended.get(number)?) as f64 / 1e6);
    sorted(times.iter().filter_map(lag).collect())
}

/// From the answer to the arrival: B4.
pub async fn arrival(report: &mut Report) {
    let platform = Server::start("platform", FIELDS);
    let receiver = Server::start("receiver", 0);
    let gateway = start(Kind::Formhook, platform.port, receiver.port).await;
    arrivals(&gateway, &receiver, 200).await;
    for rate in [100, 1_000, 5_000] {
        let lags = arrivals(&gateway, &receiver, rate).await;
        let (p50, p99) = (percentile(&lags, 50.0), percentile(&lags, 99.0));
        report.note(&format!("answer to arrival at {rate} calls/s, p50 ms"), p50);
        report.note(&format!("answer to arrival at {rate} calls/s, p99 ms"), p99);
        if rate == 1_000 {
            report.aim("B4", "answer to arrival at 1000 calls/s: p50, ms", p50, 2.0);
            report.aim("B4", "answer to arrival at 1000 calls/s: p99, ms", p99, 10.0);
        }
    }
}

/// A target that takes connections and never answers.
fn dead_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// What a target does to another when it dies, with 10,000 events behind it: B6. Both gateways have two
/// targets, and one of them is dead.
pub async fn isolation(report: &mut Report) {
    let platform = Server::start("platform", FIELDS);
    let (alone, beside) = (Server::start("receiver", 0), Server::start("receiver", 0));
    let other = Server::start("receiver", 0);
    let (_dead, port) = dead_port();
    let quiet = formhook(platform.port, &[alone.port, other.port]).await;
    let troubled = formhook(platform.port, &[beside.port, port]).await;
    for (gateway, receiver) in [(&quiet, &alone), (&troubled, &beside)] {
        as_many_as_go(gateway.address, WATCHED, BODY, 10_000).await;
        wait_for(receiver, 10_000).await;
    }
    let mut ratios = Vec::new();
    for round in 0..number("ROUNDS", 9) {
        let mut p99 = [0.0; 2];
        for turn in 0..2 {
            let at = (turn + round) % 2;
            let (gateway, receiver) = if at == 0 { (&quiet, &alone) } else { (&troubled, &beside) };
            p99[at] = percentile(&arrivals(gateway, receiver, 500).await, 99.0);
        }
        ratios.push(p99[1] / p99[0]);
    }
    report.aim(
        "B6",
        "p99 of arrival beside a dead target with 10,000 events behind, of that beside a living one",
        median(ratios),
        1.1,
    );
}

/// Whether memory stays as it is, and what waiting pushes take: B5.
pub async fn memory(report: &mut Report) {
    let platform = Server::start("platform", FIELDS);
    let receiver = Server::start("receiver", 0);
    let gateway = start(Kind::Formhook, platform.port, receiver.port).await;
    let pushes = number("PUSHES", 1_000_000);
    let mib = |gateway: &Gateway| gateway.resident_bytes() as f64 / (1024.0 * 1024.0);
    let mut resident = Vec::new();
    for part in 1..=10 {
        as_many_as_go(gateway.address, WATCHED, BODY, pushes / 10).await;
        wait_for(&receiver, (part * (pushes / 10)) as u64).await;
        receiver.times().await;
        resident.push(mib(&gateway));
    }
    report.memory = resident.clone();
    // The history is full after the first tenth.
    report.aim(
        "B5",
        &format!("resident memory after {pushes} pushes, of that after a fifth"),
        resident[9] / resident[1],
        1.05,
    );
    let wasm =
        std::fs::metadata(crate::support::gateway::root().join("build/formhook.wasm")).unwrap();
    report.aim("B5", "size of the module, KiB", wasm.len() as f64 / 1024.0, 500.0);
    for (fields, waiting) in [(4, 1_000), (20, 1_000), (20, 10_000), (200, 1_000), (2_000, 1_000)] {
        let platform = Server::start("platform", fields);
        let (_dead, port) = dead_port();
        let gateway = formhook(platform.port, &[port]).await;
        as_many_as_go(gateway.address, WATCHED, BODY, 100).await;
        let before = allocated_kib(&gateway).await;
        as_many_as_go(gateway.address, WATCHED, BODY, waiting).await;
        let each = (allocated_kib(&gateway).await - before) / waiting as f64;
        let body = (200 + fields * 46) as f64 / 1024.0;
        report.note(
            &format!("memory of each of {waiting} waiting pushes of {body:.1} KiB, KiB"),
            each,
        );
    }
}

/// What Envoy has allocated, shared data included, whatever more it holds of the system's memory.
async fn allocated_kib(gateway: &Gateway) -> f64 {
    let page: serde_json::Value = serde_json::from_str(&gateway.stats("/memory").await).unwrap();
    page["allocated"].as_str().unwrap().parse::<f64>().unwrap() / 1024.0
}
