//! The tests that need Debian's packages run only with `--outside`, and then a missing package fails them.

use std::process::Command;

use crate::house::{Server, text};

pub(crate) fn wanted() -> bool {
    std::env::var_os("REFIT_TEST_OUTSIDE").is_some()
}

#[test]
fn mosquittos_own_clients_walk_the_nine_steps() {
    if !wanted() {
        return;
    }
    let server = Server::start();
    let url = server.add_release("2.0.0", b"software");
    let port = server.mqtt_port.to_string();
    let desired = format!(r#"{{"state":{{"desired":{{"softwareURL":"{url}"}}}}}}"#);
    // Its first word makes the device known; an application may desire only of such.
    let first = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-i", "shell", "-q", "1"])
        .args([
            "-t",
            "state/shell/update",
            "-m",
            r#"{"state":{"reported":{"model":"sh"}}}"#,
        ])
        .status()
        .expect("mosquitto_pub (apt-get install mosquitto-clients)");
    assert!(first.success());
    let published = Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-u",
            "app",
            "-P",
            &server.token,
            "-q",
            "1",
        ])
        .args(["-t", "state/shell/update", "-m", &desired])
        .output()
        .expect("mosquitto_pub (apt-get install mosquitto-clients)");
    assert!(published.status.success(), "{}", text(&published.stderr));
    let told = Command::new("mosquitto_sub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-i",
            "shell",
            "-q",
            "1",
            "-C",
            "1",
            "-W",
            "60",
        ])
        .args(["-t", "state/shell/update/delta"])
        .output()
        .expect("mosquitto_sub (apt-get install mosquitto-clients)");
    let delta: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let granted = delta["state"]["softwareURL"].as_str().unwrap();
    let software = Command::new("curl")
        .args(["--fail", "--silent", granted])
        .output()
        .expect("curl (apt-get install curl)");
    assert_eq!(software.stdout, b"software");
    let word = format!("jobID:{} SUCCESS", delta["jobID"].as_str().unwrap());
    let acknowledged = Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-i",
            "shell",
            "-q",
            "1",
            "-V",
            "mqttv5",
        ])
        .args(["-t", "state/shell/update", "-m", &word])
        .status()
        .unwrap();
    assert!(acknowledged.success());
    let shown = server.refit_json(&["device", "show", "shell"]);
    assert_eq!(shown["reported"]["softwareURL"], url);
}
