//! Rollouts assign software: what goes before what, and what a job of a rollout has of its own (semantics 5, 7).

use crate::script::play;

#[test]
fn a_job_is_opened_sent_and_ended() {
    play(
        r#"
        device subscribes      -> nothing
        rollout 1 assigns v2   -> opened j1, j1 SENT, delta j1 v2
        rollout 1 assigns v2   -> stands j1
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        rollout 1 assigns v2   -> stands j1
        record                 -> version 2, desired v2, reported v2
        "#,
    );
}

#[test]
fn a_device_that_is_away_is_told_when_it_comes() {
    play(
        r#"
        rollout 1 assigns v2 -> opened j1, j1 QUEUED
        device subscribes    -> j1 SENT, delta j1 v2
        after 2 h            -> delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; delta j1 v2; j1 TIMED_OUT
        "#,
    );
}

#[test]
fn a_device_that_is_there_already_is_done_at_once() {
    play(
        r#"
        device reports v2    -> accepted 1
        rollout 1 assigns v2 -> already there j1, j1 SUCCEEDED
        record               -> version 2, desired v2, reported v2
        device subscribes    -> nothing
        device reports v1    -> accepted 3
        why                  -> planned
        "#,
    );
}

#[test]
fn hold_freeze_and_pin_go_before() {
    play(
        r#"
        operator pins        -> stored
        freeze
        operator holds       -> stored
        rollout 1 assigns v2 -> declined held
        operator releases    -> stored
        rollout 1 assigns v2 -> declined frozen
        thaw
        rollout 1 assigns v2 -> declined pinned
        operator unpins      -> stored
        rollout 1 assigns v2 -> opened j1, j1 QUEUED
        "#,
    );
}

#[test]
fn a_direct_job_goes_before_a_rollouts() {
    play(
        r#"
        application desires v3           -> accepted 1 j1 QUEUED
        rollout 1 assigns v2 priority 99 -> declined direct
        operator cancels                 -> j1 CANCELLED
        rollout 1 assigns v2             -> opened j2, j2 QUEUED
        application desires v3           -> accepted 3 j3 QUEUED, j2 SUPERSEDED
        "#,
    );
}

#[test]
fn of_two_rollouts_priority_then_the_newer_goes_before() {
    play(
        r#"
        rollout 2 assigns v2            -> opened j1, j1 QUEUED
        rollout 1 assigns v3            -> declined newer
        rollout 1 assigns v3 priority 1 -> opened j2, j1 SUPERSEDED, j2 QUEUED
        rollout 3 assigns v4            -> declined priority
        rollout 3 assigns v4 priority 1 -> opened j3, j2 SUPERSEDED, j3 QUEUED
        "#,
    );
}

#[test]
fn a_running_job_is_not_replaced_by_one_for_the_same_software() {
    play(
        r#"
        device subscribes               -> nothing
        rollout 1 assigns v2            -> opened j1, j1 SENT, delta j1 v2
        device says j1 RUNNING          -> accepted 1 j1 RUNNING
        rollout 2 assigns v2 priority 9 -> declined running
        rollout 2 assigns v3            -> opened j2, j1 SUPERSEDED, j2 SENT, delta j2 v3
        device says j1 SUCCESS          -> rejected 409, late success of j1
        "#,
    );
}

#[test]
fn a_retry_is_a_new_attempt() {
    play(
        r#"
        device subscribes          -> nothing
        rollout 1 assigns v2       -> opened j1, j1 SENT, delta j1 v2
        rollout 1 assigns v2 try 1 -> declined attempt
        device says j1 FAILURE     -> accepted 1 j1 FAILED
        device subscribes          -> nothing
        rollout 1 assigns v2       -> stands j1
        rollout 1 assigns v2 try 1 -> opened j2, j2 SENT, delta j2 v2
        rollout 1 assigns v2       -> stands j2
        device says j2 FAILURE     -> accepted 1 j2 FAILED
        rollout 1 assigns v2 try 2 -> opened j3, j3 SENT, delta j3 v2
        device says j3 FAILURE     -> accepted 1 j3 FAILED
        rollout 1 assigns v2 try 3 -> declined capped
        "#,
    );
}

#[test]
fn a_fall_back_holds_the_device_until_somebody_says_otherwise() {
    play(
        r#"
        device subscribes                -> nothing
        rollout 1 assigns v2             -> opened j1, j1 SENT, delta j1 v2
        device says j1 SUCCESS           -> accepted 2 j1 SUCCEEDED
        device reports v1                -> accepted 3, reverted from j1
        rollout 2 assigns v3             -> declined reverted
        why                              -> reverted
        rollout 2 assigns v3 past revert -> opened j2, j2 SENT, delta j2 v3
        "#,
    );
}

#[test]
fn only_the_plan_opens_another_job_for_a_rollouts_wish() {
    play(
        r#"
        device subscribes          -> nothing
        rollout 1 assigns v2       -> opened j1, j1 SENT, delta j1 v2
        device says j1 FAILURE     -> accepted 1 j1 FAILED
        device reports v2          -> accepted 2
        device reports v1          -> accepted 3
        why                        -> planned
        rollout 1 assigns v2 try 1 -> opened j2, j2 SENT, delta j2 v2
        "#,
    );
}

#[test]
fn what_no_device_can_do_is_declined() {
    play(
        r#"
        rollout 1 assigns v0 -> declined unknown-release
        device reports v1    -> accepted 1
        operator removes     -> stored
        rollout 1 assigns v2 -> declined removed
        "#,
    );
}
