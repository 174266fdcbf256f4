//! What can change about a device, each in constant time.

use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::facts::Certificate;

/// One change of one device, as committed.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// The model of its hardware.
    Model(Option<&'a str>),
    /// The name and version of the software that it runs.
    Software(Option<&'a str>, Option<&'a str>),
    /// Whether it can be reached.
    Online(bool),
    /// Whether it reports other software than is desired of it, or none.
    Drifting(bool),
    /// When it was last heard.
    Seen(Timestamp),
    /// The state of its latest job, and the reason that it gave.
    Job(Option<Status>, Option<&'a str>),
    /// Where its identity stands.
    Certificate(Option<Certificate>),
    /// The claim token that it last enrolled with.
    Token(Option<&'a str>),
    /// A tag by its name, and its value or that it has none.
    Tag(&'a str, Option<&'a str>),
    /// An attribute by its name, and its value or that it has none.
    Attribute(&'a str, Option<&'a str>),
}
