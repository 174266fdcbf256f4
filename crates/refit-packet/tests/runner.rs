//! What holds for every packet: one module per behaviour.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside the test functions"
)]

mod bytes;
mod corpus;
mod framing;
mod never_shown;
mod oracle;
mod packets;
mod properties;
mod reasons;
mod round_trip;
mod statements;
mod texts;
