//! `platform_api:`.

use super::*;

fn config(api: Json) -> String {
    json!({"platform": "jodoo", "path_prefix": "/jdy/api", "webhooks": [], "platform_api": api})
        .to_string()
}

fn with_key(name: &str) -> Option<String> {
    (name == "KEY").then(|| "IOLkxqEUh9HqMPAbvXeXNOhxEvxxAsTh".into())
}

#[test]
fn the_platform_can_be_asked_and_its_key_is_not_shown() {
    let api = json!({"cluster": "form_platform", "authority": "api.jodoo.com", "key_env": "KEY"});
    let config = Config::parse(config(api).as_bytes(), &with_key).unwrap();
    let api = config.platform_api.as_ref().unwrap();
    assert_eq!((&*api.cluster, &*api.authority), ("form_platform", "api.jodoo.com"));
    assert_eq!(api.every, Duration::from_secs(600));
    assert_eq!(&*api.authorization, "Bearer IOLkxqEUh9HqMPAbvXeXNOhxEvxxAsTh");
    let target = &config.webhooks[0].target;
    assert_eq!((target.cluster(), target.authority()), ("form_platform", "api.jodoo.com"));
    assert_eq!(target.path_and_query(), "/jdy/api/v5/app/entry/data/get");
    assert!(!format!("{config:?}").contains("IOLkx"));
}

#[test]
fn every_fault_of_the_platforms_api_is_named() {
    let no_env = |_: &str| None;
    for (api, env, expected) in [
        (
            json!({}),
            &with_key as Env<'_>,
            vec![
                "platform_api.authority: is required",
                "platform_api.cluster: is required",
                "platform_api.key_env: is required",
            ],
        ),
        (
            json!({"cluster": "", "authority": "https://api.jodoo.com", "key_env": "KEY", "every": "0s", "key": 1}),
            &no_env,
            vec![
                "platform_api.authority: \"https://api.jodoo.com\": must be a host name, such as api.jodoo.com",
                "platform_api.cluster: \"\": must not be empty",
                "platform_api.every: \"0s\": must be a string with a duration from 1s to 1day, such as \"2s\", \"500ms\" or \"1m 30s\"",
                "platform_api.key: unknown key; known here are cluster, authority, key_env, every",
                "platform_api.key_env: \"KEY\": this environment variable is not set; set it for Envoy and list it in the plugin's vm_config.environment_variables.host_env_keys",
            ],
        ),
        (
            json!({"cluster": "c", "authority": "a", "key_env": "KEY"}),
            &(|_: &str| Some("two words".into())),
            vec![
                "platform_api.key_env: \"KEY\": this environment variable cannot be used: it must have visible ASCII characters only",
            ],
        ),
        (json!("x"), &with_key, vec!["platform_api: \"x\": must be an object"]),
    ] {
        let faults = Config::parse(config(api).as_bytes(), env).unwrap_err();
        let mut faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        faults.sort();
        assert_eq!(faults, expected);
    }
    let custom = json!({
        "operations": [{"path": "/r", "op": "data_remove", "app_id": "literal:a",
            "entry_id": "literal:e", "record_id": "request:/id"}],
        "webhooks": [],
        "platform_api": {"cluster": "c", "authority": "a", "key_env": "KEY"},
    });
    let faults = Config::parse(custom.to_string().as_bytes(), &with_key).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "platform_api: only a `platform` that is known can be asked; give that"
    );
}

#[test]
fn a_password_before_a_host_is_not_repeated() {
    for authority in ["user:t0p-s3cret@api.jodoo.com".to_owned(), format!("t0p-s3cret@{:0300}", 1)]
    {
        let api = json!({"cluster": "c", "authority": authority, "key_env": "CRM_SECRET"});
        assert_faults(
            &with(minimal(), json!({"platform_api": api})),
            &["platform_api.authority: must be a host name, such as api.jodoo.com"],
        );
    }
}
