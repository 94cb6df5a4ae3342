//! JSON as `JSON.stringify` writes it with its members sorted, by other means than Formhook's: a tree of
//! serde_json, std's parser of doubles, and digits compared as texts.

use serde::de::Deserialize;
use serde_json::Value;

/// Reads a JSON text however deep it is; an error also for what only serde_json does not take.
pub fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

/// How deep values lie in each other.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Writes a value.
pub fn write(value: &Value) -> String {
    match value {
        Value::Number(number) => self::number(number.as_str()),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(write).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| place(name));
            let members = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), write(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// A JSON text with the exponents of all numbers written in the same way: serde_json writes them in its own.
pub fn alike(text: &str) -> String {
    let mut out = String::new();
    let (mut in_string, mut is_escaped) = (false, false);
    for character in text.chars() {
        match character {
            'E' if !in_string => out.push('e'),
            '+' if !in_string => {}
            _ => out.push(character),
        }
        in_string ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    out
}

/// JavaScript has array indexes first, by their number, and then the other names by UTF-16 code units.
fn place(name: &str) -> (bool, u32, Vec<u16>) {
    let index = name.parse::<u32>().ok();
    let index = index.filter(|index| *index < u32::MAX && index.to_string() == name);
    (index.is_none(), index.unwrap_or(0), name.encode_utf16().collect())
}

/// A number as JavaScript writes it, or as it came if a double is another number.
pub fn number(raw: &str) -> String {
    let double: f64 = raw.parse().unwrap();
    if double.is_finite() {
        let written = ryu_js::Buffer::new().format_finite(double).to_owned();
        if digits(&written) == digits(raw) {
            return written;
        }
    }
    raw.to_owned()
}

/// The sign, the digits without zeros around them, and the power of ten behind the last of them.
fn digits(raw: &str) -> Option<(bool, String, i128)> {
    let (unsigned, is_negative) = match raw.strip_prefix('-') {
        Some(unsigned) => (unsigned, true),
        None => (raw, false),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    let exponent: i128 = exponent.parse().ok()?;
    let power = exponent + i128::try_from(zeros).ok()? - i128::try_from(fraction.len()).ok()?;
    Some((is_negative, significant.to_owned(), power))
}
