//! Any path of a call, any template of an operation, any URL of a target.

#![no_main]

use formhook::capture::{Lookup, Operations, jodoo_operations};
use formhook::delivery::Target;
use formhook::translate::Endpoint;
use libfuzzer_sys::fuzz_target;

/// Three lines: a template, a path and a URL.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (Some(template), Some(path), Some(url)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let _ = Endpoint::find("/api", b"POST", path);
    let (Ok(template), Ok(url)) = (str::from_utf8(template), str::from_utf8(url)) else { return };
    let preset = jodoo_operations("/api", &Lookup::default());
    let operation = &preset[0].1;
    let mut operations = Operations::default();
    let is_taken = operations.add("POST", template, operation.clone()).is_ok();
    if is_taken && !template.contains(['{', '?', '%']) && template.starts_with('/') {
        let found = operations.find(b"POST", template.as_bytes());
        assert!(found.is_some(), "a template without captures matches itself");
    }
    for (template, operation) in preset {
        let _ = operations.add("POST", &template, operation);
    }
    let by_method = operations.find(b"POST", path).is_some();
    let by_path = operations.find_by(path, &|| Some(b"POST".to_vec())).is_some();
    assert_eq!(by_method, by_path);
    assert!(operations.find(b"GET", path).is_none());
    if let Ok(target) = Target::parse(url, None) {
        let again = Target::parse(&target.to_string(), None).expect("what is shown is a URL");
        assert_eq!(again.to_string(), target.to_string());
        let head = [target.authority(), target.path_and_query()].concat();
        assert!(
            head.bytes().all(|byte| byte > b' ' && byte != 0x7f),
            "{head:?} goes into a request"
        );
    }
});
