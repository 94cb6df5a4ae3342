//! One bound for all that a worker holds of calls at the same time.
//!
//! A single body is bounded by `limits.max_body_bytes`, but a worker sees many calls at once, and
//! what it cannot allocate would end it. Nobody needs a key to begin a call, so when there is no room, what
//! calls hold that have not come to their end is given up first, the oldest before the others. Copies for
//! pushes are simply lost; a request that was taken out of Envoy's buffer has to end with what is held of it.

use super::Miss;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Bytes that may be held at the same time.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Cell<usize>,
    /// How much of that cannot be given up; it may be half of the limit.
    pinned: Cell<usize>,
    /// Copies of requests that have no answer yet, in the order in which these began.
    unanswered: RefCell<BTreeMap<u64, Vec<u8>>>,
    /// Requests that were taken out of Envoy's buffer, in the order in which they began.
    held: RefCell<BTreeMap<u64, Held>>,
    /// The streams of those that were given up and are to be ended.
    given_up: RefCell<Vec<u32>>,
    next_id: Cell<u64>,
}

#[derive(Debug)]
struct Held {
    stream: u32,
    bytes: Vec<u8>,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Budget {
            limit,
            used: Cell::new(0),
            pinned: Cell::new(0),
            unanswered: RefCell::default(),
            held: RefCell::default(),
            given_up: RefCell::default(),
            next_id: Cell::new(0),
        })
    }

    /// Bytes that are held now.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// An empty reservation, to be grown.
    pub fn reservation(self: &Rc<Self>) -> Reservation {
        self.reserved(0, false)
    }

    /// The same, for bytes that the call itself needs.
    pub fn pinned(self: &Rc<Self>) -> Reservation {
        self.reserved(0, true)
    }

    fn reserved(self: &Rc<Self>, bytes: usize, is_pinned: bool) -> Reservation {
        Reservation { budget: Rc::clone(self), bytes, is_pinned }
    }

    /// An empty copy of a request that has no answer yet.
    pub(super) fn copy(self: &Rc<Self>) -> Copy {
        Copy { id: self.new_id(), has_begun: false, budget: Rc::clone(self) }
    }

    /// An empty request of a stream that is taken out of Envoy's buffer, of at most `limit` bytes.
    pub fn hold(self: &Rc<Self>, stream: u32, limit: usize) -> HeldRequest {
        let id = self.new_id();
        self.held.borrow_mut().insert(id, Held { stream, bytes: Vec::new() });
        HeldRequest { id, limit, budget: Rc::clone(self) }
    }

    /// The streams whose requests were given up since this was asked.
    pub fn take_given_up(&self) -> Vec<u32> {
        self.given_up.take()
    }

    /// Whether there are any.
    pub fn has_given_up(&self) -> bool {
        !self.given_up.borrow().is_empty()
    }

    fn new_id(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        id
    }

    /// Takes more that is pinned. False if there is not so much left.
    fn pin(&self, bytes: usize) -> bool {
        let pinned = self.pinned.get().saturating_add(bytes);
        let is_taken = pinned <= self.limit / 2 && self.take(bytes);
        if is_taken {
            self.pinned.set(pinned);
        }
        is_taken
    }

    fn unpin(&self, bytes: usize) {
        self.give_back(bytes);
        self.pinned.set(self.pinned.get().saturating_sub(bytes));
    }

    /// Gives up the oldest held request but this one. False if there is no other.
    fn give_up_a_held_one_for(&self, id: u64) -> bool {
        let mut held = self.held.borrow_mut();
        let mut others =
            held.iter().filter(|(other, held)| **other != id && !held.bytes.is_empty());
        let Some(oldest) = others.next().map(|(other, _)| *other) else { return false };
        if let Some(Held { stream, bytes }) = held.remove(&oldest) {
            self.unpin(bytes.len());
            self.given_up.borrow_mut().push(stream);
        }
        true
    }

    /// Takes more. False if there is not so much left, whatever is given up.
    fn take(&self, bytes: usize) -> bool {
        loop {
            let used = self.used.get().checked_add(bytes);
            if let Some(used) = used.filter(|used| *used <= self.limit) {
                self.used.set(used);
                return true;
            }
            let Some((_, oldest)) = self.unanswered.borrow_mut().pop_first() else { return false };
            self.give_back(oldest.len());
        }
    }

    fn give_back(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }
}

/// The copy of a request that has no answer yet. The budget has its bytes, and may give them up.
#[derive(Debug)]
pub(super) struct Copy {
    id: u64,
    /// Whether the budget had bytes of it.
    has_begun: bool,
    budget: Rc<Budget>,
}

impl Copy {
    /// How long it is; `None` if it was given up.
    pub(super) fn len(&self) -> Option<usize> {
        match self.budget.unanswered.borrow().get(&self.id) {
            Some(copy) => Some(copy.len()),
            None => (!self.has_begun).then_some(0),
        }
    }

    /// Makes of it what `change` makes of it, with at most so many bytes more. False if it was given up: for
    /// others, or now for want of room.
    #[must_use]
    pub(super) fn change(&mut self, more: usize, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.len().is_none() {
            return false;
        }
        if !self.has_begun {
            self.has_begun = true;
            self.budget.unanswered.borrow_mut().insert(self.id, Vec::new());
        }
        if !self.budget.take(more) {
            self.give_up();
            return false;
        }
        let mut unanswered = self.budget.unanswered.borrow_mut();
        // To make room it may have been given up itself.
        let Some(copy) = unanswered.get_mut(&self.id) else {
            self.budget.give_back(more);
            return false;
        };
        let reserved = copy.len().saturating_add(more);
        change(copy);
        self.budget.give_back(reserved.saturating_sub(copy.len()));
        true
    }

    /// It has an answer: its bytes, and what they take of the budget, are its owner's now. `None` if it was given
    /// up.
    pub(super) fn claim(self) -> Option<(Vec<u8>, Reservation)> {
        let copy = match self.budget.unanswered.borrow_mut().remove(&self.id) {
            Some(copy) => copy,
            None if self.has_begun => return None,
            None => Vec::new(),
        };
        let reservation = self.budget.reserved(copy.len(), false);
        Some((copy, reservation))
    }

    fn give_up(&self) {
        let copy = self.budget.unanswered.borrow_mut().remove(&self.id);
        self.budget.give_back(copy.unwrap_or_default().len());
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The chunks of a request that were taken out of Envoy's buffer. The budget has them, and gives them up for
/// others that come later; the call cannot go on then.
#[derive(Debug)]
pub struct HeldRequest {
    id: u64,
    limit: usize,
    budget: Rc<Budget>,
}

impl HeldRequest {
    /// How many bytes there are; `None` if they were given up.
    pub fn bytes(&self) -> Option<usize> {
        self.budget.held.borrow().get(&self.id).map(|held| held.bytes.len())
    }

    /// Makes room for bytes that are about to be added.
    ///
    /// # Errors
    /// Why there is none.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Miss> {
        let held = self.bytes().unwrap_or_default();
        if held.saturating_add(bytes) > self.limit {
            return Err(Miss::TooLarge);
        }
        while !self.budget.pin(bytes) {
            if !self.budget.give_up_a_held_one_for(self.id) {
                return Err(Miss::Overload);
            }
        }
        Ok(())
    }

    /// Adds a chunk that room was made for.
    pub fn append(&mut self, chunk: &[u8]) {
        match self.budget.held.borrow_mut().get_mut(&self.id) {
            Some(held) => held.bytes.extend_from_slice(chunk),
            None => self.budget.unpin(chunk.len()),
        }
    }

    /// Takes all of it.
    pub fn take(&mut self) -> Vec<u8> {
        let held = self.budget.held.borrow_mut().remove(&self.id);
        let bytes = held.map(|held| held.bytes).unwrap_or_default();
        self.budget.unpin(bytes.len());
        bytes
    }
}

impl Drop for HeldRequest {
    fn drop(&mut self) {
        self.take();
    }
}

/// A part of a [`Budget`]; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Rc<Budget>,
    bytes: usize,
    is_pinned: bool,
}

impl Reservation {
    /// Takes more of the budget. False, and nothing taken, if there is not so much left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let is_taken =
            if self.is_pinned { self.budget.pin(bytes) } else { self.budget.take(bytes) };
        if is_taken {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        is_taken
    }

    /// Gives all of it back.
    pub fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if self.is_pinned {
            self.budget.unpin(bytes);
        } else {
            self.budget.give_back(bytes);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(copy: &mut Copy, bytes: &[u8]) -> bool {
        copy.change(bytes.len(), |copy| copy.extend_from_slice(bytes))
    }

    #[test]
    fn no_more_is_given_than_there_is_and_all_comes_back() {
        let budget = Budget::new(10);
        let (mut a, mut b) = (budget.reservation(), budget.reservation());
        assert!(a.grow(6) && !b.grow(5) && b.grow(4));
        assert_eq!(budget.used(), 10);
        assert!(!a.grow(usize::MAX));
        drop(a);
        assert_eq!(budget.used(), 4);
        drop(b);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_has_no_answer_is_given_up_for_what_comes_later() {
        let budget = Budget::new(10);
        let [empty, mut old, mut new] = [budget.copy(), budget.copy(), budget.copy()];
        assert!(append(&mut old, b"four") && append(&mut new, b"four"));
        let mut answer = budget.reservation();
        assert!(answer.grow(5));
        assert_eq!((empty.len(), old.len(), new.len()), (Some(0), None, Some(4)));
        assert_eq!(budget.used(), 9);
        assert!(!append(&mut old, b"x"), "it stays given up");
        // What has an answer is not given up.
        let (copy, reservation) = new.claim().unwrap();
        assert_eq!(copy, b"four");
        assert!(!answer.grow(2));
        drop((reservation, answer));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_copy_that_leaves_no_room_for_itself_is_given_up() {
        let budget = Budget::new(10);
        let mut copy = budget.copy();
        assert!(append(&mut copy, b"12345678") && !append(&mut copy, b"90a"));
        assert_eq!((copy.len(), budget.used()), (None, 0));
    }

    #[test]
    fn a_copy_that_becomes_shorter_gives_room_back() {
        let budget = Budget::new(10);
        let mut copy = budget.copy();
        assert!(append(&mut copy, b"12345678"));
        assert!(copy.change(2, |copy| copy.truncate(3)));
        assert_eq!((copy.len(), budget.used()), (Some(3), 3));
        drop(copy);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_calls_need_themselves_leaves_half_for_copies() {
        let budget = Budget::new(10);
        let mut pinned = budget.pinned();
        assert!(pinned.grow(5) && !pinned.grow(1));
        let mut copy = budget.reservation();
        assert!(copy.grow(5));
        drop(pinned);
        assert!(copy.grow(5));
    }

    #[test]
    fn a_held_request_that_does_not_end_is_given_up_for_one_that_comes_later() {
        let budget = Budget::new(20);
        let [mut old, mut new] = [1, 2].map(|stream| budget.hold(stream, 10));
        assert_eq!(old.reserve(11), Err(Miss::TooLarge));
        assert_eq!(old.reserve(8), Ok(()));
        old.append(b"12345678");
        assert!(!budget.has_given_up());
        assert_eq!(new.reserve(4), Ok(()));
        new.append(b"1234");
        assert_eq!((old.bytes(), budget.take_given_up()), (None, vec![1]));
        assert_eq!(new.take(), b"1234");
        assert_eq!((budget.used(), budget.take_given_up().len()), (0, 0));
        // Alone it may have half of the budget.
        let mut large = budget.hold(3, 100);
        assert_eq!(large.reserve(11), Err(Miss::Overload));
        assert_eq!(large.reserve(10), Ok(()));
        large.append(b"1234567890");
        drop((old, large));
        assert_eq!(budget.used(), 0);
    }
}
