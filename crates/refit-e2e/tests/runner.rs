//! All end-to-end tests in one program; `house.rs` starts and stops the parts.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so when it fails"
)]

mod ca_rotation;
mod demo;
mod enrolled;
mod factory;
mod hostile;
mod house;
mod kill_the_server;
mod liar;
mod nine_steps;
mod object_store;
mod object_store_agents;
mod object_store_serves;
mod off_and_on;
mod outside;
mod private_steps;
mod readme;
mod secrets;
mod whose_grant;
