//! Forms as the platform describes them.

use super::super::learned::{MAX_BYTES, MAX_FORMS, decode, encode};
use super::super::{Event, Learned};
use super::{Memory, TRIES};
use crate::form::{FormKey, Lesson, MAX_SCHEMA_BYTES};
use crate::host::{Expected, Host, UnixMillis, random_number};

impl Memory {
    /// All that is known.
    pub(in super::super) fn learned(&self, host: &impl Host) -> Vec<Learned> {
        let found = host.load(&self.learned_key());
        found.and_then(|(value, _)| self.ours(decode(&value))).unwrap_or_default()
    }

    /// Changes with each change of what is known, and is cheap to read.
    pub(in super::super) fn learned_mark(&self, host: &impl Host) -> u64 {
        self.mark(host, &self.learned_mark_key())
    }

    /// Learns what the platform said when it was asked at `began`. Each difference in the structure of
    /// a form comes as an [`Event::Restructured`], to one owner.
    pub(in super::super) fn learn(
        &mut self,
        host: &impl Host,
        lessons: &[(FormKey, Lesson)],
        began: UnixMillis,
    ) {
        let now = host.now();
        let mut restructured = Vec::new();
        let mut is_full = false;
        self.update_learned(host, |known| {
            restructured.clear();
            let mut is_new = false;
            let mut bytes: usize = known.iter().map(|known| known.text.len()).sum();
            for (form, lesson) in lessons {
                let has_place = known.len() < MAX_FORMS;
                let place = known.iter_mut().find(|known| known.form == *form);
                let Some((before, after)) = Learned::news(place.as_deref(), lesson) else {
                    continue;
                };
                let text = after.encode();
                let old = place.as_ref().map_or(0, |known| known.text.len());
                let sum = bytes.saturating_sub(old).saturating_add(text.len());
                if text.len() > MAX_SCHEMA_BYTES || sum > MAX_BYTES || old == 0 && !has_place {
                    is_full = true;
                    continue;
                }
                let mut learned =
                    Learned { form: form.clone(), version: 1, at: now, text: text.into() };
                match place {
                    // It was said before what is known, and came later. A time to come was written
                    // before the clock was set back.
                    Some(known) if before.knows(lesson) && began <= known.at && known.at <= now => {
                        continue;
                    }
                    Some(known) => {
                        learned.version = known.version.saturating_add(1);
                        *known = learned;
                    }
                    None => known.push(learned),
                }
                (is_new, bytes) = (true, sum);
                if after.differs_from(&before) {
                    restructured.push((form.clone(), after));
                }
            }
            is_new
        });
        if is_full && !std::mem::replace(&mut self.told_that_full, true) {
            log::error!(
                "there is no room to learn all forms: {MAX_FORMS}, {MAX_SCHEMA_BYTES} bytes each and {MAX_BYTES} in all"
            );
        }
        let events = restructured.into_iter();
        self.noticed.extend(events.map(|(form, schema)| Event::Restructured(form, schema)));
    }

    /// Takes over what Redis says of forms. What is older than what is known counts only if Redis has
    /// `gone_back`.
    pub(in super::super) fn set_learned(
        &mut self,
        host: &impl Host,
        new: &[Learned],
        gone_back: bool,
    ) {
        if new.is_empty() {
            return;
        }
        self.update_learned(host, |known| {
            let mut is_new = false;
            for learned in new {
                let has_place = known.len() < MAX_FORMS;
                match known.iter_mut().find(|known| known.form == learned.form) {
                    Some(known) if known == learned => continue,
                    Some(known) if known.version > learned.version && !gone_back => continue,
                    Some(known) => *known = learned.clone(),
                    None if !has_place => continue,
                    None => known.push(learned.clone()),
                }
                is_new = true;
            }
            is_new
        });
    }

    /// Changes what is known, atomically, and has all owners look at it; unless `change`, which may be
    /// called several times, says that nothing is new.
    fn update_learned(
        &mut self,
        host: &impl Host,
        mut change: impl FnMut(&mut Vec<Learned>) -> bool,
    ) {
        let key = self.learned_key();
        for _ in 0..TRIES {
            let (before, expected) = match host.load(&key) {
                Some((value, version)) => (value, Expected::Version(version)),
                None => (Vec::new(), Expected::Absent),
            };
            let mut known = decode(&before).unwrap_or_default();
            if !change(&mut known) {
                return;
            }
            if host.save(&key, &encode(&known), expected) {
                break;
            }
        }
        let mark = random_number(host);
        self.enter(host);
        self.set_mark(host, &self.learned_mark_key(), mark);
    }

    fn learned_key(&self) -> String {
        self.key("/l")
    }

    fn learned_mark_key(&self) -> String {
        self.key("/lm")
    }
}
