//! Uploaded lists of IDs: kept as they were put, bounded, and each with its line of the audit log.

use std::collections::BTreeSet;

use refit_access::audit::Entry;
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;

use crate::audit::{AuditFilter, AuditFrom};
use crate::conformance::{Place, device, must, reader};
use crate::list::{LISTS_MAX, ListOutcome, ListRow, NewList};
use crate::store::Store;

fn list(name: &str, ids: &[&str], at: u64) -> NewList {
    NewList {
        name: name.into(),
        ids: ids.iter().map(|id| device(id)).collect(),
        at: Timestamp(at),
    }
}

fn put(store: &dyn Store, list: NewList) -> ListOutcome {
    let entry = Entry {
        at: list.at,
        actor: "user/ada".into(),
        action: "list:write".into(),
        target: format!("list:{}", list.name),
        source: None,
        request: None,
        before: None,
        after: None,
    };
    must(store.put_list(list, Some(entry)))
}

/// A list takes the place of the one of its name, may be empty, and is there after a restart.
pub fn a_list_is_kept_as_it_was_put(place: &dyn Place) {
    let store = place.open();
    assert_eq!(
        put(&*store, list("pilot", &["b", "a"], 1)),
        ListOutcome::Put { made: true }
    );
    assert_eq!(
        put(&*store, list("none", &[], 2)),
        ListOutcome::Put { made: true }
    );
    assert_eq!(
        put(&*store, list("pilot", &["c", "a"], 3)),
        ListOutcome::Put { made: false }
    );
    drop(store);
    let store = place.open();
    let row = |name: &str, count, at| ListRow {
        name: name.into(),
        count,
        changed: Timestamp(at),
    };
    let mut reads = reader(&*store);
    assert_eq!(must(reads.lists()), [row("none", 0, 2), row("pilot", 2, 3)]);
    let ids = |ids: &[&str]| Some(ids.iter().map(|id| device(id)).collect::<Vec<DeviceId>>());
    assert_eq!(must(reads.list_ids("pilot")), ids(&["a", "c"]));
    assert_eq!(must(reads.list_ids("none")), ids(&[]));
    assert_eq!(must(reads.list_ids("other")), None);
    let lines = must(reads.audit(AuditFrom::After(0), &AuditFilter::default(), 9));
    assert_eq!(lines.len(), 3);
}

/// A list is removed once; there is no end of lists, but a bound.
pub fn lists_are_removed_and_bounded(place: &dyn Place) {
    let store = place.open();
    for n in 0..LISTS_MAX {
        let made = put(&*store, list(&format!("l{n}"), &["a"], 1));
        assert_eq!(made, ListOutcome::Put { made: true });
    }
    let more = |store: &dyn Store| put(store, list("more", &[], 1));
    assert_eq!(more(&*store), ListOutcome::Full);
    assert_eq!(
        put(&*store, list("l0", &["b"], 1)),
        ListOutcome::Put { made: false }
    );
    assert!(must(store.remove_list("l0", None)));
    assert!(!must(store.remove_list("l0", None)));
    assert_eq!(more(&*store), ListOutcome::Put { made: true });
    let long = NewList {
        ids: (0..=crate::list::LIST_IDS_MAX)
            .map(|n| device(&n.to_string()))
            .collect::<BTreeSet<_>>(),
        ..list("more", &[], 1)
    };
    assert_eq!(put(&*store, long), ListOutcome::Full);
}
