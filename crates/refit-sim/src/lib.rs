//! Seeded simulation of the engine and hundreds of agents.
