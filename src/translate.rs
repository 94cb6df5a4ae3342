//! Aliases in the API itself: who calls speaks of fields by their aliases, and the platform by
//! their ids.
//!
//! A body is translated by putting other names where the platform's API has the name of a field;
//! every other byte stays as it is. A name that is not known stays, too. It knows nothing of Envoy
//! and nothing of events.

mod body;
mod endpoint;

pub use body::{Direction, translated};
pub use endpoint::{Endpoint, Place};

use crate::form::FormKey;
use crate::json::Value;

/// The form that a request names in its body, as version 5 of the API does.
pub fn form_of(request: Value<'_>) -> Option<FormKey> {
    let member = |name| Some(request.get(name)?.as_str()?.into());
    Some(FormKey { app_id: member("app_id")?, entry_id: member("entry_id")? })
}
