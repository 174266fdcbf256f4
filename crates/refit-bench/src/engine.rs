//! Durable updates through the whole engine: parsed, decided, committed, acknowledged. A thousand reports are in flight
//! at any time, each of a device drawn at random.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use fastrand::Rng;
use refit_engine::driver::{Engine, Parts};
use refit_engine::releases::Releases;
use refit_engine::seat::{Outgoing, Seat};
use refit_engine::send::Grantor;
use refit_engine::shard::Settings;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_replica::input::Policy;
use refit_replica::speaker::Speaker;
use refit_store::store::Store;

use crate::measure::{Run, process_cpu, thread_cpu};

/// How many reports are under way at once.
const IN_FLIGHT: usize = 1_000;

/// Starts an engine on a store of these devices.
pub(crate) fn start(store: Arc<dyn Store>, devices: u64) -> Result<Engine, Box<dyn Error>> {
    Ok(Engine::start(Parts {
        store,
        grantor: Arc::new(NoGrants),
        releases: Arc::new(Releases::default()),
        settings: Settings {
            policy: Policy::default(),
            epoch: 0,
            devices_max: devices,
            unknown_devices_join: false,
        },
    })?)
}

struct NoGrants;

impl Grantor for NoGrants {
    fn mint(&self, _: &Digest, _: &DeviceId, now: Timestamp) -> (String, Timestamp) {
        (String::new(), now)
    }
}

/// Keeps reports under way for as long as it lasts. The processor time of this thread is the load's own, and is left
/// out.
pub(crate) fn in_flight(
    engine: &Engine,
    ids: &[DeviceId],
    lasts: Duration,
    seed: u64,
) -> Result<Run, Box<dyn Error>> {
    let (ready, readied) = channel();
    let lanes: Vec<Lane> = (0..IN_FLIGHT)
        .map(|number| Lane::new(number, &ready))
        .collect();
    let mut random = Rng::with_seed(seed);
    let (begun, cpu) = (Instant::now(), others_cpu());
    for lane in &lanes {
        lane.report(engine, ids, &mut random);
    }
    let (mut updates, mut open) = (0, IN_FLIGHT as u64);
    while open > 0 {
        updates += acknowledged(&lanes, &readied, |lane| {
            if begun.elapsed() < lasts {
                lane.report(engine, ids, &mut random);
            } else {
                open -= 1;
            }
        })?;
    }
    Ok(Run {
        updates,
        took: begun.elapsed(),
        cpu: others_cpu().saturating_sub(cpu),
    })
}

fn others_cpu() -> Duration {
    process_cpu().saturating_sub(thread_cpu())
}

fn acknowledged(
    lanes: &[Lane],
    readied: &Receiver<usize>,
    mut then: impl FnMut(&Lane),
) -> Result<u64, Box<dyn Error>> {
    let lane = &lanes[readied.recv()?];
    let mut count = 0;
    while let Poll::Ready(outgoing) = lane.seat.poll_next(&mut Context::from_waker(&lane.waker)) {
        match outgoing {
            Outgoing::Receipt { refused: None, .. } => {
                count += 1;
                then(lane);
            }
            other => return Err(format!("not acknowledged: {other:?}").into()),
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

    fn report(&self, engine: &Engine, ids: &[DeviceId], random: &mut Rng) {
        let device = &ids[random.usize(0..ids.len())];
        let n = 2_000_000_000 + random.u64(0..1_000_000_000);
        let payload = format!(r#"{{"state":{{"reported":{{"n":{n}}}}}}}"#);
        engine
            .fleet()
            .submit(&self.seat, Speaker::Device, device, payload.as_bytes(), 1);
    }
}

struct Bell {
    number: usize,
    ready: Sender<usize>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Nobody listens once the last report is acknowledged.
        self.ready.send(self.number).unwrap_or_default();
    }
}
