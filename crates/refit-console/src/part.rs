//! What pages are made of: numbers, times, tones, and short tables.

mod figure;
mod number;
mod tone;
mod when;

pub use self::figure::{Figure, figures};
pub use self::number::{bytes, count, percent};
pub use self::tone::Tone;
pub use self::when::{span, when};
