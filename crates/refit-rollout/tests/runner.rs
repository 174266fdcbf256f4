//! What holds of plans and rollouts, whatever happens.

mod documents;
mod false_pauses;
mod fleet;
mod operators;
mod running;
