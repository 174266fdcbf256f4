//! The tests of the store, one binary: the suite that every store must pass, and the faults of this one.

#![expect(
    clippy::unwrap_used,
    reason = "tests may say \"this must hold\" in the shortest way"
)]

mod conformance;
