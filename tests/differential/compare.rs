//! What is different between two plays of a pair, and must not be.

use crate::client::{Played, is_early};
use crate::gateways::Gateway;
use crate::generate::{CutOff, Pair, Version};
use crate::message::{Headers, Message, value};
use crate::server::PLAY;
use std::collections::BTreeMap;
use std::io::Read as _;

/// The filter reads and translates bodies up to this size: the default of `limits.max_body_bytes`.
const MAX_BODY: usize = 1 << 20;

/// What is of a connection, and of how long a message is on it; RFC 9110 section 7.6.1 and RFC 9112 section 6.
const OF_THE_CONNECTION: [&str; 11] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "content-length",
    "expect",
    PLAY,
];

/// What the gateway is there to change: it says to the platform which host is called, and gives a call an id if
/// it has none (checked apart).
const OF_THE_GATEWAY: [&str; 1] = ["host"];

/// What is said of the coding of an answer, which is compared by what is in it.
const OF_THE_CODING: [&str; 2] = ["content-encoding", "vary"];

pub fn differences(
    pair: &Pair,
    gateway: &Gateway,
    direct: &Played,
    through: &Played,
) -> Vec<String> {
    let mut found = Vec::new();
    platform(pair, gateway, direct, through, &mut found);
    client(pair, gateway, direct, through, &mut found);
    found
}

fn platform(
    pair: &Pair,
    gateway: &Gateway,
    direct: &Played,
    through: &Played,
    found: &mut Vec<String>,
) {
    if pair.request_end != CutOff::Never {
        if through.seen.as_ref().is_some_and(|seen| seen.is_whole) {
            found.push("the platform took for whole what was broken off".to_owned());
        }
        return;
    }
    if is_early(pair) {
        return;
    }
    let (Some(direct), Some(through)) = (&direct.seen, &through.seen) else {
        if direct.seen.is_some() {
            found.push("no request came to the platform".to_owned());
        }
        return;
    };
    let line =
        |message: &Message| message.first_line.rsplit_once(' ').map(|(line, _)| line.to_owned());
    differ("the request line", &line(direct), &line(through), found);
    let mut ignored = [&OF_THE_CONNECTION[..], &OF_THE_GATEWAY].concat();
    if !direct.headers.iter().any(|(name, _)| name == "x-request-id") {
        ignored.push("x-request-id");
    }
    // Of what it watches the filter asks for plain answers.
    if pair.path.contains("/entry") {
        ignored.push("accept-encoding");
    }
    headers("a request header", &direct.headers, &through.headers, &ignored, found);
    headers("a request trailer", &direct.trailers, &through.trailers, &[], found);
    let sent = gateway.body(pair);
    let expected = if sent.len() > MAX_BODY { &sent } else { &direct.body };
    body("the request", std::slice::from_ref(expected), &through.body, found);
    differ("whether the request is whole", &direct.is_whole, &through.is_whole, found);
}

fn client(
    pair: &Pair,
    gateway: &Gateway,
    direct: &Played,
    through: &Played,
    found: &mut Vec<String>,
) {
    let (Some(direct), Some(through)) = (&direct.answer, &through.answer) else {
        if direct.answer.is_some() {
            found.push("no answer came to the client".to_owned());
        }
        return;
    };
    if pair.answer_end != CutOff::Never {
        // Where the head was not sent on yet, the gateway answers in its place. HTTP/1.0 knows no sign of an end but
        // a length, which the gateway may not have.
        let has_length = value(&through.headers, "content-length").is_some();
        let tells_ends = pair.version != Version::Http10 || has_length;
        if through.is_whole && through.status() < 500 && tells_ends {
            found.push(format!("an answer that was cut off ends well: {}", through.first_line));
        }
        return;
    }
    differ("the status", &direct.status(), &through.status(), found);
    headers(
        "an answer header",
        &direct.headers,
        &through.headers,
        &[&OF_THE_CONNECTION[..], &OF_THE_CODING].concat(),
        found,
    );
    let own: Headers = through
        .trailers
        .clone()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("x-envoy-"))
        .collect();
    if pair.version != Version::Http10 {
        headers("an answer trailer", &direct.trailers, &own, &[], found);
    }
    differ("whether the answer is whole", &direct.is_whole, &through.is_whole, found);
    body("the answer", &gateway.answers(&undone(direct)), &undone(through), found);
    if !gateway.undoes_gzip {
        let coding =
            |message: &Message| value(&message.headers, "content-encoding").map(<[u8]>::to_vec);
        differ("the content coding", &coding(direct), &coding(through), found);
    }
}

/// The body without its coding, if that is gzip.
fn undone(message: &Message) -> Vec<u8> {
    if value(&message.headers, "content-encoding") != Some(b"gzip") {
        return message.body.clone();
    }
    let mut plain = Vec::new();
    match flate2::read::MultiGzDecoder::new(&message.body[..]).read_to_end(&mut plain) {
        Ok(_) => plain,
        Err(_) => message.body.clone(),
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(
    what: &str,
    direct: &T,
    through: &T,
    found: &mut Vec<String>,
) {
    if direct != through {
        found.push(format!("{what}: {direct:?} directly, {through:?} through it"));
    }
}

fn headers(
    what: &str,
    direct: &Headers,
    through: &Headers,
    ignored: &[&str],
    found: &mut Vec<String>,
) {
    let by_name = |headers: &Headers| {
        let mut map = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in headers.iter().filter(|(name, _)| !ignored.contains(&&**name)) {
            let value: String = value.iter().copied().map(char::from).collect();
            map.entry(name.clone()).or_default().push(value);
        }
        // Lines of one name are the same as one line with a list (RFC 9110 section 5.3), but for cookies (RFC 9113
        // section 8.2.3).
        for (name, values) in map.iter_mut().filter(|(name, _)| *name != "set-cookie") {
            let between = if name == "cookie" { "; " } else { "," };
            *values = vec![values.join(between).replace(", ", ",")];
        }
        map
    };
    let (direct, through) = (by_name(direct), by_name(through));
    for name in direct.keys().chain(through.keys().filter(|name| !direct.contains_key(*name))) {
        let short = |values: Option<&Vec<String>>| {
            values.map(|values| {
                values
                    .iter()
                    .map(|value| value.chars().take(60).collect::<String>())
                    .collect::<Vec<_>>()
            })
        };
        if direct.get(name) != through.get(name) {
            found.push(format!(
                "{what}, {name}: {:?} directly, {:?} through it",
                short(direct.get(name)),
                short(through.get(name))
            ));
        }
    }
}

fn body(what: &str, expected: &[Vec<u8>], found_body: &[u8], found: &mut Vec<String>) {
    if expected.iter().any(|expected| expected == found_body) {
        return;
    }
    let nearest = &expected[0];
    let at = nearest.iter().zip(found_body).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let from = at.saturating_sub(20).min(bytes.len());
        String::from_utf8_lossy(&bytes[from..(from + 60).min(bytes.len())]).into_owned()
    };
    found.push(format!(
        "{what} has {} bytes instead of {}, other from byte {at} on: {:?} instead of {:?}",
        found_body.len(),
        nearest.len(),
        around(found_body),
        around(nearest)
    ));
}
