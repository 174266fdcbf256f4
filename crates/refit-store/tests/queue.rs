//! The way to the writer: bounded, and not to be broken by whoever is answered.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use refit_store::sqlite::{FILE_NAME, Options, SqliteStore};
use refit_store::store::{Failure, Outcome, Store};

use crate::record::report;

#[test]
fn what_is_too_much_is_refused_and_the_rest_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let mut options = Options::new(home.path());
    options.waiting_max = 10;
    let store = SqliteStore::open(options).unwrap();
    let batch = |first| (first..first + 11).map(|n| report(n, None, 1, 0)).collect();
    assert!(matches!(store.commit(batch(0)), Err(Failure::Busy)));
    assert_eq!(store.commit(vec![report(1, None, 1, 0)]).unwrap().len(), 1);
    assert_eq!(store.stats().waiting, 0);
}

#[test]
fn an_answer_that_panics_ends_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options::new(home.path())).unwrap();
    store.submit(
        vec![report(1, None, 1, 0)],
        Box::new(|_| panic!("on purpose")),
    );
    let outcomes = store.commit(vec![report(2, None, 1, 0)]).unwrap();
    assert!(matches!(outcomes.as_slice(), [Outcome::Applied(_)]));
}

#[test]
fn the_last_holder_may_be_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(Options::new(home.path())).unwrap());
    let (answer, answered) = mpsc::channel();
    let (let_go, gone) = mpsc::channel::<()>();
    let held = store.clone();
    let done = move |outcomes: Result<Vec<Outcome>, Failure>| {
        // Not before the test has let go of its own.
        gone.recv().unwrap_err();
        drop(held);
        answer.send(outcomes.is_ok()).unwrap();
    };
    store.submit(vec![report(1, None, 1, 0)], Box::new(done));
    drop(store);
    drop(let_go);
    assert!(answered.recv_timeout(Duration::from_secs(20)).unwrap());
}

#[test]
fn the_log_is_kept_short_under_steady_writing() {
    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options::new(home.path())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut next = 0;
    while store.stats().restart_us.count() < 2 {
        store
            .commit(
                (next..next + 256)
                    .map(|n| report(n, None, 1, 3_000))
                    .collect(),
            )
            .unwrap();
        next += 256;
        assert!(
            Instant::now() < deadline,
            "the log was never started anew: {:?}",
            store.stats()
        );
    }
    let log = home.path().join(format!("{FILE_NAME}-wal"));
    assert!(log.metadata().unwrap().len() < 256 << 20);
}
