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
