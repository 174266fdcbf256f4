//! The data directory: one server at a time, readable by its owner only.

use std::os::unix::fs::PermissionsExt;

use refit_store::sqlite::{FILE_NAME, OpenError, Options, SqliteStore};
use refit_store::store::Store;

use crate::record::report;

#[test]
fn a_second_server_is_refused_while_the_first_runs() {
    let home = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(Options::new(home.path())).unwrap();
    let second = SqliteStore::open(Options::new(home.path())).err().unwrap();
    assert!(matches!(second, OpenError::InUse(_)));
    let said = second.to_string();
    assert!(said.contains("another server") && said.contains(home.path().to_str().unwrap()));
    drop(first);
    SqliteStore::open(Options::new(home.path())).unwrap();
}

#[test]
fn nobody_else_can_read_it() {
    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options::new(home.path())).unwrap();
    store.commit(vec![report(1, None, 1, 0)]).unwrap();
    let mut seen = 0;
    for file in std::fs::read_dir(home.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        seen += 1;
    }
    assert_eq!(seen, 4, "database, log, its index, lock");
    drop(store);
    let path = home.path().join(FILE_NAME);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    drop(SqliteStore::open(Options::new(home.path())).unwrap());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let refused = SqliteStore::open(Options::new("/nowhere/at/all"))
        .err()
        .unwrap();
    assert!(refused.to_string().contains("/nowhere/at/all"), "{refused}");
}

#[test]
fn an_epoch_whose_versions_no_json_can_hold_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let last = SqliteStore::open(Options::new(home.path())).unwrap();
    last.put_meta("epoch", "8191").unwrap();
    drop(last);
    let beyond = SqliteStore::open(Options::new(home.path())).unwrap();
    assert_eq!(beyond.epoch(), 8191);
    beyond.put_meta("epoch", "8192").unwrap();
    drop(beyond);
    let refused = SqliteStore::open(Options::new(home.path())).err().unwrap();
    assert!(matches!(refused, OpenError::Unreadable(_)));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join(FILE_NAME),
        "no database at all, but long enough ".repeat(40),
    )
    .unwrap();
    let refused = SqliteStore::open(Options::new(home.path())).err().unwrap();
    assert!(matches!(refused, OpenError::Database(_)));
}
