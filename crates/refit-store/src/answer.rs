//! Answers that are kept, so that whoever asks the same again under the same key is answered the same.

use refit_protocol::time::Timestamp;

/// What was answered to a change that carried a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who asked: a key means something for its caller alone.
    pub caller: String,
    /// The key.
    pub key: String,
    /// The hash of what was asked, without its body.
    pub head: [u8; 32],
    /// The hash of the body.
    pub body: [u8; 32],
    /// The status of the answer.
    pub status: u16,
    /// Those of its headers that are worth keeping, a line each.
    pub headers: String,
    /// What it said.
    pub content: Vec<u8>,
    /// When it was given.
    pub at: Timestamp,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// What was answered before this is forgotten.
    pub since: Timestamp,
    /// How many answers of one caller are kept; the oldest are forgotten first.
    pub per_caller_max: u32,
}
