//! I/O errors from the kernel, injected with strace: the store stops, in doubt and saying so, and reopening tells.
//!
//! These need strace (Debian: `apt-get install strace`), so they run only with `REFIT_TEST_OUTSIDE=1`; then a missing
//! strace is a failure.

use std::path::Path;
use std::process::Output;

use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::Store;

use crate::child;
use crate::record::device;

#[test]
fn an_error_of_a_commits_sync_stops_the_store() {
    // The first syncs are those of opening; a later one is a commit's, or a checkpoint's sync of the log.
    stops("inject=fsync,fdatasync:error=EIO:when=60+", "broken: ");
}

#[test]
fn an_error_of_a_write_stops_the_store() {
    stops("inject=pwrite64:error=EIO:when=300+", "broken: ");
}

fn stops(injection: &str, last_words: &str) {
    if std::env::var_os("REFIT_TEST_OUTSIDE").is_none() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let output = run(injection, home.path());
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(
        output.status.code(),
        Some(7),
        "it should have stopped in doubt: {err}"
    );
    assert!(err.contains(last_words), "{err}");

    let acknowledged = child::acknowledged(&out);
    assert!(
        !acknowledged.is_empty(),
        "the error came before the first acknowledgement: {err}"
    );
    let store = SqliteStore::open(Options::new(home.path())).unwrap();
    let mut reader = store.reader().unwrap();
    for (number, n) in acknowledged {
        let stored = reader.load(&device(number)).unwrap().unwrap();
        assert!(
            (n..=n + 1).contains(&stored.record.version),
            "{number}: {n} {stored:?}"
        );
    }
    assert_eq!(reader.counts().unwrap(), reader.recount().unwrap());
}

fn run(injection: &str, directory: &Path) -> Output {
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync,pwrite64",
        "-e",
        injection,
    ];
    child::command(Some(&strace), directory)
        .output()
        .unwrap_or_else(|why| {
            panic!("strace is needed for this test (apt-get install strace): {why}")
        })
}
