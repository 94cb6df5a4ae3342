//! JSON whose objects keep the order in which their members were written.
//!
//! The platform's answers are not sorted, and its webhooks are: answers that came sorted already
//! would hide a push that forgot to sort.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A JSON value.
#[derive(Debug)]
pub enum Json {
    Value(Value),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The text of an answer.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("all names are strings")
    }

    /// The same, for those to whom the order is nothing.
    pub fn value(&self) -> Value {
        serde_json::to_value(self).expect("all names are strings")
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Json::Value(value)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Value(value) => value.serialize(serializer),
            Json::List(items) => serializer.collect_seq(items),
            Json::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}
