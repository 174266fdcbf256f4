//! Does it hold with real parts?
//!
//! There is nothing here but tests (`tests/runner.rs`): the real programs as processes of their own, real MQTT clients
//! (paho from PyPI, mosquitto's from Debian), real downloads, real SIGKILLs. No part of Refit is replaced.
//!
//! `cargo xtask test` builds the programs, makes the Python environment and runs them; `--outside` adds those that
//! need Debian packages. A part that is missing fails the test and names itself.
