//! What an admin set while the gateway runs, put together with the configuration.

use super::read::{Faults, Field};
use super::{Config, Env, Fault, form, webhook};
use crate::delivery::{Purpose, Webhook};
use crate::form::{Form, FormKey, Forms, Source};
use crate::json::Document;
use crate::store::{Additions, Learned};
use std::rc::Rc;

/// The webhooks and forms that count at the moment.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The webhooks and, after them, the targets of notices.
    pub webhooks: Rc<[Rc<Webhook>]>,
    /// The forms that have a name or aliases.
    pub forms: Rc<Forms>,
}

impl Config {
    /// The configuration completed by additions, and those by what is learned of the platform; where
    /// two say something, it is the first that counts. Additions with faults are left out, and the
    /// faults told.
    pub fn with(
        &self,
        additions: &Additions,
        learned: &[Learned],
        env: Env<'_>,
    ) -> (InForce, Vec<String>) {
        let mut faults = Vec::new();
        let is_push = |target: &&Rc<Webhook>| target.purpose == Purpose::Push;
        let mut webhooks: Vec<_> = self.webhooks.iter().filter(is_push).cloned().collect();
        for (id, text) in &additions.webhooks {
            if self.webhooks.iter().any(|known| known.id == *id) {
                continue;
            }
            match parse_webhook(text.as_bytes(), env) {
                Ok(webhook) => webhooks.push(Rc::new(webhook)),
                Err(found) => faults.extend(of("webhook", id, &found)),
            }
        }
        webhooks.extend(self.webhooks.iter().filter(|target| !is_push(target)).cloned());
        let mut forms = Forms::clone(&self.forms);
        for (key, text) in &additions.forms {
            let added = parse_form(text.as_bytes()).and_then(|(_, added)| match forms.get(key) {
                None => Ok(added),
                Some(known) => known.completed_by(&added).map_err(|errors| {
                    let fault = |message| Fault { path: String::new(), message };
                    errors.iter().map(ToString::to_string).map(fault).collect()
                }),
            });
            match added {
                Ok(form) => forms.set(key.clone(), form),
                Err(found) => faults.extend(of("form", &key.entry_id, &found)),
            }
        }
        for learned in learned {
            let schema = learned.schema();
            let form = match forms.get(&learned.form) {
                Some(known) => known.taught(&schema),
                None => Form::from(&schema),
            };
            forms.set(learned.form.clone(), form);
        }
        (InForce { webhooks: webhooks.into(), forms: Rc::new(forms) }, faults)
    }
}

fn of(kind: &str, id: &str, faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|fault| format!("{kind} {id}, set by the admin API: {fault}")).collect()
}

/// Reads one object of `webhooks`.
///
/// # Errors
/// Every fault there is.
pub fn parse_webhook(text: &[u8], env: Env<'_>) -> Result<Webhook, Vec<Fault>> {
    parse(text, |field| webhook::webhook(field, &mut Vec::new(), env))
}

/// Reads one object of `forms`.
///
/// # Errors
/// Every fault there is.
pub fn parse_form(text: &[u8]) -> Result<(FormKey, Form), Vec<Fault>> {
    parse(text, |field| form::form(field, Source::Api))
}

fn parse<T>(text: &[u8], read: impl Fn(&Field<'_>) -> Option<T>) -> Result<T, Vec<Fault>> {
    let faults = Faults::default();
    let document = Document::parse(text).map_err(|error| {
        vec![Fault { path: String::new(), message: format!("this is not JSON: {error}") }]
    })?;
    let found = read(&Field::root(document.root(), &faults));
    match (found, faults.into_vec()) {
        (Some(found), faults) if faults.is_empty() => Ok(found),
        (_, faults) => Err(faults),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_ENV: Env<'_> = &|_| None;

    fn config() -> Config {
        let text = br#"{"platform":"jodoo",
            "forms":[{"app_id":"a","entry_id":"e","fields":[{"id":"_widget_1","alias":"x"}]}],
            "webhooks":[{"id":"crm","url":"https://crm.example/"}],
            "notify":[{"url":"https://chat.example/"}]}"#;
        Config::parse(text, NO_ENV).unwrap()
    }

    fn key() -> FormKey {
        FormKey { app_id: "a".into(), entry_id: "e".into() }
    }

    #[test]
    fn additions_stand_beside_the_configuration_and_never_above_it() {
        let mut additions = Additions::default();
        for id in ["crm", "erp"] {
            let text = format!(r#"{{"id":"{id}","url":"https://api.example/"}}"#);
            additions.set_webhook(id, text.into());
        }
        let fields = r#"[{"id":"_widget_1","alias":"y"},{"id":"_widget_2","alias":"z"}]"#;
        let form = format!(r#"{{"app_id":"a","entry_id":"e","name":"F","fields":{fields}}}"#);
        additions.set_form(key(), form.into());
        let (in_force, faults) = config().with(&additions, &[], NO_ENV);
        assert_eq!(faults, Vec::<String>::new());
        let shown: Vec<_> = (in_force.webhooks.iter())
            .map(|webhook| (&*webhook.id, webhook.target.authority()))
            .collect();
        let expected =
            [("crm", "crm.example"), ("erp", "api.example"), ("notify:0", "chat.example")];
        assert_eq!(shown, expected);
        let form = in_force.forms.get(&key()).unwrap();
        assert_eq!(form.name.as_deref(), Some("F"));
        let aliases = form.fields.iter().map(|field| field.alias.as_ref().unwrap().as_str());
        assert_eq!(aliases.collect::<Vec<_>>(), ["x", "z"]);
    }

    #[test]
    fn an_addition_with_faults_is_left_out_and_told() {
        let mut additions = Additions::default();
        additions.set_webhook("erp", r#"{"id":"erp","url":"ftp://x/"}"#.into());
        let form = r#"{"app_id":"a","entry_id":"e","fields":[{"id":"_widget_2","alias":"x"}]}"#;
        additions.set_form(key(), form.into());
        let (in_force, faults) = config().with(&additions, &[], NO_ENV);
        assert_eq!(in_force.webhooks.len(), 2);
        assert_eq!(in_force.forms.get(&key()).unwrap().fields.iter().count(), 1);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].starts_with("webhook erp, set by the admin API: url: "), "{faults:?}");
        assert!(faults[1].contains("form e, set by the admin API: the alias \"x\""), "{faults:?}");
    }
}
