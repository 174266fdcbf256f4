//! Why a device does not run what it should: every blocker, hold before end before absence (semantics 25).

use crate::script::play;

#[test]
fn nothing_desired_or_nothing_missing() {
    play(
        r#"
        why                     -> nothing
        device reports v1       -> accepted 1
        why                     -> nothing
        operator desires v1@cdn -> accepted 2
        why                     -> nothing
        "#,
    );
}

#[test]
fn away() {
    play(
        r#"
        operator desires v2    -> accepted 1 j1 QUEUED
        why                    -> offline
        device subscribes      -> j1 SENT, delta j1 v2
        why                    -> sent
        device leaves          -> nothing
        why                    -> offline
        device subscribes      -> delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        why                    -> running
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        why                    -> nothing
        "#,
    );
}

#[test]
fn all_at_once() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 FAILURE -> accepted 1 j1 FAILED
        operator holds         -> stored
        device leaves          -> nothing
        why                    -> held, ended, offline
        operator releases      -> stored
        why                    -> ended, offline
        device subscribes      -> nothing
        why                    -> ended
        operator desires v2    -> accepted 1 j2 SENT, delta j2 v2
        why                    -> sent
        "#,
    );
}
