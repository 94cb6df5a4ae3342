//! The steps of a push by time, beside the same in the way that comes to mind first.
//!
//! `make bench-core` runs it; criterion's report is in `target/criterion`.

mod cases;
mod naive;
mod world;

use criterion::Criterion;

fn main() {
    naive::check();
    let mut criterion = Criterion::default().configure_from_args();
    let mut measure = |way: &str, cases: &mut dyn Iterator<Item = cases::Case>| {
        for mut case in cases {
            criterion.bench_function(&format!("{} ({way})", case.name), |bencher| {
                bencher.iter(&mut case.run);
            });
        }
    };
    measure("Formhook", &mut cases::all());
    measure("naive", &mut naive::all());
    criterion.final_summary();
}
