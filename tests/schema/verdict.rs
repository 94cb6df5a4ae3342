//! What the schema and the parser say of a configuration.

use crate::only_the_parser::RULES;
use crate::schema::VALIDATOR;
use formhook::config::{Fault, Plugin};
use serde_json::Value;

/// The name of a variable that is not set; every other has a value that is a token, a secret, a key and a
/// name with a password.
pub const UNSET: &str = "UNSET";

pub fn env(name: &str) -> Option<String> {
    match name {
        UNSET => None,
        "SPACED" => Some("two words".to_owned()),
        _ => Some("formhook:0123456789abcdef".to_owned()),
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both accept it.
    Accepted,
    /// Both refuse it.
    Refused,
    /// The schema accepts it, and the parser refuses it for reasons that no schema can see.
    RefusedByTheParserAlone,
}

pub fn faults(config: &Value) -> Vec<Fault> {
    Plugin::parse(config.to_string().as_bytes(), &env).err().unwrap_or_default()
}

/// What both say; an error if they disagree where they should not.
pub fn verdict(config: &Value) -> Result<Verdict, String> {
    let (is_valid, faults) = (VALIDATOR.is_valid(config), faults(config));
    let told = || faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match (is_valid, faults.is_empty()) {
        (true, true) => Ok(Verdict::Accepted),
        (false, false) => Ok(Verdict::Refused),
        (true, false) => {
            let is_ruled = |fault: &Fault| RULES.iter().any(|rule| (rule.covers)(fault, config));
            match faults.iter().all(is_ruled) {
                true => Ok(Verdict::RefusedByTheParserAlone),
                false => Err(format!("the parser alone refuses ({}): {config}", told())),
            }
        }
        (false, true) => {
            let errors = VALIDATOR.iter_errors(config);
            let errors: Vec<_> =
                errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
            Err(format!("the schema alone refuses ({}): {config}", errors.join("; ")))
        }
    }
}

/// Both accept it.
#[track_caller]
pub fn assert_accepted(config: &Value, of: &str) {
    assert_eq!(verdict(config), Ok(Verdict::Accepted), "{of}: {:?}", faults(config));
}
