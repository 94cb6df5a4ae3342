//! What people are told about a webhook, and how often.
//!
//! A [`Notice`] is one message in words; a [`Coalescer`] keeps a webhook in trouble from telling
//! the same every second. Where notices go and how they get there is not known here.

use crate::codec::{Reader, Writer};
use crate::host::UnixMillis;
use crate::json::{escape, quote};
use std::fmt::Write as _;
use std::time::Duration;

/// What happened to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A push used up its retries.
    PushFailed,
    /// So many have failed that the webhook will soon be disabled.
    Warning,
    /// So many have failed that the webhook is disabled.
    Disabled,
    /// A push was lost, as there was no room to keep it.
    CacheFull,
}

impl Kind {
    /// All of them, in the order in which a [`Coalescer`] is stored.
    pub const ALL: [Kind; 4] = [Kind::PushFailed, Kind::Warning, Kind::Disabled, Kind::CacheFull];

    /// Its name in notices, metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::PushFailed => "push_failed",
            Kind::Warning => "warning",
            Kind::Disabled => "disabled",
            Kind::CacheFull => "cache_full",
        }
    }
}

/// How a notice is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object for a program.
    Json,
    /// A chat message, as incoming webhooks of Slack and of what imitates it take it.
    Slack,
}

/// One message to whoever looks after the webhooks.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// What happened.
    pub kind: Kind,
    /// The webhook's id.
    pub webhook: &'a str,
    /// Where it pushes to. Its query may hold credentials and is not shown.
    pub url: &'a str,
    /// How often it happened since the last notice of this kind.
    pub count: u32,
    /// How many pushes have failed in a row.
    pub failures: u32,
    /// How many it takes to disable the webhook.
    pub limit: u32,
    /// Why the last push failed, in words; empty if that is not known.
    pub cause: &'a str,
    /// When it last happened.
    pub at: UnixMillis,
    /// The last push that it happened to; empty if there is none.
    pub push_id: &'a str,
}

impl Notice<'_> {
    /// The body of the request that carries the notice.
    pub fn body(&self, format: Format) -> Vec<u8> {
        let mut out = Vec::new();
        match format {
            Format::Json => self.write_json(&mut out),
            Format::Slack => write_slack(&mut out, &self.message()),
        }
        out
    }

    /// What happened and what to do, for a person.
    pub fn message(&self) -> String {
        let Notice { webhook, count, failures, limit, .. } = *self;
        let url = self.url.split('?').next().unwrap_or_default();
        let cause = self.cause_in_brackets();
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = match (self.kind, count) {
            (Kind::PushFailed, 0..=1) => write!(
                text,
                "A push to webhook {webhook} failed after all its retries{cause}. It is kept in the failed cache: see what is wrong at {url}, then retry the push or abandon it."
            ),
            (Kind::PushFailed, _) => write!(
                text,
                "{count} pushes to webhook {webhook} failed after all their retries{cause}. They are kept in the failed cache: see what is wrong at {url}, then retry or abandon them."
            ),
            (Kind::Warning, _) => write!(
                text,
                "Webhook {webhook} will soon be disabled: {failures} pushes in a row have failed{cause}, and {limit} disable it. See what is wrong at {url}."
            ),
            (Kind::Disabled, _) => write!(
                text,
                "Webhook {webhook} is disabled after {failures} failed pushes in a row{cause}. Nothing is sent to {url} until it is restarted; new events are kept in the failed cache. See what is wrong there, then restart the webhook and retry what was kept."
            ),
            (Kind::CacheFull, _) => write!(
                text,
                "The failed cache is full: pushes to webhook {webhook} were lost ({count} since the last notice). Retry or abandon what is in the cache to make room."
            ),
        };
        text
    }

    fn cause_in_brackets(&self) -> String {
        let last = if self.count > 1 || self.kind != Kind::PushFailed { "last " } else { "" };
        match self.cause {
            "" => String::new(),
            cause => format!(" ({last}cause: {cause})"),
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let Notice { count, failures, limit, .. } = self;
        let begin = format!("{{\"type\":\"formhook.{}\",\"webhook\":", self.kind.name());
        let numbers = format!(
            ",\"count\":{count},\"failure_count\":{failures},\"disable_after\":{limit},\"cause\":"
        );
        for (before, text) in [
            (begin.as_str(), self.webhook),
            (",\"message\":", &self.message()),
            (&numbers, self.cause),
            (",\"push_id\":", self.push_id),
            (",\"time\":", &self.at.to_string()),
        ] {
            out.extend_from_slice(before.as_bytes());
            match text {
                "" => out.extend_from_slice(b"null"),
                text => quote(out, text),
            }
        }
        out.push(b'}');
    }
}

/// `&`, `<` and `>` are Slack's own: with them a text could call a whole channel.
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>
fn write_slack(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"{\"text\":\"");
    for character in text.chars() {
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            other => escape(out, other),
        }
    }
    out.extend_from_slice(b"\"}");
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
    slots: [Slot; Kind::ALL.len()],
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
    pub fn happened(&mut self, kind: Kind, now: UnixMillis) -> Option<u32> {
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
    pub fn flush(&mut self, now: UnixMillis) -> impl Iterator<Item = (Kind, u32)> {
        let slots = Kind::ALL.into_iter().zip(&mut self.slots);
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

    const NOTICE: Notice<'_> = Notice {
        kind: Kind::Disabled,
        webhook: "crm",
        url: "https://crm.example.com/hooks?key=hidden",
        count: 1,
        failures: 100,
        limit: 100,
        cause: "HTTP 500",
        at: UnixMillis(1_778_575_509_018),
        push_id: "4d1d1504-b885-439e-b79e-f10032ce3eed",
    };

    #[test]
    fn a_program_gets_an_object_with_all_that_is_known() {
        let body = String::from_utf8(NOTICE.body(Format::Json)).unwrap();
        assert_eq!(
            body,
            concat!(
                r#"{"type":"formhook.disabled","webhook":"crm","message":"Webhook crm is disabled "#,
                r#"after 100 failed pushes in a row (last cause: HTTP 500). Nothing is sent to "#,
                r#"https://crm.example.com/hooks until it is restarted; new events are kept in the "#,
                r#"failed cache. See what is wrong there, then restart the webhook and retry what "#,
                r#"was kept.","count":1,"failure_count":100,"disable_after":100,"cause":"HTTP 500","#,
                r#""push_id":"4d1d1504-b885-439e-b79e-f10032ce3eed","#,
                r#""time":"2026-05-12T08:45:09.018Z"}"#,
            )
        );
    }

    #[test]
    fn what_is_not_known_is_null() {
        let notice = Notice { cause: "", push_id: "", ..NOTICE };
        let body: serde_json::Value = serde_json::from_slice(&notice.body(Format::Json)).unwrap();
        assert_eq!((&body["cause"], &body["push_id"]), (&().into(), &().into()));
        assert!(notice.message().contains("in a row. Nothing"), "{}", notice.message());
    }

    #[test]
    fn slack_gets_no_markup_of_its_own() {
        let notice = Notice { cause: "<!channel> & \"more\"\n", ..NOTICE };
        let body = notice.body(Format::Slack);
        let body: HashMap<String, String> = serde_json::from_slice(&body).unwrap();
        let text = &body["text"];
        assert!(text.contains("(last cause: &lt;!channel&gt; &amp; \"more\"\n)"), "{text}");
        assert_eq!(body.len(), 1);
    }

    #[test]
    fn each_kind_is_told_in_words() {
        for (kind, count, begin, end) in [
            (
                Kind::PushFailed,
                1,
                "A push to webhook crm failed after all its retries (cause: HTTP 500). ",
                "then retry the push or abandon it.",
            ),
            (
                Kind::PushFailed,
                7,
                "7 pushes to webhook crm failed after all their retries (last cause: HTTP 500). ",
                "then retry or abandon them.",
            ),
            (
                Kind::Warning,
                2,
                "Webhook crm will soon be disabled: 100 pushes in a row have failed (last cause: ",
                "See what is wrong at https://crm.example.com/hooks.",
            ),
            (
                Kind::CacheFull,
                3,
                "The failed cache is full: pushes to webhook crm were lost (3 since the last ",
                "Retry or abandon what is in the cache to make room.",
            ),
        ] {
            let text = Notice { kind, count, ..NOTICE }.message();
            assert!(text.starts_with(begin) && text.ends_with(end), "{text}");
        }
    }

    /// Seconds after some day in 2026.
    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(1_778_575_509_018).after(Duration::from_secs(seconds))
    }

    #[test]
    fn the_first_goes_out_at_once_and_the_others_a_minute_later_as_one() {
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.due(at(0)), None);
        assert_eq!(coalescer.happened(Kind::PushFailed, at(0)), Some(1));
        assert_eq!(coalescer.due(at(0)), None);
        assert_eq!(coalescer.happened(Kind::PushFailed, at(1)), None);
        assert_eq!(coalescer.happened(Kind::PushFailed, at(2)), None);
        assert_eq!(coalescer.happened(Kind::Disabled, at(2)), Some(1));
        assert_eq!(coalescer.due(at(2)), Some(at(60)));
        assert_eq!(coalescer.flush(at(59)).next(), None);
        assert_eq!(coalescer.flush(at(60)).collect::<Vec<_>>(), [(Kind::PushFailed, 2)]);
        assert_eq!(coalescer.due(at(60)), None);
    }

    #[test]
    fn a_clock_that_is_set_back_a_year_silences_nothing_for_longer_than_a_minute() {
        const YEAR: u64 = 365 * 86_400;
        let mut coalescer = Coalescer::default();
        assert_eq!(coalescer.happened(Kind::Warning, at(YEAR)), Some(1));
        assert_eq!(coalescer.happened(Kind::Warning, at(5)), None);
        assert_eq!(coalescer.due(at(5)), Some(at(65)));
        assert_eq!(coalescer.due(at(30)), Some(at(65)));
        assert_eq!(coalescer.flush(at(65)).collect::<Vec<_>>(), [(Kind::Warning, 1)]);
    }

    fn kind() -> impl Strategy<Value = Kind> {
        proptest::sample::select(&Kind::ALL)
    }

    /// What happens, and how many milliseconds after what happened before; now and then a flush.
    fn story() -> impl Strategy<Value = Vec<(Option<Kind>, u64)>> {
        proptest::collection::vec((proptest::option::of(kind()), 0..30_000_u64), 0..100)
    }

    proptest! {
        #[test]
        fn of_a_kind_at_most_one_goes_out_a_minute_and_the_counts_add_up(story in story()) {
            let mut coalescer = Coalescer::default();
            let mut now = at(0);
            let mut happened = HashMap::<Kind, u32>::new();
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
            for kind in Kind::ALL {
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
            state: [(u64, u32); 4],
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
        fn what_is_stored_is_read_again(state: [(u64, u32); 4]) {
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

        #[test]
        fn any_text_makes_a_body(webhook: String, url: String, cause: String, count: u32) {
            let url = format!("https://{url}");
            let mut notice = Notice { webhook: &webhook, url: &url, cause: &cause, count, ..NOTICE };
            for kind in Kind::ALL {
                notice.kind = kind;
                let body: serde_json::Value =
                    serde_json::from_slice(&notice.body(Format::Json)).unwrap();
                let message = notice.message();
                prop_assert_eq!(body["message"].as_str(), Some(message.as_str()));
                prop_assert_eq!(body["cause"].as_str().unwrap_or_default(), cause.as_str());
                let body: serde_json::Value =
                    serde_json::from_slice(&notice.body(Format::Slack)).unwrap();
                let text = body["text"].as_str().unwrap();
                prop_assert!(!text.contains(['<', '>']));
                let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                prop_assert_eq!(plain, message);
            }
        }
    }
}
