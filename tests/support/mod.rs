//! What the end-to-end tests and the demo share: a form platform, target servers, and real Envoy
//! with the built filter in it. Everything listens on 127.0.0.1, on ports that the kernel gives.

// Each of the programs that include this uses its own part of it.
#![allow(dead_code, unused_imports)]

pub mod dns;
pub mod documents;
pub mod gateway;
pub mod platform;
pub mod process;
pub mod raw;
pub mod receiver;
pub mod store;
pub mod tls;
pub mod verify;
pub mod wait;
