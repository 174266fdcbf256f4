//! What holds of plans and rollouts, whatever happens.
