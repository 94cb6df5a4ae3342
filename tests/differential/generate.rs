//! Pairs of a request and an answer, made out of numbers.

use crate::orders::{AMOUNT, APP, CUSTOMER, ORDERS};
use std::fmt;
use std::io::Write as _;

/// The alias of [`CUSTOMER`], which is shorter, and that of [`AMOUNT`], which is longer.
pub const ALIASES: [(&str, &str); 2] =
    [(CUSTOMER, "customer"), (AMOUNT, "amount_of_the_order_in_the_smallest_unit_of_its_currency")];

/// Numbers that follow from a first one.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    /// SplitMix64, of which the algorithm is in the public domain.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// True once in so many times.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A size up to 3 MiB: small ones are as likely as large ones, and those around Envoy's limits more so.
    fn size(&mut self) -> usize {
        match self.below(4) {
            0 => {
                let limit = *self.pick(&[16 * 1024, 32 * 1024, 64 * 1024, 1024 * 1024]);
                limit - 600 + self.below(1200)
            }
            1 => self.below(2000),
            _ => {
                let most = 1 << (4 + self.below(18));
                most / 2 + self.below(most)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    NoBody,
    Length,
    /// In chunks of so many bytes.
    Chunked(usize),
    /// An answer ends with its connection.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Plain,
    Gzip,
    /// One that nobody undoes.
    Other,
}

/// Where a message stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    Never,
    /// After so many bytes of its body.
    After(usize),
}

/// What the platform does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Reads,
    /// It answers once it has the headers, and reads the rest then.
    AnswersFirst,
}

pub struct Pair {
    pub seed: u64,
    pub method: &'static str,
    pub path: String,
    pub version: Version,
    pub headers: Vec<(String, Vec<u8>)>,
    /// The request's body before [`Pair::body`] says the names of fields in it.
    template: Vec<u8>,
    pub request: Framing,
    pub request_trailers: bool,
    pub expects_continue: bool,
    /// In so many pieces, with a pause between.
    pub pieces: usize,
    pub request_end: CutOff,
    pub platform: Platform,
    pub status: u16,
    pub answer_headers: Vec<(String, Vec<u8>)>,
    /// As the platform sends it, but for its coding.
    pub answer_body: Vec<u8>,
    pub coding: Coding,
    pub answer: Framing,
    pub answer_trailers: bool,
    pub answer_end: CutOff,
}

/// The calls whose requests have names of fields in them, those whose answers have, and others.
const PATHS: [(&str, bool, bool); 14] = [
    ("/api/v5/app/entry/data/create", true, true),
    ("/api/v5/app/entry/data/update", true, true),
    ("/api/v5/app/entry/data/list", false, true),
    ("/api/v5/app/entry/data/get", false, true),
    ("/api/v5/app/entry/data/batch_update", true, false),
    ("/api/v5/app/entry/data/delete", false, false),
    ("/api/v5/app/entry/data/batch_delete", false, false),
    ("/api/v5/app/entry/list", false, false),
    ("/api/v5/app/entry/file/get_upload_token", false, false),
    ("/api/v5/workflow/instance/get", false, false),
    ("/api/v4/app/{APP}/entry/{FORM}/data_update", true, true),
    ("/api/v2/app/{APP}/entry/{FORM}/data", false, true),
    ("/api/v5/corp/member/list", false, false),
    ("/", false, false),
];

/// Spellings of a path, and what comes behind it.
const SPELLINGS: [&str; 5] = ["", "?a=1&b=%2F%20x", "/", "?", "?x=\u{7e}!$&'()*+,;=:@/?"];

const UPGRADES: [(&str, &str); 4] = [
    ("Upgrade", "TLS/1.2"),
    ("Upgrade", "websocket"),
    ("upgrade, x-hop", "foo/2"),
    ("Upgrade", "TLS/1.0, IRC/6.9"),
];

impl Pair {
    pub fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let n = &mut numbers;
        let version = *n.pick(&[
            Version::Http11,
            Version::Http11,
            Version::Http11,
            Version::Http2,
            Version::Http2,
            Version::Http10,
        ]);
        let method = match n.below(12) {
            0 => *n.pick(&["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            _ => "POST",
        };
        let (path, in_request, in_answer) = *n.pick(&PATHS);
        let path = path.replace("{APP}", APP).replace("{FORM}", ORDERS);
        let spelling = if n.one_in(4) { *n.pick(&SPELLINGS) } else { "" };
        // What is spelled otherwise may be another call for the platform: no names then.
        let has_names = method == "POST" && !spelling.starts_with('/');
        let request = request_framing(n, method, version);
        let template = match request {
            Framing::NoBody => Vec::new(),
            _ => body(n, in_request && has_names),
        };
        let is_abandoned = !template.is_empty() && version != Version::Http10 && n.one_in(25);
        let cut = if is_abandoned { CutOff::After(n.below(template.len())) } else { CutOff::Never };
        let status = match n.below(5) {
            0 => *n.pick(&[201, 204, 304, 400, 401, 404, 413, 429, 500, 502, 503, 504]),
            _ => 200,
        };
        let platform = match n.below(15) {
            0 if status >= 400 => Platform::AnswersFirst,
            _ => Platform::Reads,
        };
        let has_answer = method != "HEAD" && ![204, 304].contains(&status);
        let answer = match n.below(8) {
            _ if !has_answer => Framing::NoBody,
            0 => Framing::Close,
            1..4 => Framing::Chunked(1 + n.size()),
            _ => Framing::Length,
        };
        let answer_body = match answer {
            Framing::NoBody => Vec::new(),
            _ => answer_body(n, in_answer && has_names, &path),
        };
        let coding = match n.below(6) {
            _ if !has_answer => Coding::Plain,
            0 | 1 => Coding::Gzip,
            2 if n.one_in(3) => Coding::Other,
            _ => Coding::Plain,
        };
        let is_cut = !answer_body.is_empty() && answer != Framing::Close && n.one_in(20);
        let answer_end =
            if is_cut { CutOff::After(n.below(answer_body.len())) } else { CutOff::Never };
        let pieces = if n.one_in(6) { 1 + n.below(5) } else { 1 };
        Pair {
            seed,
            method,
            path: path + spelling,
            version,
            headers: request_headers(n, version),
            template,
            request,
            request_trailers: matches!(request, Framing::Chunked(_)) && n.one_in(4),
            expects_continue: version == Version::Http11
                && request != Framing::NoBody
                && n.one_in(10),
            pieces,
            request_end: cut,
            platform,
            status,
            answer_headers: answer_headers(n),
            answer_body,
            coding,
            answer,
            answer_trailers: matches!(answer, Framing::Chunked(_)) && n.one_in(4),
            answer_end,
        }
    }

    /// The request's body by ids.
    pub fn body(&self) -> Vec<u8> {
        self.template.clone()
    }

    /// What the platform sends as its body.
    pub fn coded_answer(&self) -> Vec<u8> {
        match self.coding {
            Coding::Gzip => {
                let mut packer =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                packer.write_all(&self.answer_body).unwrap();
                packer.finish().unwrap()
            }
            Coding::Plain | Coding::Other => self.answer_body.clone(),
        }
    }
}

fn request_framing(n: &mut Numbers, method: &str, version: Version) -> Framing {
    if ["GET", "HEAD", "OPTIONS"].contains(&method) || n.one_in(15) {
        return Framing::NoBody;
    }
    match n.below(3) {
        0 if version != Version::Http10 => Framing::Chunked(1 + n.size()),
        _ => Framing::Length,
    }
}

/// The body of a request.
fn body(n: &mut Numbers, has_names: bool) -> Vec<u8> {
    match n.below(12) {
        0 => Vec::new(),
        1 => noise(n),
        _ => {
            let app = format!(
                r#""app_id":"{APP}","entry_id":"{ORDERS}","data_id":"6052e8072315c0075001d65e""#
            );
            let values = record(n, has_names, true);
            // The form may be named behind what has to be read by it.
            match n.below(2) {
                0 => format!(r#"{{{app},"data":{values}}}"#),
                _ => format!(r#" {{ "data":{values}, {app} }} "#),
            }
            .into_bytes()
        }
    }
}

fn answer_body(n: &mut Numbers, has_names: bool, path: &str) -> Vec<u8> {
    match n.below(12) {
        0 => Vec::new(),
        1 => noise(n),
        2 => br#"{"code":4001,"msg":"data does not exist"}"#.to_vec(),
        3 => br#"{"status":"success","success_count":2}"#.to_vec(),
        _ => {
            let record = record(n, has_names, false);
            let is_list = path.ends_with("data/list") || path.ends_with("/data");
            let data = if is_list { format!("[{record}]") } else { record };
            let end = *n.pick(&["", "\n", "  "]);
            format!(r#"{{"data":{data}}}{end}"#).into_bytes()
        }
    }
}

/// Bytes that are no JSON.
fn noise(n: &mut Numbers) -> Vec<u8> {
    (0..n.size()).map(|_| n.next() as u8).collect()
}

/// A record; a sent one has each value in an object of its own.
fn record(n: &mut Numbers, has_names: bool, is_sent: bool) -> String {
    let size = n.size();
    let value = |text: String| if is_sent { format!(r#"{{"value":{text}}}"#) } else { text };
    let mut members = vec![r#""_id":"59e9a2fe283ffa7c11b1ddbf""#.to_owned()];
    if has_names {
        members.extend(ALIASES.map(|(id, _)| format!(r#""{id}":{}"#, value(r#""x""#.to_owned()))));
    }
    // Much that packs well, or little of it.
    let packs_well = n.one_in(2);
    let mut length = 0;
    let mut number: u64 = 0;
    while length < size {
        number += 1;
        let text = match packs_well {
            true => "\"\"".to_owned(),
            false => format!("\"{:x}{:x} \u{7b80}\u{9053}\u{4e91}\"", n.next(), n.next()),
        };
        let member = format!(r#""_widget_{:013}":{}"#, number * 7, value(text));
        length += member.len();
        members.push(member);
    }
    if has_names && n.one_in(3) {
        members.rotate_left(3);
    }
    format!("{{{}}}", members.join(","))
}

fn request_headers(n: &mut Numbers, version: Version) -> Vec<(String, Vec<u8>)> {
    let mut headers = vec![("authorization".to_owned(), b"Bearer key".to_vec())];
    let mut add = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));
    match n.below(3) {
        0 => add("accept-encoding", b"gzip, deflate, br"),
        1 => add("accept-encoding", b"identity"),
        _ => {}
    }
    add(
        "content-type",
        n.pick(&["application/json", "application/json;charset=utf-8", "text/plain"]).as_bytes(),
    );
    if version == Version::Http11 && n.one_in(6) {
        let (connection, upgrade) = *n.pick(&UPGRADES);
        add("connection", connection.as_bytes());
        add("upgrade", upgrade.as_bytes());
    } else if version == Version::Http11 && n.one_in(15) {
        add("connection", b"Upgrade, HTTP2-Settings");
        add("upgrade", b"h2c");
        add("http2-settings", b"AAMAAABkAAQAAP__");
    }
    for _ in 0..n.below(4) {
        match n.below(8) {
            0 => add("x-empty", b""),
            1 => add("x-odd", b"caf\xe9 \x80"),
            2 => add("x-long", &b"long ".repeat(1 + n.below(1000))),
            3 => add("x-twice", b"1"),
            4 => add("x-twice", b"2, 3"),
            5 => add("cookie", b"a=1; b=2"),
            6 => add("x-request-id", b"of-the-caller"),
            _ => add("user-agent", b"generator/1.0"),
        }
    }
    headers
}

fn answer_headers(n: &mut Numbers) -> Vec<(String, Vec<u8>)> {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));
    add(
        "content-type",
        n.pick(&["application/json; charset=utf-8", "text/html", "application/octet-stream"])
            .as_bytes(),
    );
    add("date", b"Sat, 28 Nov 2026 10:00:00 GMT");
    for _ in 0..n.below(5) {
        match n.below(8) {
            0 => add("server", b"platform/5"),
            1 => add("set-cookie", b"a=1; Path=/"),
            2 => add("set-cookie", b"b=2"),
            3 => add("x-odd", b"caf\xe9"),
            4 => add("x-empty", b""),
            5 => add("x-envoy-upstream-service-time", b"7"),
            6 => add("cache-control", b"no-cache"),
            _ => add("x-long", &b"long ".repeat(1 + n.below(1000))),
        }
    }
    headers
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { method, path, version, request, platform, status, coding, answer, .. } = self;
        write!(
            f,
            "{version:?} {method} {path}, {request:?} of {} bytes (cut {:?}, trailers {}, expects {}, {} pieces); \
             the platform {platform:?}: {status}, {coding:?} {answer:?} of {} bytes (cut {:?}, trailers {})",
            self.template.len(),
            self.request_end,
            self.request_trailers,
            self.expects_continue,
            self.pieces,
            self.answer_body.len(),
            self.answer_end,
            self.answer_trailers,
        )
    }
}
