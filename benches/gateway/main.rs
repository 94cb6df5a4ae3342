//! What Formhook costs a gateway, beside what else a person would do: nothing, Envoy's own mirroring,
//! and a Lua filter. All in one run and in turns, as the machine is shared; so ratios are what counts.
//!
//! `make bench` runs it. It prints tables and whether the aims are met, and writes `build/bench.json` and
//! `build/bench.svg`. `ROUNDS` and `PUSHES` say how much; `OTHER=/path/to/formhook.wasm` has another build of the filter
//! measured beside this one, and `ONLY=cpu` leaves out all but processor time.

#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/support/orders.rs"]
mod orders;

#[path = "../figures.rs"]
mod figures;

mod load;
mod report;
mod runs;
mod servers;
mod setups;

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds by the clock that all processes share.
pub fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    servers::serve_if_asked().await;
    let begin = std::time::Instant::now();
    let mut report = report::Report::default();
    runs::cpu(&mut report).await;
    if std::env::var("ONLY").is_ok_and(|only| only == "cpu") {
        report.finish(begin.elapsed());
        return;
    }
    runs::latency(&mut report).await;
    runs::arrival(&mut report).await;
    runs::isolation(&mut report).await;
    runs::memory(&mut report).await;
    report.finish(begin.elapsed());
}
