//! The pipeline in a simulated gateway: several VMs on one map and a virtual clock, targets that fail
//! in every way a reply can say, VMs that crash between any two steps, new configurations and new
//! code, and everything from one seed.
//!
//! `SEEDS=n` runs so many seeds, `SEED=n` replays one.

/// A struct of numbers that are added up over all seeds.
macro_rules! sums {
    ($(#[$doc:meta])* $name:ident { $($field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $(pub $field: u64,)*
        }

        impl $name {
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

mod admin;
mod batches;
mod call;
mod changes;
mod commands;
mod fleet;
mod host;
mod learning;
mod misses;
mod poller;
mod redis;
mod targets;
mod workers;
mod world;

use fleet::{Fleet, Seen};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Totals, World};

const DEFAULT_SEEDS: u64 = 500;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: must be a whole number")))
}

fn all_seeds() -> u64 {
    number("SEEDS").unwrap_or(DEFAULT_SEEDS)
}

/// Plays so many seeds, or the one that is asked for, on all cores.
fn play<T: Default + Send>(
    seeds: u64,
    play: impl Fn(u64) -> T + Sync,
    add: impl Fn(&mut T, &T) + Sync,
) -> (T, u64) {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..seeds,
    };
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A VM that crashes is part of the play.
            if !info.payload().is::<host::Crash>() {
                hook(info);
            }
        }));
    });
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut totals = T::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return totals;
            }
            match catch_unwind(AssertUnwindSafe(|| play(seed))) {
                Ok(of_seed) => add(&mut totals, &of_seed),
                Err(panic) => {
                    eprintln!("seed {seed} failed; replay it with `make sim SEED={seed}`");
                    next.store(seeds.end, Ordering::Relaxed);
                    std::panic::resume_unwind(panic);
                }
            }
        }
    };
    let mut totals = T::default();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let of_worker = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            add(&mut totals, &of_worker);
        }
    });
    (totals, seeds.end - seeds.start)
}

#[test]
fn every_push_ends_once_whatever_the_targets_do() {
    let (totals, seeds) = play(all_seeds(), |seed| World::new(seed).run(), Totals::add);
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

#[test]
fn no_stored_push_is_lost_whatever_gateways_and_redis_do() {
    let (seen, seeds) = {
        // Each of these takes as long as twenty of the others: gateways ask Redis every second.
        let seeds = (all_seeds() / 20).max(100);
        play(seeds, |seed| Fleet::new(seed).run(), Seen::add)
    };
    let hours = seen.virtual_millis / 3_600_000;
    println!("{seeds} seeds with Redis, {hours} virtual hours: {seen:?}");
    if seeds >= 100 {
        let Seen { delivered, failed, abandoned, crashes, kills, taken_over, .. } = seen;
        let Seen { lost_answers, late_batches, refused, forgotten, form_updates, .. } = seen;
        for seen in [delivered, failed, abandoned, crashes, kills, taken_over, form_updates] {
            assert!(seen > 0, "the simulation is too tame");
        }
        for seen in [lost_answers, late_batches, refused, forgotten] {
            assert!(seen > 0, "Redis is too tame");
        }
    }
}

#[test]
fn what_redis_lost_in_a_crash_is_told_again() {
    let (seen, seeds) = {
        let seeds = (all_seeds() / 20).max(100);
        play(seeds, |seed| Fleet::forgetful(seed).run(), Seen::add)
    };
    println!("{seeds} seeds with a Redis that loses the last two seconds: {seen:?}");
    assert!(seeds < 100 || seen.forgotten > 0 && seen.taken_over > 0, "Redis is too tame");
}
