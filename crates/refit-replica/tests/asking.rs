//! Somebody asks for the record (semantics 26, 32).

use crate::script::play;

#[test]
fn a_device_is_told_its_delta_with_it() {
    play(
        r#"
        operator desires v2    -> accepted 1 j1 QUEUED
        device asks            -> shown
        device subscribes      -> j1 SENT, delta j1 v2
        device asks            -> shown, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        device asks            -> shown, delta j1 v2
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        device asks            -> shown
        "#,
    );
}

#[test]
fn an_onlooker_is_only_shown_it() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        operator asks       -> shown
        "#,
    );
}
