//! A process that is killed at any moment has lost nothing that it acknowledged.

use std::io::{BufRead, BufReader, Read};

use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::Store;

use crate::child;
use crate::record::device;

const KILLS: u64 = 10;

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..KILLS {
        let output = write_and_kill(home.path(), 150 + round * 137);
        let acknowledged = child::acknowledged(&output);
        assert!(!acknowledged.is_empty(), "it wrote nothing: {output}");
        let store = SqliteStore::open(Options::new(home.path())).unwrap();
        let mut reader = store.reader().unwrap();
        for (number, n) in acknowledged {
            let stored = reader.load(&device(number)).unwrap().unwrap();
            // One more may have become durable without its acknowledgement.
            assert!(
                (n..=n + 1).contains(&stored.record.version),
                "{number}: {n} {stored:?}"
            );
            assert_eq!(stored.record.reported["n"], stored.record.version);
            total += 1;
        }
        assert_eq!(reader.counts().unwrap(), reader.recount().unwrap());
    }
    assert!(total >= KILLS);
}

/// Lets it write until it has acknowledged so much, kills it in the middle of more, and returns what it said.
fn write_and_kill(directory: &std::path::Path, acknowledgements: u64) -> String {
    let mut child = child::command(None, directory).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    let mut seen = 0;
    while seen < acknowledgements {
        let before = said.len();
        if output.read_line(&mut said).unwrap() == 0 {
            let mut why = String::new();
            let mut errors = child.stderr.take().unwrap();
            errors.read_to_string(&mut why).unwrap();
            panic!("it ended by itself: {said}{why}");
        }
        seen += u64::from(said[before..].starts_with("ack "));
    }
    child.kill().unwrap();
    output.read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    said
}
