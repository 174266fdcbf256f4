//! PUBLISH from the client, in all three qualities of service.

use refit_packet::{Connect, Properties, Property, Version};

use super::bench::{BOTH, Bench, connect};

#[test]
fn an_acknowledgement_waits_for_the_receipt() {
    for version in BOTH {
        Bench::device(version).check(
            "> PUBLISH q1 #5 state/d/update hello
             ! submit d hello r0
             = receipt 0
             < PUBACK #5 00",
        );
    }
}

#[test]
fn what_changes_nothing_is_acknowledged_at_once() {
    for version in BOTH {
        Bench::device(version).check(
            "> PUBLISH q1 #5 state/d/update quiet
             < PUBACK #5 00
             ! submit d quiet r0
             > PUBLISH q2 #5 state/d/update quiet
             < PUBREC #5 00
             ! submit d quiet r0
             > PUBREL #5
             < PUBCOMP #5 00",
        );
    }
}

/// [MQTT-4.6.0-2] and [MQTT-4.6.0-3].
#[test]
fn acknowledgements_leave_in_the_order_of_the_messages() {
    for version in BOTH {
        Bench::device(version).check(
            "> PUBLISH q1 #7 state/d/update a
             ! submit d a r0
             > PUBLISH q2 #3 state/d/update b
             ! submit d b r1
             > PUBLISH q1 #9 state/d/update quiet
             ! submit d quiet r2
             > PUBLISH q0 state/d/update c
             ! submit d c -
             > PUBLISH q1 #1 state/d/get
             ! ask d r3
             = receipt 3
             = receipt 4294967295
             = receipt 1
             = receipt 0
             < PUBACK #7 00
             < PUBREC #3 00
             < PUBACK #9 00
             < PUBACK #1 00
             > PUBLISH q1 #7 state/d/update d
             ! submit d d r4
             = receipt 4
             < PUBACK #7 00",
        );
    }
}

/// Semantics 37.
#[test]
fn a_refused_message_is_acknowledged_with_the_reason() {
    Bench::device(Version::V5).check(
        "> PUBLISH q1 #1 state/d/update a
         ! submit d a r0
         > PUBLISH q2 #2 state/d/update b
         ! submit d b r1
         > PUBLISH q1 #3 state/d/update c
         ! submit d c r2
         = receipt 0 403
         < PUBACK #1 87 why
         = receipt 1 409
         < PUBREC #2 83 why
         = receipt 2 503
         < PUBACK #3 97 why
         > PUBREL #2
         < PUBCOMP #2 92",
    );
    // 3.1.1 cannot say it: it is on `rejected`.
    Bench::device(Version::V311).check(
        "> PUBLISH q1 #1 state/d/update a
         ! submit d a r0
         > PUBLISH q2 #2 state/d/update b
         ! submit d b r1
         = receipt 0 400
         < PUBACK #1 00
         = receipt 1 409
         < PUBREC #2 00
         > PUBREL #2
         < PUBCOMP #2 00",
    );
}

/// Semantics 37.
#[test]
fn what_could_not_be_stored_is_not_acknowledged_to_a_client_that_would_forget_it() {
    Bench::device(Version::V311).check(
        "> PUBLISH q1 #1 state/d/update a
         ! submit d a r0
         = receipt 0 503
         x 97 it could not be stored now; say it again later",
    );
    Bench::device(Version::V311).check(
        "> PUBLISH q0 state/d/update a
         ! submit d a -
         = receipt 4294967295 503",
    );
}

/// [MQTT-4.3.3-10]; in 3.1.1 [MQTT-4.3.3-2].
#[test]
fn a_qos_2_message_is_passed_on_once() {
    for version in BOTH {
        Bench::device(version).check(
            "> PUBLISH q2 #4 state/d/update a
             ! submit d a r0
             > PUBLISH q2 #4 dup state/d/update a
             = receipt 0
             < PUBREC #4 00
             > PUBLISH q2 #4 dup state/d/update a
             < PUBREC #4 00
             > PUBREL #4
             < PUBCOMP #4 00
             > PUBLISH q2 #4 state/d/update b
             ! submit d b r0",
        );
    }
}

#[test]
fn a_release_of_an_earlier_connection_is_answered() {
    Bench::device(Version::V5).check("> PUBREL #4\n< PUBCOMP #4 92");
    Bench::device(Version::V311).check("> PUBREL #4\n< PUBCOMP #4 00");
}

#[test]
fn a_release_before_its_time_ends_the_connection() {
    Bench::device(Version::V5).check(
        "> PUBLISH q2 #4 state/d/update a
         ! submit d a r0
         > PUBREL #4
         < DISCONNECT 82
         x 82 PUBREL before PUBREC was sent",
    );
}

/// [MQTT-3.3.4-7].
#[test]
fn the_receive_maximum_is_kept() {
    let mut bench = Bench::device(Version::V5);
    for n in 0..15 {
        bench.check(&format!(
            "> PUBLISH q1 #{} state/d/update a\n! submit d a r{n}",
            n + 1
        ));
    }
    bench.check(
        "> PUBLISH q2 #16 state/d/update quiet
         ! submit d quiet r15
         > PUBLISH q0 state/d/update a
         ! submit d a -
         = receipt 0
         < PUBACK #1 00
         > PUBLISH q2 #1 state/d/update a
         ! submit d a r16
         > PUBLISH q1 #17 state/d/update a
         < DISCONNECT 93
         x 93 more unacknowledged messages than were agreed",
    );
}

#[test]
fn a_3_1_1_client_that_never_releases_is_ended() {
    let mut bench = Bench::device(Version::V311);
    for n in 1..=64 {
        bench.check(&format!(
            "> PUBLISH q2 #{n} state/d/update quiet\n< PUBREC #{n} 00\n! submit d quiet r{}",
            n - 1
        ));
    }
    bench.check(
        "> PUBLISH q2 #65 state/d/update quiet
         x 93 more unacknowledged messages than were agreed",
    );
}

/// [MQTT-3.3.5-2] for 3.1.1.
#[test]
fn a_message_to_a_topic_that_is_not_for_it_is_refused() {
    for (topic, reason, why) in [
        (
            "state/e/update",
            "87",
            "a device publishes under its own ID only",
        ),
        (
            "state/e/get",
            "87",
            "a device publishes under its own ID only",
        ),
        (
            "state/d/update/delta",
            "87",
            "only the server publishes there; publish to state/{device ID}/update",
        ),
        (
            "lamp",
            "90",
            "there is no such topic; publish to state/{device ID}/update or state/{device ID}/get",
        ),
    ] {
        Bench::device(Version::V5).check(&format!(
            "> PUBLISH q1 #1 {topic} a
             < PUBACK #1 {reason} why
             ! refused
             > PUBLISH q0 {topic} a
             ! refused
             > PUBLISH q2 #2 {topic} a
             < PUBREC #2 {reason} why
             ! refused
             > PINGREQ
             < PINGRESP"
        ));
        Bench::device(Version::V311).check(&format!(
            "> PUBLISH q1 #1 {topic} a\n! refused\nx {reason} {why}"
        ));
    }
}

#[test]
fn an_application_speaks_for_itself_to_any_device() {
    for version in BOTH {
        Bench::application(version).check(
            "> PUBLISH q1 #1 state/e/update a
             ! submit e a r0 by shop
             > PUBLISH q0 state/d/get
             ! ask d - by shop
             = receipt 0
             < PUBACK #1 00",
        );
    }
}

/// [MQTT-3.3.2-9]: topic alias maximum 0 was announced.
#[test]
fn a_topic_alias_ends_the_connection() {
    Bench::device(Version::V5).check(
        "> PUBLISH q1 #1 alias state/d/update a
         < DISCONNECT 94
         x 94 a topic alias, and the maximum is 0",
    );
}

#[test]
fn a_retained_message_is_one_like_any_other() {
    for version in BOTH {
        Bench::device(version).check(
            "> PUBLISH q1 #1 retain state/d/update a
             ! submit d a r0",
        );
    }
}

/// [MQTT-3.1.2-29].
#[test]
fn no_reasons_in_words_where_they_are_not_wanted() {
    let connect = Connect {
        properties: Properties::of(&[Property::RequestProblemInformation(false)]),
        ..connect(Version::V5, "d")
    };
    Bench::of(&connect).check(
        "> PUBLISH q1 #1 lamp a
         < PUBACK #1 90
         ! refused
         > SUBSCRIBE #1 lamp@0
         < SUBACK #1 87
         ! wants",
    );
}

#[test]
fn reading_pauses_while_too_much_is_undecided() {
    let mut bench = Bench::device(Version::V311);
    assert!(bench.session.is_listening(&bench.ledger));
    bench.ledger.pending = 64;
    assert!(!bench.session.is_listening(&bench.ledger));
}
