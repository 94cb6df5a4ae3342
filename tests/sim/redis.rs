//! A simulated Redis behind a Webdis: it runs the real Lua script, in real Lua, on data in memory
//! and by a clock that is told to it. The same calls give the same answers, to the last byte.
//!
//! What a script needs of Redis 7 is here and no more: a command that is not here is an error.

mod commands;
mod data;
mod script;
mod tests;
mod worker;

use data::{Data, Kept};
use percent_encoding::percent_decode_str;
use script::Scripts;
use std::cell::RefCell;
use std::rc::Rc;

pub struct SimRedis {
    data: Rc<RefCell<Data>>,
    scripts: Scripts,
}

/// All that was kept at a moment. It is cheap: what does not change is shared.
#[derive(Clone)]
pub struct Snapshot(Kept);

impl SimRedis {
    pub fn new() -> Self {
        let data = Rc::default();
        SimRedis { scripts: Scripts::new(&data), data }
    }

    /// Speaks as Webdis 0.1.9 does: a request's method, path and body, and the time on Redis'
    /// clock. The HTTP status and the body.
    pub fn http(&self, method: &str, path: &str, body: &[u8], now_millis: u64) -> (u16, Vec<u8>) {
        let path = path.strip_prefix('/').and_then(|path| path.strip_suffix(".raw"));
        let parts: Vec<&str> = path.map(|path| path.split("/").collect()).unwrap_or_default();
        let answer = match (method, &parts[..]) {
            ("PUT", ["SCRIPT", "LOAD"]) => self.scripts.load(body).map(|sha| Some(sha.into())),
            ("PUT", ["EVALSHA", sha, "1", key]) => {
                let key: Vec<u8> = percent_decode_str(key).collect();
                self.data.borrow_mut().begin(now_millis);
                self.scripts.run(sha, &key, body)
            }
            _ => return (403, Vec::new()),
        };
        let answer = match answer {
            Ok(Some(text)) => [format!("${}\r\n", text.len()).as_bytes(), &text, b"\r\n"].concat(),
            Ok(None) => b"$-1\r\n".to_vec(),
            Err(error) => format!("-{error}\r\n").into_bytes(),
        };
        (200, answer)
    }

    /// Forgets the loaded scripts, as SCRIPT FLUSH or a restart does.
    pub fn forget_scripts(&self) {
        self.scripts.forget();
    }

    /// Everything that is kept, to go back to it: what a crash with a lost tail of the AOF leaves.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.data.borrow().kept.clone())
    }

    pub fn restore(&self, snapshot: &Snapshot) {
        self.data.borrow_mut().kept = snapshot.0.clone();
    }

    pub fn flush_all(&self) {
        self.data.borrow_mut().kept.clear();
    }

    /// The fields of a hash by its full key, e.g. `{ns}:waiting:g1`; none if it is something else.
    pub fn hash(&self, key: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.data.borrow().hash(key.as_bytes())
    }

    /// How many entries a stream has.
    pub fn stream_length(&self, key: &str) -> usize {
        self.data.borrow_mut().stream_length(key.as_bytes())
    }

    /// The keys that begin so, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.data.borrow().keys(prefix)
    }

    /// Puts a foreign string value under a key, whatever was there.
    pub fn set_string(&self, key: &str, value: &[u8]) {
        self.data.borrow_mut().set(&key.as_bytes().into(), &value.into());
    }

    /// From now on write commands are refused with this error, or not any more.
    pub fn refuse(&self, error: Option<&str>) {
        self.data.borrow_mut().refusal = error.map(str::to_owned);
    }
}
