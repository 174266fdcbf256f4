//! A job has to start and to end in time; what is left of that is kept, no deadline (design §5, semantics 33).

use crate::script::play;

#[test]
fn a_silent_device_times_out_and_is_told_no_more() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        after 24 h          -> delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; j1 TIMED_OUT
        why                 -> ended
        device subscribes   -> nothing
        "#,
    );
}

#[test]
fn while_sent_only_reachable_time_counts() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j9 RUNNING -> rejected 409
        device leaves          -> nothing
        after 999 h            -> nothing
        device subscribes      -> delta j1 v2
        after 1 m              -> delta j1 v2
        device leaves          -> stored
        after 999 h            -> nothing
        device subscribes      -> delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 23 h             -> nothing
        after 59 m             -> j1 TIMED_OUT
        "#,
    );
}

#[test]
fn from_running_on_time_always_counts() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 1 h              -> nothing
        device leaves          -> stored
        why                    -> running
        after 23 h             -> j1 TIMED_OUT
        why                    -> ended, offline
        "#,
    );
}

#[test]
fn a_queued_job_has_all_the_time() {
    play(
        r#"
        operator desires v2    -> accepted 1 j1 QUEUED
        after 9999 h           -> nothing
        device subscribes      -> j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 23 h             -> nothing
        after 1 h              -> j1 TIMED_OUT
        "#,
    );
}

#[test]
fn a_crash_only_lengthens() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 20 h             -> nothing
        server crashes
        after 20 h      -> nothing
        server restarts -> nothing
        after 23 h      -> nothing
        after 1 h       -> j1 TIMED_OUT
        "#,
    );
}

#[test]
fn what_was_noted_before_a_crash_is_kept() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 20 h             -> nothing
        device leaves          -> stored
        server crashes
        server restarts -> nothing
        after 3 h       -> nothing
        after 1 h       -> j1 TIMED_OUT
        "#,
    );
}

#[test]
fn the_start_timer_is_off_unless_the_plan_sets_it() {
    play(
        r#"
        start timer 10 m
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device leaves          -> nothing
        after 10 h             -> nothing
        device subscribes      -> delta j1 v2
        after 20 s             -> nothing
        device leaves          -> stored
        after 10 h             -> nothing
        device subscribes      -> delta j1 v2
        after 20 s             -> nothing
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 1 h              -> nothing
        "#,
    );
}

#[test]
fn a_device_that_does_not_start_in_time() {
    play(
        r#"
        start timer 20 s
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        after 20 s             -> j1 TIMED_OUT
        device says j1 RUNNING -> rejected 409
        "#,
    );
}

#[test]
fn a_held_device_is_not_late() {
    play(
        r#"
        start timer 20 s
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        operator holds      -> stored
        after 99 h          -> nothing
        operator releases   -> delta j1 v2
        after 20 s          -> j1 TIMED_OUT
        "#,
    );
}
