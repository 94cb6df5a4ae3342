//! What the platform says of forms, as the workers of a gateway share it.
//!
//! Which of what it says is new is decided where it is kept, so that each difference is found once.

use crate::codec::{Reader, Writer};
use crate::form::{FormKey, Lesson, Schema};
use crate::host::UnixMillis;

/// The version of the binary form.
const VERSION: u8 = 1;

/// How many forms are learned.
pub const MAX_FORMS: usize = 500;

/// All that is learned of forms, in bytes.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A form as the platform described it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Which.
    pub form: FormKey,
    /// Grows with each difference. In Redis it counts those of all forms.
    pub(super) version: u64,
    /// When that was; zero if Redis knows.
    pub(super) at: UnixMillis,
    /// As [`Schema::encode`] wrote it.
    pub(super) text: Box<str>,
}

impl Learned {
    /// A form of which nothing is known.
    pub(super) fn unknown(form: FormKey) -> Self {
        Learned { form, version: 0, at: UnixMillis(0), text: "".into() }
    }

    /// Reads what Redis has of a form: `<version> <time> <schema>`.
    pub(super) fn read(form: FormKey, value: &str) -> Option<Self> {
        let (version, rest) = value.split_once(' ')?;
        let (_, text) = rest.split_once(' ')?;
        let version = version.parse().ok()?;
        Schema::decode(text)?;
        Some(Learned { form, version, at: UnixMillis(0), text: text.into() })
    }

    /// What was known of a form and what is after a lesson; `None` if that taught nothing.
    pub(super) fn news(known: Option<&Learned>, lesson: &Lesson) -> Option<(Schema, Schema)> {
        let before = known.map(Learned::schema).unwrap_or_default();
        let after = match (before.after(lesson), lesson) {
            (None, Lesson::Seen) if known.is_none() => before.clone(),
            (after, _) => after?,
        };
        Some((before, after))
    }

    /// What is known; nothing if it cannot be read.
    pub fn schema(&self) -> Schema {
        Schema::decode(&self.text).unwrap_or_default()
    }
}

pub(super) fn encode(all: &[Learned]) -> Vec<u8> {
    let mut out = Writer::new(VERSION);
    out.number(all.len() as u64);
    for Learned { form, version, at, text } in all {
        out.text(&form.app_id).text(&form.entry_id).number(*version).number(at.0).text(text);
    }
    out.finish()
}

/// Reads what [`encode`] wrote; `None` for what is none.
pub(super) fn decode(value: &[u8]) -> Option<Vec<Learned>> {
    let mut value = Reader::new(value, VERSION)?;
    let mut all = Vec::new();
    for _ in 0..value.number()? {
        let form = FormKey { app_id: value.text()?.into(), entry_id: value.text()?.into() };
        let (version, at) = (value.number()?, UnixMillis(value.number()?));
        all.push(Learned { form, version, at, text: value.text()?.into() });
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(forms in proptest::collection::vec(
            (".{0,3}", ".{0,3}", any::<u64>(), any::<u64>(), ".{0,9}"), 0..4,
        )) {
            let forms: Vec<_> = forms
                .into_iter()
                .map(|(app_id, entry_id, version, at, text)| Learned {
                    form: FormKey { app_id: app_id.into(), entry_id: entry_id.into() },
                    version,
                    at: UnixMillis(at),
                    text: text.into(),
                })
                .collect();
            prop_assert_eq!(decode(&encode(&forms)), Some(forms));
        }

        #[test]
        fn foreign_values_never_panic(value: Vec<u8>, text: String) {
            let _ = decode(&value);
            let form = FormKey { app_id: "a".into(), entry_id: "e".into() };
            let _ = Learned::read(form, &text);
        }
    }
}
