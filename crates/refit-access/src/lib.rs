//! Who may do what, and who did?
//!
//! *In*: a role, a scope, the text of a token, a password, a change that was made; time and random bytes as arguments.
//! *Out*: yes, or no and why ([`rights::Rights::may`]); hashes to keep, and whether what is given is what was hashed; the
//! next link of the audit log, and whether one that is read was altered.
//!
//! *Absent on purpose*: clocks, randomness, storage, HTTP and MQTT. What an operation *does* is unknown here; only its
//! name, who may ask for it, and whether it is of one device.
//!
//! *Start reading at* [`matrix`], the one table of role and operation; then `rights.rs`, which answers from it, and
//! `scope.rs`, what an application's token is narrowed to, and `span.rs`, where in a list that is. `token.rs`,
//! `password.rs` and `throttle.rs` are how somebody shows who they are; `name.rs` is what tokens and users may be called;
//! `audit.rs` is the chain.
//!
//! *Keeps*: nothing is allowed that the table does not say (`tests/rights.rs` asks for every cell); a scope only ever
//! takes away (`tests/properties.rs`); one altered byte of the log is found (`audit.rs`).

pub mod audit;
pub mod matrix;
pub mod name;
pub mod password;
pub mod rights;
pub mod role;
pub mod scope;
pub mod span;
pub mod throttle;
pub mod token;
