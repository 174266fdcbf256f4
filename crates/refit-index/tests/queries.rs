//! What is asked of the index by itself: unknown lists, plans, and memory that comes back.

use refit_index::{Ask, Change, DeviceRow, Index};
use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::Selector;
use refit_selector::field::Field;

const ASK: Ask<'static> = Ask {
    now: Timestamp(1_772_366_400_000),
    salt: "r",
};

fn select(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

/// A hundred devices of two models and ten versions.
fn fleet() -> Index {
    let rows: Vec<(String, String)> = (0..100)
        .map(|n| (format!("gw-{n}"), format!("1.{}.0", n % 10)))
        .collect();
    let rows = (1..).zip(&rows).map(|(key, (id, version))| DeviceRow {
        key,
        id,
        model: Some(if key % 4 == 0 { "cam-1" } else { "gw-200" }),
        version: Some(version),
        status: (key % 2 == 0).then_some(Status::Failed),
        tags: if key == 7 { &[("ring", "canary")] } else { &[] },
        ..DeviceRow::default()
    });
    Index::build(rows)
}

#[test]
fn a_list_that_is_not_there_is_an_error_and_not_nobody() {
    let mut index = fleet();
    let selector = select("not in list recall");
    let why = index.count(&selector, &ASK).unwrap_err();
    assert_eq!(
        why.to_string(),
        "there is no list `recall`; upload it, or take the term out"
    );
    index.set_list("recall", ["gw-1", "gw-2", "elsewhere"]);
    assert_eq!(index.count(&selector, &ASK), Ok(98));
    index.remove_list("recall");
    assert!(index.select(&selector, &ASK).is_err());
}

#[test]
fn a_plan_begins_with_what_is_cheap_and_sharp() {
    let explanation = fleet()
        .explain(
            &select("id ~ *1* and version < 1.5 and (tag.ring = canary or online)"),
            &ASK,
        )
        .unwrap();
    assert_eq!(
        explanation.to_string(),
        "\
id ~ \"*1*\" and version < 1.5.0 and (tag.ring = canary or online)
  and
    version < 1.5.0  [column, some values; cost 4; about 50]
    or
      online  [the byte of states; cost 4; about 50]
      tag.ring = canary  [column, one value; cost 1; about 1]
    id ~ \"*1*\"  [every ID that is left; cost 60; about 50]
claimed by devices: version < 1.5.0
0 of 100 devices"
    );
}

#[test]
fn a_map_has_a_cell_for_each_pair_that_occurs() {
    let map = fleet()
        .group(
            &select("version < 1.2"),
            &ASK,
            &Field::Version,
            &Field::Model,
        )
        .unwrap();
    let cells: Vec<_> = map
        .iter()
        .map(|cell| (cell.first.as_deref(), cell.second.as_deref(), cell.count))
        .collect();
    // Keys 1, 11, 21, … have version 1.0.0: none of them is a multiple of four. Of 2, 12, 22, … every second is.
    assert_eq!(
        cells,
        [
            (Some("1.0.0"), Some("gw-200"), 10),
            (Some("1.1.0"), Some("cam-1"), 5),
            (Some("1.1.0"), Some("gw-200"), 5)
        ]
    );
    let why = fleet()
        .group(&select("all"), &ASK, &Field::Id, &Field::Model)
        .unwrap_err();
    assert_eq!(
        why.to_string(),
        "devices are not grouped by `id`; take model, version, a tag or a state"
    );
}

#[test]
fn what_was_true_once_takes_no_memory() {
    let mut index = fleet();
    let before = index.memory();
    for round in 0..10_000_u32 {
        let (name, value) = (format!("attr-{}", round % 100), round.to_string());
        for key in 1..4 {
            assert!(index.apply(key, Change::Attribute(&name, Some(&value))));
            assert!(index.apply(key, Change::Attribute(&name, None)));
            assert!(index.apply(key, Change::Model(Some(&value))));
        }
    }
    let after = index.memory();
    assert!(
        after.values < before.values + 2_000 && after.labels < before.labels + 2_000,
        "{before:?} {after:?}"
    );
    (1..=100).for_each(|key| assert!(index.remove(key)));
    assert_eq!((index.len(), index.memory().columns), (0, 0));
    assert_eq!(index.count(&select("all"), &ASK), Ok(0));
}

#[test]
fn a_column_widens_for_many_values() {
    // More versions than fit a byte, in more devices than a list holds.
    let texts: Vec<(String, String)> = (0..70_000)
        .map(|n| (format!("d{n}"), format!("{n}.0.0")))
        .collect();
    let rows = (0..).zip(&texts).map(|(key, (id, version))| DeviceRow {
        key,
        id,
        version: Some(version),
        ..DeviceRow::default()
    });
    let mut index = Index::build(rows);
    assert_eq!(
        index.count(&select("version >= 65000 and version < 66000"), &ASK),
        Ok(1000)
    );
    assert_eq!(
        index
            .page(&select("version = 69999.0.0"), &ASK, None, 5)
            .unwrap(),
        [69_999]
    );
    assert!(index.apply(0, Change::Software(None, Some("69999.0.0"))));
    assert_eq!(
        index
            .page(&select("version = 69999.0.0"), &ASK, None, 5)
            .unwrap(),
        [0, 69_999]
    );
    assert_eq!(
        index
            .page(&select("version = 69999.0.0"), &ASK, Some(0), 5)
            .unwrap(),
        [69_999]
    );
    assert_eq!(
        index.page(&select("all"), &ASK, Some(69_998), 0).unwrap(),
        [0_u64; 0]
    );
}
