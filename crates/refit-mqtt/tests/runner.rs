//! The endpoint over real sockets, with the real engine and store behind it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside the test functions"
)]

mod client;
mod hostile;
mod house;
mod outside;
mod overtaken;
mod stopping;
mod talking;
