//! The program itself, run against a real server: what it prints, and with which code it ends.

// The attribute tells the lints that it is part of tests.
mod errors;
#[cfg(test)]
mod house;
mod releases;
mod serving;
mod telling;
