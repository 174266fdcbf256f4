//! Certificates as they should be, and as somebody would make them who tries.
#![expect(clippy::unwrap_used, reason = "a test says so when it fails")]

mod authority;
mod bench;
mod corpus;
mod oddities;
mod requests;
