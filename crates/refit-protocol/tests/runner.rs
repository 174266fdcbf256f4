//! What any bytes and any documents do to the contract.
#![expect(
    clippy::expect_used,
    reason = "a corpus that cannot be read fails its test in the shortest way"
)]

mod corpus;
mod enrolling;
mod hostile;
mod properties;
mod reference;
