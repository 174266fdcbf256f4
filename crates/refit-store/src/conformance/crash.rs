//! What was acknowledged is there after closing and opening again. (A store that runs in this process is also killed
//! in the middle of writing by its own tests; that needs a process to kill.)

use std::sync::mpsc;

use crate::conformance::{Place, applied, device, loaded, made, must, plain, reader, write};
use crate::store::Health;

/// Records, guards and counters are the same after a restart.
pub fn a_restart_keeps_all_that_was_acknowledged(place: &dyn Place) {
    let store = place.open();
    let ids: Vec<_> = (0..30).map(|n| device(&format!("d{n}"))).collect();
    let mut guards: Vec<_> = ids.iter().map(|id| made(&*store, id)).collect();
    let counts = must(reader(&*store).counts());
    drop(store);
    let store = place.open();
    assert_eq!(store.health(), Health::Healthy);
    assert_eq!(must(reader(&*store).counts()), counts);
    for (id, guard) in ids.iter().zip(&mut guards) {
        assert_eq!(loaded(&*store, id).guard(), *guard);
        *guard = applied(&*store, write(id, Some(*guard), plain(2)));
    }
    let last = made(&*store, &device("later"));
    assert!(
        guards.iter().all(|guard| guard.key != last.key),
        "a number is never used again"
    );
}

/// A store that is closed first writes and answers what was submitted.
pub fn closing_answers_what_was_submitted(place: &dyn Place) {
    let store = place.open();
    let (answer, answers) = mpsc::channel();
    for n in 0..300 {
        let batch = vec![write(&device(&format!("d{n}")), None, plain(1))];
        let answer = answer.clone();
        store.submit(batch, Box::new(move |outcomes| drop(answer.send(outcomes))));
    }
    drop(answer);
    drop(store);
    assert_eq!(answers.iter().filter(Result::is_ok).count(), 300);
    assert_eq!(must(reader(&*place.open()).counts()).devices, 300);
}
