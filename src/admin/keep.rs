//! What was set at run time, written so that it can go into the gateway's configuration.

use crate::json::{Builder, Document};
use crate::store::Additions;

const NOTE: &str = "This ends with Envoy's process. To keep it, write this into the gateway's configuration; secrets go into the environment variables that it names.";

const SHARED_NOTE: &str = "This is kept in Redis, for all gateways of the namespace. In the configuration it would be this.";

/// Members that hold a secret, and the ones that name an environment variable in their place.
const SECRETS: [(&str, &str, &str); 2] = [
    ("secret", "secret_env", "WEBHOOK_SECRET"),
    ("previous_secret", "previous_secret_env", "PREVIOUS_WEBHOOK_SECRET"),
];

/// Adds the member `keep` to an answer: a note, and the YAML of one webhook or form.
pub(super) fn write(json: &mut Builder, list: &str, text: &str, is_shared: bool) {
    let mut yaml = format!("{list}:\n");
    item(&mut yaml, text);
    let note = if is_shared { SHARED_NOTE } else { NOTE };
    json.name("keep").open(b'{').name("note").text(note).name("yaml").text(&yaml).close(b'}');
}

/// Everything, as YAML.
pub(super) fn all(additions: &Additions) -> String {
    let mut yaml = String::new();
    let webhooks: Vec<_> = additions.webhooks.iter().map(|(_, text)| &**text).collect();
    let forms: Vec<_> = additions.forms.iter().map(|(_, text)| &**text).collect();
    for (list, texts) in [("forms", forms), ("webhooks", webhooks)] {
        if !texts.is_empty() {
            yaml.push_str(list);
            yaml.push_str(":\n");
            texts.iter().for_each(|text| item(&mut yaml, text));
        }
    }
    if yaml.is_empty() {
        yaml.push_str("# Nothing was set at run time.\n");
    }
    yaml
}

/// An item of a YAML list. Its members stand one to a line, in YAML's flow style, which is JSON.
fn item(yaml: &mut String, text: &str) {
    let Ok(document) = Document::parse(text.as_bytes()) else { return };
    let root = document.root();
    let id = root.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_ascii_uppercase();
    let (mut before, mut headers) = ("  - ", Vec::new());
    for (name, value) in root.members() {
        if name.is("headers") {
            headers = value.members().map(|(name, _)| name.raw()).collect();
            continue;
        }
        let (name, value) = match SECRETS.iter().find(|(secret, ..)| name.is(secret)) {
            Some((_, variable, end)) => {
                let id = id.replace('-', "_");
                (*variable, format!("{id}_{end}"))
            }
            None => (name.raw(), flow(value.raw())),
        };
        yaml.push_str(&format!("{before}{name}: {value}\n"));
        before = "    ";
    }
    if !headers.is_empty() {
        let names = headers.join(", ");
        yaml.push_str(&format!(
            "    # headers: {names} (their values are not shown; write them here)\n"
        ));
    }
}

/// JSON as YAML takes it: with a space after each comma and colon that is not in a string, and
/// without the characters that YAML takes for a line's end or does not print.
fn flow(json: &str) -> String {
    let mut out = String::with_capacity(json.len().saturating_add(16));
    let (mut in_string, mut is_escaped) = (false, false);
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => out.push(character),
        }
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_string = !in_string,
            ',' | ':' if !in_string => out.push(' '),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_kept_is_configuration_without_secrets() {
        let mut additions = Additions::default();
        let webhook = json!({
            "id": "my-crm", "url": "https://crm.example/?a: b, \"c\"\\", "secret": "hidden",
            "previous_secret": "hidden", "headers": {"x-a": "hidden"}, "max_in_flight": 5, "retry": ["1s", "a:b,c"],
        });
        additions.set_webhook("my-crm", webhook.to_string().into());
        let form = json!({
            "app_id": "a", "entry_id": "e", "name": "表: 1",
            "fields": [{"id": "_widget_1", "alias": "x", "label": "\u{2028} # - {\u{85}\u{feff}"}],
        });
        let key = crate::form::FormKey { app_id: "a".into(), entry_id: "e".into() };
        additions.set_form(key, form.to_string().into());
        let yaml = all(&additions);
        assert!(!yaml.contains("hidden"), "{yaml}");
        assert!(yaml.contains("    # headers: x-a (their values are not shown;"), "{yaml}");
        let read: Value = serde_yaml_ng::from_str(&yaml).unwrap();
        assert_eq!(read["forms"], json!([form]));
        let mut expected = webhook;
        let expected = {
            let object = expected.as_object_mut().unwrap();
            object.remove("secret");
            object.remove("previous_secret");
            object.remove("headers");
            object.insert("secret_env".into(), json!("MY_CRM_WEBHOOK_SECRET"));
            object.insert("previous_secret_env".into(), json!("MY_CRM_PREVIOUS_WEBHOOK_SECRET"));
            expected
        };
        assert_eq!(read["webhooks"], json!([expected]));
    }

    #[test]
    fn where_nothing_was_set_there_is_nothing_to_keep() {
        assert_eq!(all(&Additions::default()), "# Nothing was set at run time.\n");
    }
}
