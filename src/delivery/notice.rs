//! What people are told about a webhook, in words.
//!
//! Where notices go and how they get there is not known here.

use super::WhileDisabled;
use crate::host::UnixMillis;
use crate::json::{escape, quote};
use crate::store::{Counting, NoticeKind as Kind};
use std::fmt::Write as _;

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
    /// How many failed pushes count.
    pub failures: u32,
    /// How they count, and how many it takes to disable the webhook.
    pub counting: Counting,
    /// What becomes of events while it is disabled.
    pub while_disabled: WhileDisabled,
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
        let Notice { webhook, count, failures, counting, .. } = *self;
        let limit = counting.limit;
        let in_a_row = if counting.total { "" } else { " in a row" };
        // A target may also have said itself that it is gone.
        let after = match failures >= limit {
            true => format!(" after {failures} failed pushes{in_a_row}"),
            false => String::new(),
        };
        let new_events = match self.while_disabled {
            WhileDisabled::Park => "new events are kept in the failed cache",
            WhileDisabled::Drop => "new events are counted and lost",
        };
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
                "Webhook {webhook} will soon be disabled: {failures} pushes{in_a_row} have failed{cause}, and {limit} disable it. See what is wrong at {url}."
            ),
            (Kind::Disabled, _) => write!(
                text,
                "Webhook {webhook} is disabled{after}{cause}. Nothing is sent to {url} until it is restarted; {new_events}. See what is wrong there, then restart the webhook and retry what was kept."
            ),
            (Kind::CacheFull, _) => write!(
                text,
                "The failed cache is full: pushes to webhook {webhook} were lost ({count} since the last notice). Retry or abandon what is in the cache to make room."
            ),
            (Kind::Blocked, _) => write!(
                text,
                "Pushes to webhook {webhook} do not get out of the gateway{cause}. They are tried again, and those that use up their retries are kept in the failed cache, charged to nobody: see what is wrong with the gateway's clusters."
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
        let Notice { count, failures, .. } = self;
        let limit = self.counting.limit;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOTICE: Notice<'_> = Notice {
        kind: Kind::Disabled,
        webhook: "crm",
        url: "https://crm.example.com/hooks?key=hidden",
        count: 1,
        failures: 100,
        counting: Counting { limit: 100, total: false },
        while_disabled: WhileDisabled::Park,
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
        let body: std::collections::HashMap<String, String> =
            serde_json::from_slice(&body).unwrap();
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
                Kind::Blocked,
                2,
                "Pushes to webhook crm do not get out of the gateway (last cause: HTTP 500). ",
                "see what is wrong with the gateway's clusters.",
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

    #[test]
    fn the_words_fit_how_the_webhook_is_configured() {
        let total = Counting { limit: 100, total: true };
        let notice = Notice { counting: total, while_disabled: WhileDisabled::Drop, ..NOTICE };
        let message = Notice { kind: Kind::Disabled, ..notice }.message();
        assert!(message.contains("after 100 failed pushes (last cause"), "{message}");
        assert!(message.contains("new events are counted and lost"), "{message}");
        let gone = Notice { kind: Kind::Disabled, failures: 1, cause: "HTTP 410", ..NOTICE };
        let message = gone.message();
        assert!(message.contains("is disabled (last cause: HTTP 410). Nothing"), "{message}");
    }

    proptest! {
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
