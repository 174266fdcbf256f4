//! Benchmarks: each goal as a ratio to a yardstick run beside it.
