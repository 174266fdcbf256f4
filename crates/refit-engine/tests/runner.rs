//! The shard, driven by hand: what goes in, what comes out, and what must not come out before its time.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it fails"
)]

mod assigning;
mod audit;
mod bench;
mod durability;
mod indexing;
mod telling;
