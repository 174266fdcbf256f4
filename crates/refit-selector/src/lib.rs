//! Which devices are meant?
//!
//! *In*: a text such as `model = gw-200 and version < 1.4.0 and tag.region in (eu, us)`, and later the facts of one device.
//! *Out*: a [`Selector`], whose printed form is the same for equal selectors, or a [`Mistake`] with its place and what to
//! write instead; then yes or no for each device.
//!
//! *Absent on purpose*: a clock, randomness, storage, and every device but the one that is asked about. Many devices at once
//! are `refit-index`, which must agree with [`Selector::matches`].
//!
//! *Start reading at* [`tree`], what a selector is; then `field.rs`, what can be asked; `token.rs` and `parse.rs` with
//! `parse/term.rs`, from text to tree; `print.rs`, back; `evaluate.rs`, the answer. `version.rs`, `time.rs`, `number.rs` and
//! `glob.rs` are what values can be; `sample.rs` is the draw of a share.
//!
//! *Keeps*: what is printed reads as the same selector, no text panics, every limit holds for the printed form too
//! (`tests/round_trip.rs`); the answer is that of a naive evaluator (`tests/naive.rs`); the corpus of the fuzz target
//! (`tests/corpus.rs`).
//!
//! ```
//! use refit_selector::Selector;
//!
//! let selector = Selector::parse("model=gw-200,tag.ring=canary")?;
//! assert_eq!(selector.to_string(), "model = gw-200 and tag.ring = canary");
//!
//! let text = "modle = gw-200";
//! let mistake = Selector::parse(text).unwrap_err();
//! assert_eq!(mistake.suggestion.as_deref(), Some("model"));
//! assert_eq!(mistake.caret(text), "modle = gw-200\n^^^^^");
//! # Ok::<(), refit_selector::Mistake>(())
//! ```
#![no_std]

extern crate alloc;

pub mod evaluate;
pub mod facts;
pub mod field;
pub mod glob;
pub mod limits;
pub mod mistake;
pub mod number;
mod parse;
mod print;
pub mod sample;
pub mod time;
mod token;
pub mod tree;
pub mod version;

pub use facts::{Facts, Lists, Scene};
pub use mistake::Mistake;
pub use tree::Selector;
