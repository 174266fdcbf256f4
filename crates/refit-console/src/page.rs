//! The pages, one file each: its view model, and how that is drawn.

pub mod activity;
pub mod device;
pub mod devices;
pub mod fleet;
pub mod new_rollout;
pub mod releases;
pub mod rollout;
pub mod rollouts;
pub mod sign_in;
