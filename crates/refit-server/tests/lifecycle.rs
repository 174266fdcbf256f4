//! The server as a whole: it stops cleanly, comes back with everything, and is alone on its data.

use std::os::unix::fs::PermissionsExt;

use refit_server::compose::StartError;
use refit_server::places::Places;
use refit_testkit::server::Wishes;
use refit_testkit::{Device, TestServer};

use crate::asking::{add_release, get, set_release};

#[test]
fn what_was_there_is_there_after_a_restart() {
    let mut server = TestServer::start();
    let token = server.token().to_owned();
    let release = add_release(&server, "2.0.0", b"new");
    let device = set_release(&server, "lamp-7", "firmware@2.0.0");
    server.restart(&Wishes::default());
    assert_eq!(server.token(), token);
    let again = get(&server, "/api/v1/devices/lamp-7").is(200);
    assert_eq!(again["job"]["id"], device["job"]["id"]);
    // The address is another one; the software is not.
    assert_eq!(again["desiredSoftware"]["release"], "firmware@2.0.0");
    let again = get(&server, "/api/v1/releases/firmware/2.0.0").is(200);
    assert_eq!(again["sha256"], release["sha256"]);
    // Still desired, so a device can still be told.
    let mut device = Device::connect(server.mqtt_address(), "lamp-7").unwrap();
    device.subscribe("update/delta").unwrap();
    let delta = device.message().unwrap().payload;
    assert!(String::from_utf8_lossy(&delta).contains(server.places().api.as_str()));
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = TestServer::start();
    let second = TestServer::start_on(server.data(), &Wishes::default());
    let error = second.err().unwrap();
    assert!(error.is_in_use(), "{error}");
    assert!(
        error.to_string().contains("in use by another server"),
        "{error}"
    );
    get(&server, "/api/v1/devices").is(200);
}

#[test]
fn the_data_is_private_and_says_where_the_server_is() {
    let mut server = TestServer::start();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(server.data()), 0o700);
    for file in [
        "operator.token",
        "server.json",
        "grant.keys",
        "cursor.key",
        "refit.db",
    ] {
        assert_eq!(mode(&server.data().join(file)), 0o600, "{file}");
    }
    assert_eq!(&Places::read(server.data()).unwrap(), server.places());
    server.stop();
    assert!(Places::read(server.data()).is_err());
}

#[test]
fn data_that_others_can_change_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = TestServer::start_on(home.path(), &Wishes::default())
        .err()
        .unwrap();
    assert!(
        matches!(error, StartError::Exposed { mode: 0o777, .. }),
        "{error}"
    );
}

#[test]
fn an_address_in_use_is_told_with_the_flag_for_another() {
    use refit_server::compose::Server;
    use refit_server::config::{Config, Key};
    let server = TestServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for (key, taken) in [
        (Key::Http, server.http_address()),
        (Key::Mqtt, server.mqtt_address()),
    ] {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data").display().to_string();
        let other = if key == Key::Http {
            Key::Mqtt
        } else {
            Key::Http
        };
        let flags = [
            (Key::Data, data),
            (key, taken.into()),
            (other, "127.0.0.1:0".into()),
            (Key::Dev, "true".into()),
        ];
        let config = Config::resolve(&flags, |_| None, None).unwrap();
        let error = runtime.block_on(Server::start(config)).err().unwrap();
        assert!(
            error.to_string().contains(&format!("--{}", key.name())),
            "{error}"
        );
    }
}

#[test]
fn a_stopping_server_lets_what_is_under_way_end() {
    use std::io::{Read, Write};
    let mut server = TestServer::start();
    let mut stream = std::net::TcpStream::connect(server.http_address()).unwrap();
    let head = format!(
        "PATCH /api/v1/devices/lamp-7/desired HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nIf-Match: *\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n",
        server.token()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    // The request is under way now. It ends although the server is told to stop.
    let stopping = std::thread::spawn(move || {
        server.stop();
        server
    });
    stream.write_all(b"{\"a\":1}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    stopping.join().unwrap();
}
