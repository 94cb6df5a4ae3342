//! Finding records.

use super::record::{Outcome, Record};
use crate::host::UnixMillis;

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
    /// Only what has a lower sequence number than this: a [`Page::next`].
    pub before: Option<u64>,
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
            before: None,
        }
    }
}

/// Some of the records that were found.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Sequence numbers and records, the highest number first. There may be fewer than the limit,
    /// even none, although more follow.
    pub records: Vec<(u64, Record)>,
    /// The [`Query::before`] of the following page; `None` if no more records match.
    pub next: Option<u64>,
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

    /// One page of the records with the sequence numbers from `oldest` to `newest`, both included;
    /// `load` gives the record with a number, or `None` if there is none (any more).
    ///
    /// It looks at no more than [`MAX_LOOKED_AT`] numbers, each at most once, from the highest
    /// down. Records that are added between two pages get higher numbers, so they neither repeat
    /// nor displace what follows.
    pub fn page(
        &self,
        newest: u64,
        oldest: u64,
        mut load: impl FnMut(u64) -> Option<Record>,
    ) -> Page {
        let mut page = Page { records: Vec::new(), next: None };
        let start = match self.before {
            Some(before) => before.checked_sub(1).map(|start| start.min(newest)),
            None => Some(newest),
        };
        let Some(start) = start else { return page };
        let limit = self.limit.clamp(1, MAX_LIMIT);
        for (looked_at, sequence) in (oldest..=start).rev().enumerate() {
            // Not for the first number, so one more is a number too.
            let here = Some(sequence.saturating_add(1));
            if looked_at == MAX_LOOKED_AT {
                page.next = here;
                break;
            }
            let Some(record) = load(sequence).filter(|record| self.matches(record)) else {
                continue;
            };
            // A page has a next one only if there is something on it.
            if page.records.len() == limit {
                page.next = here;
                break;
            }
            page.records.push((sequence, record));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Ring = BTreeMap<u64, Record>;

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
            Query { webhook, outcome, op, app_id, entry_id, record_id, from, to, limit, before: None }
        }
    }

    /// All pages, one after the other; `grow` happens between two of them.
    fn walk(
        query: &Query,
        ring: &mut Ring,
        first: u64,
        grow: Option<Record>,
    ) -> Vec<(u64, Record)> {
        let mut query = query.clone();
        let mut found = Vec::new();
        loop {
            let newest = ring.last_key_value().map_or(first, |(last, _)| *last);
            let mut looked_at = 0;
            let page = query.page(newest, first, |sequence| {
                looked_at += 1;
                assert!((first..=newest).contains(&sequence));
                ring.get(&sequence).cloned()
            });
            assert!(looked_at <= MAX_LOOKED_AT);
            assert!(page.records.len() <= query.limit.max(1));
            let is_full = page.records.len() == query.limit.max(1);
            assert!(page.next.is_none() || is_full || looked_at == MAX_LOOKED_AT);
            found.extend(page.records);
            match page.next {
                None => return found,
                next => query.before = next,
            }
            if let (Some(record), Some(sequence)) = (&grow, newest.checked_add(1)) {
                ring.insert(sequence, record.clone());
            }
        }
    }

    fn filtered(query: &Query, ring: &Ring) -> Vec<(u64, Record)> {
        let wanted = ring.iter().rev().filter(|(_, record)| query.matches(record));
        wanted.map(|(sequence, record)| (*sequence, record.clone())).collect()
    }

    proptest! {
        #[test]
        fn the_pages_of_a_dense_ring_are_the_filtered_list(
            records in prop::collection::vec(maybe(record()), 0..60),
            query in query(),
            first in prop_oneof![Just(0), Just(u64::MAX - 59), 0..u64::MAX - 59],
            grow in maybe(record()),
        ) {
            let numbered = (first..=u64::MAX).zip(records);
            let mut ring: Ring = numbered.filter_map(|(at, record)| Some((at, record?))).collect();
            let expected = filtered(&query, &ring);
            prop_assert_eq!(walk(&query, &mut ring, first, grow), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]

        #[test]
        fn the_pages_of_a_ring_with_wide_holes_are_the_filtered_list(
            mut ring in prop::collection::btree_map(0..60_000_u64, record(), 0..40),
            query in query(),
        ) {
            let expected = filtered(&query, &ring);
            prop_assert_eq!(walk(&query, &mut ring, 0, None), expected);
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
        let query = Query { limit: 3, ..Query::default() };
        let load = |_| Some(at(0, Outcome::Success));
        assert_eq!(query.page(3, 1, load).next, None);
        assert_eq!(query.page(4, 1, load).next, Some(2));
        assert_eq!(query.page(0, 1, load), Page { records: vec![], next: None });
        let rest = Query { before: Some(1), ..query.clone() };
        assert_eq!(rest.page(4, 1, load), Page { records: vec![], next: None });
        let all = Query { before: Some(u64::MAX), ..query.clone() };
        assert_eq!(all.page(3, 1, load), query.page(3, 1, load));
        let none = Query { before: Some(0), ..query };
        assert_eq!(none.page(4, 0, load), Page { records: vec![], next: None });
    }

    #[test]
    fn a_limit_out_of_range_is_brought_into_it() {
        let page = |limit| {
            let query = Query { limit, ..Query::default() };
            query.page(500, 1, |_| Some(at(0, Outcome::Success))).records.len()
        };
        assert_eq!((page(0), page(usize::MAX)), (1, MAX_LIMIT));
        assert_eq!(Query::default().limit, DEFAULT_LIMIT);
    }
}
