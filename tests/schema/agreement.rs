//! The schema and the parser accept and refuse the same configurations.

use crate::mutations;
use crate::random;
use crate::verdict::{Verdict, assert_accepted, verdict};
use crate::{configurations, schema};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn the_schema_is_one_of_draft_2020_12() {
    jsonschema::draft202012::meta::validate(&schema::SCHEMA).unwrap();
    assert_eq!(schema::SCHEMA["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn both_accept_configurations_with_every_key() {
    for config in configurations::all() {
        assert_accepted(&config, "a configuration of the tests");
    }
}

#[test]
fn both_refuse_what_is_no_configuration_at_all() {
    for config in
        [json!(null), json!(5), json!("x"), json!([]), json!({}), json!({"role": "admin"})]
    {
        assert_eq!(verdict(&config), Ok(Verdict::Refused), "{config}");
    }
}

#[test]
fn both_say_the_same_of_a_configuration_with_one_thing_changed() {
    let (mut counts, mut disagreements) = (BTreeMap::<_, usize>::new(), Vec::new());
    for config in configurations::all().iter().flat_map(mutations::all) {
        match verdict(&config) {
            Ok(verdict) => *counts.entry(format!("{verdict:?}")).or_default() += 1,
            Err(disagreement) => disagreements.push(disagreement),
        }
    }
    println!("{counts:?}");
    let shown: Vec<_> = disagreements.iter().take(20).collect();
    assert!(shown.is_empty(), "{} disagreements: {shown:#?}", disagreements.len());
    // Were they all refused, or all accepted, not much would have been compared.
    assert!(counts["Accepted"] > 1000 && counts["Refused"] > 1000, "{counts:?}");
}

proptest! {
    #[test]
    fn both_accept_a_random_configuration_that_is_valid(config in random::configuration()) {
        prop_assert_eq!(verdict(&config), Ok(Verdict::Accepted));
    }

    #[test]
    fn both_say_the_same_of_a_random_configuration_with_things_changed(
        config in random::configuration(),
        changes in proptest::collection::vec((any::<Index>(), any::<Index>()), 1..4),
    ) {
        let change = |config, (part, change)| mutations::one(&config, part, change);
        let config = changes.into_iter().fold(config, change);
        if let Err(disagreement) = verdict(&config) {
            prop_assert!(false, "{}", disagreement);
        }
    }
}
