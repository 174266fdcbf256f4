//! Where are the records, and are they durable?
pub mod store;
