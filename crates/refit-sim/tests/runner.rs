//! Seeds as tests. `REFIT_SIM_SEEDS` says how many, `REFIT_SIM_FROM` where they begin.
#![expect(clippy::panic, reason = "a test says so when it fails")]

mod determinism;
mod planted;
mod seeds;
