//! The integration tests of the depot: one binary, one module for each behaviour.

// The attribute tells the lints that all of it is a test.
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod download;
#[cfg(test)]
mod signed;
