//! Readers see the fleet between two batches, never within one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use refit_index::{Ask, Change, DeviceRow, Index, Shared};
use refit_protocol::time::Timestamp;
use refit_selector::Selector;

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    let ids: Vec<String> = (0..5000).map(|n| format!("d{n}")).collect();
    let rows = (0..).zip(&ids).map(|(key, id)| DeviceRow {
        key,
        id,
        ..DeviceRow::default()
    });
    let shared = Shared::new(Index::build(rows));
    let selector = Selector::parse("tag.ring = a or tag.ring = b").unwrap();
    let ask = Ask {
        now: Timestamp(0),
        salt: "",
    };
    let seen = |index: &Index| {
        (
            index.count(&selector, &ask).unwrap(),
            index.page(&selector, &ask, None, 9).unwrap().len(),
        )
    };
    assert!(shared.write(|index| index.apply(0, Change::Tag("ring", Some("a")))));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !done.load(Ordering::Relaxed) || reads == 0 {
                        // In each batch the tag goes from one device to another, far apart.
                        assert_eq!(shared.read(seen), (1, 1));
                        reads += 1;
                    }
                })
            })
            .collect();
        for step in 0..300 {
            shared.write(|index| {
                let value = if step % 2 == 0 { "a" } else { "b" };
                assert!(index.apply(step * 16, Change::Tag("ring", None)));
                assert!(index.apply((step + 1) * 16, Change::Tag("ring", Some(value))));
            });
        }
        done.store(true, Ordering::Relaxed);
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
    });
}
