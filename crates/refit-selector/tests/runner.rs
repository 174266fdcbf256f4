//! The language from outside: what it reads, what it refuses and how, and what it answers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so when it fails"
)]

mod corpus;
mod generate;
mod language;
mod mistakes;
mod naive;
mod round_trip;
