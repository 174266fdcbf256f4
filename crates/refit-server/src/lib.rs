//! How do the rooms become one server?
//!
//! *In*: a [`config::Config`], HTTP requests, signals of the process (as calls). *Out*: a running
//! [`compose::Server`] that says where everything is, HTTP answers, metrics, and the reason if it has to stop.
//!
//! *Absent on purpose*: decisions about devices. Whatever a request wants of a device is handed to the engine's
//! [`Fleet`](refit_engine::fleet::Fleet), and the answer is awaited; whatever it wants to know is read from the store.
//!
//! *Start reading at* [`compose::Server`], which starts and drains the rooms in their order; then `http.rs`, where
//! every request enters and leaves, and one file per resource below it. `config.rs` has the settings and where they
//! come from, `operator.rs` the token of the first admin, `access.rs` who there is, `desk.rs` the
//! one place where changes are made, `health.rs` and `metrics.rs` what the outside is shown.
//!
//! *Keeps*: 1, what was acknowledged is there: no request is answered before the engine's receipt
//! (`tests/devices.rs`), and a cut upload leaves nothing (`tests/releases.rs`).

pub mod access;
mod audit;
mod caller;
pub mod compose;
pub mod config;
mod counters;
pub mod cursor;
mod depot;
mod desk;
pub mod forwarded;
mod gate;
mod granting;
mod health;
pub mod http;
pub mod identity;
mod metrics;
pub mod operator;
pub mod places;
mod pollers;
pub mod privacy;
mod readers;
pub mod secret_file;
mod wall;
