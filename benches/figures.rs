//! Figures of measurements.

// Each of the programs that include this uses its own part of it.
#![allow(dead_code)]

/// A number of the environment.
pub fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

pub fn percentile<T: Copy>(sorted: &[T], percent: f64) -> T {
    let last = sorted.len().saturating_sub(1);
    sorted[((last as f64) * percent / 100.0).round() as usize]
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
