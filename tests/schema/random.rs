//! Random configurations that are valid.

mod operations;

use operations::operations;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub fn configuration() -> impl Strategy<Value = Value> {
    prop_oneof![9 => watch(), 1 => admin()]
}

/// An object of what is there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

fn maybe(strategy: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    option::of(strategy)
}

fn name() -> impl Strategy<Value = Value> {
    prop_oneof!["[a-z0-9]{1,12}", "\\PC{1,256}"].prop_map(Value::from)
}

/// A variable that is set; `UNSET` and `SPACED` are too short for it.
fn variable() -> impl Strategy<Value = Value> {
    "[A-Z][A-Z_]{7,20}".prop_map(Value::from)
}

fn flag() -> impl Strategy<Value = Value> {
    any::<bool>().prop_map(Value::from)
}

fn choice(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(values).prop_map(Value::from)
}

/// As JSON has it, or as it arrives from a protobuf `Struct`.
fn integer(low: u32, high: u32) -> impl Strategy<Value = Value> {
    (prop_oneof![low..=high, Just(low), Just(high)], any::<bool>()).prop_map(
        |(number, is_double)| if is_double { json!(f64::from(number)) } else { json!(number) },
    )
}

/// A duration in milliseconds, or in seconds and milliseconds.
fn duration(low: u64, high: u64) -> impl Strategy<Value = Value> {
    let millis = prop_oneof![low..=high, Just(low), Just(high)];
    (millis, 0..3).prop_map(|(millis, way)| {
        let (seconds, rest) = (millis / 1000, millis % 1000);
        match way {
            0 => json!(format!("{millis}ms")),
            1 => json!(format!("{seconds}s {rest}ms")),
            _ => json!(format!(" {} min{} sec {rest}millis", seconds / 60, seconds % 60)),
        }
    })
}

/// Boxed, as strategies in strategies fill the stack.
fn authority() -> BoxedStrategy<String> {
    let name = "[a-z0-9_]([a-z0-9_-]{0,8}[a-zA-Z0-9_])?(\\.[a-z]{1,8}){0,3}\\.?";
    let address = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ];
    (prop_oneof![3 => name, 1 => address], option::of(1u16..))
        .prop_map(|(host, port)| match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        })
        .boxed()
}

fn url() -> impl Strategy<Value = Value> {
    (select(vec!["http", "https", "HTTPS"]), authority(), "([/?][!\"$-;=?-_a-~]{0,30})?")
        .prop_map(|(scheme, authority, path)| json!(format!("{scheme}://{authority}{path}")))
}

fn headers() -> impl Strategy<Value = Value> {
    let names = "x-[a-d0-9!#$%&'*+.^_`|~-]{1,8}|[B-D]{4}|accept|cookie";
    btree_map(names, "[ -~]{0,20}", 0..4).prop_map(|headers| json!(headers))
}

fn fields(depth: u32) -> BoxedStrategy<Value> {
    const TYPES: &[&str] = &["text", "sn", "number", "subform", "richtext", "divider", "query"];
    let alias = option::of("[a-d][a-d0-9_]{0,6}".prop_map(Value::from));
    let items = if depth == 0 { Just(json!([])).boxed() } else { fields(depth - 1) };
    let field = (alias, maybe(choice(TYPES)), maybe(".{0,9}".prop_map(Value::from)), maybe(items));
    vec(field, 0..4)
        .prop_map(|fields| {
            let mut aliases = BTreeSet::new();
            let fields = fields.into_iter().enumerate().map(|(at, (alias, kind, label, items))| {
                let alias = alias.filter(|alias| aliases.insert(alias.to_string()));
                let items = items.filter(|_| kind == Some("subform".into()));
                let id = Some(json!(format!("_widget_{at}")));
                object([
                    ("id", id),
                    ("alias", alias),
                    ("type", kind),
                    ("label", label),
                    ("items", items),
                ])
            });
            fields.collect::<Value>()
        })
        .boxed()
}

/// One form for each entry's id.
fn forms(is_platform: bool) -> impl Strategy<Value = Value> {
    let aliases = maybe(any::<bool>().prop_map(move |flag| json!(flag && is_platform)));
    let form = (name(), maybe(name()), aliases, maybe(fields(2)));
    vec(form, 0..3).prop_map(|forms| {
        let forms = forms.into_iter().enumerate();
        let forms = forms.map(|(at, (app, name, aliases, fields))| {
            let (app, entry) = (Some(app), Some(json!(format!("e{at}"))));
            object([
                ("app_id", app),
                ("entry_id", entry),
                ("name", name),
                ("aliases_in_api", aliases),
                ("fields", fields),
            ])
        });
        forms.collect()
    })
}

fn form_keys() -> impl Strategy<Value = Value> {
    let key = (name(), name()).prop_map(|(app, entry)| json!({"app_id": app, "entry_id": entry}));
    prop_oneof![Just(json!("all")), vec(key, 1..4).prop_map(Value::Array)]
}

/// The members `secret`, `secret_env`, and those of the one before.
fn secrets() -> impl Strategy<Value = [Option<Value>; 4]> {
    let plain = || prop_oneof!["[!-~]([ -~]{0,30}[!-~])?", Just("whsec_c2VjcmV0".to_owned())];
    let one = || {
        option::of(prop_oneof![
            plain()
                .prop_filter("is Base64", |text| !text.starts_with("whsec_") || text.len() == 14)
                .prop_map(|text| (Some(json!(text)), None)),
            variable().prop_map(|name| (None, Some(name))),
        ])
    };
    (one(), one()).prop_map(|(current, previous)| {
        let previous = previous.filter(|_| current.is_some());
        let ((plain, variable), (old, old_variable)) =
            (current.unwrap_or_default(), previous.unwrap_or_default());
        [plain, variable, old, old_variable]
    })
}

fn webhook() -> impl Strategy<Value = Value> {
    const EVENTS: [&str; 5] =
        ["data_create", "data_update", "data_remove", "data_recover", "form_update"];
    let events =
        subsequence(EVENTS.to_vec(), 0..=5).prop_shuffle().prop_map(|events| json!(events));
    let signing = subsequence(vec!["standard", "jodoo"], 1..=2).prop_map(|signing| json!(signing));
    let retry = vec(duration(1, 86_400_000), 0..=20).prop_map(Value::Array);
    let flags = [maybe(flag()), maybe(flag()), maybe(flag()), maybe(flag())];
    (
        (url(), maybe(name()), secrets(), maybe(form_keys()), maybe(events), flags),
        (maybe(signing), maybe(headers()), maybe(duration(1, 60_000)), maybe(retry)),
        (
            maybe(integer(1, 10_000)),
            maybe(integer(1, 1_000_000)),
            maybe(choice(&["in_a_row", "total"])),
            maybe(choice(&["park", "drop"])),
        ),
    )
        .prop_map(|(what, how, when)| {
            let (url, cluster, secrets, forms, events, flags) = what;
            let [secret, secret_env, previous_secret, previous_secret_env] = secrets;
            let [enabled, batch, changes, remove_with_record] = flags;
            let (signing, headers, timeout, retry) = how;
            let (max_in_flight, disable_after, disable_count, while_disabled) = when;
            object([
                ("url", Some(url)),
                ("enabled", enabled),
                ("cluster", cluster),
                ("secret", secret),
                ("secret_env", secret_env),
                ("previous_secret", previous_secret),
                ("previous_secret_env", previous_secret_env),
                ("forms", forms),
                ("events", events),
                ("batch", batch),
                ("changes", changes),
                ("remove_with_record", remove_with_record),
                ("signing", signing),
                ("headers", headers),
                ("timeout", timeout),
                ("retry", retry),
                ("max_in_flight", max_in_flight),
                ("disable_after", disable_after),
                ("disable_count", disable_count),
                ("while_disabled", while_disabled),
            ])
        })
}

fn webhooks() -> impl Strategy<Value = Value> {
    btree_set("[A-Za-z0-9_-]{1,64}", 0..3).prop_flat_map(|ids| {
        vec(webhook(), ids.len()).prop_map(move |mut webhooks| {
            for (webhook, id) in webhooks.iter_mut().zip(&ids) {
                webhook["id"] = json!(id);
            }
            Value::Array(webhooks)
        })
    })
}

fn notify() -> impl Strategy<Value = Value> {
    let format = choice(&["json", "slack"]);
    let timeout = duration(1, 60_000);
    let target = (url(), maybe(name()), maybe(format), maybe(headers()), maybe(timeout));
    let target = target.prop_map(|(url, cluster, format, headers, timeout)| {
        object([
            ("url", Some(url)),
            ("cluster", cluster),
            ("format", format),
            ("headers", headers),
            ("timeout", timeout),
        ])
    });
    vec(target, 0..3).prop_map(Value::Array)
}

fn platform_api() -> impl Strategy<Value = Value> {
    (name(), authority(), variable(), maybe(duration(1000, 86_400_000))).prop_map(
        |(cluster, authority, key, every)| {
            object([
                ("cluster", Some(cluster)),
                ("authority", Some(json!(authority))),
                ("key_env", Some(key)),
                ("every", every),
            ])
        },
    )
}

fn store() -> impl Strategy<Value = Value> {
    let namespace = "[A-Za-z0-9_-]{1,64}".prop_map(Value::from);
    let redis = (
        (
            name(),
            maybe(authority().prop_map(Value::from)),
            maybe(namespace),
            maybe(choice(&["webdis", "upstash"])),
        ),
        (maybe(variable()), maybe(duration(100, 30_000)), maybe(integer(100, 10_000_000))),
        (maybe(choice(&["async", "before_response"])), maybe(duration(10, 10_000))),
    );
    let redis = redis.prop_map(|(whom, how, (ack, ack_timeout))| {
        let (cluster, authority, namespace, protocol) = whom;
        let (auth_env, timeout, max_failed) = how;
        let ack_timeout = ack_timeout.filter(|_| ack == Some("before_response".into()));
        let redis = object([
            ("cluster", Some(cluster)),
            ("authority", authority),
            ("namespace", namespace),
            ("protocol", protocol),
            ("auth_env", auth_env),
            ("timeout", timeout),
            ("ack", ack),
            ("ack_timeout", ack_timeout),
            ("max_failed", max_failed),
        ]);
        json!({"redis": redis})
    });
    prop_oneof![1 => Just(json!("memory")), 3 => redis]
}

/// Without more bytes for a body than for all.
fn limits() -> impl Strategy<Value = Value> {
    let body = maybe(integer(1024, 1_048_576));
    (body, maybe(integer(1_048_576, 536_870_912)), maybe(integer(0, 100_000))).prop_map(
        |(body, memory, records)| {
            object([
                ("max_body_bytes", body),
                ("memory_bytes", memory),
                ("history_records", records),
            ])
        },
    )
}

fn path_prefix() -> impl Strategy<Value = Value> {
    prop_oneof!["", "(/[a-zA-Z0-9._~-]{1,8}){1,3}"].prop_map(Value::from)
}

fn actor() -> impl Strategy<Value = Value> {
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}".prop_map(|header| json!({"header": header}))
}

fn history() -> impl Strategy<Value = Value> {
    let retention = maybe(duration(86_400_000, 3660 * 86_400_000));
    retention.prop_map(|retention| object([("retention", retention)]))
}

fn watch() -> BoxedStrategy<Value> {
    any::<bool>()
        .prop_flat_map(|is_platform| {
            let of_platform = (maybe(path_prefix()), maybe(actor()), maybe(platform_api()));
            (
                Just(is_platform),
                of_platform,
                (
                    operations(),
                    any::<bool>(),
                    maybe(forms(is_platform)),
                    webhooks(),
                    maybe(notify()),
                ),
                (maybe(store()), maybe(history()), maybe(limits())),
                (maybe(flag()), maybe(Just(json!("watch")))),
            )
        })
        .prop_map(|(is_platform, of_platform, what, bounds, (strip, role))| {
            let (prefix, actor, platform_api) = of_platform;
            let (operations, has_operations, forms, webhooks, notify) = what;
            let (store, history, limits) = bounds;
            object([
                ("role", role),
                ("platform", Some(json!("jodoo")).filter(|_| is_platform)),
                ("path_prefix", prefix.filter(|_| is_platform)),
                ("actor", actor.filter(|_| is_platform)),
                ("operations", Some(operations).filter(|_| has_operations || !is_platform)),
                ("forms", forms),
                ("webhooks", Some(webhooks)),
                ("notify", notify),
                ("platform_api", platform_api.filter(|_| is_platform)),
                ("store", store),
                ("history", history),
                ("limits", limits),
                ("strip_accept_encoding", strip),
            ])
        })
        .boxed()
}

fn admin() -> BoxedStrategy<Value> {
    let clusters = maybe(vec(name(), 0..3).prop_map(Value::Array));
    let host =
        prop_oneof!["[a-zA-Z0-9_-]{1,9}(\\.[a-z0-9-]{1,9}){0,2}\\.?", Just("[::1]".to_owned())];
    let hosts = maybe(vec(host.prop_map(Value::from), 1..3).prop_map(Value::Array));
    let admin = (variable(), hosts, clusters).prop_map(|(token, hosts, clusters)| {
        object([
            ("role", Some(json!("admin"))),
            ("token_env", Some(token)),
            ("hosts", hosts),
            ("clusters", clusters),
        ])
    });
    admin.boxed()
}
