//! The steps of a push by instructions, counted by Valgrind: a figure that neither the machine's speed nor
//! what else it does can change, so that a slow-down shows in a test.
//!
//! `make instructions` compares with `benches/instructions/counts.json`, and fails where a step takes more.
//! `make instructions WRITE=1` writes the file anew; its difference belongs into the change that makes it.
//! Before that it counts the documents of [`worst`], and fails where one costs too much for its size.

#[path = "../core/cases.rs"]
mod cases;

#[path = "../core/world.rs"]
mod world;

mod worst;

use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;

/// Names the case that a process under Valgrind is to run.
const CASE: &str = "FORMHOOK_CASE";

/// What a step may take of what it took: another compiler makes other code.
const SAME_COMPILER: f64 = 1.05;
const OTHER_COMPILER: f64 = 1.25;

/// The first runs fill what is filled once.
const WARM_UP: u64 = 20;
const RUNS: u64 = 50;

/// Valgrind counts in here.
#[inline(never)]
fn measured(run: &mut dyn FnMut()) {
    for _ in 0..RUNS {
        run();
    }
}

/// The same for what takes long.
#[inline(never)]
fn measured_once(run: &mut dyn FnMut()) {
    run();
}

fn run(name: &str) {
    if name.starts_with("worst/") {
        return measured_once(&mut worst::case(name));
    }
    let mut case = cases::all().find(|case| case.name == name).unwrap();
    (0..WARM_UP).for_each(|_| (case.run)());
    measured(&mut case.run);
}

/// Instructions of all runs.
fn count(name: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counts");
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no"])
        .arg("--toggle-collect=*instructions::measured*")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe().unwrap())
        .env(CASE, name)
        .output()
        .expect("valgrind is needed: apt-get install valgrind");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let counts = std::fs::read_to_string(file).unwrap();
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total.unwrap().trim().parse().unwrap();
    assert!(total > 0, "{name}: nothing was counted");
    total
}

/// Counts the documents that cost the most, beside the ordinary one. Those that cost too much.
fn worst() -> Vec<String> {
    println!("{:<46} {:>14} {:>7}", "a document of 250 kB", "instructions", "ratio");
    let mut ordinary = f64::NAN;
    let mut too_much = Vec::new();
    for name in worst::names() {
        let count = count(&name) as f64;
        if name == worst::ORDINARY {
            ordinary = count;
        }
        let ratio = count / ordinary;
        println!("{name:<46} {count:>14} {ratio:>7.2}");
        if ratio > worst::MOST {
            too_much.push(name);
        }
    }
    too_much
}

fn main() {
    if let Ok(name) = std::env::var(CASE) {
        return run(&name);
    }
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap().trim().to_owned();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/counts.json");
    let known: Value = std::fs::read(&path).map_or(Value::Null, |text| {
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    let most = if known["rustc"] == rustc { SAME_COMPILER } else { OTHER_COMPILER };
    let writes = std::env::var("WRITE").is_ok_and(|write| !write.is_empty());
    let too_much = worst();
    if !too_much.is_empty() {
        println!("more than {} times an ordinary document: {}", worst::MOST, too_much.join("; "));
        std::process::exit(1);
    }
    println!("{:<32} {:>12} {:>12} {:>7}", "instructions", "before", "now", "ratio");
    let (mut counts, mut worse) = (Map::new(), Vec::new());
    for case in cases::all() {
        let now = count(&case.name) / RUNS;
        let known = known["counts"][&case.name].as_u64();
        let ratio = known.map_or(f64::NAN, |known| now as f64 / known as f64);
        let before = known.map_or("-".to_owned(), |known| known.to_string());
        println!("{:<32} {before:>12} {now:>12} {ratio:>7.3}", case.name);
        if known.is_none_or(|known| now as f64 > known as f64 * most) {
            worse.push(case.name.clone());
        }
        counts.insert(case.name, now.into());
    }
    if writes {
        let all = json!({"rustc": rustc, "counts": counts});
        std::fs::write(&path, format!("{all:#}\n")).unwrap();
        println!("written: {}", path.display());
    } else if !worse.is_empty() {
        println!("more than {most} of before, or new ({rustc}): {}", worse.join("; "));
        println!("if that is worth it: make instructions WRITE=1, and commit the new counts");
        std::process::exit(1);
    }
}
