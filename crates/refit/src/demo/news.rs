//! What the story hears, through one queue, from everything that runs beside it.

use super::Failure;
use super::fleet::Told;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum News {
    /// A simulated device did or heard something.
    Device(usize, Told),
    /// An agent wrote a line.
    Agent(usize, String),
    /// A wish was handed to the server, or was not.
    Wished(Result<(), Failure>),
    /// Somebody wants it to end.
    Interrupted,
}
