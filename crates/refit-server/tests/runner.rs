//! The whole server in this process, asked over HTTP: one module per behaviour.

// The attribute tells the lints that all of it is a test.
#[cfg(test)]
mod access;
#[cfg(test)]
mod access_over_mqtt;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod authorities;
#[cfg(test)]
mod bound;
#[cfg(test)]
mod describing;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod downloads;
#[cfg(test)]
mod dry;
#[cfg(test)]
mod dry_access;
#[cfg(test)]
mod enrolling;
#[cfg(test)]
mod events;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod hundred;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod once;
#[cfg(test)]
mod polling;
#[cfg(test)]
mod private;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod removing;
#[cfg(test)]
mod rollouts;
#[cfg(test)]
mod rotating;
#[cfg(test)]
mod sources;
