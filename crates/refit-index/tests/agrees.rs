//! Whatever the fleet, whatever has happened to it, and whatever is asked: the answer is that of `refit-selector`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use refit_index::{Ask, Cell, Change, DeviceRow, Index};
use refit_protocol::time::Timestamp;
use refit_selector::field::Field;
use refit_selector::{Facts, Scene, Selector};

use crate::generate::{Device, LIST, NOW_MS, OneList, Style, device, question};

/// At the edges of chunks, dense and far apart.
const KEYS: [u64; 12] = [
    0,
    1,
    2,
    63,
    64,
    4095,
    4096,
    4097,
    8191,
    12_288,
    1_000_000,
    u64::MAX,
];

const ASK: Ask<'static> = Ask {
    now: Timestamp(NOW_MS),
    salt: "rollout-7",
};

#[derive(Clone, Debug)]
enum Act {
    Insert(usize, Box<Device>),
    Remove(usize),
    /// One fact of the device becomes that of this other one.
    Change(usize, u8, Box<Device>),
    SetList,
}

fn act() -> impl Strategy<Value = Act> {
    let key = 0..KEYS.len();
    prop_oneof![
        4 => (key.clone(), device()).prop_map(|(key, device)| Act::Insert(key, Box::new(device))),
        1 => key.clone().prop_map(Act::Remove),
        4 => (key, 0..9_u8, device()).prop_map(|(key, which, device)| Act::Change(key, which, Box::new(device))),
        1 => Just(Act::SetList),
    ]
}

/// Inserts a device as the store would.
fn insert(index: &mut Index, key: u64, device: &Device) {
    let pairs = |map: &BTreeMap<String, String>| map.clone().into_iter().collect::<Vec<_>>();
    let (tags, attributes) = (pairs(&device.tags), pairs(&device.attributes));
    let tags: Vec<_> = tags.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    index.insert(&DeviceRow {
        key,
        id: device.id(),
        model: device.model(),
        software: device.software(),
        version: device.version(),
        status: device.job_status(),
        reason: device.job_reason(),
        first_seen: device.created(),
        last_seen: device.seen(),
        online: device.is_online(),
        drifting: device.is_drifting(),
        certificate: device.certificate(),
        token: device.token(),
        tags: &tags,
        attributes: &attributes,
    });
}

/// Changes one fact in the model, and tells the index.
fn change(index: &mut Index, model: &mut Device, key: u64, which: u8, from: &Device) {
    let label = |map: &BTreeMap<String, String>| map.get("ring").cloned();
    let set = |map: &mut BTreeMap<String, String>, value: Option<String>| match value {
        Some(value) => drop(map.insert("ring".into(), value)),
        None => drop(map.remove("ring")),
    };
    let done = match which {
        0 => {
            model.model.clone_from(&from.model);
            index.apply(key, Change::Model(from.model()))
        }
        1 => {
            model.software.clone_from(&from.software);
            model.version.clone_from(&from.version);
            index.apply(key, Change::Software(from.software(), from.version()))
        }
        2 => {
            (model.online, model.drifting) = (from.online, from.drifting);
            index.apply(key, Change::Drifting(from.drifting))
                && index.apply(key, Change::Online(from.online))
        }
        3 => {
            model.seen_ms = from.seen_ms.or(Some(NOW_MS));
            index.apply(key, Change::Seen(Timestamp(model.seen_ms.unwrap())))
        }
        4 => {
            model.status = from.status;
            model.reason.clone_from(&from.reason);
            index.apply(key, Change::Job(from.status, from.job_reason()))
        }
        5 => {
            model.certificate = from.certificate;
            index.apply(key, Change::Certificate(from.certificate))
        }
        6 => {
            model.token.clone_from(&from.token);
            index.apply(key, Change::Token(from.token()))
        }
        7 => {
            set(&mut model.tags, label(&from.tags));
            index.apply(key, Change::Tag("ring", from.tag("ring")))
        }
        _ => {
            set(&mut model.attributes, label(&from.attributes));
            index.apply(key, Change::Attribute("ring", from.attribute("ring")))
        }
    };
    assert!(done);
}

fn play(index: &mut Index, model: &mut BTreeMap<u64, Device>, act: Act) {
    match act {
        Act::Insert(key, device) => {
            insert(index, KEYS[key], &device);
            drop(model.insert(KEYS[key], *device));
        }
        Act::Remove(key) => {
            let was_there = model.remove(&KEYS[key]).is_some();
            assert_eq!(index.remove(KEYS[key]), was_there);
        }
        Act::Change(key, which, from) => match model.get_mut(&KEYS[key]) {
            Some(device) => change(index, device, KEYS[key], which, &from),
            None => assert!(!index.apply(KEYS[key], Change::Online(true))),
        },
        Act::SetList => index.set_list(LIST.0, LIST.1),
    }
}

fn check(
    index: &Index,
    model: &BTreeMap<u64, Device>,
    selector: &Selector,
    page: usize,
) -> Result<(), TestCaseError> {
    let scene = Scene {
        now: ASK.now,
        salt: ASK.salt,
        lists: &OneList,
    };
    let wanted: Vec<u64> = model
        .iter()
        .filter(|(_, device)| selector.matches(*device, &scene))
        .map(|(key, _)| *key)
        .collect();
    let selection = index.select(selector, &ASK).unwrap();
    prop_assert_eq!(
        selection.keys().collect::<Vec<_>>(),
        wanted.clone(),
        "{}",
        selector
    );
    prop_assert_eq!(selection.len(), wanted.len() as u64);
    prop_assert!(
        KEYS.iter()
            .all(|key| selection.has(*key) == wanted.contains(key))
    );
    prop_assert_eq!(index.count(selector, &ASK).unwrap(), wanted.len() as u64);
    prop_assert_eq!(
        index.explain(selector, &ASK).unwrap().count,
        wanted.len() as u64
    );
    // Page by page it is the same.
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let some = index.page(selector, &ASK, after, page).unwrap();
        after = some.last().copied();
        let is_last = some.len() < page;
        paged.extend(some);
        if is_last {
            break;
        }
    }
    prop_assert_eq!(&paged, &wanted);
    // A map counts each once.
    let mut cells: BTreeMap<_, u64> = BTreeMap::new();
    for device in wanted.iter().filter_map(|key| model.get(key)) {
        *cells
            .entry((
                device.tags.get("ring").cloned(),
                device.status.map(|status| status.as_str().to_owned()),
            ))
            .or_default() += 1;
    }
    let cells: Vec<Cell> = cells
        .into_iter()
        .map(|((first, second), count)| Cell {
            first,
            second,
            count,
        })
        .collect();
    let map = index
        .group(
            selector,
            &ASK,
            &Field::Tag("ring".into()),
            &Field::JobStatus,
        )
        .unwrap();
    prop_assert_eq!(map, cells);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_trees_and_fleets_after_random_changes(
        acts in prop::collection::vec(act(), 0..40),
        more in prop::collection::vec(act(), 0..20),
        questions in prop::collection::vec(question(), 1..5),
        style: u64,
        page in 1..4_usize,
    ) {
        let (mut index, mut model) = (Index::default(), BTreeMap::new());
        // Before there is a device, and again between the others.
        play(&mut index, &mut model, Act::SetList);
        let texts: Vec<String> = questions.iter().map(|question| question.write(&mut Style(style))).collect();
        for acts in [acts, more] {
            acts.into_iter().for_each(|act| play(&mut index, &mut model, act));
            prop_assert_eq!(index.len(), model.len() as u64);
            for (key, device) in &model {
                prop_assert_eq!(index.id(*key), Some(device.id()));
            }
            for text in &texts {
                check(&index, &model, &Selector::parse(text).unwrap(), page)?;
            }
        }
    }
}

proptest! {
    // Each case asks seven thousand devices by themselves, which a debug build takes seconds for.
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Full chunks take other paths than few devices do: dense columns, tables, draws of all.
    #[test]
    fn random_trees_on_full_chunks(
        few in prop::collection::vec(device(), 8..40),
        questions in prop::collection::vec(question(), 6..9),
        style: u64,
    ) {
        let (mut index, mut model) = (Index::default(), BTreeMap::new());
        for key in 3000..10_000_u64 {
            // Neighbours differ, and each ID is another.
            let mut device = few[(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % few.len()].clone();
            if key % 3 == 0 {
                device.id = format!("{}-{key}", device.id);
            }
            insert(&mut index, key, &device);
            drop(model.insert(key, device));
        }
        index.set_list(LIST.0, LIST.1);
        for question in &questions {
            let selector = Selector::parse(&question.write(&mut Style(style))).unwrap();
            check(&index, &model, &selector, 997)?;
        }
    }
}
