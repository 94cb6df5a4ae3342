//! Configurations that nobody would write: none of them panics, and none shows a secret.

use super::*;
use crate::json::testing::{ANY_NUMBER, document};
use proptest::prelude::*;
use proptest::sample::Index;

/// A change of one value somewhere in a configuration.
#[derive(Clone, Debug)]
enum Change {
    Replace(Json),
    Remove,
    Rename,
    Repeat,
}

fn change() -> impl Strategy<Value = Change> {
    let odd = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(2.5),
        json!(""),
        json!("x"),
        json!("all"),
        json!("data_create"),
        json!("path:nothing"),
        json!("/{*"),
        json!("ä\u{0}\""),
        json!("x".repeat(3000)),
        json!([]),
        json!([[], {}]),
        json!({}),
        json!({"": {"": null}}),
    ];
    prop_oneof![
        4 => proptest::sample::select(odd).prop_map(Change::Replace),
        1 => Just(Change::Remove),
        1 => Just(Change::Rename),
        1 => Just(Change::Repeat),
    ]
}

/// The JSON pointers of every value below this one.
fn pointers(value: &Json, here: &str, all: &mut Vec<String>) {
    let mut child = |name: &str, value| {
        let pointer = format!("{here}/{name}");
        all.push(pointer.clone());
        pointers(value, &pointer, all);
    };
    match value {
        Json::Object(members) => members.iter().for_each(|(name, value)| child(name, value)),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| child(&at.to_string(), value));
        }
        _ => {}
    }
}

fn apply(config: &mut Json, at: Index, change: Change) {
    let mut all = Vec::new();
    pointers(config, "", &mut all);
    if all.is_empty() {
        return;
    }
    let (parent, name) = all[at.index(all.len())].rsplit_once('/').unwrap();
    match (config.pointer_mut(parent).unwrap(), change) {
        (parent, Change::Replace(value)) => {
            *parent.pointer_mut(&format!("/{name}")).unwrap() = value
        }
        (Json::Object(members), Change::Remove) => drop(members.remove(name)),
        (Json::Object(members), _) => {
            let value = members.remove(name).unwrap();
            members.insert(format!("{name}_x"), value);
        }
        (Json::Array(items), Change::Remove) => drop(items.remove(name.parse().unwrap())),
        (Json::Array(items), _) => items.push(items[name.parse::<usize>().unwrap()].clone()),
        _ => panic!("the parent of a value is an object or an array"),
    }
}

/// A configuration that uses every key, changed in one to four places.
fn mutated() -> impl Strategy<Value = Json> {
    proptest::collection::vec((any::<Index>(), change()), 1..5).prop_map(|changes| {
        let mut config = full();
        changes.into_iter().for_each(|(at, change)| apply(&mut config, at, change));
        config
    })
}

/// A `google.protobuf.Struct`, as Envoy hands it over.
fn to_struct(members: &serde_json::Map<String, Json>) -> Vec<u8> {
    let entry = |(name, value): (&String, &Json)| {
        let parts = [field(0x0a, name.as_bytes()), field(0x12, &to_value(value))];
        field(0x0a, &parts.concat())
    };
    members.iter().flat_map(entry).collect()
}

fn to_value(value: &Json) -> Vec<u8> {
    match value {
        Json::Null => vec![0x08, 0],
        Json::Bool(flag) => vec![0x20, u8::from(*flag)],
        Json::Number(number) => [&[0x11][..], &number.as_f64().unwrap().to_le_bytes()].concat(),
        Json::String(text) => field(0x1a, text.as_bytes()),
        Json::Object(members) => field(0x2a, &to_struct(members)),
        Json::Array(items) => {
            let items: Vec<u8> =
                items.iter().flat_map(|item| field(0x0a, &to_value(item))).collect();
            field(0x32, &items)
        }
    }
}

fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    let mut length = content.len();
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap());
    message.extend(content);
    message
}

/// The configuration is taken, or refused with a reason; neither shows a secret.
fn assert_safe(text: &[u8]) -> Result<(), TestCaseError> {
    match Config::parse(text, &env) {
        Ok(config) => {
            for webhook in &*config.webhooks {
                let shown = format!("{:?}", webhook.secrets);
                prop_assert!(!shown.contains(SECRET));
            }
        }
        Err(faults) => {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                prop_assert!(!fault.to_string().contains(SECRET), "{fault}");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_json_is_taken_or_refused_with_a_reason(text in document(ANY_NUMBER)) {
        assert_safe(text.as_bytes())?;
    }

    #[test]
    fn any_value_of_any_key_is_taken_or_refused_with_a_reason(
        key in proptest::sample::select(vec![
            "role", "platform", "path_prefix", "operations", "forms", "webhooks", "limits",
            "strip_accept_encoding",
        ]),
        value in document(ANY_NUMBER),
    ) {
        let key = format!("{{\"{key}\":{value},");
        assert_safe(minimal().to_string().replacen('{', &key, 1).as_bytes())?;
    }

    #[test]
    fn a_changed_configuration_is_taken_or_refused_with_a_reason(config in mutated()) {
        assert_safe(config.to_string().as_bytes())?;
    }

    #[test]
    fn a_broken_configuration_is_taken_or_refused_with_a_reason(
        at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut text = full().to_string().into_bytes();
        let at = at.index(text.len());
        if cut {
            text.truncate(at);
        } else {
            text[at] = byte;
        }
        assert_safe(&text)?;
    }

    #[test]
    fn a_struct_has_the_faults_of_its_json(config in mutated()) {
        let members = config.as_object().unwrap();
        let of_json = faults_of_text(&config.to_string());
        let bytes = to_struct(members);
        prop_assume!(!bytes.is_empty());
        let faults = Config::parse(&bytes, &env).err().unwrap_or_default();
        let mut of_struct: Vec<_> = faults.iter().map(Fault::to_string).collect();
        of_struct.sort();
        prop_assert_eq!(of_struct, of_json);
    }

    #[test]
    fn any_path_templates_are_taken_or_refused_with_a_reason(
        paths in proptest::collection::vec("/[/{}*a-c.-]{0,12}", 1..6),
    ) {
        let operation = |path: &String| json!({
            "path": path, "op": "data_update", "app_id": "literal:a", "entry_id": "literal:e",
            "record": "response:",
        });
        let operations: Vec<_> = paths.iter().map(operation).collect();
        let config = with(minimal(), json!({"operations": operations}));
        assert_safe(config.to_string().as_bytes())?;
        if let Ok(config) = parse(&config) {
            for path in &paths {
                let _ = config.operations.find_by("POST", path.as_bytes());
            }
        }
    }

    #[test]
    fn any_url_is_taken_or_refused_with_a_reason(url in "(https?|[a-z]*)(://)?[!-~é]{0,40}") {
        let webhooks = json!([{"id": "crm", "url": url}]);
        let config = with(minimal(), json!({"webhooks": webhooks}));
        if let Err(faults) = parse(&config) {
            prop_assert_eq!(faults.len(), 1);
            prop_assert_eq!(&faults[0].path, "webhooks[0].url");
        }
    }
}
