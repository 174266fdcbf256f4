//! Who may say what (design §5).

use crate::script::play;

#[test]
fn a_device_may_not_wish() {
    play(
        r#"
        device sends {"state":{"desired":{"softwareURL":"v2"}}}  -> rejected 403
        device sends {"state":{"desired":{},"reported":{"a":1}}} -> rejected 403
        record                                                   -> version 0, desired nothing, reported
        "#,
    );
}

#[test]
fn an_operator_may_not_speak_for_a_device() {
    play(
        r#"
        device subscribes                                          -> nothing
        operator desires v2                                        -> accepted 1 j1 SENT, delta j1 v2
        operator sends {"state":{"reported":{"softwareURL":"v2"}}} -> rejected 403
        operator sends {"jobID":"j1","status":"SUCCESS"}           -> rejected 403
        operator sends {"state":{"desired":{"a":1}},"jobID":"j1"}  -> rejected 403
        record                                                     -> version 1, desired v2, reported
        "#,
    );
}

#[test]
fn an_unknown_artifact_is_no_wish() {
    play(
        r#"
        operator desires v0     -> rejected 422
        operator desires v0@cdn -> rejected 422
        operator desires f1     -> accepted 1 j1 QUEUED
        "#,
    );
}

#[test]
fn what_is_not_an_update_is_malformed() {
    play(
        r#"
        device sends jobID:1 success                               -> refused 400
        device sends {"status":"SUCCESS"}                          -> refused 400
        device sends {"state":{"reported":{"a":1,"a":2}}}          -> refused 400
        device sends {"state":{"reported":{"a":9007199254740992}}} -> refused 400
        operator sends {"state":{"desired":{"softwareURL":7}}}     -> refused 400
        operator sends {"state":{"desired":{"a":"letters 8200"}}}  -> refused 413
        "#,
    );
}
