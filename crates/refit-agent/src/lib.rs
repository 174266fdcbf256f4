//! How does a device come to run the software it should, whatever happens on the way?
//!
//! *In*: deltas and answers from the server, results of work, the time, a journal. *Out*: what to do next, in order:
//! journal, fetch, write, switch, check, go back, publish.
//!
//! *Absent on purpose*: in the machine, any I/O, clock or randomness; in the whole crate, an async runtime.
//!
//! *Start reading at* [`machine::step`], then `machine/state.rs`; `journal.rs` (the next effect, before it runs) and
//! `installer.rs` (write, switch, confirm, roll back: four verbs) say what a power cut can do; `driver.rs` has the
//! threads and no decisions.
//!
//! *Keeps* number 7 of design §9 (whatever is cut, the device runs verified software, the new or the old:
//! `tests/power_cut.rs`), and its part of 4 (`machine/tests.rs`).

pub mod command_line;
pub mod config;
pub mod driver;
pub mod fetch;
pub mod files;
pub mod hands;
pub mod health;
pub mod http;
pub mod installer;
pub mod job;
pub mod journal;
pub mod link;
pub mod machine;
pub mod unpack;
pub mod wire;
