//! Any bytes as the configuration of either role.

#![no_main]

use formhook::config::{Config, Plugin};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "correct-horse-battery-staple";

fuzz_target!(|text: &[u8]| {
    if text.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
        return;
    }
    let env = |name: &str| (!name.contains("UNSET")).then(|| SECRET.to_owned());
    match Plugin::parse(text, &env) {
        Ok(Plugin::Watch(config)) => {
            assert!(!format!("{config:?}").contains(SECRET), "a secret is shown");
            // What was taken once is taken again.
            Config::parse(text, &env).unwrap();
        }
        Ok(Plugin::Admin(admin)) => {
            assert!(!format!("{admin:?}").contains(SECRET), "the token is shown");
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(!fault.message.is_empty(), "{fault:?}");
                assert!(!fault.to_string().contains(SECRET), "{fault:?}");
            }
        }
    }
});
