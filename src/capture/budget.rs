//! One bound for all that a worker holds at the same time.
//!
//! A single body is bounded by `limits.max_body_bytes`, but a worker sees many calls at once, and
//! what it cannot allocate would end it.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes that may be held at the same time.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Cell<usize>,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Budget { limit, used: Cell::new(0) })
    }

    /// Bytes that are held now.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// An empty reservation, to be grown.
    pub fn reservation(self: &Rc<Self>) -> Reservation {
        Reservation { budget: Rc::clone(self), bytes: 0 }
    }
}

/// A part of a [`Budget`]; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Takes more of the budget. False, and nothing taken, if there is not so much left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let used = self.budget.used.get().checked_add(bytes);
        match used.filter(|used| *used <= self.budget.limit) {
            Some(used) => {
                self.budget.used.set(used);
                self.bytes = self.bytes.saturating_add(bytes);
                true
            }
            None => false,
        }
    }

    /// Gives all of it back.
    pub fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let used = self.budget.used.get().saturating_sub(bytes);
        self.budget.used.set(used);
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
}
