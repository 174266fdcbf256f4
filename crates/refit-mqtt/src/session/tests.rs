//! The rules as scripts: what comes in, and what goes out for it.

mod acknowledging;
mod bench;
mod delivering;
mod ending;
mod excess;
mod greeting;
mod histories;
mod subscribing;
