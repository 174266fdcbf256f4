//! The grant belongs to the wish: it is kept with it, changes with it, and what can never be had is refused.

use crate::bench::Bench;
use crate::script::play;
use refit_protocol::update::Update;
use refit_replica::input::Input;
use refit_replica::speaker::Speaker;

#[test]
fn another_grant_for_the_same_software_is_told_under_the_same_job() {
    play(
        r#"
        device subscribes                                                            -> nothing
        operator desires v2                                                          -> accepted 1 j1 SENT, delta j1 v2
        operator sends {"state":{"desired":{"softwareURL":"v2"}},"grant":"credential"} -> accepted 1, delta j1 v2
        operator sends {"state":{"desired":{"softwareURL":"v2"}},"grant":"credential"} -> accepted 1
        operator sends {"state":{"desired":{"a":1}}}                                 -> accepted 2, delta j1 v2 {"a":1}
        operator desires v2                                                          -> accepted 2, delta j1 v2 {"a":1}
        "#,
    );
}

#[test]
fn without_certificates_nothing_is_bound_to_one() {
    play(
        r#"
        no certificates                                                              ->
        operator sends {"state":{"desired":{"softwareURL":"v2"}},"grant":"credential"} -> rejected 422
        operator sends {"state":{"desired":{"softwareURL":"v2"}},"grant":{"strength":"device"}} -> rejected 422
        operator sends {"state":{"desired":{"softwareURL":"v2"}},"grant":{"strength":"address","fallback":"credential"}} -> rejected 422
        operator sends {"state":{"desired":{"softwareURL":"v2"}},"grant":{"strength":"address"}} -> accepted 1 j1 QUEUED
        "#,
    );
}

#[test]
fn a_wish_without_a_grant_is_given_by_the_default() {
    let mut bench = Bench::new();
    let mut say = |payload: &str| {
        let update = Update::parse(payload.as_bytes()).unwrap();
        let speaker = Speaker::Operator("ops".into());
        bench.step(Input::Update { speaker, update });
        bench.record.grant.map(|grant| grant.kind.as_str())
    };
    let with = r#"{"state":{"desired":{"softwareURL":"http://h/f"}},"grant":"credential"}"#;
    assert_eq!(say(with), Some("credential"));
    assert_eq!(say(r#"{"state":{"desired":{"a":1}}}"#), Some("credential"));
    assert_eq!(
        say(r#"{"state":{"desired":{"softwareURL":"http://h/f"}}}"#),
        None
    );
    assert_eq!(say(with), Some("credential"));
    assert_eq!(say(r#"{"state":{"desired":{"softwareURL":null}}}"#), None);
}
