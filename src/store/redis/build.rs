//! Trims and packs the Lua script for `wire.rs`: Redis does not need what only its readers need,
//! and the module has no room for what a few lines there can put together again.

use std::io::{Error, ErrorKind, Result};
use std::ops::RangeInclusive;
use std::path::Path;
use std::{env, fs};

const SCRIPT: &str = "src/store/redis/script.lua";

/// How far back a copy may begin, in bytes: what eleven bits can tell.
const MAX_DISTANCE: usize = 1 << 11;

/// Two bytes pay from three on; four bits tell how many more.
const COPIED: RangeInclusive<usize> = 3..=18;

pub fn pack() -> Result<()> {
    println!("cargo::rerun-if-changed={SCRIPT}");
    let script = fs::read_to_string(SCRIPT)?;
    if !script.is_ascii() {
        return Err(Error::other(format!("{SCRIPT} is not ASCII")));
    }
    let lines = script.lines().map(str::trim);
    // The script has no comment behind code, and no string over several lines.
    let lines: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("--")).collect();
    let script = lines.join("\n");
    let out = env::var_os("OUT_DIR").ok_or(ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("script.packed"), packed(script.as_bytes()))?;
    fs::write(Path::new(&out).join("script.lua"), script)
}

/// A byte below 128 is itself. Others begin two bytes with how far back, and how much, to copy.
fn packed(text: &[u8]) -> Vec<u8> {
    // From the end: what best begins at each place, and in how many bytes all from there is packed.
    let mut steps = vec![(Step::default(), 0); text.len() + 1];
    for at in (0..text.len()).rev() {
        let copy = longest_copy(text, at);
        let by_itself = (Step { length: 1, distance: 0 }, steps[at + 1].1 + 1);
        let copied = COPIED.filter(|length| *length <= copy.length);
        let copied = copied.map(|length| (Step { length, ..copy }, steps[at + length].1 + 2));
        steps[at] = copied.fold(by_itself, |best, next| if next.1 < best.1 { next } else { best });
    }
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let Step { length, distance } = steps[at].0;
        if length == 1 {
            out.push(text[at]);
        } else {
            let code = 0x8000 | (distance - 1) << 4 | (length - COPIED.start());
            out.extend([(code >> 8) as u8, code as u8]);
        }
        at += length;
    }
    out
}

/// A byte by itself, or some from before.
#[derive(Clone, Copy, Default)]
struct Step {
    length: usize,
    distance: usize,
}

fn longest_copy(text: &[u8], at: usize) -> Step {
    let rest = &text[at..];
    let mut longest = Step::default();
    for distance in 1..=at.min(MAX_DISTANCE) {
        let earlier = &text[at - distance..];
        if earlier[0] == rest[0] {
            let same = rest.iter().zip(earlier).take_while(|(a, b)| a == b).count();
            let length = same.min(*COPIED.end());
            if length > longest.length {
                longest = Step { length, distance };
            }
        }
    }
    longest
}
