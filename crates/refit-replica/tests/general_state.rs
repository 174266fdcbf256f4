//! The replica is general: other state is told as a difference, without a job (semantics 26).

use crate::script::play;

#[test]
fn a_difference_without_software_has_no_job_and_is_not_resent() {
    play(
        r#"
        device subscribes                                        -> nothing
        operator sends {"state":{"desired":{"a":1,"b":{"c":2}}}} -> accepted 1, delta {"a":1,"b":{"c":2}}
        after 99 h                                               -> nothing
        device sends {"state":{"reported":{"a":1}}}              -> accepted 2, delta {"b":{"c":2}}
        device sends {"state":{"reported":{"b":{"c":2,"d":3}}}}  -> accepted 3
        device subscribes                                        -> nothing
        "#,
    );
}

#[test]
fn software_and_other_state_go_together() {
    play(
        r#"
        operator sends {"state":{"desired":{"softwareURL":"v2","a":1}}} -> accepted 1 j1 QUEUED
        device subscribes                           -> j1 SENT, delta j1 v2 {"a":1}
        device says j1 SUCCESS                      -> accepted 2 j1 SUCCEEDED, delta {"a":1}
        device sends {"state":{"reported":{"a":1}}} -> accepted 3
        "#,
    );
}

#[test]
fn other_reports_cause_no_delta() {
    play(
        r#"
        device subscribes                                  -> nothing
        operator desires v2                                -> accepted 1 j1 SENT, delta j1 v2
        device sends {"state":{"reported":{"battery":71}}} -> accepted 2
        device sends {"state":{"reported":{"battery":70}}} -> accepted 3
        "#,
    );
}

#[test]
fn null_deletes() {
    play(
        r#"
        operator sends {"state":{"desired":{"a":1,"b":2}}} -> accepted 1
        operator sends {"state":{"desired":{"a":null}}}    -> accepted 2
        operator sends {"state":{"desired":{"a":null}}}    -> accepted 2
        device subscribes                                  -> delta {"b":2}
        "#,
    );
}
