//! The admin API and the console.

mod token;

pub use token::{Token, TokenError};
