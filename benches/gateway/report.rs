//! What was measured: printed, as JSON, and as a picture.

use super::figures::median;
use crate::support::gateway::{envoy_version, root};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// One kind of gateway, a figure for each round.
pub struct Row<'r> {
    pub name: &'static str,
    /// Microseconds of processor time for each call.
    pub cpu: &'r [f64],
    /// Calls per second.
    pub rate: &'r [f64],
    /// The processor time of what it is compared with.
    pub base: &'r [f64],
}

#[derive(Default)]
pub struct Report {
    rows: Vec<Value>,
    aims: Vec<Value>,
    notes: Vec<Value>,
    /// MiB, after each tenth of the pushes.
    pub memory: Vec<f64>,
}

fn bounds(values: &[f64]) -> (f64, f64) {
    let fold = |pick: fn(f64, f64) -> f64, from| values.iter().copied().fold(from, pick);
    (fold(f64::min, f64::INFINITY), fold(f64::max, f64::NEG_INFINITY))
}

impl Report {
    pub fn row(&mut self, row: Row<'_>) {
        if self.rows.is_empty() {
            println!(
                "{:<28} {:>9} {:>17} {:>7} {:>9}",
                "gateway", "CPU/call", "least to most", "ratio", "calls/s"
            );
        }
        let pairs: Vec<f64> = row.cpu.iter().zip(row.base).map(|(a, b)| a / b).collect();
        let ((low, high), ratio) = (bounds(row.cpu), median(pairs));
        let (cpu, rate) = (median(row.cpu.to_vec()), median(row.rate.to_vec()));
        println!(
            "{:<28} {cpu:>6.1} µs {low:>6.1} to {high:>6.1} {ratio:>7.2} {rate:>9.0}",
            row.name
        );
        self.rows.push(json!({
            "gateway": row.name, "cpu_microseconds": cpu, "least": low, "most": high, "ratio": ratio,
            "calls_per_second": rate, "rounds": row.cpu,
        }));
    }

    /// A figure that is to be no more than this.
    pub fn aim(&mut self, row: &str, what: &str, value: f64, most: f64) {
        let verdict = if value <= most { "OK" } else { "short" };
        println!("{row} {verdict:<5} {value:>8.3} (at most {most}): {what}");
        self.aims.push(
            json!({"row": row, "what": what, "value": value, "most": most, "verdict": verdict}),
        );
    }

    pub fn note(&mut self, what: &str, value: f64) {
        println!("         {value:>8.3} {what}");
        self.notes.push(json!({"what": what, "value": value}));
    }

    pub fn finish(self, took: Duration) {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let machine = format!("{cpus} x {}", model.map_or("unknown", |(_, model)| model));
        let memory: Vec<String> = self.memory.iter().map(|mib| format!("{mib:.0}")).collect();
        println!("resident memory after each tenth of the pushes, MiB: {}", memory.join(" "));
        println!("{machine}, Envoy {}, {} seconds", envoy_version(), took.as_secs());
        let build = root().join("build");
        let picture = picture(&self.rows);
        let all = json!({
            "machine": machine, "envoy": envoy_version(), "gateways": self.rows, "aims": self.aims,
            "notes": self.notes, "memory_mib": self.memory, "seconds": took.as_secs(),
        });
        std::fs::write(build.join("bench.json"), format!("{all:#}\n")).unwrap();
        std::fs::write(build.join("bench.svg"), picture).unwrap();
        println!("written: build/bench.json, build/bench.svg");
    }
}

/// A bar for each gateway, with the least and the most of its rounds.
fn picture(rows: &[Value]) -> String {
    const LEFT: f64 = 220.0;
    const WIDTH: f64 = 420.0;
    const STEP: f64 = 44.0;
    let number = |row: &Value, name: &str| row[name].as_f64().unwrap();
    let longest = rows.iter().map(|row| number(row, "most")).fold(1.0, f64::max);
    let x = |value: f64| LEFT + WIDTH * value / longest;
    let height = 70.0 + STEP * rows.len() as f64;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="sans-serif" font-size="14">
<rect width="760" height="{height}" fill="#fff"/>
<text x="20" y="28" font-size="16" font-weight="bold">Processor time of Envoy for an API call, microseconds</text>
"##
    );
    for (at, row) in rows.iter().enumerate() {
        let y = 48.0 + STEP * at as f64;
        let (cpu, low, high) =
            (number(row, "cpu_microseconds"), number(row, "least"), number(row, "most"));
        let middle = y + 14.0;
        let name = row["gateway"].as_str().unwrap();
        let _ = writeln!(
            svg,
            r##"<text x="{}" y="{}" text-anchor="end">{name}</text>
<rect x="{LEFT}" y="{y}" width="{:.1}" height="28" fill="#2f55cc"/>
<path d="M{:.1} {middle}H{:.1}M{:.1} {}v12M{:.1} {}v12" stroke="#111" fill="none"/>
<text x="{:.1}" y="{}">{cpu:.0} ({:.2} x)</text>"##,
            LEFT - 10.0,
            middle + 5.0,
            x(cpu) - LEFT,
            x(low),
            x(high),
            x(low),
            middle - 6.0,
            x(high),
            middle - 6.0,
            x(high) + 8.0,
            middle + 5.0,
            number(row, "ratio"),
        );
    }
    svg + "</svg>\n"
}
