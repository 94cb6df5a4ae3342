//! A bounded copy of a body that passes by.

use super::budget::{Budget, Copy};
use super::{Miss, Reservation};
use crate::json::MemberFilter;
use std::rc::Rc;

/// A body that is kept until its owner has read it: its bytes, or why there are none.
#[derive(Debug)]
pub struct Body {
    content: Result<Vec<u8>, Miss>,
    reservation: Reservation,
    limit: usize,
}

impl Body {
    /// An empty body that may grow to `limit` bytes within the reservation's budget.
    pub fn new(limit: usize, reservation: Reservation) -> Self {
        Body { content: Ok(Vec::new()), reservation, limit }
    }

    /// Makes room for bytes that are about to be copied. False if they are not wanted: copying
    /// them would go over a bound, or the body is lost already.
    pub fn make_room(&mut self, bytes: usize) -> bool {
        match self.reserve(bytes) {
            Ok(()) => true,
            Err(miss) => {
                self.lose(miss);
                false
            }
        }
    }

    /// The same, where the body stays as it is if there is no room.
    ///
    /// # Errors
    /// Why there is none.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Miss> {
        let held = self.bytes()?.len();
        if held.saturating_add(bytes) > self.limit {
            return Err(Miss::TooLarge);
        }
        self.reservation.grow(bytes).then_some(()).ok_or(Miss::Overload)
    }

    /// Adds a chunk that room was made for.
    pub fn append(&mut self, chunk: Vec<u8>) {
        if let Ok(content) = &mut self.content {
            if content.is_empty() {
                *content = chunk;
            } else {
                content.extend_from_slice(&chunk);
            }
        }
    }

    /// Gives the body up, and its memory back.
    pub fn lose(&mut self, why: Miss) {
        if self.content.is_ok() {
            self.content = Err(why);
            self.reservation.release();
        }
    }

    /// Takes the whole body, and gives back its part of the budget; empty if it was lost.
    pub fn take(&mut self) -> Vec<u8> {
        self.reservation.release();
        self.content.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The whole body.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn bytes(&self) -> Result<&[u8], Miss> {
        self.content.as_deref().map_err(|why| *why)
    }
}

/// A request whose operation reads only some members of it is kept as a whole up to this size, and
/// beyond it only these: to tell them apart costs more than to keep a small body.
const MAX_WHOLE_BYTES: usize = 16 * 1024;

/// The body of a request that has no answer yet. Anybody can begin one, so it is the first to be given
/// up when there is no room, see [`Budget`].
#[derive(Debug)]
pub struct RequestBody {
    content: Result<Copy, Miss>,
    /// What is kept of it, once that is not all of it.
    filter: Option<MemberFilter>,
    /// How much of it has come.
    seen: usize,
    limit: usize,
    budget: Rc<Budget>,
}

impl RequestBody {
    /// An empty body that may have `limit` bytes.
    pub fn new(limit: usize, budget: &Rc<Budget>) -> Self {
        let content = Ok(budget.copy());
        RequestBody { content, filter: None, seen: 0, limit, budget: Rc::clone(budget) }
    }

    /// Copies a chunk of this size, which `read` reads if it is wanted. `members` are those of the outermost
    /// object that are needed; `None` if all may be.
    pub fn append(
        &mut self,
        size: usize,
        members: impl FnOnce() -> Option<Vec<Box<str>>>,
        read: impl FnOnce() -> Vec<u8>,
    ) {
        let Ok(copy) = &mut self.content else { return };
        self.seen = self.seen.saturating_add(size);
        if self.seen > self.limit {
            self.lose(Miss::TooLarge);
            return;
        }
        let mut is_kept = copy.len().is_some();
        if is_kept && self.seen > MAX_WHOLE_BYTES && self.filter.is_none() {
            self.filter = members().map(MemberFilter::new);
            if let Some(filter) = &mut self.filter {
                is_kept = copy.change(0, |copy| {
                    let mut kept = Vec::new();
                    filter.feed(copy, &mut kept);
                    *copy = kept;
                });
            }
        }
        if is_kept {
            // Read first: it calls the host, and the budget is borrowed while a copy changes.
            let mut new = read();
            if let Some(filter) = &mut self.filter {
                let mut kept = Vec::new();
                filter.feed(&new, &mut kept);
                new = kept;
            }
            is_kept = copy.change(new.len(), |copy| copy.extend_from_slice(&new));
        }
        if !is_kept {
            self.lose(Miss::Overload);
        }
    }

    /// Gives the body up, and its memory back.
    pub fn lose(&mut self, why: Miss) {
        if self.content.is_ok() {
            self.content = Err(why);
        }
    }

    /// The request has its answer, so that its body is kept.
    pub fn answered(self) -> Body {
        let mut body = Body::new(self.limit, self.budget.reservation());
        match self.content.map(Copy::claim) {
            Ok(Some((content, reservation))) => {
                body.content = Ok(content);
                body.reservation = reservation;
            }
            Ok(None) => body.lose(Miss::Overload),
            Err(miss) => body.lose(miss),
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::super::Budget;
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        let mut body = Body::new(5, Budget::new(100).reservation());
        for chunk in ["ab", "", "cde"] {
            assert!(body.make_room(chunk.len()));
            body.append(chunk.into());
        }
        assert_eq!(body.bytes(), Ok(&b"abcde"[..]));
    }

    #[test]
    fn a_body_over_its_limit_is_lost_and_stays_lost() {
        let budget = Budget::new(100);
        let mut body = Body::new(5, budget.reservation());
        assert!(body.make_room(5));
        body.append(b"abcde".into());
        assert!(!body.make_room(1));
        assert_eq!(budget.used(), 0);
        body.lose(Miss::Unanswered);
        assert!(!body.make_room(0));
        assert_eq!(body.bytes(), Err(Miss::TooLarge));
    }

    #[test]
    fn a_body_that_the_budget_does_not_allow_is_lost() {
        let mut body = Body::new(50, Budget::new(10).reservation());
        assert!(!body.make_room(11));
        assert_eq!(body.bytes(), Err(Miss::Overload));
    }

    fn append(body: &mut RequestBody, chunk: &str, members: Option<&[&str]>) {
        let members = || members.map(|names| names.iter().map(|name| (*name).into()).collect());
        body.append(chunk.len(), members, || chunk.into());
    }

    #[test]
    fn of_a_large_request_only_what_is_read_is_kept() {
        let budget = Budget::new(1 << 20);
        for (members, expected) in [(Some(&["b", "c"][..]), 20), (None, 100_022)] {
            let mut body = RequestBody::new(200_000, &budget);
            append(&mut body, r#"{"b":1,"a":""#, members);
            for _ in 0..100 {
                append(&mut body, &"x".repeat(1000), members);
                assert!(members.is_none() || budget.used() < MAX_WHOLE_BYTES);
            }
            append(&mut body, r#"","c":[2]}"#, members);
            let body = body.answered();
            let bytes = body.bytes().unwrap();
            assert_eq!(budget.used(), bytes.len());
            assert!(bytes.len() <= expected, "{} bytes", bytes.len());
            let document = crate::json::Document::parse(bytes).unwrap();
            assert_eq!(document.root().get("b").unwrap().raw(), "1");
            assert_eq!(document.root().get("c").unwrap().raw(), "[2]");
        }
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_request_over_its_limit_is_lost_however_little_of_it_is_kept() {
        let budget = Budget::new(1 << 20);
        let mut body = RequestBody::new(30_000, &budget);
        for _ in 0..31 {
            append(&mut body, &"x".repeat(1000), Some(&["a"]));
        }
        assert_eq!(body.answered().bytes(), Err(Miss::TooLarge));
    }

    #[test]
    fn requests_that_never_end_lose_their_copies_to_those_that_do() {
        let budget = Budget::new(100_000);
        let begin = || {
            let mut body = RequestBody::new(20_000, &budget);
            append(&mut body, &"x".repeat(10_000), None);
            body
        };
        let mut stuck: Vec<_> = (0..50).map(|_| begin()).collect();
        let honest = begin().answered();
        assert_eq!(honest.bytes().unwrap().len(), 10_000);
        append(&mut stuck[0], "x", None);
        assert_eq!(stuck.remove(0).answered().bytes(), Err(Miss::Overload));
        let mut answer = Body::new(90_000, budget.reservation());
        assert!(answer.make_room(90_000), "only what has an answer takes room from it");
        drop((honest, answer));
        assert_eq!(budget.used(), 0);
    }
}
