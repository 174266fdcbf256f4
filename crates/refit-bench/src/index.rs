//! The fleet's index: counts, pages and a map of a million devices, each beside a plain scan that asks every row with
//! `refit-selector`. A ratio below 1 is quicker than the scan, or, of memory, within the goal of 24 bytes.

use std::time::Instant;

use refit_index::{Ask, Change, DeviceRow, Index};
use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::facts::{Certificate, NoLists};
use refit_selector::field::Field;
use refit_selector::{Scene, Selector};

use crate::measure;
use crate::process;
use crate::report::{line, plain};

/// How many devices there are unless the command line says otherwise.
const DEVICES: usize = 1_000_000;

/// Each question is asked this often, and the median counts.
const ROUNDS: usize = 9;

/// What the columns may take, by the issue.
const COLUMN_BYTES: f64 = 24.0;

const NOW_MS: u64 = 1_772_366_400_000;

/// What is asked; the names are those of the lines.
const QUESTIONS: [(&str, &str); 11] = [
    ("model", "model = gw-200"),
    (
        "model_version_region",
        "model = gw-7 and version < 1.4.0 and tag.region in (eu, us)",
    ),
    ("version_region", "version < 1.4.0 and tag.region = eu"),
    (
        "online_seen",
        "online and seen within 2d and not tag.frozen",
    ),
    (
        "attributes",
        "(attr.battery >= 40 or attr.power = mains) and id ~ \"berlin-*\"",
    ),
    ("sample", "model = gw-1 and sample 5%"),
    ("sample_of_all", "sample 5%"),
    ("id", "id = berlin-0000017"),
    ("id_prefix", "id ~ \"berlin-00*\""),
    ("id_inner", "id ~ \"*99*\""),
    (
        "failed",
        "job.status = FAILED and job.reason ~ \"verify:*\"",
    ),
];

/// The texts of a device, so that rows can borrow them.
struct Made {
    id: String,
    tags: Vec<(&'static str, &'static str)>,
    attributes: Vec<(&'static str, &'static str)>,
    row: DeviceRow<'static>,
}

/// Makes a fleet: 20 models, 200 versions, four regions, an ID of 14 bytes, two tags and two attributes a device.
fn fleet(devices: usize) -> Vec<Made> {
    let leaked = |texts: Vec<String>| -> &'static [&'static str] {
        let texts: Vec<&'static str> = texts.into_iter().map(|text| &*text.leak()).collect();
        texts.leak()
    };
    let models = leaked(
        (0..20)
            .map(|n| {
                if n == 0 {
                    "gw-200".into()
                } else {
                    format!("gw-{n}")
                }
            })
            .collect(),
    );
    let versions = leaked(
        (0..200)
            .map(|n| format!("{}.{}.{}", n / 100, n / 10 % 10, n % 10))
            .collect(),
    );
    let levels = leaked((0..100).map(|n| n.to_string()).collect());
    let mut random = fastrand::Rng::with_seed(7);
    let mut pick = move |all: &[&'static str]| all[random.usize(..all.len())];
    let mut dice = fastrand::Rng::with_seed(11);
    let made = (0..devices).map(|n| {
        let city = pick(&["berlin", "austin", "mumbai", "malaga"]);
        let failed = dice.u8(..50) == 0;
        let mut tags = vec![
            ("region", pick(&["eu", "us", "in", "cn"])),
            ("ring", pick(&["canary", "early", "late"])),
        ];
        if dice.u8(..100) == 0 {
            tags.push(("frozen", ""));
        }
        Made {
            id: format!("{city}-{n:07}"),
            tags,
            attributes: vec![
                ("battery", pick(levels)),
                ("power", pick(&["mains", "battery"])),
            ],
            row: DeviceRow {
                key: n as u64 + 1,
                model: Some(pick(models)),
                software: Some("firmware"),
                version: Some(pick(versions)),
                status: Some(if failed {
                    Status::Failed
                } else {
                    Status::Succeeded
                }),
                reason: failed.then(|| pick(&["verify: digest", "disk full"])),
                first_seen: Some(Timestamp(NOW_MS - dice.u64(..30_000_000_000))),
                last_seen: Some(Timestamp(NOW_MS - dice.u64(..500_000_000))),
                online: dice.bool(),
                certificate: Some(Certificate::Enrolled),
                token: Some("factory-1"),
                ..DeviceRow::default()
            },
        }
    });
    made.collect()
}

impl Made {
    fn row(&self) -> DeviceRow<'_> {
        DeviceRow {
            id: &self.id,
            tags: &self.tags,
            attributes: &self.attributes,
            ..self.row
        }
    }
}

/// Returns the median of what some rounds took, in milliseconds of this thread's processor time, which others on the machine
/// disturb least.
fn median_ms<T>(rounds: usize, mut ask: impl FnMut() -> T) -> f64 {
    let took = (0..rounds).map(|_| {
        let before = measure::thread_cpu();
        drop(std::hint::black_box(ask()));
        (measure::thread_cpu() - before).as_secs_f64() * 1e3
    });
    measure::median(took.collect())
}

/// Measures and prints the lines.
pub(crate) fn run() -> Result<(), String> {
    let devices = std::env::args()
        .nth(2)
        .and_then(|count| count.parse().ok())
        .unwrap_or(DEVICES);
    let made = fleet(devices);
    let resident = process::own_resident_bytes().map_err(|why| why.to_string())?;
    let (wall, cpu) = (Instant::now(), measure::thread_cpu());
    let mut index = Index::build(made.iter().map(Made::row));
    plain("index_build", wall.elapsed().as_secs_f64(), "s");
    plain(
        "index_build_cpu",
        (measure::thread_cpu() - cpu).as_secs_f64(),
        "s",
    );
    let resident = process::own_resident_bytes().map_err(|why| why.to_string())? - resident;
    memory(&index, devices as f64, resident as f64);
    questions(&index, &made)?;
    changes(&mut index, devices as u64);
    plain("load", measure::load(), "-");
    Ok(())
}

fn memory(index: &Index, devices: f64, resident: f64) {
    let memory = index.memory();
    let columns = memory.columns as f64 / devices;
    line("index_columns", columns, "B/device", columns / COLUMN_BYTES);
    plain("index_ids", memory.ids as f64 / devices, "B/device");
    plain("index_labels", memory.labels as f64 / devices, "B/device");
    plain("index_values", memory.values as f64 / devices, "B/device");
    plain("index_resident", resident / devices, "B/device");
}

fn questions(index: &Index, made: &[Made]) -> Result<(), String> {
    let (ask, scene) = (
        Ask {
            now: Timestamp(NOW_MS),
            salt: "rollout-1",
        },
        Scene {
            now: Timestamp(NOW_MS),
            salt: "rollout-1",
            lists: &NoLists,
        },
    );
    let widest = (0..64)
        .map(|n| format!("attr.battery >= {n}"))
        .collect::<Vec<_>>()
        .join(" or not ");
    let widest = [("64_terms", widest.as_str())];
    for (name, text) in QUESTIONS.iter().chain(&widest) {
        let selector = Selector::parse(text).map_err(|mistake| mistake.to_string())?;
        let mut naive = 0;
        let scan = median_ms(1, || {
            naive = made
                .iter()
                .filter(|one| selector.matches(&one.row(), &scene))
                .count() as u64
        });
        let mut count = 0;
        let counted = median_ms(ROUNDS, || {
            count = index.count(&selector, &ask).unwrap_or_default()
        });
        if count != naive {
            return Err(format!(
                "{text}: the index counts {count}, the scan {naive}"
            ));
        }
        line(
            &format!("index_count.{name}"),
            counted,
            "ms",
            counted / scan,
        );
        // From the middle, as somebody who has turned many pages.
        let middle = made.len() as u64 / 2;
        let paged = median_ms(ROUNDS, || index.page(&selector, &ask, Some(middle), 50));
        line(&format!("index_page.{name}"), paged, "ms", paged / scan);
    }
    let all = Selector::parse("all").map_err(|mistake| mistake.to_string())?;
    let scan = median_ms(3, || {
        let mut cells = std::collections::HashMap::<_, u64>::new();
        made.iter()
            .for_each(|one| *cells.entry((one.row.version, one.row.model)).or_default() += 1);
        cells
    });
    let map = median_ms(ROUNDS, || {
        index.group(&all, &ask, &Field::Version, &Field::Model)
    });
    line("index_map.version_model", map, "ms", map / scan);
    Ok(())
}

/// What the writer does after each commit.
fn changes(index: &mut Index, devices: u64) {
    const CHANGES: u64 = 1_000_000;
    let mut random = fastrand::Rng::with_seed(13);
    let took = median_ms(1, || {
        for n in 0..CHANGES {
            let key = random.u64(1..=devices);
            let change = match n % 3 {
                0 => Change::Seen(Timestamp(NOW_MS + n)),
                1 => Change::Job(Some(Status::Succeeded), None),
                _ => Change::Software(
                    Some("firmware"),
                    Some(if n % 2 == 0 { "1.4.0" } else { "2.0.0" }),
                ),
            };
            let _known = index.apply(key, change);
        }
    });
    plain("index_change", took * 1e3 / CHANGES as f64, "us");
}
