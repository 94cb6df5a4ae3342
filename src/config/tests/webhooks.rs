//! `webhooks:`

use super::*;
use crate::sign::standard;

fn webhook(changes: Json) -> Json {
    with(json!({"id": "crm", "url": "https://a.b/"}), changes)
}

fn with_webhooks(webhooks: Json) -> Json {
    with(minimal(), json!({"webhooks": webhooks}))
}

/// The one webhook is wrong in exactly these ways. Each begins with what follows `webhooks[0]`.
#[track_caller]
fn assert_webhook_faults(webhook: Json, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|fault| format!("webhooks[0]{fault}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    assert_faults(&with_webhooks(json!([webhook])), &expected);
}

fn first(config: &Config) -> &Webhook {
    &config.webhooks[0]
}

#[test]
fn a_webhook_has_an_id_and_a_url_and_no_unknown_key() {
    assert_webhook_faults(json!([]), &[": [...]: must be an object"]);
    assert_webhook_faults(json!({}), &[".id: is required", ".url: is required"]);
    assert_webhook_faults(
        webhook(json!({"secret_evn": "X"})),
        &[
            ".secret_evn: unknown key; known here are id, enabled, url, cluster, secret, secret_env, previous_secret, previous_secret_env, forms, events, batch, changes, remove_with_record, signing, headers, timeout, retry, max_in_flight, disable_after, disable_count, while_disabled",
        ],
    );
}

#[test]
fn every_value_of_the_wrong_kind_is_named() {
    assert_webhook_faults(
        json!({
            "id": 1, "enabled": "true", "url": 2, "cluster": "", "secret": 3, "forms": 4,
            "events": "data_update", "signing": "jodoo", "headers": [], "timeout": 5,
            "retry": "1s", "max_in_flight": "6",
        }),
        &[
            ".id: 1: must be a string",
            ".enabled: \"true\": must be true or false",
            ".url: 2: must be a string",
            ".cluster: \"\": must not be empty",
            ".secret: must be a string",
            ".forms: 4: must be `all` or a list of {app_id, entry_id}",
            ".events: \"data_update\": must be a list",
            ".signing: \"jodoo\": must be a list",
            ".headers: must be an object of header names and values",
            ".timeout: 5: must be a string with a duration from 1ms to 1m, such as \"2s\", \"500ms\" or \"1m 30s\"",
            ".retry: \"1s\": must be a list",
            ".max_in_flight: \"6\": must be a whole number from 1 to 10000",
        ],
    );
}

#[test]
fn what_was_left_blank_does_not_fall_back_to_the_default() {
    let blank = json!({
        "enabled": null, "secret": null, "forms": null, "signing": null, "headers": null,
        "retry": null,
    });
    assert_webhook_faults(
        webhook(blank),
        &[
            ".enabled: null: must be true or false",
            ".secret: must be a string",
            ".forms: null: must be `all` or a list of {app_id, entry_id}",
            ".signing: null: must be a list",
            ".headers: must be an object of header names and values",
            ".retry: null: must be a list",
        ],
    );
}

#[test]
fn an_id_fits_into_the_name_of_a_metric() {
    let longest = "x".repeat(64);
    for id in ["a", "CRM_2-eu", &longest] {
        good(&with_webhooks(json!([webhook(json!({"id": id}))])));
    }
    for id in ["", "a.b", "a b", "é", &"x".repeat(65)] {
        let fault = format!(".id: \"{id}\": must be 1 to 64 letters, digits, `_` and `-`");
        assert_webhook_faults(webhook(json!({"id": id})), &[&fault]);
    }
}

#[test]
fn an_id_is_given_once_even_to_webhooks_with_other_faults() {
    assert_faults(
        &with_webhooks(json!([{"id": "a"}, webhook(json!({"id": "b"})), {"id": "a"}])),
        &[
            "webhooks[0].url: is required",
            "webhooks[2].url: is required",
            "webhooks[2].id: \"a\": another webhook has this id; give each its own",
        ],
    );
}

#[test]
fn every_fault_of_a_url_is_named() {
    const FULL: &str = "write a full URL, such as https://crm.example.com/hooks";
    for (url, fault) in [
        ("", FULL),
        ("/hooks", FULL),
        ("https://", FULL),
        ("https:///hooks", FULL),
        ("https://a:b:80/", FULL),
        ("https://[::1/", FULL),
        ("ftp://a.b/", "the scheme must be http or https"),
        ("https://a.b/#x", "leave out the `#` and what follows; it is never sent"),
        ("https://a.b:0/", "the port must be a number from 1 to 65535"),
        ("https://a.b:/", "the port must be a number from 1 to 65535"),
        (
            "https://bücher.example/",
            "a URL holds visible ASCII characters only; percent-encode the others, and write an international host name in Punycode",
        ),
    ] {
        assert_webhook_faults(
            webhook(json!({"url": url})),
            &[&format!(".url: \"{url}\": {fault}")],
        );
    }
    let url = |length| format!("https://a.b/{}", "x".repeat(length));
    let fault = format!(".url: \"{}...: a URL may have at most 2048 bytes", url(67));
    assert_webhook_faults(webhook(json!({"url": url(2037)})), &[&fault]);
    good(&with_webhooks(json!([webhook(json!({"url": url(2036)}))])));
}

#[test]
fn a_url_with_a_password_is_not_shown() {
    for (url, fault) in [
        (
            "https://user:t0p-s3cret@a.b/",
            "a URL with credentials would show them in logs; send them with `headers` instead",
        ),
        ("https://user:t0p-s3cret@a.b/#x", "leave out the `#` and what follows; it is never sent"),
        ("ftp://user:t0p-s3cret@a.b/", "the scheme must be http or https"),
    ] {
        assert_webhook_faults(webhook(json!({"url": url})), &[&format!(".url: {fault}")]);
    }
}

#[test]
fn a_url_has_no_parameter_that_the_signature_adds() {
    const WHY: &str = "but each push has one of the signature `jodoo`, and a receiver could take either; take it out of the URL, or `jodoo` out of `signing`";
    for (query, name) in
        [("nonce=1", "nonce"), ("dpt=7&%74imestamp=", "timestamp"), ("a=1&nonce", "nonce")]
    {
        let url = format!("https://a.b/hooks?{query}");
        let fault = format!(".url: its query has a parameter `{name}`, {WHY}");
        for signing in [json!(["jodoo"]), json!(["standard", "jodoo"])] {
            assert_webhook_faults(webhook(json!({"url": url, "signing": signing})), &[&fault]);
        }
        assert_webhook_faults(webhook(json!({"url": url})), &[&fault]);
        // Nothing is added without that signature, nor to notices.
        let standard = webhook(json!({"url": url, "signing": ["standard"]}));
        good(&with(with_webhooks(json!([standard])), json!({"notify": [{"url": url}]})));
    }
    good(&with_webhooks(json!([webhook(json!({"url": "https://a.b/?nonces=1&x=nonce"}))])));
}

#[test]
fn headers_are_so_few_and_short_that_every_receiver_takes_them() {
    let of_length = |length: usize| json!({"headers": {"x-1": "x".repeat(length - 14), "x-2": ""}});
    good(&with_webhooks(json!([webhook(of_length(3072))])));
    let fault = ".headers: 3073 bytes of names and values (4 more are counted for each); at most 3072 are allowed, as receivers refuse a request with too many";
    assert_webhook_faults(webhook(of_length(3073)), &[fault]);
    let many = |count: usize| -> Json {
        let headers: serde_json::Map<_, _> =
            (0..count).map(|number| (format!("x-{number}"), json!("v"))).collect();
        json!({"headers": headers})
    };
    good(&with_webhooks(json!([webhook(many(50))])));
    let fault = ".headers: 51 headers; at most 50 are allowed";
    assert_webhook_faults(webhook(many(51)), &[fault]);
}

#[test]
fn a_secret_is_given_or_named_and_is_one() {
    const EMPTY: &str = "the secret is empty; leave it out to push unsigned";
    const BASE64: &str = "a secret that begins with `whsec_` must go on with Base64";
    const BOTH: &str = "give the secret itself or the variable that holds it, not both";
    const NOT_SET: &str = "this environment variable is not set; set it for Envoy and list it in the plugin's vm_config.environment_variables.host_env_keys";
    const UNUSABLE: &str = "this environment variable cannot be used";
    for (given, expected) in [
        (json!({"secret": ""}), vec![format!(".secret: {EMPTY}")]),
        (json!({"secret": "whsec_t0p-s3cret"}), vec![format!(".secret: {BASE64}")]),
        (json!({"secret": ["t0p-s3cret"]}), vec![".secret: must be a string".into()]),
        (json!({"secret_env": 5}), vec![".secret_env: must be a string".into()]),
        (json!({"secret_env": ""}), vec![".secret_env: \"\": must not be empty".into()]),
        (json!({"secret_env": "NO"}), vec![format!(".secret_env: \"NO\": {NOT_SET}")]),
        (
            json!({"secret_env": "EMPTY"}),
            vec![format!(".secret_env: \"EMPTY\": {UNUSABLE}: {EMPTY}")],
        ),
        (
            json!({"secret_env": "NOT_BASE64"}),
            vec![format!(".secret_env: \"NOT_BASE64\": {UNUSABLE}: {BASE64}")],
        ),
        (
            json!({"secret": "t0p-s3cret", "secret_env": "CRM_SECRET"}),
            vec![format!(".secret: {BOTH}")],
        ),
        (
            json!({"previous_secret": "t0p-s3cret"}),
            vec![": a previous secret needs a current one: give `secret_env` or `secret`".into()],
        ),
        (
            json!({
                "secret": "whsec_t0p-s3cret",
                "previous_secret": "whsec_t0p-s3cret",
                "previous_secret_env": "NO",
            }),
            vec![
                format!(".secret: {BASE64}"),
                format!(".previous_secret: {BOTH}"),
                format!(".previous_secret: {BASE64}"),
            ],
        ),
        (
            json!({"secret": "t0p-s3cret", "previous_secret_env": "NO"}),
            vec![format!(".previous_secret_env: \"NO\": {NOT_SET}")],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_webhook_faults(webhook(given), &expected);
    }
}

#[test]
fn the_newest_secret_comes_first() {
    let config = good(&with_webhooks(json!([
        webhook(json!({"secret": "new", "previous_secret_env": "CRM_SECRET"})),
        webhook(json!({"id": "new", "secret": "new"})),
        // What the variable holds is the Base64 of this.
        webhook(json!({"id": "old", "secret": SECRET})),
    ])));
    let signature = |webhook: &Webhook| standard::signature(&webhook.secrets, "id", "0", b"");
    let [both, new, old] = &*config.webhooks else { panic!("{:?}", config.webhooks) };
    assert_eq!(signature(both), format!("{} {}", signature(new), signature(old)));
}

#[test]
fn nothing_shows_a_secret_of_a_value_in_the_wrong_place() {
    let webhook = webhook(json!({"secret": SECRET, "headers": {"authorization": SECRET}}));
    for config in [
        json!([webhook]),
        with(minimal(), json!({"webhooks": webhook})),
        with_webhooks(json!([[webhook]])),
        with_webhooks(json!([with(webhook.clone(), json!({"headers": SECRET}))])),
        with_webhooks(json!([with(webhook.clone(), json!({"headers": [SECRET]}))])),
        with_webhooks(json!([with(webhook.clone(), json!({"headers": {"a": [SECRET]}}))])),
        with_webhooks(json!([with(webhook.clone(), json!({"secret": {"value": SECRET}}))])),
        with_webhooks(json!([with(webhook.clone(), json!({"scret": SECRET}))])),
        with_webhooks(json!([with(webhook.clone(), json!({"events": {"x": SECRET}}))])),
    ] {
        let faults = faults_of_text(&config.to_string());
        assert!(!faults.is_empty(), "{config}");
        assert!(!faults.concat().contains(SECRET), "{faults:#?}");
    }
}

#[test]
fn the_forms_are_all_or_a_list_of_keys() {
    const KEYS: &str = "must be `all` or a list of {app_id, entry_id}";
    for (forms, expected) in [
        (json!("Orders"), vec![format!(": \"Orders\": {KEYS}")]),
        (json!({"app_id": "a", "entry_id": "e"}), vec![format!(": {{...}}: {KEYS}")]),
        (
            json!([]),
            vec![": this webhook would get nothing: write `all`, or name at least one form".into()],
        ),
        (
            json!(["Orders", {"app_id": "a"}, {"app_id": "", "entry_id": 1, "name": "x"}]),
            vec![
                "[0]: \"Orders\": must be an object".into(),
                "[1].entry_id: is required".into(),
                "[2].app_id: \"\": must not be empty".into(),
                "[2].entry_id: 1: must be a string".into(),
                "[2].name: unknown key; known here are app_id, entry_id".into(),
            ],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|fault| format!(".forms{fault}")).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_webhook_faults(webhook(json!({"forms": forms})), &expected);
    }
}

#[test]
fn a_webhook_may_want_a_form_that_is_not_described() {
    let forms = json!([{"app_id": "a", "entry_id": "e"}, {"app_id": "a", "entry_id": "e"}]);
    let config = good(&with_webhooks(json!([webhook(json!({"forms": forms}))])));
    let key = |app: &str| FormKey { app_id: app.into(), entry_id: "e".into() };
    assert!(first(&config).wants(Op::Create, &key("a")));
    assert!(!first(&config).wants(Op::Create, &key("b")));
}

#[test]
fn created_records_are_always_pushed() {
    for (events, ops) in [
        (json!([]), vec![Op::Create]),
        (json!(["data_create"]), vec![Op::Create]),
        (json!(["data_update"]), vec![Op::Update, Op::Create]),
        (
            json!(["data_remove", "data_create", "data_recover"]),
            vec![Op::Remove, Op::Create, Op::Recover],
        ),
    ] {
        let config = good(&with_webhooks(json!([webhook(json!({"events": events}))])));
        assert_eq!(first(&config).ops, ops, "{events}");
    }
}

#[test]
fn events_and_signing_schemes_are_known_and_named_once() {
    const EVENTS: &str =
        "must be one of data_create, data_update, data_remove, data_recover, form_update";
    const TWICE: &str = "named twice; name it once";
    assert_webhook_faults(
        webhook(json!({
            "events": ["data_delete", "data_update", "data_update", 1, "data_create", "data_create"],
            "signing": ["jodoo", "Standard", "jodoo"],
        })),
        &[
            &format!(".events[0]: \"data_delete\": {EVENTS}"),
            &format!(".events[2]: \"data_update\": {TWICE}"),
            &format!(".events[3]: 1: {EVENTS}"),
            &format!(".events[5]: \"data_create\": {TWICE}"),
            ".signing[1]: \"Standard\": must be one of standard, jodoo",
            &format!(".signing[2]: \"jodoo\": {TWICE}"),
        ],
    );
    assert_webhook_faults(
        webhook(json!({"signing": []})),
        &[".signing: name at least one scheme; without a secret nothing is signed"],
    );
}

#[test]
fn a_header_that_formhook_sets_cannot_be_configured() {
    const RESERVED: &str =
        "this header is set by Formhook or belongs to the connection; leave it out";
    let names = crate::delivery::RESERVED_HEADERS.map(str::to_ascii_uppercase);
    let others = ["X-Envoy-Max-Retries", "x-formhook-id", "x-forwarded-for"].map(str::to_owned);
    for name in names.iter().chain(&others) {
        let fault = format!(".headers.{name}: {RESERVED}");
        assert_webhook_faults(webhook(json!({"headers": {name: "v"}})), &[&fault]);
    }
    good(&with_webhooks(json!([webhook(json!({"headers": {"x-envoy": "v", "cookie": ""}}))])));
}

#[test]
fn every_fault_of_a_header_is_named() {
    const NAME: &str = "this cannot be the name of an HTTP header";
    const VALUE: &str = "a header's value holds visible ASCII characters and spaces only";
    assert_webhook_faults(
        webhook(json!({"headers": {
            "": "v", ":path": "/", "a b": "v", "x-n": 5, "x-line": "t0p-s3cret\r\nx: y",
            "x-tab": "a\tb", "x-u": "é", "X-Team": "a", "x-team": "b",
        }})),
        &[
            &format!(".headers.: {NAME}"),
            &format!(".headers.:path: {NAME}"),
            &format!(".headers.a b: {NAME}"),
            ".headers.x-n: must be a string",
            &format!(".headers.x-line: {VALUE}"),
            &format!(".headers.x-tab: {VALUE}"),
            &format!(".headers.x-u: {VALUE}"),
            ".headers.x-team: given twice, as the case of a header's name does not count; give it once",
        ],
    );
}

#[test]
fn a_duration_has_a_unit_and_bounds() {
    let timeout = |text: &Json| {
        format!(
            ".timeout: {text}: must be a string with a duration from 1ms to 1m, such as \"2s\", \"500ms\" or \"1m 30s\""
        )
    };
    for text in ["", "2", "2 parsecs", "0s", "999us", "61s", "-1s", "9999999999999999999y"] {
        let text = json!(text);
        assert_webhook_faults(webhook(json!({"timeout": text})), &[&timeout(&text)]);
    }
    for (text, millis) in [("1ms", 1), ("1m", 60_000), ("2s 500ms", 2500), ("60sec", 60_000)] {
        let config = good(&with_webhooks(json!([webhook(json!({"timeout": text}))])));
        assert_eq!(first(&config).timeout, Duration::from_millis(millis));
    }
}

#[test]
fn a_schedule_has_bounds() {
    let delay = "must be a string with a duration from 1ms to 1day, such as \"2s\", \"500ms\" or \"1m 30s\"";
    assert_webhook_faults(
        webhook(json!({"retry": ["1s", 5, "0s", "25h", ["1s"]]})),
        &[
            &format!(".retry[1]: 5: {delay}"),
            &format!(".retry[2]: \"0s\": {delay}"),
            &format!(".retry[3]: \"25h\": {delay}"),
            &format!(".retry[4]: [...]: {delay}"),
        ],
    );
    assert_webhook_faults(
        webhook(json!({"retry": vec!["1s"; 21]})),
        &[".retry: 21 retries; at most 20 are allowed"],
    );
    let config = good(&with_webhooks(json!([webhook(json!({"retry": vec!["24h"; 20]}))])));
    assert!(first(&config).retry.delay_after(20).is_some());
}

#[test]
fn the_number_in_flight_has_bounds() {
    for number in [json!(0), json!(10_001), json!(1.5), json!(-1), json!(true)] {
        let fault = format!(".max_in_flight: {number}: must be a whole number from 1 to 10000");
        assert_webhook_faults(webhook(json!({"max_in_flight": number})), &[&fault]);
    }
}

#[test]
fn a_secret_in_the_place_of_a_variable_is_not_repeated() {
    const NO_NAME: &str =
        "must be the name of an environment variable, and not what the variable holds";
    for secret in ["whsec_dDBwLXMzY3JldA", "t0p-s3cret", "1secret", "a secret", "geheim!"] {
        for (name, current) in
            [("secret_env", json!({})), ("previous_secret_env", json!({"secret": "x"}))]
        {
            let webhook = with(minimal()["webhooks"][0].clone(), current);
            let webhook = with(webhook, json!({name: secret}));
            assert_faults(
                &with(minimal(), json!({"webhooks": [webhook]})),
                &[&format!("webhooks[0].{name}: {NO_NAME}")],
            );
        }
    }
    let long = "s".repeat(300);
    let webhook = with(minimal()["webhooks"][0].clone(), json!({"secret_env": long}));
    let faults = faults_of_text(&with(minimal(), json!({"webhooks": [webhook]})).to_string());
    assert_eq!(faults, [format!("webhooks[0].secret_env: {NO_NAME}")]);
}
