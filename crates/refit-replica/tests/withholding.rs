//! After an end without success nothing is sent until somebody wants it again (semantics 27, 33).

use crate::script::play;

#[test]
fn after_a_failure_on_change_subscribe_ask_and_time() {
    play(
        r#"
        device subscribes                            -> nothing
        operator desires v2                          -> accepted 1 j1 SENT, delta j1 v2
        device says j1 FAILURE                       -> accepted 1 j1 FAILED
        why                                          -> ended
        device subscribes                            -> nothing
        device asks                                  -> shown
        device reports v1                            -> accepted 2
        after 48 h                                   -> nothing
        operator sends {"state":{"desired":{"a":1}}} -> accepted 3, delta {"a":1}
        "#,
    );
}

#[test]
fn after_a_refusal() {
    play(
        r#"
        device subscribes       -> nothing
        operator desires v2     -> accepted 1 j1 SENT, delta j1 v2
        device says j1 REJECTED -> accepted 1 j1 REJECTED
        device subscribes       -> nothing
        why                     -> ended
        "#,
    );
}

#[test]
fn after_a_timeout() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        after 24 h             -> j1 TIMED_OUT
        device subscribes      -> nothing
        device asks            -> shown
        why                    -> ended
        "#,
    );
}

#[test]
fn after_a_cancellation() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        operator cancels    -> j1 CANCELLED
        operator cancels    -> rejected 409
        device subscribes   -> nothing
        why                 -> ended
        "#,
    );
}

#[test]
fn the_same_wish_written_again_opens_a_new_job() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 FAILURE -> accepted 1 j1 FAILED
        operator desires v2    -> accepted 1 j2 SENT, delta j2 v2
        device says j2 SUCCESS -> accepted 2 j2 SUCCEEDED
        "#,
    );
}

#[test]
fn the_third_failure_is_the_last() {
    play(
        r#"
        device subscribes       -> nothing
        operator desires v2     -> accepted 1 j1 SENT, delta j1 v2
        device says j1 FAILURE  -> accepted 1 j1 FAILED
        operator desires v2     -> accepted 1 j2 SENT, delta j2 v2
        device says j2 FAILURE  -> accepted 1 j2 FAILED
        why                     -> ended
        operator desires v2@cdn -> accepted 2 j3 SENT, delta j3 v2@host
        device says j3 FAILURE  -> accepted 2 j3 FAILED
        why                     -> capped
        operator desires v2     -> accepted 3
        why                     -> capped
        operator desires v3     -> accepted 4 j4 SENT, delta j4 v3
        operator desires v2     -> accepted 5 j4 SUPERSEDED
        why                     -> capped
        operator retries        -> j5 SENT, delta j5 v2
        "#,
    );
}

#[test]
fn a_device_that_falls_back_is_held() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v1    -> accepted 1 j1 SENT, delta j1 v1
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        operator desires v2    -> accepted 3 j2 SENT, delta j2 v2
        device says j2 SUCCESS -> accepted 4 j2 SUCCEEDED
        device reports v1      -> accepted 5, reverted from j2
        why                    -> reverted
        device subscribes      -> nothing
        operator desires v2    -> accepted 5 j3 SENT, delta j3 v2
        "#,
    );
}

#[test]
fn a_device_that_falls_back_and_recovers_is_free() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        device reports v1      -> accepted 3, reverted from j1
        device reports v2      -> accepted 4
        why                    -> nothing
        device reports v1      -> accepted 5, reverted from j1
        "#,
    );
}

#[test]
fn another_wish_frees() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 FAILURE -> accepted 1 j1 FAILED
        operator desires v3    -> accepted 2 j2 SENT, delta j2 v3
        "#,
    );
}
