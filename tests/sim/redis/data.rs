//! What Redis keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

pub type Bytes = Rc<[u8]>;
pub type Kept = HashMap<Bytes, Rc<Entry>>;
/// A value, and when it expires.
pub type Entry = (Value, Option<u64>);

pub enum Reply {
    Nothing,
    Done,
    Number(i64),
    Text(Bytes),
    List(Vec<Reply>),
}

pub type Result<T = Reply> = std::result::Result<T, String>;

#[derive(Clone)]
pub enum Value {
    Text(Bytes),
    Hash(Hash),
    Set(Set),
    Sorted(Sorted),
    Stream(Stream),
}

pub type Hash = BTreeMap<Bytes, Bytes>;
pub type Set = BTreeSet<Bytes>;

/// All scores that the script gives are whole numbers.
#[derive(Clone, Default)]
pub struct Sorted {
    pub scores: BTreeMap<Bytes, i64>,
    pub order: BTreeSet<(i64, Bytes)>,
}

impl Sorted {
    pub fn remove(&mut self, member: &Bytes) -> bool {
        let score = self.scores.remove(member);
        score.is_some_and(|score| self.order.remove(&(score, Rc::clone(member))))
    }

    pub fn add(&mut self, score: i64, member: &Bytes) -> bool {
        let was_there = self.remove(member);
        self.scores.insert(Rc::clone(member), score);
        self.order.insert((score, Rc::clone(member)));
        !was_there
    }

    pub fn between(&self, min: i64, max: i64) -> impl Iterator<Item = &Bytes> {
        let from = self.order.range((min, Bytes::default())..);
        from.take_while(move |(score, _)| *score <= max).map(|(_, member)| member)
    }
}

pub type Id = (u64, u64);

#[derive(Clone, Default)]
pub struct Stream {
    pub last: Id,
    pub entries: BTreeMap<Id, Rc<[Bytes]>>,
}

/// What a command can be for.
pub trait Kind: Default {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    /// Redis keeps nothing that is empty.
    fn is_nothing(&self) -> bool;
}

macro_rules! kind {
    ($variant:ident, $kind:ty, $is_nothing:expr) => {
        impl Kind for $kind {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(this) = value { Some(this) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(this) = value { Some(this) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$variant(self)
            }

            fn is_nothing(&self) -> bool {
                let is_nothing: fn(&Self) -> bool = $is_nothing;
                is_nothing(self)
            }
        }
    };
}

kind!(Text, Bytes, |_| false);
kind!(Hash, Hash, Hash::is_empty);
kind!(Set, Set, Set::is_empty);
kind!(Sorted, Sorted, |sorted| sorted.scores.is_empty());
// But a stream remembers its last id.
kind!(Stream, Stream, |stream| stream.last == (0, 0));

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

#[derive(Default)]
pub struct Data {
    pub kept: Kept,
    /// What write commands are refused with.
    pub refusal: Option<String>,
    pub now: u64,
    /// The script that runs has written something.
    pub has_written: bool,
}

impl Data {
    /// A script begins. Time stands still while it runs.
    pub fn begin(&mut self, now: u64) {
        self.now = now;
        self.has_written = false;
    }

    fn forget_expired(&mut self, key: &[u8]) {
        let now = self.now;
        if self.kept.get(key).is_some_and(|kept| kept.1.is_some_and(|expires| expires <= now)) {
            self.kept.remove(key);
        }
    }

    pub fn read<K: Kind>(&mut self, key: &[u8]) -> Result<Option<&K>> {
        self.forget_expired(key);
        let Some(kept) = self.kept.get(key) else { return Ok(None) };
        K::of(&kept.0).map(Some).ok_or_else(|| WRONG_TYPE.into())
    }

    pub fn change<K: Kind, R>(
        &mut self,
        key: &Bytes,
        change: impl FnOnce(&mut K) -> Result<R>,
    ) -> Result<R> {
        self.forget_expired(key);
        let new = || Rc::new((K::default().into_value(), None));
        let kept = self.kept.entry(Rc::clone(key)).or_insert_with(new);
        // A snapshot may have it, too.
        let value = K::of_mut(&mut Rc::make_mut(kept).0).ok_or(WRONG_TYPE)?;
        let result = change(value);
        if value.is_nothing() {
            self.kept.remove(key);
        }
        result
    }

    pub fn set(&mut self, key: &Bytes, value: &Bytes) {
        self.kept.insert(Rc::clone(key), Rc::new((Value::Text(Rc::clone(value)), None)));
    }

    pub fn expire(&mut self, key: &[u8], millis: i64) -> bool {
        self.forget_expired(key);
        let expires = self.now.saturating_add_signed(millis);
        let kept = self.kept.get_mut(key);
        let is_there = kept.map(|kept| Rc::make_mut(kept).1 = Some(expires)).is_some();
        self.forget_expired(key);
        is_there
    }

    pub fn hash(&self, key: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let hash = self.kept.get(key).filter(|kept| self.is_alive(kept));
        let fields = hash.and_then(|kept| Hash::of(&kept.0)).into_iter().flatten();
        fields.map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
    }

    pub fn stream_length(&mut self, key: &[u8]) -> usize {
        self.read::<Stream>(key).unwrap().map_or(0, |stream| stream.entries.len())
    }

    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let alive = self.kept.iter().filter(|(_, kept)| self.is_alive(kept));
        let named = alive.filter(|(key, _)| key.starts_with(prefix.as_bytes()));
        let mut keys: Vec<String> =
            named.map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
        keys.sort_unstable();
        keys
    }

    fn is_alive(&self, kept: &Entry) -> bool {
        kept.1.is_none_or(|expires| expires > self.now)
    }
}
