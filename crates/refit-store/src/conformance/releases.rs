//! Releases: one meaning for each name and version, an order that stays, and none removed that is desired.

use refit_protocol::delta::{Format, Software};
use refit_protocol::time::Timestamp;
use serde_json::json;

use crate::conformance::{Place, applied, device, digest, must, plain, reader, record, url, write};
use crate::release::{Added, NewRelease, Removed};
use crate::store::Store;

/// Returns a release to add.
pub(crate) fn new(name: &str, version: &str, artifact: u8) -> NewRelease {
    NewRelease {
        software: Software {
            name: name.into(),
            version: version.into(),
            digest: digest(artifact),
            length: u64::from(artifact) << 33,
            format: Format::Tree,
        },
        note: Some("why".into()),
        after: None,
        added: Timestamp(5),
    }
}

/// The same again changes nothing; other bytes under the same name and version are refused.
pub fn a_version_means_one_artifact_for_ever(place: &dyn Place) {
    let store = place.open();
    let Added::New(release) = must(store.add_release(new("f", "1.0.0", 1), None)) else {
        panic!("it is new");
    };
    let again = must(store.add_release(new("f", "1.0.0", 1), None));
    assert_eq!(again, Added::Already(release.clone()));
    let other = must(store.add_release(new("f", "1.0.0", 2), None));
    assert_eq!(other, Added::Conflict(release.clone()));
    assert_eq!(must(reader(&*store).releases()).len(), 1);
    assert_eq!(must(reader(&*store).release("f", "1.0.0")), Some(release));
    assert_eq!(must(reader(&*store).release("f", "2.0.0")), None);
}

/// Versions are in the order of semantic versioning where it says, else of adding, or where they were put.
pub fn versions_are_in_order(place: &dyn Place) {
    let store = place.open();
    for (artifact, version) in (0..).zip(["2.0.0", "1.0.0", "nightly", "1.5.0", "1.0.0-rc.1"]) {
        must(store.add_release(new("f", version, artifact), None));
        must(store.add_release(new("e", version, artifact), None));
    }
    let put = NewRelease {
        after: Some("1.0.0".into()),
        ..new("f", "0.1.0", 9)
    };
    assert!(matches!(must(store.add_release(put, None)), Added::New(_)));
    let nowhere = NewRelease {
        after: Some("7".into()),
        ..new("f", "0.2.0", 9)
    };
    assert_eq!(
        must(store.add_release(nowhere, None)),
        Added::NoSuchVersion("7".into())
    );
    assert_eq!(
        versions(&*store, "e"),
        "1.0.0-rc.1 1.0.0 1.5.0 2.0.0 nightly"
    );
    assert_eq!(
        versions(&*store, "f"),
        "1.0.0-rc.1 1.0.0 0.1.0 1.5.0 2.0.0 nightly"
    );
}

/// However many come between the same two, the order stays.
pub fn there_is_always_room_between_two(place: &dyn Place) {
    let store = place.open();
    must(store.add_release(new("f", "a", 0), None));
    must(store.add_release(new("f", "z", 0), None));
    let mut expected = String::from(" z");
    for n in 0..50 {
        let put = NewRelease {
            after: Some("a".into()),
            ..new("f", &format!("v{n}"), 0)
        };
        must(store.add_release(put, None));
        expected.insert_str(0, &format!(" v{n}"));
    }
    assert_eq!(versions(&*store, "f"), format!("a{expected}"));
}

fn versions(store: &dyn Store, name: &str) -> String {
    let releases = must(reader(store).releases());
    let versions: Vec<String> = releases
        .into_iter()
        .filter(|release| release.software.name == name)
        .map(|release| release.software.version)
        .collect();
    versions.join(" ")
}

/// A release that a device desires stays, and it is said who; one that nobody desires goes.
pub fn what_is_desired_is_not_removed(place: &dyn Place) {
    let store = place.open();
    must(store.add_release(new("f", "1.0.0", 1), None));
    must(store.add_release(new("g", "1.0.0", 1), None));
    let desired = record(2, json!({"softwareURL": url(1)}), json!({}));
    let a = applied(&*store, write(&device("a"), None, desired.clone()));
    let b = applied(&*store, write(&device("b"), None, desired));
    let refused = must(store.remove_release("f", "1.0.0", None));
    assert_eq!(
        refused,
        Removed::Desired {
            devices: 2,
            first: device("a")
        }
    );
    for (name, guard) in [("a", a), ("b", b)] {
        applied(&*store, write(&device(name), Some(guard), plain(3)));
    }
    assert_eq!(must(reader(&*store).releases_of(&digest(1))).len(), 2);
    for (name, was_last) in [("f", false), ("g", true)] {
        let gone = must(store.remove_release(name, "1.0.0", None));
        assert!(
            matches!(gone, Removed::Gone { last, .. } if last == was_last),
            "{gone:?}"
        );
    }
    assert_eq!(
        must(store.remove_release("f", "1.0.0", None)),
        Removed::Missing
    );
    assert!(must(reader(&*store).releases()).is_empty());
}
