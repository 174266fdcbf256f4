//! The device endpoint against mosquitto, beside it, under the same load.
//!
//! Every rate is per second of the server's processor time, so that a busy machine changes little.

use std::io;
use std::path::Path;

use crate::load::Load;
use crate::process::Server;
use crate::report::line;

/// How many devices are connected; each takes a descriptor here and one in the server.
const DEVICES: usize = 15_000;

/// How many devices publish at once, one message in flight each.
const ACTIVE: usize = 1_000;

/// How many devices come and go before memory is looked at.
const WARM_UP: usize = 200;

/// How many messages are published for one figure.
const MESSAGES: usize = 200_000;

const DELTA: [&str; 1] = ["update/delta"];
const DELTA_AND_ACCEPTED: [&str; 2] = ["update/delta", "update/accepted"];
const ALL: [&str; 3] = ["update/delta", "update/accepted", "update/rejected"];

/// What one server was measured to do.
struct Measured {
    idle_bytes: f64,
    connects: f64,
    quiet: f64,
    changing: f64,
    quiet_answered: f64,
    changing_answered: f64,
}

/// Measures both and prints the lines.
pub(crate) fn run(home: &Path) -> io::Result<()> {
    let theirs = measure(&|| Server::mosquitto(home), false)?;
    let ours = measure(&|| Server::refit(&home.join("data")), true)?;
    let beside = [
        (
            "mqtt_idle_device_memory",
            ours.idle_bytes,
            "B",
            theirs.idle_bytes,
        ),
        (
            "mqtt_connect_subscribe",
            ours.connects,
            PER_CPU,
            theirs.connects,
        ),
        ("mqtt_report_unchanged", ours.quiet, PER_CPU, theirs.quiet),
        (
            "mqtt_report_durable",
            ours.changing,
            PER_CPU,
            theirs.changing,
        ),
        (
            "mqtt_report_unchanged_with_accepted",
            ours.quiet_answered,
            PER_CPU,
            theirs.quiet,
        ),
        (
            "mqtt_report_durable_with_accepted",
            ours.changing_answered,
            PER_CPU,
            theirs.changing,
        ),
    ];
    for (name, value, unit, yardstick) in beside {
        line(name, value, unit, value / yardstick);
    }
    Ok(())
}

/// Measures the memory of an idle device alone.
pub(crate) fn run_idle(home: &Path) -> io::Result<()> {
    let theirs = measure_idle(&|| Server::mosquitto(home))?;
    let ours = measure_idle(&|| Server::refit(&home.join("data")))?;
    line("mqtt_idle_device_memory", ours, "B", ours / theirs);
    Ok(())
}

fn measure_idle(start: &dyn Fn() -> io::Result<Server>) -> io::Result<f64> {
    // The devices become known, so that no later figure holds what it takes to make them.
    Load::connect(start()?.mqtt, DEVICES, &DELTA)?.drop_all()?;
    idle(&start()?)
}

/// Per second of the server's processor time.
const PER_CPU: &str = "1/cpu-s";

fn measure(start: &dyn Fn() -> io::Result<Server>, answers: bool) -> io::Result<Measured> {
    let idle_bytes = measure_idle(start)?;
    let server = start()?;
    let connects = storm(&server)?;
    let (quiet, changing) = reports(&server, &DELTA, 0)?;
    let (quiet_answered, changing_answered) = if answers {
        reports(&server, &DELTA_AND_ACCEPTED, 1)?
    } else {
        (quiet, changing)
    };
    Ok(Measured {
        idle_bytes,
        connects,
        quiet,
        changing,
        quiet_answered,
        changing_answered,
    })
}

/// Memory of a device that is connected, subscribed to all that it may be told, and silent.
fn idle(server: &Server) -> io::Result<f64> {
    // A few come and go first: what is set up once is not a device's.
    Load::connect(server.mqtt, WARM_UP, &ALL)?.drop_all()?;
    let before = server.resident_bytes()?;
    let load = Load::connect(server.mqtt, DEVICES, &ALL)?;
    let after = server.resident_bytes()?;
    load.drop_all()?;
    Ok((after.saturating_sub(before)) as f64 / DEVICES as f64)
}

/// Connects and subscribes devices that are known by now; the best of three, so that neither server pays for the
/// other's noise.
fn storm(server: &Server) -> io::Result<f64> {
    let mut best: f64 = 0.0;
    for _ in 0..3 {
        let before = server.cpu_seconds()?;
        let load = Load::connect(server.mqtt, DEVICES, &DELTA)?;
        let used = server.cpu_seconds()? - before;
        load.drop_all()?;
        best = best.max(DEVICES as f64 / used);
    }
    Ok(best)
}

/// QoS 1 reports: first such as change nothing, then such as change the record each time.
fn reports(server: &Server, topics: &[&str], answers: usize) -> io::Result<(f64, f64)> {
    let mut load = Load::connect(server.mqtt, ACTIVE, topics)?;
    let same =
        |_| r#"{"state":{"reported":{"temperature":21,"uptime":"steady","mode":"eco"}}}"#.into();
    load.publish(ACTIVE, ACTIVE * 2, answers, same)?;
    let quiet = rate(server, || load.publish(ACTIVE, MESSAGES, answers, same))?;
    let other = |number| {
        format!(r#"{{"state":{{"reported":{{"temperature":21,"uptime":{number},"mode":"eco"}}}}}}"#)
    };
    let changing = rate(server, || load.publish(ACTIVE, MESSAGES, answers, other))?;
    load.drop_all()?;
    Ok((quiet, changing))
}

fn rate(server: &Server, work: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let before = server.cpu_seconds()?;
    work()?;
    Ok(MESSAGES as f64 / (server.cpu_seconds()? - before))
}
