//! PUBLISH to the client.

use std::num::{NonZeroU16, NonZeroU32};

use refit_packet::{Connect, Properties, Property, Version};

use super::bench::{BOTH, Bench, connect};

fn with(property: Property<'_>, then: impl FnOnce(&mut Bench)) {
    let properties = [property];
    let mut bench = Bench::of(&Connect {
        properties: Properties::of(&properties),
        ..connect(Version::V5, "d")
    });
    bench.check(
        "> SUBSCRIBE #1 state/d/update/delta@1 state/d/update/accepted@0 state/d/update/rejected@1
         < SUBACK #1 01 00 01
         ! wants update/delta update/accepted update/rejected
         ! subscribe",
    );
    then(&mut bench);
}

fn receive_maximum(max: u16) -> Property<'static> {
    Property::ReceiveMaximum(NonZeroU16::new(max).unwrap())
}

/// [MQTT-3.3.5-1]; in 5 [MQTT-3.3.4-2].
#[test]
fn a_message_is_sent_once_with_the_highest_qos_that_matches() {
    for version in BOTH {
        let mut bench = Bench::device(version);
        bench.check(
            "> SUBSCRIBE #1 state/d/#@0 state/d/update/delta@1
             < SUBACK #1 00 01
             ! wants update/delta update/accepted update/rejected get/accepted get/rejected
             ! subscribe
             = delta a
             < PUBLISH q1 #1 state/d/update/delta a
             = accepted b
             < PUBLISH q0 state/d/update/accepted b",
        );
    }
}

/// [MQTT-3.10.4-2]: what was on its way is not sent any more.
#[test]
fn what_is_not_subscribed_any_more_is_not_sent() {
    with(receive_maximum(9), |bench| {
        bench.check(
            "> UNSUBSCRIBE #2 state/d/update/delta
             < UNSUBACK #2 00
             ! wants update/accepted update/rejected
             ! unsubscribe
             = delta a",
        );
    });
}

/// [MQTT-3.3.4-9]: the client's Receive Maximum. [MQTT-3.3.4-10]: acknowledgements do not wait for it.
#[test]
fn no_more_leave_than_the_client_takes_at_once() {
    with(receive_maximum(1), |bench| {
        bench.check(
            "= delta a
             < PUBLISH q1 #1 state/d/update/delta a
             = rejected b
             = accepted c
             > PUBLISH q1 #5 state/d/update x
             ! submit d x r0
             = receipt 0
             < PUBACK #5 00
             > PUBACK #1
             < PUBLISH q1 #2 state/d/update/rejected b
             > PUBACK #2
             < PUBLISH q0 state/d/update/accepted c
             > PUBACK #2",
        );
    });
}

#[test]
fn of_the_deltas_that_wait_only_the_newest_leaves() {
    with(receive_maximum(1), |bench| {
        bench.check(
            "= delta a
             < PUBLISH q1 #1 state/d/update/delta a
             = delta b
             = rejected c
             = delta d
             > PUBACK #1
             < PUBLISH q1 #2 state/d/update/rejected c
             > PUBACK #2
             < PUBLISH q1 #3 state/d/update/delta d",
        );
    });
}

#[test]
fn who_never_acknowledges_is_ended() {
    with(receive_maximum(1), |bench| {
        bench.check("= rejected a\n< PUBLISH q1 #1 state/d/update/rejected a");
        for _ in 0..256 {
            bench.check("= rejected b");
        }
        bench.check(
            "= rejected c
             < DISCONNECT 97
             x 97 it did not read what was sent to it",
        );
    });
}

/// [MQTT-3.1.2-24] and [MQTT-3.1.2-25].
#[test]
fn what_is_larger_than_the_client_takes_is_not_sent() {
    let max = Property::MaximumPacketSize(NonZeroU32::new(128).unwrap());
    let long = "y".repeat(102);
    with(max, |bench| {
        bench.check(&format!(
            "= delta {long}
             ! too large: update/delta
             = rejected a
             < PUBLISH q1 #2 state/d/update/rejected a
             > PUBLISH q1 #9 state/d/update/delta a
             < PUBACK #9 87 why
             ! refused"
        ));
    });
}

/// [MQTT-2.2.1-3]; in 3.1.1 [MQTT-2.3.1-2].
#[test]
fn identifiers_go_round_and_pass_over_those_in_use() {
    with(receive_maximum(2), |bench| {
        bench.check("= rejected a\n< PUBLISH q1 #1 state/d/update/rejected a");
        bench.session.last_id = 65_534;
        bench.check(
            "= rejected b
             < PUBLISH q1 #65535 state/d/update/rejected b
             > PUBACK #65535
             = rejected c
             < PUBLISH q1 #2 state/d/update/rejected c",
        );
    });
}
