//! Runs the pure rooms; the one place where decisions meet durability.
