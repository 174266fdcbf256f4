//! An abort and a freeze are marks: they hold for every device from their commit on (semantics 5, 24, 40).

use crate::script::play;

/// Every state of a job that a rollout can abort × what the device then says of it.
#[test]
fn abort_at_every_state_of_the_job_and_every_late_word() {
    let open = [
        ("QUEUED", "rollout 1 assigns v2 -> opened j1, j1 QUEUED"),
        (
            "SENT",
            "device subscribes -> nothing
             rollout 1 assigns v2 -> opened j1, j1 SENT, delta j1 v2",
        ),
        (
            "RUNNING",
            "device subscribes -> nothing
             rollout 1 assigns v2 -> opened j1, j1 SENT, delta j1 v2
             device says j1 RUNNING -> accepted 1 j1 RUNNING",
        ),
        (
            "SUCCEEDED",
            "device subscribes -> nothing
             rollout 1 assigns v2 -> opened j1, j1 SENT, delta j1 v2
             device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED",
        ),
        (
            "FAILED",
            "device subscribes -> nothing
             rollout 1 assigns v2 -> opened j1, j1 SENT, delta j1 v2
             device says j1 FAILURE -> accepted 1 j1 FAILED",
        ),
        (
            "TIMED_OUT",
            "device subscribes -> nothing
             rollout 1 assigns v2 -> opened j1, j1 SENT, delta j1 v2
             device says j1 RUNNING -> accepted 1 j1 RUNNING
             after 2 h -> j1 TIMED_OUT",
        ),
    ];
    // The state; what is answered to the word, folded in first or not; what the record says then.
    let table = [
        (
            "QUEUED",
            "SUCCESS",
            "rejected 409",
            "version 2, desired nothing, reported",
        ),
        (
            "QUEUED",
            "FAILURE",
            "rejected 409",
            "version 2, desired nothing, reported",
        ),
        (
            "SENT",
            "RUNNING",
            "rejected 409",
            "version 2, desired nothing, reported",
        ),
        (
            "SENT",
            "SUCCESS",
            "rejected 409 late success of j1",
            "version 3, desired nothing, reported v2",
        ),
        (
            "SENT",
            "FAILURE",
            "rejected 409",
            "version 2, desired nothing, reported",
        ),
        (
            "RUNNING",
            "RUNNING",
            "accepted 1 j1 RUNNING",
            "version 1, desired v2, reported",
        ),
        (
            "RUNNING",
            "SUCCESS",
            "accepted 2 j1 SUCCEEDED",
            "version 2, desired v2, reported v2",
        ),
        (
            "RUNNING",
            "FAILURE",
            "accepted 1 j1 FAILED",
            "version 1, desired v2, reported",
        ),
        (
            "SUCCEEDED",
            "SUCCESS",
            "accepted 2 j1 SUCCEEDED",
            "version 2, desired v2, reported v2",
        ),
        (
            "SUCCEEDED",
            "FAILURE",
            "rejected 409",
            "version 2, desired v2, reported v2",
        ),
        (
            "FAILED",
            "SUCCESS",
            "rejected 409",
            "version 1, desired v2, reported",
        ),
        (
            "FAILED",
            "FAILURE",
            "accepted 1 j1 FAILED",
            "version 1, desired v2, reported",
        ),
        (
            "TIMED_OUT",
            "SUCCESS",
            "rejected 409 late success of j1",
            "version 2, desired v2, reported v2",
        ),
        (
            "TIMED_OUT",
            "FAILURE",
            "rejected 409",
            "version 1, desired v2, reported",
        ),
    ];
    for (state, word, answered, record) in table {
        let (_, opened) = open.iter().find(|(known, _)| *known == state).unwrap();
        let ends = matches!(state, "QUEUED" | "SENT");
        let (answer, event) = match answered.split_once(" late") {
            Some((answer, late)) => (answer, format!(", late{late}")),
            None => (answered, String::new()),
        };
        let cancelled = if ends { ", j1 CANCELLED" } else { "" };
        let folds = if ends { "j1 CANCELLED" } else { "nothing" };
        // No delta leaves afterwards, whoever subscribes, asks or waits.
        let after = format!(
            "record -> {record}
             device subscribes -> nothing
             device asks -> shown"
        );
        play(&format!(
            "{opened}\nrollout 1 aborts\n
             device says j1 {word} -> {answer}{cancelled}{event}\n{after}"
        ));
        play(&format!(
            "{opened}\nrollout 1 aborts\nsweeper folds -> {folds}
             device says j1 {word} -> {answer}{event}\n{after}"
        ));
    }
}

#[test]
fn whatever_comes_first_folds_the_abort_in() {
    for input in [
        "device subscribes -> j1 CANCELLED",
        "device asks       -> shown, j1 CANCELLED",
        "device leaves     -> j1 CANCELLED",
        "operator holds    -> j1 CANCELLED",
        "sweeper folds     -> j1 CANCELLED",
        "server restarts   -> j1 CANCELLED",
        "after 1 m         -> j1 CANCELLED",
        "operator cancels  -> rejected 409, j1 CANCELLED",
        "device reports v1 -> accepted 3 j1 CANCELLED",
        "rollout 2 assigns v3 -> opened j2, j1 CANCELLED, j2 SENT, delta j2 v3",
    ] {
        play(&format!(
            "device subscribes    -> nothing
             rollout 1 assigns v2 -> opened j1, j1 SENT, delta j1 v2
             rollout 1 aborts
             read                 -> no job, desired nothing
             why                  -> nothing
             {input}"
        ));
    }
}

#[test]
fn an_abort_takes_back_no_other_wish() {
    play(
        r#"
        device subscribes      -> nothing
        rollout 1 assigns v2   -> opened j1, j1 SENT, delta j1 v2
        application desires v3 -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 v3
        rollout 1 aborts
        sweeper folds          -> nothing
        device subscribes      -> delta j2 v3
        rollout 1 assigns v2   -> stands j1
        "#,
    );
}

#[test]
fn an_aborted_rollout_opens_nothing() {
    play(
        r#"
        rollout 1 aborts
        rollout 1 assigns v2 -> declined aborted
        rollout 2 assigns v2 -> opened j1, j1 QUEUED
        "#,
    );
}

#[test]
fn a_freeze_stops_jobs_wishes_and_resends_and_nothing_else() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        freeze
        after 48 h             -> nothing
        device subscribes      -> nothing
        application desires v3 -> rejected 409
        operator desires v3    -> rejected 409
        operator retries       -> rejected 409
        operator sends {"state":{"desired":{"a":1}}} -> accepted 2, delta {"a":1}
        why                    -> frozen
        thaw
        sweeper folds          -> delta j1 v2 {"a":1}
        sweeper folds          -> nothing
        "#,
    );
}

#[test]
fn a_frozen_device_ends_what_runs() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires v2    -> accepted 1 j1 SENT, delta j1 v2
        device says j1 RUNNING -> accepted 1 j1 RUNNING
        freeze
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        operator sends {"state":{"desired":{"softwareURL":null}}} -> accepted 3
        "#,
    );
}

#[test]
fn a_pin_binds_applications() {
    play(
        r#"
        operator pins          -> stored
        application desires v3 -> rejected 409
        operator desires v2    -> accepted 1 j1 QUEUED
        operator unpins        -> stored
        application desires v3 -> accepted 2 j2 QUEUED, j1 SUPERSEDED
        "#,
    );
}
