//! The pipeline in a simulated gateway: several VMs on one map and a virtual clock, targets that fail
//! in every way a reply can say, VMs that crash between any two steps, new configurations and new
//! code, and everything from one seed.
//!
//! `SEEDS=n` runs so many seeds, `SEED=n` replays one.

mod admin;
mod commands;
mod host;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Totals, World};

const DEFAULT_SEEDS: u64 = 500;

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
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // A VM that crashes is part of the play.
        if !info.payload().is::<host::Crash>() {
            hook(info);
        }
    }));
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut totals = Totals::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return totals;
            }
            match catch_unwind(AssertUnwindSafe(|| World::new(seed).run())) {
                Ok(of_seed) => totals.add(&of_seed),
                Err(panic) => {
                    eprintln!("seed {seed} failed; replay it with `make sim SEED={seed}`");
                    next.store(seeds.end, Ordering::Relaxed);
                    std::panic::resume_unwind(panic);
                }
            }
        }
    };
    let mut totals = Totals::default();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            totals.add(&worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    let seeds = seeds.end - seeds.start;
    let hours = totals.virtual_millis / 3_600_000;
    println!("{seeds} seeds, {hours} virtual hours: {totals:?}");
    if seeds >= DEFAULT_SEEDS {
        // Every kind of end was really seen.
        let Totals { delivered, failed, dropped, abandoned, crashes, updates, .. } = totals;
        for seen in [delivered, failed, dropped, abandoned, crashes, updates] {
            assert!(seen > 0, "the simulation is too tame");
        }
    }
}
