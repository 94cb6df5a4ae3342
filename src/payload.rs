//! From a captured event to the bytes that are pushed.
//!
//! The shapes are the platform's own, the bytes canonical: many receivers parse the body and
//! verify the signature over what their JSON library writes back, so our bytes must be the ones
//! that `JSON.stringify(JSON.parse(body))` gives. Nothing here knows who receives them.

mod canonical;
mod number;
mod shape;

pub use canonical::canonical;
pub use shape::{form_update, payload};
