//! The program itself, run against a real server: what it prints, and with which code it ends.

// The attribute tells the lints that all of it is a test.
#[cfg(test)]
mod admitting;
#[cfg(test)]
mod auditing;
#[cfg(test)]
mod describing;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod enrolling;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod house;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod rollouts;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod telling;
