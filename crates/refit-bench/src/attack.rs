//! How fast a good device is acknowledged while others mean ill: one flood after the other, each beside the idle case.
//!
//! The floods are the kinds of `refit_testkit::crowd`, a hundred connections each, sent by a process of their own: this
//! same program, called with `flood`. It is told to yield (nice 19), because an attacker's processor is not the
//! server's: what is measured is how long the server keeps a good device waiting, not who gets the core.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use refit_testkit::crowd::{Crowd, Kind, Target, device_id, over_http, over_mqtt};
use refit_testkit::identity::nobody;
use refit_testkit::wire::request;
use refit_testkit::{Device, Identity};

use crate::measure::{self, quantile};
use crate::process::Server;
use crate::report::{line, plain};

/// How many connections a flood has.
const MANY: usize = 100;

/// How long each rests between two acts: the floods of packets offer 1,600 to 25,600 a connection and second.
const REST: Duration = Duration::from_millis(10);

/// How many reports are measured, and what is left between two: a device may speak 100 times a second.
const REPORTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

const DAY_MS: u64 = 86_400_000;

/// Says that all of a flood have begun.
const BEGUN: &str = "begun";

/// Measures and prints the lines.
pub(crate) fn run(home: &Path) -> io::Result<()> {
    let data = home.join("data");
    let server = Server::refit_private(&data)?;
    let (mqtt, http) = (server.mqtt.to_string(), http_address(&data)?);
    prepare(&data, &http)?;
    let identity = Identity::signed(&data, "good", DAY_MS).client();
    let mut good = Device::connect_privately(&mqtt, "good", &identity)?;
    good.subscribe("update/accepted")?;
    let mut count = 0;
    let idle = measured(&mut good, &mut count)?;
    tell("idle", &idle, &idle);
    for (door, kinds) in [("mqtt", over_mqtt::KINDS), ("https", over_http::KINDS)] {
        for kind in kinds {
            let flood = Flood::send(&[door, kind.name, &mqtt, &http], &data)?;
            let figures = measured(&mut good, &mut count)?;
            drop(flood);
            tell(&format!("{door}.{}", kind.name), &figures, &idle);
        }
    }
    let again = measured(&mut good, &mut count)?;
    tell("idle_again", &again, &idle);
    plain("load", measure::load(), "-");
    Ok(())
}

/// Sends one flood, and goes on until its input ends. This is the process of its own.
pub(crate) fn flood(arguments: &[String]) -> io::Result<()> {
    let [door, name, mqtt, http, data] = arguments else {
        return Err(io::Error::other("a flood is sent by refit-bench attack"));
    };
    let kinds = match door.as_str() {
        "mqtt" => over_mqtt::KINDS,
        _ => over_http::KINDS,
    };
    let kind: Option<&Kind> = kinds.iter().find(|kind| kind.name == name);
    let kind = *kind.ok_or_else(|| io::Error::other(format!("there is no flood {name}")))?;
    let target = Target::private(mqtt, http, Path::new(data), MANY)?;
    let crowd = Crowd::send(&Arc::new(target), kind, MANY, REST);
    crowd.has_begun()?;
    println!("{BEGUN}");
    io::stdin().read_to_end(&mut Vec::new())?;
    crowd.call_back();
    Ok(())
}

/// A flood under way. Dropping it ends it.
struct Flood(Child);

impl Flood {
    fn send(arguments: &[&str], data: &Path) -> io::Result<Self> {
        let mut child = Command::new("nice")
            .args(["-n", "19"])
            .arg(std::env::current_exe()?)
            .arg("flood")
            .args(arguments)
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take();
        let flood = Self(child);
        let mut line = String::new();
        if let Some(said) = said {
            BufReader::new(said).read_line(&mut line)?;
        }
        if line.trim_end() == BEGUN {
            Ok(flood)
        } else {
            Err(io::Error::other("a flood ended before it had begun"))
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

/// Has something to be downloaded by each of the crowd.
fn prepare(data: &Path, http: &str) -> io::Result<()> {
    let root = std::fs::read_to_string(data.join("ca/root.pem"))?;
    let token = std::fs::read_to_string(data.join("operator.token"))?;
    let who = nobody(&root);
    let headers = format!("authorization: Bearer {}\r\nif-match: *\r\n", token.trim());
    let ask = |what: &str, body: &str| {
        let answer = request(http, Some(&who), what, &headers, body)?;
        match answer.starts_with("HTTP/1.1 2") {
            true => Ok(()),
            false => Err(io::Error::other(format!("{what}: {answer}"))),
        }
    };
    let bytes = "x".repeat(8 << 20);
    ask("POST /api/v1/releases?name=firmware&version=2", &bytes)?;
    (0..MANY).try_for_each(|number| {
        let device = device_id(number);
        let what = format!("PUT /api/v1/devices/{device}/software");
        ask(&what, r#"{"release":"firmware@2"}"#)
    })
}

fn http_address(data: &Path) -> io::Result<String> {
    let places = std::fs::read(data.join("server.json"))?;
    let places: serde_json::Value = serde_json::from_slice(&places)?;
    let api = places["api"]
        .as_str()
        .and_then(|api| api.strip_prefix("https://"));
    api.map(|api| api.trim_end_matches('/').to_owned())
        .ok_or_else(|| io::Error::other("it is not said where HTTPS is"))
}

/// Reports that change the record, one at a time: how long until `accepted` has come for each, sorted.
fn measured(good: &mut Device, count: &mut u32) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..REPORTS {
        *count += 1;
        let report = format!(r#"{{"state":{{"reported":{{"n":{count}}}}}}}"#);
        let since = Instant::now();
        good.publish("update", report.as_bytes())?;
        good.message()?;
        times.push(since.elapsed());
        std::thread::sleep(PAUSE);
    }
    times.sort();
    Ok(times)
}

fn tell(name: &str, times: &[Duration], idle: &[Duration]) {
    for (part, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let of = |times| quantile(times, share).as_secs_f64() * 1e3;
        line(
            &format!("attack.{name}.{part}"),
            of(times),
            "ms",
            of(times) / of(idle),
        );
    }
}
