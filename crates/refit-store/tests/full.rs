//! A disk without room: nothing is acknowledged, what was is still read, and writes work again when there is room.
//!
//! The disk is a small file system in memory. It needs the right to mount (root, or CAP_SYS_ADMIN); where that is
//! missing the test fails and says so, since a skipped test proves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::{Failure, Guard, Health, Outcome, Store};

use crate::record::{device, report};

/// A small file system, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "refit-test"])
            .arg(at)
            .output()
            .unwrap();
        assert!(
            mounted.status.success(),
            "this test mounts a small tmpfs and may not here (run the tests as root): {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Self(at.into())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).output());
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::mount(home.path());
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let store = SqliteStore::open(Options::new(&disk.0)).unwrap();

    let guards = write_until_full(&store);
    assert_eq!(store.health(), Health::Full);
    all_are_there(&store, &guards);
    assert!(store.stats().full > 0);

    std::fs::remove_file(&ballast).unwrap();
    // Nobody writes: the store finds the room by itself.
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.health() != Health::Healthy {
        assert!(Instant::now() < deadline, "{:?}", store.health());
        std::thread::yield_now();
    }
    let again = store
        .commit(vec![report(0, Some(guards[0]), 2, 300)])
        .unwrap();
    assert!(matches!(again.as_slice(), [Outcome::Applied(_)]));

    drop(store);
    let store = SqliteStore::open(Options::new(&disk.0)).unwrap();
    all_are_there(&store, &guards);
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.counts().unwrap(), reader.recount().unwrap());
    drop((reader, store));
}

/// Makes devices until there is no room; each failure is of the whole batch, and clear.
fn write_until_full(store: &SqliteStore) -> Vec<Guard> {
    let mut guards = Vec::new();
    let mut failures = 0;
    while failures < 5 {
        let first = guards.len() as u64;
        let batch = (first..first + 50).map(|number| report(number, None, 1, 2_000));
        match store.commit(batch.collect()) {
            Ok(outcomes) => guards.extend(outcomes.iter().map(|outcome| match outcome {
                Outcome::Applied(guard) => *guard,
                refused => panic!("{refused:?}"),
            })),
            Err(Failure::Full) => failures += 1,
            Err(other) => panic!("no room is {other:?}"),
        }
        assert!(guards.len() < 10_000, "the disk does not fill");
    }
    guards
}

fn all_are_there(store: &SqliteStore, guards: &[Guard]) {
    let mut reader = store.reader().unwrap();
    for (number, guard) in (0..).zip(guards) {
        let stored = reader.load(&device(number)).unwrap().unwrap();
        assert_eq!(stored.key, guard.key);
    }
    assert!(reader.load(&device(guards.len() as u64)).unwrap().is_none());
}
