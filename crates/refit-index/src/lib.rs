//! Which of a million devices are meant, in a millisecond?
//!
//! *In*: a row for each device ([`DeviceRow`]), then what changes about it ([`Change`]), and selectors.
//! *Out*: the keys of the devices ([`Selection`]), how many, a page of them, a map of two fields, and how that was found
//! ([`Index::explain`]).
//!
//! *Absent on purpose*: storage and clocks. The records are the store's; this is built from them at start and told of each
//! commit, and can be thrown away at any time.
//!
//! *Start reading at* [`Index`]; then `chunk.rs`, where 4096 devices stand next to each other; `codes.rs` and `dictionary.rs`, how a
//! text becomes a small number; `plan.rs` and `run.rs`, from a selector to scans and from scans to devices; `group.rs`,
//! `explain.rs` and `list.rs`. [`Shared`] is the same for one writer and many readers.
//!
//! *Keeps*: the answer is that of `refit-selector`'s evaluation of each device, also after any changes (`tests/agrees.rs`); a
//! million devices are built in 5 s, counted and paged in 5 ms (not yet with a pattern of IDs that many others leave open), mapped
//! in 20 ms, with 24 bytes a device beside IDs, tags and attributes (`refit-bench index`).

mod bits;
mod change;
mod chunk;
mod codes;
mod dictionary;
mod explain;
mod group;
mod ids;
mod index;
mod known;
mod list;
mod memory;
mod plan;
mod row;
mod run;
mod selection;
mod shared;

pub use change::Change;
pub use explain::{Explanation, Step};
pub use group::{Cell, NoDimension};
pub use index::{Ask, Index};
pub use known::Known;
pub use list::UnknownList;
pub use memory::Memory;
pub use row::DeviceRow;
pub use selection::Selection;
pub use shared::Shared;
