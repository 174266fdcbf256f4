//! The tests of the store, one binary: the suite that every store must pass, and the faults of this one.
//!
//! `REFIT_TEST_OUTSIDE=1` adds those that need a program from outside (strace).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may say \"this must hold\" in the shortest way"
)]

mod child;
mod conformance;
mod directory;
mod full;
mod kill;
mod outside;
mod queue;
mod record;
