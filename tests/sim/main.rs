//! The pipeline in a simulated gateway: a virtual clock, targets that fail in every way a reply
//! can say, and everything from one seed.
//!
//! `SEEDS=n` runs so many seeds, `SEED=n` replays one.

mod host;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Totals, World};

const DEFAULT_SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: must be a whole number")))
}

#[test]
fn every_push_ends_once_whatever_the_targets_do() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(DEFAULT_SEEDS),
    };
    let mut totals = Totals::default();
    for seed in seeds.clone() {
        match catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
            Ok(of_seed) => totals.add(&of_seed),
            Err(panic) => {
                eprintln!("seed {seed} failed; replay it with SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    let Totals { calls, pushes, attempts, delivered, failed, dropped, virtual_millis } = totals;
    println!(
        "{} seeds, {} virtual hours: {calls} calls, {pushes} pushes, {attempts} attempts; {delivered} delivered, {failed} failed, {dropped} dropped",
        seeds.end - seeds.start,
        virtual_millis / 3_600_000,
    );
    if seeds.end - seeds.start >= DEFAULT_SEEDS {
        // Every kind of end was really seen.
        assert!(delivered > 0 && failed > 0 && dropped > 0);
    }
}
