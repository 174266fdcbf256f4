//! The pages, one file each: its view model, and how that is drawn.

pub mod device;
pub mod devices;
pub mod fleet;
pub mod releases;
pub mod sign_in;
