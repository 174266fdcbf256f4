//! Durable updates through the whole engine, against the same work done by a bare loop over SQLite.
//!
//! A million devices of 400 bytes of state, a thousand of them with a report in flight at any time, drawn at random.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use refit_engine::driver::{Engine, Parts};
use refit_engine::releases::Releases;
use refit_engine::seat::{Outgoing, Seat};
use refit_engine::send::Grantor;
use refit_engine::shard::Settings;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_replica::input::Policy;
use refit_replica::record::Record;
use refit_replica::speaker::Speaker;
use refit_store::sqlite::{Options, SqliteStore};
use refit_store::store::{Operation, Store};
use serde_json::{Map, Value, json};

use crate::report::line;

const DEVICES: u64 = 1_000_000;
const IN_FLIGHT: usize = 1_000;
const UPDATES: u64 = 300_000;

/// Measures and prints the lines.
pub(crate) fn run(home: &Path) -> io::Result<()> {
    let data = home.join("engine");
    std::fs::create_dir_all(&data)?;
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(Options::new(data)).map_err(io::Error::other)?);
    fill(&*store)?;
    let engine = Engine::start(Parts {
        store: Arc::clone(&store),
        grantor: Arc::new(NoGrants),
        releases: Arc::new(Releases::default()),
        settings: Settings {
            policy: Policy::default(),
            epoch: 0,
            devices_max: DEVICES,
            unknown_devices_join: false,
        },
    })
    .map_err(io::Error::other)?;
    let (cpu, wall) = (engine_cpu_seconds()?, Instant::now());
    drive(&engine)?;
    let used = engine_cpu_seconds()? - cpu;
    let rate = UPDATES as f64 / wall.elapsed().as_secs_f64();
    line("engine_durable_updates", rate, "1/s", f64::NAN);
    line(
        "engine_durable_update_cpu",
        used / UPDATES as f64 * 1e6,
        "us",
        f64::NAN,
    );
    engine.stop();
    Ok(())
}

struct NoGrants;

impl Grantor for NoGrants {
    fn mint(&self, _: &Digest, _: &DeviceId, now: Timestamp) -> (String, Timestamp) {
        (String::new(), now)
    }
}

fn fill(store: &dyn Store) -> io::Result<()> {
    for first in (0..DEVICES).step_by(2000) {
        let batch = (first..first + 2000).map(new_device).collect();
        store.commit(batch).map_err(io::Error::other)?;
    }
    Ok(())
}

fn id(number: u64) -> DeviceId {
    DeviceId::parse(&format!("device-{number:07}")).unwrap_or_else(|_| unreachable!("valid"))
}

fn new_device(number: u64) -> Operation {
    Operation {
        device: id(number),
        from: None,
        record: Record {
            version: 1,
            desired: object(desired()),
            reported: object(reported(number)),
            ..Record::default()
        },
        jobs: Vec::new(),
        seen: Some(Timestamp(1)),
        at: Timestamp(1),
    }
}

fn desired() -> Value {
    json!({"softwareURL": format!("http://127.0.0.1:8080/depot/sha256/{}", "ab".repeat(32)), "interval": 60})
}

fn reported(number: u64) -> Value {
    json!({
        "softwareURL": format!("http://127.0.0.1:8080/depot/sha256/{}", "ab".repeat(32)),
        "model": "gw-200", "region": "eu-central", "serial": format!("SN-{number:012}"),
        "network": {"kind": "lte", "operator": "example", "signal": -71},
        "uptime": 1, "battery": 87, "temperature": 21.5, "interval": 60,
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// One report in flight on each seat; as soon as one is acknowledged, another device reports on it.
fn drive(engine: &Engine) -> io::Result<()> {
    let (ready, readied) = channel();
    let lanes: Vec<Lane> = (0..IN_FLIGHT)
        .map(|number| Lane::new(number, &ready))
        .collect();
    let mut random = Random(7);
    let (mut sent, mut done) = (0, 0);
    for lane in &lanes {
        lane.report(engine, &mut random);
        sent += 1;
    }
    while done < UPDATES {
        done += acknowledged(&lanes, &readied, |lane| {
            if sent < UPDATES {
                lane.report(engine, &mut random);
                sent += 1;
            }
        })?;
    }
    Ok(())
}

fn acknowledged(
    lanes: &[Lane],
    readied: &Receiver<usize>,
    mut then: impl FnMut(&Lane),
) -> io::Result<u64> {
    let lane = &lanes[readied.recv().map_err(io::Error::other)?];
    let mut count = 0;
    let waker = lane.waker.clone();
    while let Poll::Ready(outgoing) = lane.seat.poll_next(&mut Context::from_waker(&waker)) {
        match outgoing {
            Outgoing::Receipt { refused: None, .. } => {
                count += 1;
                then(lane);
            }
            other => return Err(io::Error::other(format!("not acknowledged: {other:?}"))),
        }
    }
    Ok(count)
}

struct Lane {
    seat: Arc<Seat>,
    waker: Waker,
}

impl Lane {
    fn new(number: usize, ready: &Sender<usize>) -> Self {
        let bell = Arc::new(Bell {
            number,
            ready: ready.clone(),
        });
        let lane = Self {
            seat: Seat::new(None),
            waker: bell.into(),
        };
        // Left in the seat, the waker rings for the first receipt.
        let empty = lane
            .seat
            .poll_next(&mut Context::from_waker(&lane.waker))
            .is_pending();
        debug_assert!(empty, "nothing was submitted yet");
        lane
    }

    fn report(&self, engine: &Engine, random: &mut Random) {
        let device = id(random.next() % DEVICES);
        let payload = format!(
            r#"{{"state":{{"reported":{{"uptime":{}}}}}}}"#,
            random.next() % 1_000_000_000
        );
        engine
            .fleet()
            .submit(&self.seat, Speaker::Device, &device, payload.as_bytes(), 1);
    }
}

struct Bell {
    number: usize,
    ready: Sender<usize>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Nobody listens once the last update is acknowledged.
        self.ready.send(self.number).unwrap_or_default();
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The processor time of the engine's and the store's threads, in seconds; the load's own thread is not theirs.
fn engine_cpu_seconds() -> io::Result<f64> {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let (name, rest) = stat.rsplit_once(')').unwrap_or_default();
        if name.contains("(refit-engine") || name.contains("(refit-store") {
            ticks += rest
                .split_ascii_whitespace()
                .skip(11)
                .take(2)
                .filter_map(|t| t.parse::<u64>().ok())
                .sum::<u64>();
        }
    }
    Ok(ticks as f64 / 100.0)
}
