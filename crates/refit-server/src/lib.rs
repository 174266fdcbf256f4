//! Composition: HTTP API, metrics, probes, the whole server in one process.
