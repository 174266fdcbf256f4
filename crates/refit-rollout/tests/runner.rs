//! What holds of plans and rollouts, whatever happens. `gate.rs` simulates the health gate, `window.rs` walks
//! through changes of the clock.
#![expect(
    clippy::unwrap_used,
    reason = "tests say what must hold in the shortest way"
)]

mod chance;
mod cutting;
mod documents;
mod false_pauses;
mod fleet;
mod gate;
mod operators;
mod running;
mod stopping;
mod window;
