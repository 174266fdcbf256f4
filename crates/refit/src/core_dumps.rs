//! A core dump of a server holds its keys, so there is none.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Sets the size of core dumps to nothing, for good.
pub(crate) fn forbid() -> io::Result<()> {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, nothing)?)
}
