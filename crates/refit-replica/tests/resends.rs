//! A silent device is told again, later each time (semantics 33). Pauses differ by a fifth to either side.

use crate::script::play;

#[test]
fn after_thirty_seconds_then_sixty() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        after 23 s          -> nothing
        after 13 s          -> delta j1 v2
        after 35 s          -> nothing
        after 37 s          -> delta j1 v2
        "#,
    );
}

#[test]
fn not_once_the_device_is_at_work() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 20 h             -> nothing
        "#,
    );
}

#[test]
fn not_while_it_is_away() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device leaves       -> nothing
        after 20 h          -> nothing
        device subscribes   -> delta j1 v2
        after 36 s          -> delta j1 v2
        "#,
    );
}

#[test]
fn at_most_ten_of_a_job_then_only_when_asked() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        after 36 s          -> delta j1 v2
        after 72 s          -> delta j1 v2
        after 144 s         -> delta j1 v2
        after 288 s         -> delta j1 v2
        after 576 s         -> delta j1 v2
        after 1152 s        -> delta j1 v2
        after 2304 s        -> delta j1 v2
        after 72 m          -> delta j1 v2
        after 72 m          -> delta j1 v2
        after 72 m          -> delta j1 v2
        after 10 h          -> nothing
        device asks         -> shown, delta j1 v2
        after 2 h           -> nothing
        device leaves       -> stored
        server crashes
        device subscribes -> delta j1 v2
        after 2 h         -> nothing
        "#,
    );
}

#[test]
fn a_new_job_counts_from_the_start() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        after 120 s         -> delta j1 v2; delta j1 v2
        operator desires v3 -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        after 36 s          -> delta j2 v3
        "#,
    );
}
