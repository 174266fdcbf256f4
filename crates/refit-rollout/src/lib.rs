//! Who is updated next, and when does a rollout have to stop?
//!
//! *In*: a plan, figures of the fleet, the time. *Out*: the next step, or what it waits for; and for one device, whether it
//! may get its job, or all that stands in its way.
//!
//! *Absent on purpose*: I/O, clocks, randomness, SQL, and single devices' records. The same figures give the same verdict
//! on every server, to the bit.
//!
//! *Start reading at* [`step::step`], then `step/stop.rs` and `step/ahead.rs`; `plan.rs` is what an operator asks for,
//! `check.rs` what is contradictory in it, `state.rs` where it stands and `state/act.rs` what operators may do. `waves.rs`
//! cuts the members once, `admit.rs` asks of one device whether it is its turn (`why` prints the same). `tally.rs` are the
//! counts that all is read from; `threshold.rs`, `pace.rs`, `budget.rs`, `path.rs`, `outage.rs` and `cluster.rs` are a rule
//! each; `gate.rs` judges health after boot, `window.rs` the hours, `describe.rs` says both. `rehearse.rs`
//! runs the planner over a model before it runs over devices, `report.rs` is what is left of it.
//!
//! *Keeps* (design §9): 5, never more in flight than the plan allows, and no job is opened past a threshold
//! (`tests/running.rs`); 6, figures are counts of jobs; 8, `why` names the planner's own reasons.
#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

pub mod admit;
pub mod budget;
pub mod check;
pub mod cluster;
pub mod describe;
pub mod gate;
pub mod outage;
pub mod pace;
pub mod path;
pub mod plan;
pub mod rehearse;
pub mod report;
pub mod state;
pub mod step;
pub mod tally;
pub mod threshold;
pub mod waves;
pub mod window;
