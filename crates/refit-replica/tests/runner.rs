//! The rules of one device, as scripts that need no Rust to be reviewed, and as properties of any history.
//!
//! `bench.rs` is a device with its record and clock, `script.rs` the language; every other file is one rule.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the bench is used by tests alone, which say what must hold in the shortest way"
)]

mod acknowledging;
mod asking;
mod assigning;
mod bare_reports;
mod bench;
mod general_state;
mod granting;
mod histories;
mod holding;
mod late_words;
mod marking;
mod resends;
mod rights;
mod script;
mod software_urls;
mod superseding;
mod timers;
mod versions_and_sizes;
mod why;
mod withholding;
mod words;
