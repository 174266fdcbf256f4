//! What devices and applications say to each other through the endpoint.

use refit_packet::Version;

use crate::client::Client;
use crate::house::House;

const BOTH: [Version; 2] = [Version::V311, Version::V5];

fn desired(version: u32) -> String {
    format!(r#"{{"state":{{"desired":{{"level":{version}}}}}}}"#)
}

#[test]
fn a_device_is_told_its_delta_when_it_subscribes_and_when_it_changes() {
    for version in BOTH {
        let house = House::new();
        let mut device = Client::device(house.address(), version, "d");
        device.subscribe(&["state/d/update/delta"]);
        assert_eq!(device.hear(), "SUBACK 01");

        let mut application = Client::application(house.address(), "shop");
        application.publish(7, "state/d/update", &desired(1));
        assert_eq!(application.hear(), "PUBACK 7 success");
        let delta = device.hear();
        assert!(delta.starts_with("state/d/update/delta {"), "{delta}");
        assert!(delta.contains(r#""state":{"level":1}"#), "{delta}");

        device.subscribe(&["state/d/#"]);
        assert_eq!(device.hear(), "SUBACK 01");
        assert!(device.hear().starts_with("state/d/update/delta {"));

        device.publish(3, "state/d/update", r#"{"state":{"reported":{"level":1}}}"#);
        assert_eq!(device.hear(), "PUBACK 3 success");
        assert!(device.hear().starts_with("state/d/update/accepted {"));
    }
}

#[test]
fn a_device_that_was_off_is_told_the_newest_once() {
    let house = House::new();
    let mut device = Client::device(house.address(), Version::V5, "d");
    device.subscribe(&["state/d/update/delta"]);
    assert_eq!(device.hear(), "SUBACK 01");
    drop(device);
    let mut application = Client::application(house.address(), "shop");
    for level in 1..4 {
        application.publish(level, "state/d/update", &desired(level.into()));
        assert_eq!(application.hear(), format!("PUBACK {level} success"));
    }
    let mut device = Client::device(house.address(), Version::V5, "d");
    device.subscribe(&["state/d/update/+"]);
    assert_eq!(device.hear(), "SUBACK 01");
    assert!(device.hear().contains(r#""level":3"#));
    device.publish(1, "state/d/get", "");
    assert_eq!(device.hear(), "PUBACK 1 success");
}

/// Semantics 37.
#[test]
fn what_is_refused_is_answered_twice_in_5_and_once_in_3_1_1() {
    for (payload, code, reason) in [
        (
            r#"{"state":{"desired":{"level":1}}}"#,
            403,
            "not authorized",
        ),
        (r#"{"state":{"#, 400, "payload format invalid"),
        ("jobID:none SUCCESS", 409, "implementation specific error"),
    ] {
        let house = House::new();
        for (version, reason) in [(Version::V5, reason), (Version::V311, "success")] {
            let mut device = Client::device(house.address(), version, "d");
            device.subscribe(&["state/d/update/rejected"]);
            assert_eq!(device.hear(), "SUBACK 01");
            device.publish(9, "state/d/update", payload);
            assert_eq!(device.hear(), format!("PUBACK 9 {reason}"), "{payload}");
            let rejected = device.hear();
            assert!(
                rejected.starts_with("state/d/update/rejected {"),
                "{rejected}"
            );
            assert!(
                rejected.contains(&format!(r#""code":{code}"#)),
                "{rejected}"
            );
        }
    }
}

/// Semantics 32.
#[test]
fn an_application_sees_changes_of_all_devices_and_answers_to_itself() {
    let house = House::new();
    let mut watcher = Client::application(house.address(), "watcher");
    watcher.subscribe(&["state/+/update/+", "state/+/get/accepted"]);
    assert_eq!(watcher.hear(), "SUBACK 01 01");
    for name in ["a", "b"] {
        let mut device = Client::device(house.address(), Version::V311, name);
        let topic = format!("state/{name}/update");
        // The second one changes nothing.
        for number in 1..3 {
            device.publish(number, &topic, r#"{"state":{"reported":{"level":1}}}"#);
            assert_eq!(device.hear(), format!("PUBACK {number} success"));
        }
        let seen = watcher.hear();
        assert!(
            seen.starts_with(&format!("state/{name}/update/accepted {{")),
            "{seen}"
        );
    }
    watcher.publish(1, "state/a/update", &desired(2));
    assert_eq!(watcher.hear(), "PUBACK 1 success");
    assert!(watcher.hear().starts_with("state/a/update/accepted {"));
    watcher.publish(2, "state/a/get", "");
    assert_eq!(watcher.hear(), "PUBACK 2 success");
    let record = watcher.hear();
    assert!(record.starts_with("state/a/get/accepted {"), "{record}");
    assert!(record.contains(r#""desired":{"level":2}"#), "{record}");
}
