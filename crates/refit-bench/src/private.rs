//! The device endpoint over mutual TLS 1.3, against mosquitto with the very same certificates.
//!
//! Every rate is per second of the server's processor time: what the devices' side of a handshake costs is not in it.

use std::io;
use std::ops::Range;
use std::path::Path;

use crate::identities::Identities;
use crate::load::Load;
use crate::measure;
use crate::process::Server;
use crate::report::{line, plain};

/// How many devices are connected.
const DEVICES: usize = 11_000;

/// How many of them are connected before memory is looked at.
const UNCOUNTED: usize = 6_000;

/// How many connect in a storm.
const STORMING: usize = 4_000;

/// Storms of each kind; the best counts, so that neither server pays for the other's noise.
const STORMS: usize = 3;

const ALL: [&str; 3] = ["update/delta", "update/accepted", "update/rejected"];

/// Per second of the server's processor time.
const PER_CPU: &str = "1/cpu-s";

/// What one server was measured to do.
struct Measured {
    idle_bytes: f64,
    full: f64,
    resumed: f64,
}

/// Measures both and prints the lines.
pub(crate) fn run(home: &Path) -> io::Result<()> {
    let data = home.join("data");
    // Its first start makes the CA and the server's certificate.
    let first = Server::refit_private(&data)?;
    let mut devices = Identities::signed(&data, DEVICES)?;
    // The devices become known, so that no later figure holds what it takes to make them.
    connect(&first, &devices, 0..DEVICES)?.drop_all()?;
    drop(first);
    let ours = measure(&|| Server::refit_private(&data), &devices)?;
    devices.forget();
    let theirs = measure(&|| Server::mosquitto_private(home, &data), &devices)?;
    for (name, value, unit, yardstick) in [
        (
            "mtls_idle_device_memory",
            ours.idle_bytes,
            "B",
            theirs.idle_bytes,
        ),
        ("mtls_connect_full", ours.full, PER_CPU, theirs.full),
        (
            "mtls_connect_resumed",
            ours.resumed,
            PER_CPU,
            theirs.resumed,
        ),
    ] {
        line(name, value, unit, value / yardstick);
    }
    plain("load", measure::load(), "-");
    Ok(())
}

fn connect(server: &Server, devices: &Identities, numbers: Range<usize>) -> io::Result<Load> {
    Load::connect_as(server.mqtt, numbers, &ALL, devices.fresh())
}

fn measure(start: &dyn Fn() -> io::Result<Server>, devices: &Identities) -> io::Result<Measured> {
    let server = start()?;
    // What a server has freed since its start, such as the memory that a password's hash takes, is filled first.
    let some = connect(&server, devices, 0..UNCOUNTED)?;
    let before = server.resident_bytes()?;
    let rest = connect(&server, devices, UNCOUNTED..DEVICES)?;
    let after = server.resident_bytes()?;
    let counted = DEVICES - UNCOUNTED;
    some.drop_all()?;
    rest.drop_all()?;
    let all = || connect(&server, devices, 0..STORMING);
    let full = best(&server, all)?;
    let again = || Load::connect_as(server.mqtt, 0..STORMING, &ALL, devices.returning());
    // The first time they come for their tickets.
    again()?.drop_all()?;
    let resumed = best(&server, || {
        let load = again()?;
        match load.resumed() {
            STORMING => Ok(load),
            some => Err(io::Error::other(format!(
                "only {some} of {STORMING} sessions were taken up"
            ))),
        }
    })?;
    Ok(Measured {
        idle_bytes: after.saturating_sub(before) as f64 / counted as f64,
        full,
        resumed,
    })
}

/// Connects and subscribes them, which are known by now.
fn best(server: &Server, storm: impl Fn() -> io::Result<Load>) -> io::Result<f64> {
    let mut best: f64 = 0.0;
    for _ in 0..STORMS {
        let before = server.cpu_seconds()?;
        let load = storm()?;
        let used = server.cpu_seconds()? - before;
        load.drop_all()?;
        best = best.max(STORMING as f64 / used);
    }
    Ok(best)
}
