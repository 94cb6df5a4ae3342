//! The commands that the script gives.

use super::data::{Bytes, Data, Hash, Id, Reply, Result, Set, Sorted, Stream};
use std::ops::Bound;
use std::rc::Rc;

const NOT_WHOLE: &str = "ERR value is not an integer or out of range";
const OVERFLOW: &str = "ERR increment or decrement would overflow";
const NO_ID: &str =
    "ERR The ID specified in XADD is equal or smaller than the target stream top item";

/// Commands that may need more memory, and further ones that write.
const GROWS: [&[u8]; 9] =
    [b"HSET", b"HINCRBY", b"SET", b"INCR", b"INCRBY", b"DECRBY", b"ZADD", b"SADD", b"XADD"];
const WRITES: [&[u8]; 6] = [b"HDEL", b"ZREM", b"ZREMRANGEBYSCORE", b"SREM", b"PEXPIRE", b"XTRIM"];

impl Data {
    pub fn call(&mut self, name: &[u8], args: &[Bytes]) -> Result {
        let grows = GROWS.contains(&name);
        if grows || WRITES.contains(&name) {
            // What a script has begun it may end.
            if !self.has_written
                && let Some(refusal) = &self.refusal
                && (grows || !refusal.starts_with("OOM"))
            {
                return Err(refusal.clone());
            }
            self.has_written = true;
        }
        self.command(name, args)
    }

    fn command(&mut self, name: &[u8], args: &[Bytes]) -> Result {
        Ok(match (name, args) {
            (b"TIME", []) => texts(&[text(self.now / 1000), text(self.now % 1000 * 1000)]),
            (b"GET", [key]) => maybe(self.read::<Bytes>(key)?),
            (b"SET", [key, value]) => {
                self.set(key, value);
                Reply::Done
            }
            (b"SET", [key, value, px, millis]) if **px == *b"PX" => {
                self.set(key, value);
                self.expire(key, whole(millis)?);
                Reply::Done
            }
            (b"INCR", [key]) => self.add(key, 1)?,
            (b"INCRBY", [key, by]) => self.add(key, whole(by)?)?,
            (b"DECRBY", [key, by]) => self.add(key, -whole(by)?)?,
            (b"PEXPIRE", [key, millis]) => yes(self.expire(key, whole(millis)?)),
            (b"HGET", [key, field]) => {
                maybe(self.read::<Hash>(key)?.and_then(|hash| hash.get(field)))
            }
            (b"HMGET", [key, fields @ ..]) => {
                let hash = self.read::<Hash>(key)?;
                let get = |field| maybe(hash.and_then(|hash| hash.get(field)));
                Reply::List(fields.iter().map(get).collect())
            }
            (b"HGETALL", [key]) => {
                let fields = self.read::<Hash>(key)?.into_iter().flatten();
                texts(fields.flat_map(|(field, value)| [field, value]))
            }
            (b"HKEYS", [key]) => texts(self.read::<Hash>(key)?.into_iter().flat_map(Hash::keys)),
            (b"HEXISTS", [key, field]) => {
                yes(self.read::<Hash>(key)?.is_some_and(|hash| hash.contains_key(field)))
            }
            (b"HLEN", [key]) => count(self.read::<Hash>(key)?.map_or(0, Hash::len)),
            // Any is random enough.
            (b"HRANDFIELD", [key]) => {
                maybe(self.read::<Hash>(key)?.and_then(|hash| hash.keys().next()))
            }
            (b"HSET", [key, fields @ ..]) if is_pairs(fields) => {
                self.change(key, |hash: &mut Hash| {
                    let before = hash.len();
                    for pair in fields.chunks_exact(2) {
                        hash.insert(Rc::clone(&pair[0]), Rc::clone(&pair[1]));
                    }
                    Ok(count(hash.len() - before))
                })?
            }
            (b"HDEL", [key, fields @ ..]) => self.change(key, |hash: &mut Hash| {
                Ok(count(fields.iter().filter(|field| hash.remove(*field).is_some()).count()))
            })?,
            (b"HINCRBY", [key, field, by]) => {
                let by = whole(by)?;
                self.change(key, |hash: &mut Hash| {
                    let old = hash.get(field).map_or(Ok(0), whole);
                    let old = old.map_err(|_| "ERR hash value is not an integer")?;
                    let new = old.checked_add(by).ok_or(OVERFLOW)?;
                    hash.insert(Rc::clone(field), text(new));
                    Ok(Reply::Number(new))
                })?
            }
            (b"SADD", [key, members @ ..]) => self.change(key, |set: &mut Set| {
                Ok(count(members.iter().filter(|member| set.insert(Rc::clone(member))).count()))
            })?,
            (b"SREM", [key, members @ ..]) => self.change(key, |set: &mut Set| {
                Ok(count(members.iter().filter(|member| set.remove(*member)).count()))
            })?,
            (b"SMEMBERS", [key]) => texts(self.read::<Set>(key)?.into_iter().flatten()),
            (b"ZADD", [key, score, member]) => {
                let score = whole(score)?;
                self.change(key, |sorted: &mut Sorted| Ok(yes(sorted.add(score, member))))?
            }
            (b"ZREM", [key, members @ ..]) => self.change(key, |sorted: &mut Sorted| {
                Ok(count(members.iter().filter(|member| sorted.remove(member)).count()))
            })?,
            (b"ZSCORE", [key, member]) => {
                let score = self.read::<Sorted>(key)?.and_then(|sorted| sorted.scores.get(member));
                score.map_or(Reply::Nothing, |score| Reply::Text(text(score)))
            }
            (b"ZRANGE", [key, from, to]) => {
                let (from, to) = (place(from)?, place(to)?);
                let sorted = self.read::<Sorted>(key)?.into_iter().flat_map(|sorted| &sorted.order);
                texts(
                    sorted.skip(from).take((to + 1).saturating_sub(from)).map(|(_, member)| member),
                )
            }
            (b"ZRANGEBYSCORE", [key, min, max, limit @ ..]) => {
                let (min, max, (skip, take)) = (edge(min, 1)?, edge(max, -1)?, limits(limit)?);
                let sorted = self.read::<Sorted>(key)?.into_iter();
                texts(sorted.flat_map(|sorted| sorted.between(min, max)).skip(skip).take(take))
            }
            (b"ZREMRANGEBYSCORE", [key, min, max]) => {
                let (min, max) = (edge(min, 1)?, edge(max, -1)?);
                self.change(key, |sorted: &mut Sorted| {
                    let members: Vec<Bytes> = sorted.between(min, max).cloned().collect();
                    Ok(count(members.iter().filter(|member| sorted.remove(member)).count()))
                })?
            }
            // All scores are equal, or the answer means nothing.
            (b"ZRANGEBYLEX", [key, min, max, limit @ ..]) if **max == *b"+" => {
                let (skip, take) = limits(limit)?;
                let min = match &**min {
                    b"-" => Bound::Unbounded,
                    [b'(', min @ ..] => Bound::Excluded(min),
                    [b'[', min @ ..] => Bound::Included(min),
                    _ => return Err("ERR min or max not valid string range item".into()),
                };
                let sorted = self.read::<Sorted>(key)?.into_iter();
                let from = sorted
                    .flat_map(|sorted| sorted.scores.range::<[u8], _>((min, Bound::Unbounded)));
                texts(from.map(|(member, _)| member).skip(skip).take(take))
            }
            (b"XADD", [key, by, about, oldest, id, fields @ ..])
                if matches!(&**by, b"MINID" | b"MAXLEN")
                    && **about == *b"~"
                    && is_pairs(fields) =>
            {
                let now = self.now;
                let trim = Trim::parse(by, oldest)?;
                let new = if **id == *b"*" { None } else { Some(stream_id(id, 0)?) };
                self.change(key, |stream: &mut Stream| {
                    let after = (stream.last.0, stream.last.1 + 1);
                    let new = new.unwrap_or(after.max((now, 0)));
                    if new < after {
                        return Err(NO_ID.into());
                    }
                    stream.last = new;
                    stream.entries.insert(new, fields.into());
                    trim.of(stream);
                    Ok(Reply::Text(id_text(new)))
                })?
            }
            (b"XTRIM", [key, by, about, oldest])
                if matches!(&**by, b"MINID" | b"MAXLEN") && **about == *b"~" =>
            {
                let trim = Trim::parse(by, oldest)?;
                let trimmed = self.change(key, |stream: &mut Stream| Ok(trim.of(stream)))?;
                Reply::Number(trimmed)
            }
            (b"XRANGE", [key, from, to, limit @ ..]) => {
                let (from, to, most) = (first(from)?, last(to)?, most(limit)?);
                let range = self.stream_range(key, from, to)?;
                Reply::List(range.take(most).map(entry).collect())
            }
            (b"XREVRANGE", [key, to, from, limit @ ..]) => {
                let (from, to, most) = (first(from)?, last(to)?, most(limit)?);
                let range = self.stream_range(key, from, to)?;
                Reply::List(range.rev().take(most).map(entry).collect())
            }
            _ => return Err("ERR Unknown Redis command called from script".into()),
        })
    }

    fn add(&mut self, key: &Bytes, by: i64) -> Result {
        let old = self.read::<Bytes>(key)?.map_or(Ok(0), whole)?;
        let new = old.checked_add(by).ok_or(OVERFLOW)?;
        self.change(key, |value: &mut Bytes| {
            *value = text(new);
            Ok(Reply::Number(new))
        })
    }

    fn stream_range(
        &mut self,
        key: &[u8],
        from: Id,
        to: Id,
    ) -> Result<impl DoubleEndedIterator<Item = (&Id, &Rc<[Bytes]>)>> {
        let stream = self.read::<Stream>(key)?.filter(|_| from <= to).into_iter();
        Ok(stream.flat_map(move |stream| stream.entries.range(from..=to)))
    }
}

/// What a stream is trimmed to. Redis may leave some more, as the `~` says.
enum Trim {
    Oldest(Id),
    Length(usize),
}

impl Trim {
    fn parse(by: &[u8], bound: &[u8]) -> Result<Trim> {
        if by == b"MINID" {
            return Ok(Trim::Oldest(stream_id(bound, 0)?));
        }
        let length: i64 = whole(&bound.into())?;
        Ok(Trim::Length(
            usize::try_from(length).map_err(|_| "ERR The MAXLEN argument must be >= 0.")?,
        ))
    }

    /// How many entries this takes.
    fn of(&self, stream: &mut Stream) -> i64 {
        let before = stream.entries.len();
        while match self {
            Trim::Oldest(oldest) => {
                stream.entries.first_key_value().is_some_and(|(id, _)| id < oldest)
            }
            Trim::Length(length) => stream.entries.len() > *length,
        } {
            stream.entries.pop_first();
        }
        i64::try_from(before - stream.entries.len()).unwrap()
    }
}

fn text(value: impl ToString) -> Bytes {
    value.to_string().into_bytes().into()
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a Bytes>) -> Reply {
    Reply::List(texts.into_iter().map(|text| Reply::Text(Rc::clone(text))).collect())
}

fn maybe(value: Option<&Bytes>) -> Reply {
    value.map_or(Reply::Nothing, |value| Reply::Text(Rc::clone(value)))
}

fn yes(is_so: bool) -> Reply {
    Reply::Number(is_so.into())
}

fn count(number: usize) -> Reply {
    Reply::Number(i64::try_from(number).unwrap())
}

fn is_pairs(fields: &[Bytes]) -> bool {
    !fields.is_empty() && fields.len().is_multiple_of(2)
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn whole(text: &Bytes) -> Result<i64> {
    parsed(text).ok_or_else(|| NOT_WHOLE.into())
}

/// A place in a sorted set, which the script counts from the front.
fn place(text: &[u8]) -> Result<usize> {
    parsed(text).ok_or_else(|| NOT_WHOLE.into())
}

/// An end of a range of scores, `inward` from what is not in it any more.
fn edge(text: &[u8], inward: i64) -> Result<i64> {
    let edge = match text {
        b"-inf" => Some(i64::MIN),
        b"+inf" => Some(i64::MAX),
        [b'(', text @ ..] => parsed::<i64>(text).map(|score| score + inward),
        text => parsed(text),
    };
    edge.ok_or_else(|| "ERR min or max is not a float".into())
}

fn limits(limit: &[Bytes]) -> Result<(usize, usize)> {
    match limit {
        [] => Ok((0, usize::MAX)),
        [word, skip, take] if **word == *b"LIMIT" => Ok((place(skip)?, place(take)?)),
        _ => Err("ERR syntax error".into()),
    }
}

fn most(limit: &[Bytes]) -> Result<usize> {
    match limit {
        [] => Ok(usize::MAX),
        [word, most] if **word == *b"COUNT" => place(most),
        _ => Err("ERR syntax error".into()),
    }
}

/// An id whose second part may be missing.
fn stream_id(text: &[u8], second: u64) -> Result<Id> {
    let dash = text.iter().position(|byte| *byte == b'-');
    let id = match dash {
        Some(dash) => parsed(&text[..dash]).zip(parsed(&text[dash + 1..])),
        None => parsed(text).map(|first| (first, second)),
    };
    id.ok_or_else(|| "ERR Invalid stream ID specified as stream command argument".into())
}

/// An end of a range of ids, `past` what is not in it any more.
fn bound(text: &[u8], second: u64, past: fn(Id) -> Option<Id>) -> Result<Id> {
    match text {
        b"-" => Ok((0, 0)),
        b"+" => Ok((u64::MAX, u64::MAX)),
        [b'(', text @ ..] => past(stream_id(text, second)?)
            .ok_or_else(|| "ERR invalid start or end ID for the interval".into()),
        text => stream_id(text, second),
    }
}

fn first(text: &[u8]) -> Result<Id> {
    bound(text, 0, |id| match id {
        (first, u64::MAX) => first.checked_add(1).map(|first| (first, 0)),
        (first, second) => Some((first, second + 1)),
    })
}

fn last(text: &[u8]) -> Result<Id> {
    bound(text, u64::MAX, |id| match id {
        (first, 0) => first.checked_sub(1).map(|first| (first, u64::MAX)),
        (first, second) => Some((first, second - 1)),
    })
}

fn id_text((first, second): Id) -> Bytes {
    text(format_args!("{first}-{second}"))
}

fn entry((id, fields): (&Id, &Rc<[Bytes]>)) -> Reply {
    Reply::List(vec![Reply::Text(id_text(*id)), texts(&**fields)])
}
