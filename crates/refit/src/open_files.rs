//! How many files this process may have open. Each connection is one; the usual soft limit of 1,024 is for programs
//! that still use `select`.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and returns it; `None` says that there is none.
pub(crate) fn raise() -> io::Result<Option<u64>> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current)
}
