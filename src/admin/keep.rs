//! What was set at run time, written so that it can go into the gateway's configuration.

use crate::json::{Builder, Document};
use crate::store::Additions;

const NOTE: &str = "This ends with Envoy's process. To keep it, write this into the gateway's configuration; secrets go into the environment variables that it names.";

const SHARED_NOTE: &str = "This is kept in Redis, for all gateways of the namespace. In the configuration it would be this.";

/// Members that hold a secret, the ones that name an environment variable in their place, and how
/// its name ends.
const SECRETS: [(&str, &str, &str); 2] =
    [("secret", "secret_env", ""), ("previous_secret", "previous_secret_env", "_PREVIOUS")];

/// Adds the member `keep` to an answer: a note, and the YAML of one webhook or form that stands
/// among these, or comes behind them.
pub(super) fn write(
    json: &mut Builder,
    additions: &Additions,
    list: &str,
    text: &str,
    is_shared: bool,
) {
    let mut yaml = format!("{list}:\n");
    item(&mut yaml, additions, text);
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
            texts.iter().for_each(|text| item(&mut yaml, additions, text));
        }
    }
    if yaml.is_empty() {
        yaml.push_str("# Nothing was set at run time.\n");
    }
    yaml
}

/// An item of a YAML list. Its members stand one to a line, in YAML's flow style, which is JSON.
fn item(yaml: &mut String, additions: &Additions, text: &str) {
    let Ok(document) = Document::parse(text.as_bytes()) else { return };
    let root = document.root();
    let (mut before, mut headers) = ("  - ", Vec::new());
    for (name, value) in root.members() {
        if name.is("headers") {
            headers = value.members().map(|(name, _)| name.raw()).collect();
            continue;
        }
        let (name, value) = match SECRETS.iter().find(|(secret, ..)| name.is(secret)) {
            Some((_, variable, end)) => {
                let id = root.get("id").and_then(|id| id.as_str()).unwrap_or_default();
                (*variable, [&secret_variable(additions, &id), *end].concat())
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

/// The environment variable for a webhook's secret. Ids that a shell cannot tell apart have
/// numbers, which stand where no id can be.
fn secret_variable(additions: &Additions, id: &str) -> String {
    let own = shell_name(id);
    let before = additions.webhooks.iter().map(|(other, _)| &**other);
    let same = before.take_while(|other| *other != id).filter(|other| shell_name(other) == own);
    match same.count() {
        0 => [&own, "_WEBHOOK_SECRET"].concat(),
        same => [&own, "_WEBHOOK_SECRET_", &*same.saturating_add(1).to_string()].concat(),
    }
}

/// An id in the characters of a variable, of which none begins with a digit.
fn shell_name(id: &str) -> String {
    let letter = if matches!(id.as_bytes(), [b'0'..=b'9', ..]) { "W" } else { "" };
    [letter, &id.to_ascii_uppercase().replace('-', "_")].concat()
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
    use proptest::prelude::*;
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
            object.insert("previous_secret_env".into(), json!("MY_CRM_WEBHOOK_SECRET_PREVIOUS"));
            expected
        };
        assert_eq!(read["webhooks"], json!([expected]));
    }

    /// The environment variables that the export names, in its order.
    fn variables(ids: &[&str]) -> Vec<String> {
        let mut additions = Additions::default();
        for id in ids {
            let webhook = json!({"id": id, "url": "https://x.example/", "secret": "s",
                "previous_secret": "t"});
            additions.set_webhook(id, webhook.to_string().into());
        }
        let read: Value = serde_yaml_ng::from_str(&all(&additions)).unwrap();
        let names = ["secret_env", "previous_secret_env"];
        let webhooks = read["webhooks"].as_array().unwrap().iter();
        webhooks
            .flat_map(|webhook| names.map(|name| webhook[name].as_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn each_secret_has_an_environment_variable_of_its_own_that_a_shell_can_set() {
        assert_eq!(
            variables(&["crm", "CRM", "a-b", "a_b", "A_b", "1crm"]),
            [
                "CRM_WEBHOOK_SECRET",
                "CRM_WEBHOOK_SECRET_PREVIOUS",
                "CRM_WEBHOOK_SECRET_2",
                "CRM_WEBHOOK_SECRET_2_PREVIOUS",
                "A_B_WEBHOOK_SECRET",
                "A_B_WEBHOOK_SECRET_PREVIOUS",
                "A_B_WEBHOOK_SECRET_2",
                "A_B_WEBHOOK_SECRET_2_PREVIOUS",
                "A_B_WEBHOOK_SECRET_3",
                "A_B_WEBHOOK_SECRET_3_PREVIOUS",
                "W1CRM_WEBHOOK_SECRET",
                "W1CRM_WEBHOOK_SECRET_PREVIOUS",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_two_secrets_share_a_variable(
            ids in prop::collection::btree_set("[aA1_-]{0,3}(_webhook_secret|_2|_previous)?x?", 1..6),
        ) {
            let ids: Vec<&str> = ids.iter().map(|id| &**id).filter(|id| !id.is_empty()).collect();
            prop_assume!(!ids.is_empty());
            let names = variables(&ids);
            for (at, name) in names.iter().enumerate() {
                prop_assert!(!names[..at].contains(name), "{:?}", names);
                prop_assert!(!name.starts_with(|first: char| first.is_ascii_digit()), "{}", name);
                prop_assert!(name.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_')));
            }
        }
    }

    #[test]
    fn what_is_kept_of_one_webhook_is_what_the_export_says_of_it() {
        let text = |id: &str| json!({"id": id, "secret": "s"}).to_string();
        let mut additions = Additions::default();
        additions.set_webhook("crm", text("crm").into());
        // One that is just created, and one that is changed.
        for id in ["CRM", "crm"] {
            let mut json = Builder::new();
            write(json.open(b'{'), &additions, "webhooks", &text(id), false);
            json.close(b'}');
            additions.set_webhook(id, text(id).into());
            let kept: Value = serde_json::from_slice(&json.finish()).unwrap();
            let item = kept["keep"]["yaml"].as_str().unwrap().strip_prefix("webhooks:\n").unwrap();
            assert!(all(&additions).contains(item), "{item}");
        }
    }

    #[test]
    fn where_nothing_was_set_there_is_nothing_to_keep() {
        assert_eq!(all(&Additions::default()), "# Nothing was set at run time.\n");
    }
}
