//! The one sort of the module: each type that is sorted would bring a sort of its own, of 3 KB.

use std::cmp::Ordering;

/// The positions of so many things in the order that `compare` gives them; of equal ones the first
/// comes first.
pub(crate) fn in_order(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..count).collect();
    positions.sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
    positions
}

/// The positions of things in the order of their numbers.
pub(crate) fn by_number(numbers: impl Iterator<Item = u64>) -> Vec<usize> {
    let numbers: Vec<u64> = numbers.collect();
    in_order(numbers.len(), &|a, b| numbers.get(a).cmp(&numbers.get(b)))
}
