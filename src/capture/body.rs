//! A bounded copy of a body that passes by.

use super::{Miss, Reservation};

/// A body: its bytes, or why there are none.
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

    /// The whole body.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn bytes(&self) -> Result<&[u8], Miss> {
        self.content.as_deref().map_err(|why| *why)
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
        body.lose(Miss::Aborted);
        assert!(!body.make_room(0));
        assert_eq!(body.bytes(), Err(Miss::TooLarge));
    }

    #[test]
    fn a_body_that_the_budget_does_not_allow_is_lost() {
        let mut body = Body::new(50, Budget::new(10).reservation());
        assert!(!body.make_room(11));
        assert_eq!(body.bytes(), Err(Miss::Overload));
    }
}
