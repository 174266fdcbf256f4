//! Which URL is the same software (semantics 31).

use crate::script::play;

#[test]
fn another_host_or_grant_of_the_depot_opens_no_job() {
    play(
        r#"
        device subscribes       -> nothing
        operator desires v1     -> accepted 1 j1 SENT, delta j1 v1
        device says j1 SUCCESS  -> accepted 2 j1 SUCCEEDED
        operator desires v1@cdn -> accepted 3
        device reports v1@cdn   -> accepted 4
        device reports v1@cdn   -> accepted 4
        why                     -> nothing
        "#,
    );
}

#[test]
fn a_reported_grant_is_not_stored() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires v2 -> accepted 1 j1 SENT, delta j1 v2
        device sends {"jobID":"j1","status":"SUCCESS","state":{"reported":{"softwareURL":"f1?3"}}} -> accepted 2 j1 FAILED
        record              -> version 2, desired v2, reported f1
        "#,
    );
}

#[test]
fn a_fresh_signature_of_a_foreign_url_goes_on_with_its_job() {
    play(
        r#"
        device subscribes     -> nothing
        operator desires f1?1 -> accepted 1 j1 SENT, delta j1 f1?1
        operator desires f1?2 -> accepted 2, delta j1 f1?2
        device reports f1?3   -> accepted 3 j1 SUCCEEDED
        operator desires f1?3 -> accepted 4
        record                -> version 4, desired f1?3, reported f1
        "#,
    );
}

#[test]
fn a_plain_success_of_a_foreign_url() {
    play(
        r#"
        device subscribes      -> nothing
        operator desires f1?1  -> accepted 1 j1 SENT, delta j1 f1?1
        device says j1 SUCCESS -> accepted 2 j1 SUCCEEDED
        record                 -> version 2, desired f1?1, reported f1
        "#,
    );
}

#[test]
fn another_foreign_url_is_other_software() {
    play(
        r#"
        device subscribes   -> nothing
        operator desires f1 -> accepted 1 j1 SENT, delta j1 f1
        operator desires f2 -> accepted 2 j2 SENT, j1 SUPERSEDED, delta j2 f2
        "#,
    );
}
