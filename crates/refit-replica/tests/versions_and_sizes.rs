//! Versions, epochs, job IDs and the bound of a record (semantics 34).

use crate::script::play;

#[test]
fn a_version_guards_a_write() {
    play(
        r#"
        operator sends {"state":{"desired":{"a":1}},"version":0} -> accepted 1
        operator sends {"state":{"desired":{"a":2}},"version":0} -> rejected 409
        operator sends {"state":{"desired":{"a":2}},"version":1} -> accepted 2
        record                                                   -> version 2, desired a:2, reported
        "#,
    );
}

#[test]
fn a_guard_that_fails_stops_a_word_about_a_job_too() {
    play(
        r#"
        device subscribes                                          -> nothing
        operator desires v2                                        -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"RUNNING","version":7} -> rejected 409
        device says j1 RUNNING                                     -> accepted 1 j1 RUNNING
        "#,
    );
}

#[test]
fn a_new_epoch_raises_versions_at_the_next_change() {
    play(
        r#"
        device reports v1 -> accepted 1
        epoch 2
        device reports v1 -> accepted 1
        device reports v2 -> accepted 2+1
        device reports v3 -> accepted 2+2
        "#,
    );
}

#[test]
fn states_have_a_bound_together() {
    play(
        r#"
        operator sends {"state":{"desired":{"a":"letters 5000"}}} -> accepted 1
        device sends {"state":{"reported":{"b":"letters 4000"}}}  -> rejected 413
        device sends {"state":{"reported":{"b":"letters 3000"}}}  -> accepted 2
        operator sends {"state":{"desired":{"c":"letters 1000"}}} -> rejected 413
        operator sends {"state":{"desired":{"a":null,"c":"letters 1000"}}} -> accepted 3
        "#,
    );
}

#[test]
fn a_wish_leaves_room_to_report_it() {
    play(
        r#"
        operator sends {"state":{"desired":{"a":"letters 8000"}}} -> accepted 1
        operator desires v2                                       -> rejected 413
        operator sends {"state":{"desired":{"a":"letters 7900"}}} -> accepted 2
        operator desires v2                                       -> accepted 3 j1 QUEUED
        device sends {"state":{"reported":{"b":"letters 100"}}}   -> rejected 413
        device subscribes                                         -> j1 SENT, delta j1 v2 {"a":"letters 7900"}
        device says j1 SUCCESS                                    -> accepted 4 j1 SUCCEEDED, delta {"a":"letters 7900"}
        "#,
    );
}
