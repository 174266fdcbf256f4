//! SUBSCRIBE and UNSUBSCRIBE.

use refit_packet::Version;

use super::bench::{BOTH, Bench};

#[test]
fn a_delta_is_asked_for_at_each_subscribe_that_covers_it() {
    for version in BOTH {
        Bench::device(version).check(
            "> SUBSCRIBE #1 state/d/update/delta@1
             < SUBACK #1 01
             ! wants update/delta
             ! subscribe
             > SUBSCRIBE #2 state/d/update/accepted@0
             < SUBACK #2 00
             ! wants update/delta update/accepted
             > SUBSCRIBE #3 state/d/update/delta@0 state/d/#@0
             < SUBACK #3 00 00
             ! wants update/delta update/accepted update/rejected get/accepted get/rejected
             ! subscribe",
        );
    }
}

/// [MQTT-3.8.4-6] and [MQTT-3.9.3-1]: a code for each filter, in their order.
#[test]
fn each_filter_is_answered_in_its_place() {
    let foreign = "state/e/update/delta@1 state/d/update/delta@2 state/+/update/delta@0 #@0 state/d/x@1 $share/g/state/d/#@0";
    Bench::device(Version::V5).check(&format!(
        "> SUBSCRIBE #1 {foreign}
         < SUBACK #1 87 01 87 87 01 9e why
         ! wants update/delta
         ! subscribe"
    ));
    // [MQTT-3.9.3-2]: any failure is 0x80.
    Bench::device(Version::V311).check(&format!(
        "> SUBSCRIBE #1 {foreign}
         < SUBACK #1 80 01 80 80 01 80
         ! wants update/delta
         ! subscribe"
    ));
}

/// [MQTT-3.11.3-1] and [MQTT-3.11.3-2]; [MQTT-3.10.4-5] for 3.1.1.
#[test]
fn unsubscribing_is_answered_truthfully() {
    Bench::device(Version::V5).check(
        "> SUBSCRIBE #1 state/d/update/delta@1 state/d/update/+@1 state/d/x@0
         < SUBACK #1 01 01 00
         ! wants update/delta update/accepted update/rejected
         ! subscribe
         > UNSUBSCRIBE #2 state/d/update/delta state/d/update/delta state/d/x state/d/x state/e/#
         < UNSUBACK #2 00 11 00 11 11
         ! wants update/delta update/accepted update/rejected
         > UNSUBSCRIBE #3 state/d/update/+
         < UNSUBACK #3 00
         ! wants
         ! unsubscribe
         > UNSUBSCRIBE #4 state/d/update/+
         < UNSUBACK #4 11
         ! wants",
    );
    Bench::device(Version::V311).check(
        "> UNSUBSCRIBE #2 state/d/update/delta
         < UNSUBACK #2
         ! wants",
    );
}

#[test]
fn an_application_watches_what_its_filters_match() {
    for (version, barren) in [(Version::V5, "8f why"), (Version::V311, "80")] {
        Bench::application(version).check(&format!(
            "> SUBSCRIBE #1 state/+/update/accepted@1 state/d/update/#@2
             < SUBACK #1 01 01
             ! watch + update/accepted
             ! watch d update/delta
             ! watch d update/accepted
             ! watch d update/rejected
             > SUBSCRIBE #2 state/+/update@0
             < SUBACK #2 {barren}
             = accepted of d a
             < PUBLISH q1 #1 state/d/update/accepted a
             = accepted of e b
             < PUBLISH q1 #2 state/e/update/accepted b
             = delta of e c"
        ));
    }
}

#[test]
fn an_application_stops_watching() {
    Bench::application(Version::V5).check(
        "> SUBSCRIBE #1 state/+/update/accepted@1 state/+/update/+@0
         < SUBACK #1 01 00
         ! watch + update/accepted
         ! watch + update/delta
         ! watch + update/accepted
         ! watch + update/rejected
         > UNSUBSCRIBE #2 state/+/update/+ state/+/update/+
         < UNSUBACK #2 00 11
         ! unwatch + update/delta
         ! unwatch + update/rejected",
    );
}

/// §3.2.2.3.12: it was announced that they are not available.
#[test]
fn a_subscription_identifier_ends_the_connection() {
    Bench::device(Version::V5).check(
        "> SUBSCRIBE #1 subid state/d/#@0
         < DISCONNECT a1
         x a1 a subscription identifier, and they are not available",
    );
}
