//! How often people are told about a webhook.
//!
//! A [`Coalescer`] keeps a webhook in trouble from telling the same every second. What is told, and
//! to whom, is not known here.

use crate::codec::{Reader, Writer};
use crate::host::UnixMillis;
use std::time::Duration;

/// What happened to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A push used up its retries.
    PushFailed,
    /// So many have failed that the webhook will soon be disabled.
    Warning,
    /// So many have failed that the webhook is disabled.
    Disabled,
    /// A push was lost, as there was no room to keep it.
    CacheFull,
    /// Its pushes do not get out of the gateway.
    Blocked,
}

impl NoticeKind {
    /// All of them, in the order in which a [`Coalescer`] is stored.
    pub const ALL: [NoticeKind; 5] = [
        NoticeKind::PushFailed,
        NoticeKind::Warning,
        NoticeKind::Disabled,
        NoticeKind::CacheFull,
        NoticeKind::Blocked,
    ];

    /// Its name in notices, metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            NoticeKind::PushFailed => "push_failed",
            NoticeKind::Warning => "warning",
            NoticeKind::Disabled => "disabled",
            NoticeKind::CacheFull => "cache_full",
            NoticeKind::Blocked => "blocked",
        }
    }
}

/// The least time between two notices of a kind about a webhook.
const PAUSE: Duration = Duration::from_secs(60);

/// Decides when a webhook's notices go out: of each kind at most one a minute, which counts what
/// happened since the last one. Nothing is forgotten.
///
/// It lives by the wall clock, which may jump. A notice that was sent in the future counts as
/// sent when that is noticed, so that no jump silences a kind for longer than a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coalescer {
    slots: [Slot; NoticeKind::ALL.len()],
}

/// One kind. What it does is not worth a copy for each of them in the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Slot {
    /// When a notice last went out; at first that is as good as 1970.
    sent: u64,
    /// How often it happened since.
    held: u32,
}

impl Slot {
    /// When the next notice may go out.
    fn opens(&self, now: UnixMillis) -> UnixMillis {
        UnixMillis(self.sent.min(now.0)).after(PAUSE)
    }

    /// What there is to tell, if it may go out now.
    #[inline(never)]
    fn take(&mut self, now: UnixMillis) -> Option<u32> {
        // Kept, lest the minute begin anew each time until the clock gets there.
        self.sent = self.sent.min(now.0);
        if self.held == 0 || self.opens(now) > now {
            return None;
        }
        self.sent = now.0;
        Some(std::mem::take(&mut self.held))
    }

    #[inline(never)]
    fn encode(&self, writer: &mut Writer) {
        writer.number(self.sent).number(self.held.into());
    }

    #[inline(never)]
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Slot { sent: reader.number()?, held: reader.small()? })
    }
}

impl Coalescer {
    /// It happened. `Some` if a notice is to go out now: how often since the last one.
    pub fn happened(&mut self, kind: NoticeKind, now: UnixMillis) -> Option<u32> {
        let slot = self.slots.get_mut(kind as usize)?;
        slot.held = slot.held.saturating_add(1);
        slot.take(now)
    }

    /// When something held back may go out, at the earliest; `None` if nothing is. Ask after
    /// [`Coalescer::flush`], which takes note of a clock that was set back.
    pub fn due(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.slots.iter().filter(|slot| slot.held > 0).map(|slot| slot.opens(now)).min()
    }

    /// What was held back and is to go out now, each kind as it is taken from the iterator.
    pub fn flush(&mut self, now: UnixMillis) -> impl Iterator<Item = (NoticeKind, u32)> {
        let slots = NoticeKind::ALL.into_iter().zip(&mut self.slots);
        slots.filter_map(move |(kind, slot)| Some((kind, slot.take(now)?)))
    }

    /// Writes it as a part of a stored value.
    pub fn encode(&self, writer: &mut Writer) {
        for slot in &self.slots {
            slot.encode(writer);
        }
    }

    /// Reads what [`Coalescer::encode`] wrote. What is something else is as good as new.
    pub fn decode(reader: &mut Reader<'_>) -> Self {
        Self::read(reader).unwrap_or_default()
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut read = Coalescer::default();
        for slot in &mut read.slots {
            *slot = Slot::decode(reader)?;
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Seconds after some day in 2026.
    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(1_778_575_509_018).after(Duration::from_secs(seconds))
    }

    #[test]
    fn the_first_goes_out_at_once_and_the_others_a_minute_later_as_one() {
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.due(at(0)), None);
        assert_eq!(coalescer.happened(NoticeKind::PushFailed, at(0)), Some(1));
        assert_eq!(coalescer.due(at(0)), None);
        assert_eq!(coalescer.happened(NoticeKind::PushFailed, at(1)), None);
        assert_eq!(coalescer.happened(NoticeKind::PushFailed, at(2)), None);
        assert_eq!(coalescer.happened(NoticeKind::Disabled, at(2)), Some(1));
        assert_eq!(coalescer.due(at(2)), Some(at(60)));
        assert_eq!(coalescer.flush(at(59)).next(), None);
        assert_eq!(coalescer.flush(at(60)).collect::<Vec<_>>(), [(NoticeKind::PushFailed, 2)]);
        assert_eq!(coalescer.due(at(60)), None);
    }

    #[test]
    fn a_clock_that_is_set_back_a_year_silences_nothing_for_longer_than_a_minute() {
        const YEAR: u64 = 365 * 86_400;
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.happened(NoticeKind::Warning, at(YEAR)), Some(1));
        assert_eq!(coalescer.happened(NoticeKind::Warning, at(5)), None);
        assert_eq!(coalescer.due(at(5)), Some(at(65)));
        assert_eq!(coalescer.due(at(30)), Some(at(65)));
        assert_eq!(coalescer.flush(at(65)).collect::<Vec<_>>(), [(NoticeKind::Warning, 1)]);
    }

    fn kind() -> impl Strategy<Value = NoticeKind> {
        proptest::sample::select(&NoticeKind::ALL)
    }

    /// What happens, and how many milliseconds after what happened before; now and then a flush.
    fn story() -> impl Strategy<Value = Vec<(Option<NoticeKind>, u64)>> {
        proptest::collection::vec((proptest::option::of(kind()), 0..30_000_u64), 0..100)
    }

    proptest! {
        #[test]
        fn of_a_kind_at_most_one_goes_out_a_minute_and_the_counts_add_up(story in story()) {
            let mut coalescer = Coalescer::default();
            let mut now = at(0);
            let mut happened = HashMap::<NoticeKind, u32>::new();
            let mut told = Vec::new();
            for (kind, pause) in story {
                now = now.after(Duration::from_millis(pause));
                if let Some(kind) = kind {
                    *happened.entry(kind).or_default() += 1;
                    let count = coalescer.happened(kind, now);
                    told.extend(count.map(|count| (kind, now, count)));
                } else {
                    told.extend(coalescer.flush(now).map(|(kind, count)| (kind, now, count)));
                    prop_assert!(coalescer.due(now).is_none_or(|due| due > now));
                }
            }
            while let Some(due) = coalescer.due(now) {
                prop_assert!(due <= now.after(PAUSE));
                now = due.max(now);
                let before = told.len();
                told.extend(coalescer.flush(now).map(|(kind, count)| (kind, now, count)));
                prop_assert!(told.len() > before, "what is due goes out");
            }
            for kind in NoticeKind::ALL {
                let of_kind: Vec<_> = told.iter().filter(|(of, ..)| *of == kind).collect();
                for pair in of_kind.windows(2) {
                    prop_assert!(pair[1].1.since(pair[0].1) >= PAUSE);
                }
                let sum: u32 = of_kind.iter().map(|(.., count)| count).sum();
                prop_assert_eq!(sum, happened.get(&kind).copied().unwrap_or_default());
            }
        }

        #[test]
        fn from_any_state_and_any_jump_of_the_clock_a_minute_is_enough(
            state: [(u64, u32); NoticeKind::ALL.len()],
            kind in kind(),
            now in 0..u64::MAX - 60_000,
        ) {
            let slots = state.map(|(sent, held)| Slot { sent, held });
            let mut coalescer = Coalescer { slots };
            let now = UnixMillis(now);
            let told_now = coalescer.happened(kind, now).is_some();
            let mut told: Vec<_> = coalescer.flush(now).map(|(kind, _)| kind).collect();
            let later = now.after(PAUSE);
            prop_assert!(coalescer.due(now).is_none_or(|due| due <= later));
            told.extend(coalescer.flush(later).map(|(kind, _)| kind));
            prop_assert!(told_now || told.contains(&kind));
            prop_assert_eq!(coalescer.due(later), None);
        }

        #[test]
        fn what_is_stored_is_read_again(state: [(u64, u32); NoticeKind::ALL.len()]) {
            let coalescer = Coalescer { slots: state.map(|(sent, held)| Slot { sent, held }) };
            let mut writer = Writer::new(1);
            coalescer.encode(&mut writer);
            let value = writer.finish();
            let decoded = Coalescer::decode(&mut Reader::new(&value, 1).unwrap());
            prop_assert_eq!(&decoded, &coalescer);
            let cut = &value[..value.len() - 1];
            let decoded = Coalescer::decode(&mut Reader::new(cut, 1).unwrap());
            prop_assert_eq!(decoded, Coalescer::default());
        }
    }
}
