//! Generated JSON texts, for the property tests of the crate and for judges outside.

use proptest::prelude::*;

/// Any number that JSON allows.
pub const ANY_NUMBER: &str = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?";

/// Numbers of at most 15 digits: a double holds them as they are written.
pub const EXACT_NUMBER: &str = "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?";

/// A text with odd spacing, escapes, duplicate names and numbers of this form.
pub fn document(number: &'static str) -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "\"[a-z_0-9]{0,8}\"",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u00[0-7][0-9a-fA-F]|\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\/|\\\\n|[0-9]){0,4}\"",
    ];
    let leaf = prop_oneof![Just("null".into()), Just("true".into()), number, string.clone()];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        let member = (string.clone(), inner.clone()).prop_map(|(k, v)| format!("{k} :{v}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(|v| format!("[{}]", v.join(" ,\n"))),
            proptest::collection::vec(member, 0..6).prop_map(|v| format!("{{\t{}}}", v.join(", "))),
        ]
    })
}
