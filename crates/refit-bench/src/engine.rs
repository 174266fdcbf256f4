//! Durable updates through the whole engine: parsed, decided, committed, acknowledged. All devices are connected and
//! subscribed; a thousand reports are in flight at any time, each of a device drawn at random.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use fastrand::Rng;
use refit_engine::driver::{Engine, Parts};
use refit_engine::releases::Releases;
use refit_engine::seat::{Outgoing, Seat, Wants};
use refit_engine::send::{Grantor, Minted, Wanted};
use refit_engine::shard::Settings;
use refit_protocol::device_id::DeviceId;
use refit_protocol::grant::Ungranted;
use refit_protocol::time::Timestamp;
use refit_protocol::topic::Kind;
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
    fn mint(&self, _: &Wanted<'_>, _: Timestamp) -> Result<Minted, Ungranted> {
        Err(Ungranted::Unavailable)
    }
}

/// Connects all devices and subscribes them to their deltas, of which there are none.
pub(crate) fn connect(engine: &Engine, ids: &[DeviceId]) -> Result<Vec<Arc<Seat>>, Box<dyn Error>> {
    /// So many happenings wait for the engine at most.
    const CHUNK: usize = 10_000;
    let mut seats = Vec::with_capacity(ids.len());
    for ids in ids.chunks(CHUNK) {
        for id in ids {
            let seat = Seat::new(Some(id.clone()));
            seat.set_wants(Wants::of(Kind::Delta));
            engine.fleet().attach(&seat);
            engine.fleet().subscribe(&seat);
            seats.push(seat);
        }
        if !engine.fleet().settle() {
            return Err("the engine has stopped".into());
        }
    }
    Ok(seats)
}

/// Keeps reports under way for as long as it lasts. The processor time of this thread is the load's own, and is left
/// out.
pub(crate) fn in_flight(
    engine: &Engine,
    seats: &[Arc<Seat>],
    lasts: Duration,
    seed: u64,
) -> Result<Run, Box<dyn Error>> {
    let (ready, readied) = channel();
    let mut random = Rng::with_seed(seed);
    // Each lane has devices of its own, so that none meets another.
    let mut lanes: Vec<Lane<'_>> = seats
        .chunks_exact(seats.len() / IN_FLIGHT)
        .enumerate()
        .map(|(number, seats)| Lane::new(number, seats, &ready))
        .collect();
    let (begun, cpu) = (Instant::now(), others_cpu());
    for lane in &mut lanes {
        lane.report(engine, &mut random)?;
    }
    let (mut updates, mut open) = (0, lanes.len());
    while open > 0 {
        let lane = &mut lanes[readied.recv()?];
        updates += lane.acknowledged()?;
        if begun.elapsed() < lasts {
            lane.report(engine, &mut random)?;
        } else {
            open -= 1;
        }
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

/// One report after the other, each of another device.
struct Lane<'a> {
    seats: &'a [Arc<Seat>],
    /// Whose report is under way.
    seat: &'a Arc<Seat>,
    waker: Waker,
}

impl<'a> Lane<'a> {
    fn new(number: usize, seats: &'a [Arc<Seat>], ready: &Sender<usize>) -> Self {
        let bell = Arc::new(Bell {
            number,
            ready: ready.clone(),
        });
        Self {
            seats,
            seat: &seats[0],
            waker: bell.into(),
        }
    }

    fn report(&mut self, engine: &Engine, random: &mut Rng) -> Result<(), Box<dyn Error>> {
        self.seat = &self.seats[random.usize(0..self.seats.len())];
        // Left in the seat, the waker rings for the receipt.
        if let Some(early) = self.next() {
            return Err(format!("nothing was reported yet: {early:?}").into());
        }
        let device = self.seat.device().ok_or("a seat without a device")?;
        let n = 2_000_000_000 + random.u64(0..1_000_000_000);
        let payload = format!(r#"{{"state":{{"reported":{{"n":{n}}}}}}}"#);
        let fleet = engine.fleet();
        fleet.submit(self.seat, Speaker::Device, device, payload.as_bytes(), 1);
        Ok(())
    }

    /// Takes the receipt, of which there is one each time that the bell rang.
    fn acknowledged(&self) -> Result<u64, Box<dyn Error>> {
        match self.next() {
            Some(Outgoing::Receipt { refused: None, .. }) => Ok(1),
            other => Err(format!("not acknowledged: {other:?}").into()),
        }
    }

    fn next(&self) -> Option<Outgoing> {
        match self.seat.poll_next(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(outgoing) => Some(outgoing),
            Poll::Pending => None,
        }
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
