//! The SQLite store is held against the suite.

use refit_store::conformance::Place;
use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::Store;

struct Directory(tempfile::TempDir);

impl Place for Directory {
    fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(Options::new(self.0.path())).unwrap())
    }
}

macro_rules! holds {
    ($($part:ident: $($name:ident)*;)*) => {$(mod $part {$(
        #[test]
        fn $name() {
            refit_store::conformance::$part::$name(&super::Directory(tempfile::tempdir().unwrap()));
        }
    )*})*};
}

holds! {
    records:
        what_is_read_is_what_was_written
        last_words_are_kept
        a_batch_may_hold_two_of_one_device
        a_device_that_never_was_is_missing
        an_empty_batch_is_answered
        many_are_read_in_the_order_asked
        pages_stay_right_under_change
        a_row_is_the_record_in_short
        who_desires_an_artifact_is_known
        facts_are_kept
    ;
}
