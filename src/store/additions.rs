//! What an admin set while the gateway runs, in the words of the configuration.
//!
//! It is kept as JSON text and not understood here.

use crate::codec::{Reader, Writer};
use crate::form::FormKey;

/// The version of the binary form.
const VERSION: u8 = 1;

/// Webhooks and forms beside those of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// Webhooks by id, as objects of `webhooks`.
    pub webhooks: Vec<(Box<str>, Box<str>)>,
    /// Forms, as objects of `forms`.
    pub forms: Vec<(FormKey, Box<str>)>,
}

impl Additions {
    /// Whether nothing was set.
    pub(super) fn is_empty(&self) -> bool {
        self.webhooks.is_empty() && self.forms.is_empty()
    }

    /// The text of a webhook.
    pub fn webhook(&self, id: &str) -> Option<&str> {
        self.webhooks.iter().find(|(known, _)| **known == *id).map(|(_, text)| &**text)
    }

    /// The text of a form.
    pub fn form(&self, key: &FormKey) -> Option<&str> {
        self.forms.iter().find(|(known, _)| known == key).map(|(_, text)| &**text)
    }

    /// Puts a webhook in the place of the one with this id, or at the end.
    pub fn set_webhook(&mut self, id: &str, text: Box<str>) {
        set(&mut self.webhooks, id.into(), text);
    }

    /// Puts a form in the place of the one with this key, or at the end.
    pub fn set_form(&mut self, key: FormKey, text: Box<str>) {
        set(&mut self.forms, key, text);
    }

    /// Takes a webhook out. False if there is none.
    pub fn remove_webhook(&mut self, id: &str) -> bool {
        let before = self.webhooks.len();
        self.webhooks.retain(|(known, _)| **known != *id);
        self.webhooks.len() < before
    }

    /// Takes a form out. False if there is none.
    pub fn remove_form(&mut self, key: &FormKey) -> bool {
        let before = self.forms.len();
        self.forms.retain(|(known, _)| known != key);
        self.forms.len() < before
    }

    /// The binary form.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        out.number(self.webhooks.len() as u64);
        for (id, text) in &self.webhooks {
            out.text(id).text(text);
        }
        out.number(self.forms.len() as u64);
        for (key, text) in &self.forms {
            out.text(&key.app_id).text(&key.entry_id).text(text);
        }
        out.finish()
    }

    /// Reads the binary form; `None` for what is none.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut value = Reader::new(value, VERSION)?;
        let mut additions = Additions::default();
        for _ in 0..value.number()? {
            additions.webhooks.push((value.text()?.into(), value.text()?.into()));
        }
        for _ in 0..value.number()? {
            let key = FormKey { app_id: value.text()?.into(), entry_id: value.text()?.into() };
            additions.forms.push((key, value.text()?.into()));
        }
        Some(additions)
    }
}

fn set<K: PartialEq>(list: &mut Vec<(K, Box<str>)>, key: K, text: Box<str>) {
    match list.iter_mut().find(|(known, _)| *known == key) {
        Some((_, known)) => *known = text,
        None => list.push((key, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(entry_id: &str) -> FormKey {
        FormKey { app_id: "a".into(), entry_id: entry_id.into() }
    }

    #[test]
    fn what_is_set_is_found_and_read_as_it_was_written() {
        let mut additions = Additions::default();
        additions.set_webhook("crm", "{}".into());
        additions.set_webhook("erp", "{}".into());
        additions.set_webhook("crm", r#"{"id":"crm"}"#.into());
        additions.set_form(key("e"), "{}".into());
        let read = Additions::decode(&additions.encode()).unwrap();
        assert_eq!(read, additions);
        assert_eq!(read.webhook("crm"), Some(r#"{"id":"crm"}"#));
        assert_eq!((read.form(&key("e")), read.form(&key("f"))), (Some("{}"), None));
        assert!(additions.remove_webhook("crm") && !additions.remove_webhook("crm"));
        assert!(additions.remove_form(&key("e")) && !additions.remove_form(&key("e")));
    }

    proptest! {
        #[test]
        fn foreign_values_never_panic(value: Vec<u8>) {
            let _ = Additions::decode(&value);
        }
    }
}
