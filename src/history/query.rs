//! Finding records.

use super::record::{Outcome, Record};
use crate::host::UnixMillis;
use std::fmt;

/// How many records a page has unless the query says otherwise.
pub const DEFAULT_LIMIT: usize = 20;

/// How many records a page has at most.
pub const MAX_LIMIT: usize = 100;

/// How many sequence numbers are looked at for one page: a worker that searches serves no API
/// calls meanwhile.
pub const MAX_LOOKED_AT: usize = 10_000;

/// Which records to show, by how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Those that succeeded.
    Success,
    /// All others.
    Failure,
}

/// Which records are wanted. What is `None` does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only of this webhook; the empty one has the changes that were not captured.
    pub webhook: Option<Box<str>>,
    /// Only those that ended like this.
    pub outcome: Option<Show>,
    /// Only of this kind of change, by the platform's name.
    pub op: Option<Box<str>>,
    /// Only of forms of this app.
    pub app_id: Option<Box<str>>,
    /// Only of forms with this id.
    pub entry_id: Option<Box<str>>,
    /// Only of this record of the platform.
    pub record_id: Option<Box<str>>,
    /// Only what ended at this time or later.
    pub from: Option<UnixMillis>,
    /// Only what ended before this time.
    pub to: Option<UnixMillis>,
    /// How many records a page has, from 1 to [`MAX_LIMIT`]; the nearest of these counts.
    pub limit: usize,
    /// Only what follows this: [`Cursor::START`] or a [`Page::next`].
    pub before: Cursor,
}

/// Everything, by pages of [`DEFAULT_LIMIT`].
impl Default for Query {
    fn default() -> Self {
        Query {
            webhook: None,
            outcome: None,
            op: None,
            app_id: None,
            entry_id: None,
            record_id: None,
            from: None,
            to: None,
            limit: DEFAULT_LIMIT,
            before: Cursor::START,
        }
    }
}

/// Records are kept in two rings, so that those of missed changes cannot push out those of pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ring {
    /// What became of pushes.
    Pushes,
    /// Changes that were not captured.
    Misses,
}

impl Ring {
    /// Both.
    pub const ALL: [Ring; 2] = [Ring::Pushes, Ring::Misses];

    /// The ring that a record belongs to.
    pub fn of(record: &Record) -> Self {
        match record.outcome {
            Outcome::NotCaptured => Ring::Misses,
            _ => Ring::Pushes,
        }
    }
}

/// Names a record by its ring and its number there: `12`, or `m12` for a missed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The ring.
    pub ring: Ring,
    /// The sequence number.
    pub number: u64,
}

impl Reference {
    /// Reads what its `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (ring, number) = match text.strip_prefix('m') {
            Some(number) => (Ring::Misses, number),
            None => (Ring::Pushes, text),
        };
        Some(Reference { ring, number: number.parse().ok()? })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.ring == Ring::Misses { "m" } else { "" };
        write!(f, "{mark}{}", self.number)
    }
}

/// Where a page ends: of each ring, records with a lower number than this follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub [u64; 2]);

impl Cursor {
    /// Before the first page.
    pub const START: Cursor = Cursor([u64::MAX; 2]);

    /// Reads what its `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (pushes, misses) = text.split_once('-')?;
        Some(Cursor([pushes.parse().ok()?, misses.parse().ok()?]))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor([pushes, misses]) = self;
        write!(f, "{pushes}-{misses}")
    }
}

/// Some of the records that were found.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The records, the newest first. There may be fewer than the limit, even none, although more follow.
    pub records: Vec<(Reference, Record)>,
    /// The [`Query::before`] of the following page; `None` if no more records match.
    pub next: Option<Cursor>,
}

/// A ring on the way from its newest record to its oldest.
struct Walk {
    ring: Ring,
    oldest: u64,
    /// No number from this one on is looked at (any more).
    before: u64,
    /// The newest record that is wanted and was not taken yet. Its number is `before`.
    head: Option<Record>,
}

impl Query {
    /// Whether a record is wanted; `before` does not matter here.
    pub fn matches(&self, record: &Record) -> bool {
        let is = |wanted: &Option<Box<str>>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        let outcome = match record.outcome {
            Outcome::Success => Show::Success,
            _ => Show::Failure,
        };
        self.outcome.is_none_or(|wanted| wanted == outcome)
            && self.from.is_none_or(|from| from <= record.ended)
            && self.to.is_none_or(|to| record.ended < to)
            && is(&self.webhook, &record.webhook)
            && is(&self.op, &record.op)
            && is(&self.app_id, &record.app_id)
            && is(&self.entry_id, &record.entry_id)
            && is(&self.record_id, &record.record_id)
    }

    /// One page of the records, of both rings by the time at which they ended. `bounds` has the numbers of the
    /// newest and the oldest record of each ring; `load` gives a record, or `None` if there is none (any more).
    ///
    /// It looks at no more than [`MAX_LOOKED_AT`] numbers, each at most once, from the highest
    /// down. Records that are added between two pages get higher numbers, so they neither repeat
    /// nor displace what follows.
    pub fn page(
        &self,
        bounds: impl Fn(Ring) -> Option<(u64, u64)>,
        mut load: impl FnMut(Ring, u64) -> Option<Record>,
    ) -> Page {
        let Cursor(before) = self.before;
        let mut looks = MAX_LOOKED_AT;
        let mut walks = [0, 1].map(|at: usize| {
            let (ring, before) =
                if at == 0 { (Ring::Pushes, before[0]) } else { (Ring::Misses, before[1]) };
            // An empty ring has no number at all.
            let (newest, oldest) = bounds(ring).unwrap_or((0, 1));
            Walk { ring, oldest, before: before.min(newest.saturating_add(1)), head: None }
        });
        let limit = self.limit.clamp(1, MAX_LIMIT);
        let mut records = Vec::new();
        loop {
            let mut is_cut = false;
            for walk in &mut walks {
                while walk.head.is_none() && walk.before > walk.oldest {
                    if looks == 0 {
                        is_cut = true;
                        break;
                    }
                    looks -= 1;
                    walk.before -= 1;
                    let record = load(walk.ring, walk.before);
                    walk.head = record.filter(|record| self.matches(record));
                }
            }
            let next = || {
                let before = |walk: &Walk| walk.before.saturating_add(walk.head.is_some().into());
                Some(Cursor(walks.each_ref().map(before)))
            };
            // What could not be looked at may be newer than what was found.
            if is_cut {
                return Page { next: next(), records };
            }
            let [pushes, misses] = &walks;
            let ends = [pushes, misses].map(|walk| walk.head.as_ref().map(|head| head.ended));
            // A page has a next one only if there is something on it.
            if records.len() == limit && ends != [None; 2] {
                return Page { next: next(), records };
            }
            let [pushes, misses] = &mut walks;
            let newest = if ends[0] >= ends[1] { pushes } else { misses };
            let Some(record) = newest.head.take() else { return Page { records, next: None } };
            records.push((Reference { ring: newest.ring, number: newest.before }, record));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Numbered = BTreeMap<u64, Record>;

    fn maybe<T: std::fmt::Debug + Clone>(
        value: impl Strategy<Value = T>,
    ) -> impl Strategy<Value = Option<T>> {
        prop_oneof![3 => Just(None), 1 => value.prop_map(Some)]
    }

    fn name() -> impl Strategy<Value = Box<str>> {
        prop::sample::select(vec!["", "a", "b"]).prop_map(Into::into)
    }

    prop_compose! {
        fn record()(
            names in prop::collection::vec(name(), 5),
            outcome in prop::sample::select(&Outcome::ALL[..]),
            ended in 0..10_u64,
        ) -> Record {
            let [webhook, op, app_id, entry_id, record_id] = names.try_into().unwrap();
            Record {
                webhook, op, app_id, entry_id, record_id,
                ..Record::new("", outcome, UnixMillis(0), UnixMillis(ended))
            }
        }
    }

    prop_compose! {
        fn query()(
            names in prop::collection::vec(maybe(name()), 5),
            outcome in maybe(prop::sample::select(vec![Show::Success, Show::Failure])),
            from in maybe((0..10_u64).prop_map(UnixMillis)),
            to in maybe((0..10_u64).prop_map(UnixMillis)),
            limit in 0..8_usize,
        ) -> Query {
            let [webhook, op, app_id, entry_id, record_id] = names.try_into().unwrap();
            Query { webhook, outcome, op, app_id, entry_id, record_id, from, to, limit, before: Cursor::START }
        }
    }

    /// All pages, one after the other; `grow` happens between two of them.
    fn walk(
        query: &Query,
        rings: &mut [Numbered; 2],
        first: u64,
        grow: Option<Record>,
    ) -> Vec<(Reference, Record)> {
        let at = |ring| usize::from(ring == Ring::Misses);
        let mut query = query.clone();
        let mut found = Vec::new();
        loop {
            let mut looked_at = 0;
            let bounds = |ring| {
                let (newest, _) = rings[at(ring)].last_key_value()?;
                Some((*newest, first))
            };
            let page = query.page(bounds, |ring, sequence| {
                looked_at += 1;
                rings[at(ring)].get(&sequence).cloned()
            });
            assert!(looked_at <= MAX_LOOKED_AT);
            assert!(page.records.len() <= query.limit.max(1));
            let is_full = page.records.len() == query.limit.max(1);
            assert!(page.next.is_none() || is_full || looked_at == MAX_LOOKED_AT);
            found.extend(page.records);
            match page.next {
                None => return found,
                Some(next) => query.before = Cursor::parse(&next.to_string()).unwrap(),
            }
            if let Some(record) = &grow {
                let ring = &mut rings[at(Ring::of(record))];
                let newest = ring.last_key_value().map_or(first, |(last, _)| *last);
                if let Some(next) = newest.checked_add(1).filter(|next| *next < u64::MAX) {
                    ring.insert(next, record.clone());
                }
            }
        }
    }

    /// Both rings by the time at which their records ended, as far as these are in order in each of them.
    fn filtered(query: &Query, rings: &[Numbered; 2]) -> Vec<(Reference, Record)> {
        let mut all: Vec<(Reference, Record)> = Vec::new();
        for (ring, numbered) in Ring::ALL.into_iter().zip(rings) {
            for (number, record) in numbered.iter().rev().filter(|(_, r)| query.matches(r)) {
                all.push((Reference { ring, number: *number }, record.clone()));
            }
        }
        all.sort_by_key(|(_, record)| std::cmp::Reverse(record.ended));
        all
    }

    /// Records by ring, numbered from `first` on, ever later ones.
    fn numbered(records: Vec<Option<Record>>, first: u64) -> [Numbered; 2] {
        let mut rings = [Numbered::new(), Numbered::new()];
        for (at, record) in (0..).zip(records) {
            let Some(mut record) = record else { continue };
            record.ended = UnixMillis(at / 3);
            let ring = &mut rings[usize::from(Ring::of(&record) == Ring::Misses)];
            ring.insert(first + at, record);
        }
        rings
    }

    proptest! {
        #[test]
        fn the_pages_of_both_rings_are_the_filtered_list(
            records in prop::collection::vec(maybe(record()), 0..60),
            query in query(),
            first in prop_oneof![Just(0), Just(u64::MAX - 61), 0..u64::MAX - 61],
            grow in maybe(record()),
        ) {
            let mut rings = numbered(records, first);
            let expected = filtered(&query, &rings);
            let grow = grow.map(|record| Record { ended: UnixMillis(1000), ..record });
            prop_assert_eq!(walk(&query, &mut rings, first, grow), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]

        #[test]
        fn the_pages_of_rings_with_wide_holes_are_the_filtered_list(
            records in prop::collection::vec((record(), 0..1500_u64), 0..40),
            query in query(),
        ) {
            let mut rings = [Numbered::new(), Numbered::new()];
            let mut number = 0;
            for (at, (record, hole)) in (0..).zip(records) {
                number += hole + 1;
                let record = Record { ended: UnixMillis(at / 3), ..record };
                rings[usize::from(Ring::of(&record) == Ring::Misses)].insert(number, record);
            }
            let expected = filtered(&query, &rings);
            prop_assert_eq!(walk(&query, &mut rings, 0, None), expected);
        }
    }

    #[test]
    fn references_and_cursors_are_read_as_they_are_written() {
        for ring in Ring::ALL {
            for number in [0, 7, u64::MAX] {
                let reference = Reference { ring, number };
                assert_eq!(Reference::parse(&reference.to_string()), Some(reference));
                let cursor = Cursor([number, 3]);
                assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
            }
        }
        for none in ["", "m", "x1", "1-2", "-1", "mm1"] {
            assert_eq!(Reference::parse(none), None, "{none}");
        }
        for none in ["", "1", "-", "1-", "1-2-3", "m1-2"] {
            assert_eq!(Cursor::parse(none), None, "{none}");
        }
    }

    type Field = fn(&mut Query) -> &mut Option<Box<str>>;

    fn at(ended: u64, outcome: Outcome) -> Record {
        Record::new("p", outcome, UnixMillis(0), UnixMillis(ended))
    }

    #[test]
    fn a_time_range_has_its_beginning_but_not_its_end() {
        let query =
            Query { from: Some(UnixMillis(5)), to: Some(UnixMillis(7)), ..Query::default() };
        let found = (0..10).filter(|ended| query.matches(&at(*ended, Outcome::Success)));
        assert_eq!(found.collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn everything_that_did_not_succeed_is_a_failure() {
        let shown = |show| {
            let query = Query { outcome: Some(show), ..Query::default() };
            Outcome::ALL.into_iter().filter(move |outcome| query.matches(&at(0, *outcome))).count()
        };
        assert_eq!((shown(Show::Success), shown(Show::Failure)), (1, 5));
    }

    #[test]
    fn each_filter_looks_at_its_own_field() {
        let record = Record {
            webhook: "w".into(),
            op: "o".into(),
            app_id: "a".into(),
            entry_id: "e".into(),
            record_id: "r".into(),
            ..at(0, Outcome::Success)
        };
        let fields: [(Field, &str); 5] = [
            (|query| &mut query.webhook, "w"),
            (|query| &mut query.op, "o"),
            (|query| &mut query.app_id, "a"),
            (|query| &mut query.entry_id, "e"),
            (|query| &mut query.record_id, "r"),
        ];
        for (field, own) in fields {
            for wanted in ["w", "o", "a", "e", "r"] {
                let mut query = Query::default();
                *field(&mut query) = Some(wanted.into());
                assert_eq!(query.matches(&record), wanted == own, "{query:?}");
            }
        }
    }

    #[test]
    fn a_page_that_is_the_last_has_no_next() {
        let query = |before| Query { limit: 3, before: Cursor([before, 9]), ..Query::default() };
        let page = |query: Query, newest, oldest| {
            let bounds = |ring| (ring == Ring::Pushes).then_some((newest, oldest));
            let page = query.page(bounds, |_, _| Some(at(0, Outcome::Success)));
            (page.records.len(), page.next)
        };
        assert_eq!(page(query(u64::MAX), 3, 1), (3, None));
        assert_eq!(page(query(u64::MAX), 4, 1), (3, Some(Cursor([2, 1]))));
        assert_eq!(page(query(u64::MAX), 0, 1), (0, None));
        assert_eq!(page(query(1), 4, 1), (0, None));
        assert_eq!(page(query(0), 4, 0), (0, None));
    }

    #[test]
    fn a_limit_out_of_range_is_brought_into_it() {
        let page = |limit| {
            let query = Query { limit, ..Query::default() };
            query.page(|_| Some((500, 1)), |_, _| Some(at(0, Outcome::Success))).records.len()
        };
        assert_eq!((page(0), page(usize::MAX)), (1, MAX_LIMIT));
        assert_eq!(Query::default().limit, DEFAULT_LIMIT);
    }
}
