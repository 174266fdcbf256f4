//! The whole server in this process, asked over HTTP: one module per behaviour.

// The attribute tells the lints that it is part of tests.
#[cfg(test)]
mod asking;
mod devices;
mod downloads;
mod events;
mod jobs;
mod lifecycle;
mod openapi;
mod probes;
mod problems;
mod releases;
