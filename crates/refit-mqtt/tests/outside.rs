//! Clients that are not ours: mosquitto's. They run with `REFIT_TEST_OUTSIDE=1`, and then they must be there.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::house::{House, TOKEN};

fn is_wanted() -> bool {
    std::env::var_os("REFIT_TEST_OUTSIDE").is_some_and(|value| value == "1")
}

fn mosquitto(program: &str, house: &House, version: &str, id: &str, arguments: &[&str]) -> Command {
    // To a pipe it would write only when it ends.
    let mut command = Command::new("stdbuf");
    command
        .args(["-oL", program])
        .args(["-h", "127.0.0.1", "-p", &house.address().port().to_string()])
        .args(["-V", version, "-i", id])
        .args(arguments);
    command
}

fn run(mut command: Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; apt-get install mosquitto-clients"));
    assert!(status.success(), "{command:?}: {status}");
}

fn read_lines(mut command: Command) -> (Child, impl Iterator<Item = String>) {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; apt-get install mosquitto-clients"));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map(Result::unwrap))
}

/// `-d` makes it say when it is subscribed, so nothing is published too early.
fn wait_for_subscription(lines: &mut impl Iterator<Item = String>) {
    assert!(lines.any(|line| line.starts_with("Subscribed")));
}

#[test]
fn mosquitto_is_a_device_and_an_application() {
    if !is_wanted() {
        return;
    }
    for version in ["mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let house = House::new();
            let filters = [
                "-d",
                "-v",
                "-q",
                qos,
                "-t",
                "state/d/update/delta",
                "-t",
                "state/d/update/+",
            ];
            let (mut device, mut lines) =
                read_lines(mosquitto("mosquitto_sub", &house, version, "d", &filters));
            wait_for_subscription(&mut lines);
            let wish = r#"{"state":{"desired":{"level":1}}}"#;
            let application = [
                "-u",
                "shop",
                "-P",
                TOKEN,
                "-q",
                qos,
                "-t",
                "state/d/update",
                "-m",
                wish,
            ];
            run(mosquitto(
                "mosquitto_pub",
                &house,
                version,
                "x",
                &application,
            ));
            let delta = lines
                .find(|line| line.starts_with("state/d/update/delta {"))
                .unwrap();
            assert!(delta.contains(r#""state":{"level":1}"#), "{delta}");
            device.kill().unwrap();
            device.wait().unwrap();
            let report = r#"{"state":{"reported":{"level":1}}}"#;
            let device = ["-q", qos, "-t", "state/d/update", "-m", report];
            run(mosquitto("mosquitto_pub", &house, version, "d", &device));
        }
    }
}
