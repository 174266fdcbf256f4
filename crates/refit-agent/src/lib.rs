//! How does a device come to run the software it should, whatever happens on the way?
//!
//! *In*: deltas and answers from the server, results of work, the time, a journal. *Out*: what to do next, in order:
//! journal, fetch, write, switch, check, go back, publish.
//!
//! *Absent on purpose*: in the machine, any I/O, clock or randomness; in the whole crate, an async runtime.
//!
//! *Start reading at* [`machine::step`], then `machine/state.rs`; `journal.rs` (the next effect, before it runs) and
//! `installer.rs` (write, switch, confirm, roll back: four verbs) say what a power cut can do; `wire.rs` is where JSON
//! ends; `driver.rs` has the threads and no decisions.
//!
//! *Keeps* number 7 of design §9 (whatever is cut, the device runs verified software, the new or the old): the power
//! is cut at every change of the disk in `tests/power_cut.rs`, the program killed at every journal step in
//! `tests/kill.rs`. And its part of 4 (it converges, or ends in a named failure): `machine/tests.rs`.
//!
//! ```
//! use refit_agent::machine::{Waking, effect::Effect, input::Input, step, wake};
//! # use refit_agent::machine::{effect::Facts, state::Policy};
//! # let policy = Policy { allow_unverified: false, length_max: 1 << 30 };
//! # let (entry, running, facts, seed) = (Default::default(), None, Facts::default(), 7);
//! let now = refit_protocol::time::Now::default();
//! let (state, effects) = wake(Waking { entry, running, policy, facts, seed }, now);
//! assert!(effects.is_empty()); // nothing was under way
//! let (_state, effects) = step(state, Input::Connected, now);
//! assert!(matches!(effects[..], [Effect::Publish(_)])); // the facts
//! ```

pub mod command_line;
pub mod config;
pub mod credential;
pub mod driver;
pub mod enrol;
pub mod fetch;
pub mod files;
pub mod hands;
pub mod health;
pub mod http;
pub mod identity;
pub mod installer;
pub mod job;
pub mod journal;
pub mod link;
pub mod machine;
pub mod renewal;
mod root;
pub mod tls;
pub mod unpack;
pub mod wire;
