//! An operator keeps software from a device (semantics 5).

use crate::script::play;

#[test]
fn on_change_subscribe_ask_and_time() {
    play(
        r#"
        device subscribes   -> nothing
        operator holds      -> stored
        operator holds      -> nothing
        operator desires v2 -> accepted 1 j1 QUEUED
        device subscribes   -> nothing
        device asks         -> shown
        after 48 h          -> nothing
        why                 -> held
        operator releases   -> j1 SENT, delta j1 v2
        operator releases   -> nothing
        "#,
    );
}

#[test]
fn a_resend_too() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        operator holds      -> stored
        after 20 h          -> nothing
        device subscribes   -> nothing
        operator releases   -> delta j1 v2
        "#,
    );
}

#[test]
fn other_state_goes_on() {
    play(
        r#"
        device subscribes -> nothing
        operator holds    -> stored
        operator sends {"state":{"desired":{"softwareURL":"v2","a":1}}} -> accepted 1 j1 QUEUED, delta {"a":1}
        device subscribes -> delta {"a":1}
        "#,
    );
}

#[test]
fn what_runs_is_left_to_end() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        operator holds         -> stored
        why                    -> running
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        "#,
    );
}

#[test]
fn a_hold_outlasts_a_newer_wish() {
    play(
        r#"
        operator holds      -> stored
        operator desires v2 -> accepted 1 j1 QUEUED
        operator desires v3 -> accepted 2 j2 QUEUED, j1 SUPERSEDED
        device subscribes   -> nothing
        operator retries    -> nothing
        why                 -> held
        "#,
    );
}
