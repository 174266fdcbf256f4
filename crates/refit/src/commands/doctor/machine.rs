//! Is there room: on the disk, and for connections? And are secrets for their owner alone?

use std::path::PathBuf;

use super::finding::Finding;
use crate::output::bytes;

/// The disk, as the server sees it, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) free: u64,
    pub(crate) total: u64,
}

/// Below these there is too little room: a share, and for an error also a size.
const WARNING_PERCENT: u64 = 10;
const ERROR_PERCENT: u64 = 2;
const ERROR_BYTES: u64 = 1 << 30;

/// Judges the room of the data directory.
pub(crate) fn disk(disk: Option<Disk>) -> Finding {
    const CHECK: &str = "disk";
    let Some(Disk { free, total }) = disk else {
        return Finding::warning(CHECK, "the server cannot tell how much room its disk has")
            .next("look at it with `df`, in the data directory");
    };
    let is_below = |percent: u64| u128::from(free) * 100 < u128::from(total) * u128::from(percent);
    let says = format!(
        "{} of {} are free for the data directory",
        bytes(free),
        bytes(total)
    );
    let next =
        "make room, or remove releases that nobody needs; on a full disk nothing is acknowledged";
    if is_below(ERROR_PERCENT) || free < ERROR_BYTES {
        Finding::error(CHECK, says).next(next)
    } else if is_below(WARNING_PERCENT) {
        Finding::warning(CHECK, says).next(next)
    } else {
        Finding::well(CHECK, says)
    }
}

/// What the server needs beside a descriptor for each device: HTTP's connections, downloads, the store.
const BESIDE: u64 = 10_240;

/// Judges how many files may be open (`None`: any number), for so many devices.
pub(crate) fn descriptors(most: Option<u64>, devices: u64) -> Finding {
    const CHECK: &str = "descriptors";
    let needed = devices.saturating_add(BESIDE);
    let Some(most) = most else {
        return Finding::well(CHECK, "any number of files may be open");
    };
    let says = format!("{most} files may be open; {devices} devices, all connected, need {needed}");
    let advice = needed.max(BESIDE * 2).next_power_of_two();
    let next =
        format!("start it with LimitNOFILE={advice} (systemd), or after `ulimit -n {advice}`");
    if most < devices {
        Finding::error(CHECK, says).next(next)
    } else if most < needed {
        Finding::warning(CHECK, says).next(next)
    } else {
        Finding::well(CHECK, says)
    }
}

/// A file or directory of the data directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// Its permissions.
    pub(crate) mode: u32,
    pub(crate) kind: Kind,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The data directory itself.
    Directory,
    /// A file that holds a secret.
    Secret,
}

/// Judges who can read and write them.
pub(crate) fn files(entries: &[Entry]) -> Vec<Finding> {
    const CHECK: &str = "files";
    let mut found = Vec::new();
    for Entry { path, mode, kind } in entries {
        let (path, told) = (path.display(), mode & 0o777);
        found.extend(match kind {
            Kind::Directory if mode & 0o022 != 0 => Some(
                Finding::error(CHECK, format!("others can write to {path} (mode {told:o})"))
                    .next(format!("chmod 700 {path}")),
            ),
            Kind::Directory if mode & 0o055 != 0 => Some(
                Finding::warning(
                    CHECK,
                    format!("others can look into {path} (mode {told:o})"),
                )
                .next(format!("chmod 700 {path}")),
            ),
            Kind::Secret if mode & 0o077 != 0 => Some(
                Finding::error(CHECK, format!("others can get at {path} (mode {told:o})"))
                    .next(format!("chmod 600 {path}, and consider whether it leaked")),
            ),
            Kind::Directory | Kind::Secret => None,
        });
    }
    if found.is_empty() {
        let secrets = entries.iter().filter(|e| e.kind == Kind::Secret).count();
        let says =
            format!("the data directory and its {secrets} secrets are for their owner alone");
        found.push(Finding::well(CHECK, says));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::State::{Error, Warning, Well};
    use super::*;

    #[test]
    fn little_room_is_told() {
        const GIB: u64 = 1 << 30;
        for (free, total, state) in [
            (50 * GIB, 100 * GIB, Well),
            (10 * GIB, 100 * GIB, Well),
            (10 * GIB - 1, 100 * GIB, Warning),
            (2 * GIB, 100 * GIB, Warning),
            (2 * GIB - 1, 100 * GIB, Error),
            (GIB, 4 * GIB, Well),
            (GIB - 1, 4 * GIB, Error),
            (0, 0, Error),
            (u64::MAX, u64::MAX, Well),
        ] {
            let found = disk(Some(Disk { free, total }));
            assert_eq!(found.state, state, "{free} of {total}: {found:?}");
        }
        assert_eq!(disk(None).state, Warning);
    }

    #[test]
    fn each_device_needs_a_descriptor() {
        for (most, devices, state) in [
            (Some(1024), 0, Warning),
            (Some(10_240), 0, Well),
            (Some(1 << 20), 1_000_000, Well),
            (Some(1 << 20), 1_040_000, Warning),
            (Some(1 << 20), 1 << 21, Error),
            (None, 1 << 21, Well),
        ] {
            let found = descriptors(most, devices);
            assert_eq!(found.state, state, "{most:?} {devices}: {found:?}");
        }
        let next = descriptors(Some(1 << 20), 1_040_000).next.unwrap();
        assert!(next.contains("LimitNOFILE=2097152"), "{next}");
    }

    #[test]
    fn what_others_can_get_at_is_told() {
        for (kind, mode, state) in [
            (Kind::Directory, 0o40700, Well),
            (Kind::Directory, 0o40750, Warning),
            (Kind::Directory, 0o40770, Error),
            (Kind::Directory, 0o40702, Error),
            (Kind::Secret, 0o100_600, Well),
            (Kind::Secret, 0o100_400, Well),
            (Kind::Secret, 0o100_640, Error),
            (Kind::Secret, 0o100_604, Error),
        ] {
            let path = PathBuf::from("/srv/refit/x");
            let found = files(&[Entry { path, mode, kind }]);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].state, state, "{kind:?} {mode:o}");
        }
    }
}
