//! Kept answers: found by caller and key, across a restart, for a while, and so many of each caller.

use refit_protocol::time::Timestamp;

use crate::answer::{Answer, Keeping};
use crate::conformance::{Place, must, reader};

fn answer(caller: &str, key: &str, at: u64) -> Answer {
    Answer {
        caller: caller.into(),
        key: key.into(),
        head: [1; 32],
        body: [2; 32],
        status: 201,
        headers: "etag: \"1\"\n".into(),
        content: vec![0, 255, 7],
        at: Timestamp(at),
    }
}

const ALL: Keeping = Keeping {
    since: Timestamp(0),
    per_caller_max: 100,
};

/// It is there after a restart, for its caller and key alone; the newest under a key counts.
pub fn an_answer_is_found_again(place: &dyn Place) {
    let store = place.open();
    must(store.keep_answer(answer("a", "k", 5), ALL));
    drop(store);
    let store = place.open();
    let find = |caller, key| must(reader(&*store).answer(caller, key, Timestamp(5)));
    assert_eq!(find("a", "k"), Some(answer("a", "k", 5)));
    assert_eq!((find("b", "k"), find("a", "l")), (None, None));
    must(store.keep_answer(answer("a", "k", 6), ALL));
    assert_eq!(find("a", "k"), Some(answer("a", "k", 6)));
    assert_eq!(must(reader(&*store).answer("a", "k", Timestamp(7))), None);
}

/// What is too old goes, of everybody; what is too much goes, of the caller who asks.
pub fn answers_are_bounded_in_time_and_number(place: &dyn Place) {
    let store = place.open();
    let keep = |answer: Answer, since, per_caller_max| {
        let since = Timestamp(since);
        let keeping = Keeping {
            since,
            per_caller_max,
        };
        must(store.keep_answer(answer, keeping));
    };
    let kept = |caller: &str| -> Vec<String> {
        let mut reader = reader(&*store);
        let keys = ["k1", "k2", "k3", "k4"].into_iter();
        let kept = keys.filter(|key| must(reader.answer(caller, key, Timestamp(0))).is_some());
        kept.map(str::to_owned).collect()
    };
    keep(answer("b", "k1", 9), 0, 2);
    for (at, key) in (10..).zip(["k1", "k2", "k3"]) {
        keep(answer("a", key, at), 0, 2);
    }
    assert_eq!(
        (kept("a"), kept("b")),
        (vec!["k2".into(), "k3".into()], vec!["k1".into()])
    );
    keep(answer("a", "k4", 13), 12, 100);
    assert_eq!(
        (kept("a"), kept("b")),
        (vec!["k3".into(), "k4".into()], vec![])
    );
}
