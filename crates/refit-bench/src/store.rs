//! The store against a bare SQLite loop, on a million devices of 400 bytes of state, a thousand updates in flight.

mod bare;

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use fastrand::Rng;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::software_url::depot_url;
use refit_protocol::time::Timestamp;
use refit_replica::record::Record;
use refit_store::reader::Reader;
use refit_store::sqlite::{FILE_NAME, Options, SqliteStore};
use refit_store::stats::{DURATION_BOUNDS_US, Histogram};
use refit_store::store::{DeviceKey, Failure, Operation, Outcome, Store};
use serde_json::{Map, Value, json};

use crate::engine;
use crate::measure::{Run, load as machine_load, median, process_cpu, quantile, thread_cpu};
use crate::report::{line, plain};
use crate::store::bare::Bare;

/// How many updates are under way at once.
const IN_FLIGHT: u64 = 1_000;

/// The size of the yardstick's transactions: the largest that the store makes.
const BATCH: usize = 256;

/// The pace of the measurement of latency.
const PACED_PER_SECOND: u64 = 5_000;

/// Runs all of it in a directory.
pub(crate) fn run(home: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    measure(home, true).map_err(|error| error.to_string().into())
}

/// Runs the whole engine alone.
pub(crate) fn run_engine(home: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    measure(home, false).map_err(|error| error.to_string().into())
}

fn measure(home: &Path, store_too: bool) -> Result<(), Box<dyn Error>> {
    let number = |nth, default| match std::env::args().nth(nth) {
        Some(word) => word.parse::<u64>(),
        None => Ok(default),
    };
    let devices = number(2, 1_000_000)?.max(IN_FLIGHT);
    let lasts = Duration::from_secs(number(3, 6)?);
    let mut bare = Bare::load(home, devices)?;
    let ids = load(home, devices)?;
    size(home, devices)?;
    let store = Arc::new(open(home)?);
    plain("machine.load", machine_load(), "runnable");
    whole_engine(&store, &mut bare, &ids, lasts)?;
    if store_too {
        full_speed(&store, &mut bare, &ids, lasts)?;
        point_reads(&store, &ids)?;
        scan(&store, &ids)?;
        paced(&store, &mut bare, &ids, lasts)?;
    }
    plain("machine.load", machine_load(), "runnable");
    Ok(())
}

fn open(directory: &Path) -> Result<SqliteStore, Box<dyn Error>> {
    Ok(SqliteStore::open(Options::new(directory))?)
}

/// Returns what a device desires and reports: 400 bytes of JSON together.
pub(crate) fn state(device: u64, n: u64) -> (Map<String, Value>, Map<String, Value>) {
    let url = depot_url("https://refit.example.com", &Digest::from_bytes([7; 32]));
    let desired = json!({ "softwareURL": url });
    let reported = json!({
        "softwareURL": url,
        "agent": "refit-agent 0.1.0",
        "boot": device,
        "free": 123_456_789,
        "model": "lamp-7",
        "note": "installed in the hall, third floor",
        "n": 1_000_000_000 + n,
        "uptime": 86_400,
    });
    (object(desired), object(reported))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn load(directory: &Path, devices: u64) -> Result<Vec<DeviceId>, Box<dyn Error>> {
    let store = open(directory)?;
    let ids: Result<Vec<_>, _> = (0..devices)
        .map(|n| DeviceId::parse(&format!("device-{n:09}")))
        .collect();
    let ids = ids.map_err(|why| why.to_string())?;
    for (slice, ids) in (0..).zip(ids.chunks(2_000)) {
        let operations = (slice * 2_000..).zip(ids).map(|(n, id)| {
            let (desired, reported) = state(n, 0);
            let record = Record {
                version: 1,
                desired,
                reported,
                ..Record::default()
            };
            Operation {
                device: id.clone(),
                from: None,
                record,
                jobs: Vec::new(),
                events: Vec::new(),
                rollout: None,
                audit: Vec::new(),
                seen: Some(Timestamp(n)),
                at: Timestamp(n),
            }
        });
        store.commit(operations.collect())?;
    }
    Ok(ids)
}

/// After closing, everything is in the file.
fn size(directory: &Path, devices: u64) -> Result<(), Box<dyn Error>> {
    let (desired, reported) = state(0, 0);
    let bytes = serde_json::to_vec(&desired)?.len() + serde_json::to_vec(&reported)?.len();
    plain("store.state_bytes", bytes as f64, "B");
    let file = std::fs::metadata(directory.join(FILE_NAME))?.len() as f64;
    let bare = std::fs::metadata(directory.join("bare.db"))?.len() as f64;
    line(
        "store.disk_per_device",
        file / devices as f64,
        "B",
        file / bare,
    );
    Ok(())
}

/// The goal of the landing: what a report costs from its bytes to its receipt, against the bare loop.
fn whole_engine(
    store: &Arc<SqliteStore>,
    bare: &mut Bare,
    ids: &[DeviceId],
    lasts: Duration,
) -> Result<(), Box<dyn Error>> {
    let engine = engine::start(store.clone(), ids.len() as u64)?;
    let seats = engine::connect(&engine, ids)?;
    let (mut yardsticks, mut runs) = (Vec::new(), Vec::new());
    for round in 0..3 {
        yardsticks.push(bare.run(lasts, BATCH)?);
        runs.push(engine::in_flight(&engine, &seats, lasts, round)?);
    }
    engine.stop();
    compare("bare", &yardsticks, &yardsticks);
    compare("engine", &runs, &yardsticks);
    Ok(())
}

/// Prints the middle of some runs beside the middle of the yardstick's.
fn compare(name: &str, runs: &[Run], yardsticks: &[Run]) {
    let rate = |runs: &[Run]| median(runs.iter().map(Run::per_second).collect());
    let cpu = |runs: &[Run]| median(runs.iter().map(Run::cpu_us).collect());
    let (value, yardstick) = (rate(runs), rate(yardsticks));
    line(&format!("{name}.updates"), value, "/s", value / yardstick);
    let (value, yardstick) = (cpu(runs), cpu(yardsticks));
    line(
        &format!("{name}.cpu_per_update"),
        value,
        "us",
        value / yardstick,
    );
}

fn full_speed(
    store: &SqliteStore,
    bare: &mut Bare,
    ids: &[DeviceId],
    lasts: Duration,
) -> Result<(), Box<dyn Error>> {
    let (mut yardsticks, mut runs) = (Vec::new(), Vec::new());
    for round in 0..3 {
        yardsticks.push(bare.run(lasts, BATCH)?);
        runs.push(in_flight(store, ids, lasts, round)?);
    }
    compare("store", &runs, &yardsticks);
    let stats = store.stats();
    plain(
        "store.batch_mean",
        stats.batch.sum as f64 / stats.commits as f64,
        "operations",
    );
    plain("store.restart_max", stats.restart_us.max as f64 / 1e3, "ms");
    plain(
        "store.wal",
        stats.wal_bytes as f64 / f64::from(1 << 20),
        "MiB",
    );
    Ok(())
}

type Answer = (u64, Result<Vec<Outcome>, Failure>);

/// Keeps a thousand updates under way, each slot on devices of its own, so that none meets another.
fn in_flight(
    store: &SqliteStore,
    ids: &[DeviceId],
    lasts: Duration,
    seed: u64,
) -> Result<Run, Box<dyn Error>> {
    let (answer, answers) = mpsc::channel::<Answer>();
    let mut reader = store.reader()?;
    let mut random = Rng::with_seed(seed);
    let (begun, cpu) = (Instant::now(), process_cpu());
    for slot in 0..IN_FLIGHT {
        update(store, &mut *reader, ids, slot, &mut random, &answer)?;
    }
    let (mut updates, mut open) = (0, IN_FLIGHT);
    while open > 0 {
        let (slot, outcomes) = answers.recv()?;
        match outcomes?.as_slice() {
            [Outcome::Applied(_)] => updates += 1,
            other => return Err(format!("{other:?}").into()),
        }
        if begun.elapsed() < lasts {
            update(store, &mut *reader, ids, slot, &mut random, &answer)?;
        } else {
            open -= 1;
        }
    }
    Ok(Run {
        updates,
        took: begun.elapsed(),
        cpu: process_cpu().saturating_sub(cpu),
    })
}

fn update(
    store: &SqliteStore,
    reader: &mut dyn Reader,
    ids: &[DeviceId],
    slot: u64,
    random: &mut Rng,
    answer: &mpsc::Sender<Answer>,
) -> Result<(), Box<dyn Error>> {
    let share = ids.len() as u64 / IN_FLIGHT;
    let id = &ids[(slot * share + random.u64(0..share)) as usize];
    let operation = changed(reader, id)?;
    let answer = answer.clone();
    store.submit(
        vec![operation],
        Box::new(move |outcomes| drop(answer.send((slot, outcomes)))),
    );
    Ok(())
}

/// Reads a record, and changes it as a report would.
fn changed(reader: &mut dyn Reader, id: &DeviceId) -> Result<Operation, Box<dyn Error>> {
    let stored = reader.load(id)?.ok_or("a device is gone")?;
    let from = Some(stored.guard());
    let mut record = stored.record;
    record.version += 1;
    record
        .reported
        .insert("n".into(), (1_000_000_000 + record.version).into());
    let at = Timestamp(record.version);
    Ok(Operation {
        device: id.clone(),
        from,
        record,
        jobs: Vec::new(),
        events: Vec::new(),
        rollout: None,
        audit: Vec::new(),
        seen: Some(at),
        at,
    })
}

fn point_reads(store: &SqliteStore, ids: &[DeviceId]) -> Result<(), Box<dyn Error>> {
    const READS: u32 = 200_000;
    let mut reader = store.reader()?;
    let mut random = Rng::with_seed(3);
    let cpu = thread_cpu();
    for _ in 0..READS {
        reader.load(&ids[random.usize(0..ids.len())])?;
    }
    let each = (thread_cpu().saturating_sub(cpu) / READS).as_secs_f64() * 1e6;
    plain("store.read_cpu", each, "us");
    Ok(())
}

/// What an index over the fleet is built from: a server waits for this when it starts.
fn scan(store: &SqliteStore, ids: &[DeviceId]) -> Result<(), Box<dyn Error>> {
    let mut reader = store.reader()?;
    let cpu = thread_cpu();
    let (mut after, mut seen) = (DeviceKey(0), 0);
    loop {
        let page = reader.scan(after, 10_000)?;
        let Some(last) = page.last() else { break };
        after = last.key;
        seen += page.len();
    }
    if seen != ids.len() {
        return Err(format!("{seen} devices were scanned of {}", ids.len()).into());
    }
    let all = thread_cpu().saturating_sub(cpu).as_secs_f64();
    plain("store.scan_cpu", all * 1e6 / seen as f64, "us");
    Ok(())
}

/// Submits at a steady pace. A commit is measured twice: as the yardstick's, from its first statement to its durable
/// end; and as its submitter sees it, from `submit` to the answer, with the time in which a group gathers.
fn paced(
    store: &SqliteStore,
    bare: &mut Bare,
    ids: &[DeviceId],
    lasts: Duration,
) -> Result<(), Box<dyn Error>> {
    let before = store.stats();
    let (mut took, cpu) = submit_paced(store, ids, lasts)?;
    took.sort_unstable();
    let after = store.stats();
    let commits = (after.commits - before.commits).max(1);
    let batch = took.len().div_ceil(commits as usize);
    let interval = Duration::from_secs_f64(batch as f64 / PACED_PER_SECOND as f64);
    let yardstick = bare.paced(lasts, batch, interval)?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let middle = ms(quantile(&yardstick, 0.5));
    plain("bare.paced_batch", batch as f64, "operations");
    plain("bare.paced_p50", middle, "ms");
    plain("bare.paced_p99", ms(quantile(&yardstick, 0.99)), "ms");
    plain("bare.paced_max", ms(quantile(&yardstick, 1.0)), "ms");
    let commit = commit_p99_ms(&before.commit_us, &after.commit_us);
    line(
        "store.paced_commit_p99_at_most",
        commit,
        "ms",
        commit / middle,
    );
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
        let value = ms(quantile(&took, share));
        line(
            &format!("store.paced_answer_{name}"),
            value,
            "ms",
            value / middle,
        );
    }
    let cpu_us = cpu.as_secs_f64() * 1e6 / took.len() as f64;
    plain("store.paced_cpu_per_update", cpu_us, "us");
    Ok(())
}

/// Returns the bound of the bucket below which 99 of 100 commits between two snapshots lie.
fn commit_p99_ms(before: &Histogram, after: &Histogram) -> f64 {
    let buckets = after.buckets.iter().zip(before.buckets);
    let counts: Vec<u64> = buckets.map(|(after, before)| after - before).collect();
    let wanted = counts.iter().sum::<u64>() * 99 / 100;
    let mut below = 0;
    for (count, bound) in counts.iter().zip(DURATION_BOUNDS_US) {
        below += count;
        if below >= wanted {
            return bound as f64 / 1e3;
        }
    }
    f64::INFINITY
}

fn submit_paced(
    store: &SqliteStore,
    ids: &[DeviceId],
    lasts: Duration,
) -> Result<(Vec<Duration>, Duration), Box<dyn Error>> {
    const TICK: Duration = Duration::from_millis(1);
    let (answer, answers) = mpsc::channel();
    let mut reader = store.reader()?;
    let mut random = Rng::with_seed(5);
    let (begun, cpu) = (Instant::now(), process_cpu());
    let total = PACED_PER_SECOND * lasts.as_secs();
    let mut submitted = 0;
    while submitted < total {
        let due = (begun.elapsed().as_secs_f64() * PACED_PER_SECOND as f64) as u64;
        while submitted < due.min(total) {
            // Each time another device, so that no two under way are of one.
            let at = (submitted as usize * 7_919 + random.usize(0..7_919)) % ids.len();
            let operation = changed(&mut *reader, &ids[at])?;
            let (answer, started) = (answer.clone(), Instant::now());
            let done = move |outcomes: Result<Vec<Outcome>, Failure>| {
                drop(answer.send((started.elapsed(), outcomes)));
            };
            store.submit(vec![operation], Box::new(done));
            submitted += 1;
        }
        std::thread::sleep(TICK);
    }
    drop(answer);
    let mut took = Vec::new();
    for (time, outcomes) in answers {
        outcomes?;
        took.push(time);
    }
    Ok((took, process_cpu().saturating_sub(cpu)))
}
