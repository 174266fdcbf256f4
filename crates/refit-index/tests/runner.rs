//! The index against the evaluation of each device by itself.
#![expect(clippy::unwrap_used, reason = "a test says so when it fails")]

mod agrees;
/// The random questions and devices of the room whose answers are the measure.
#[path = "../../refit-selector/tests/generate.rs"]
mod generate;
mod queries;
mod shared;
