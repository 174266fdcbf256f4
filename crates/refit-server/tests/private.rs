//! A server without `--dev`: private from its first start, and everybody is who their certificate says.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use refit_testkit::device::PATIENCE;
use refit_testkit::identity::nobody;
use refit_testkit::server::Wishes;
use refit_testkit::wire::request;
use refit_testkit::{Device, Identity, TestServer};
use rustls::ClientConfig;

const YEAR_MS: u64 = 365 * 86_400_000;

pub(crate) fn secure() -> Wishes {
    Wishes {
        is_secure: true,
        ..Wishes::default()
    }
}

fn identity(server: &TestServer, id: &str) -> Identity {
    Identity::signed(server.data(), id, YEAR_MS)
}

pub(crate) fn root(server: &TestServer) -> String {
    fs::read_to_string(server.places().root.as_ref().unwrap()).unwrap()
}

/// Asks over HTTPS, by hand; returns the whole answer.
fn ask(server: &TestServer, config: &Arc<ClientConfig>, path: &str) -> String {
    asked(server, config, "GET", path)
}

fn asked(server: &TestServer, config: &Arc<ClientConfig>, method: &str, path: &str) -> String {
    let bearer = format!("authorization: Bearer {}\r\n", server.token());
    sent(server, config, &format!("{method} {path}"), &bearer, "")
}

pub(crate) fn sent(
    server: &TestServer,
    config: &Arc<ClientConfig>,
    what: &str,
    headers: &str,
    body: &str,
) -> String {
    request(server.http_address(), Some(config), what, headers, body).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_makes_all_that_is_needed_and_the_next_one_finds_it() {
    let mut server = TestServer::start_with(&secure());
    assert!(server.places().api.starts_with("https://"));
    assert!(server.places().mqtt.starts_with("mqtts://"));
    for secret in ["ca/root.key", "ca/issuer.key", "tls/server.key"] {
        assert_eq!(mode(&server.data().join(secret)), 0o600, "{secret}");
    }
    let before = [
        root(&server),
        fs::read_to_string(server.data().join("tls/server.pem")).unwrap(),
    ];
    let answer = ask(&server, &nobody(&root(&server)), "/livez");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("strict-transport-security: max-age="),
        "{answer}"
    );
    server.restart(&secure());
    let after = [
        root(&server),
        fs::read_to_string(server.data().join("tls/server.pem")).unwrap(),
    ];
    assert_eq!(before, after);
}

#[test]
fn a_device_is_who_its_certificate_says() {
    let server = TestServer::start_with(&secure());
    let lamp = identity(&server, "lamp-7").client();
    let connect = |id: &str, config: &Arc<ClientConfig>| {
        Device::connect_privately(server.mqtt_address(), id, config)
    };
    let mut device = connect("lamp-7", &lamp).unwrap();
    device
        .publish("update", br#"{"state":{"reported":{"n":1}}}"#)
        .unwrap();
    device.acknowledged().unwrap();
    // Without a client ID it is the same one, and takes its own place.
    let _same = connect("", &lamp).unwrap();
    device.until_closed();
    let refused = connect("lamp-8", &lamp).err().unwrap().to_string();
    assert!(
        refused.contains("[00, 02]"),
        "identifier rejected: {refused}"
    );
    let refused = connect("lamp-7", &nobody(&root(&server))).err().unwrap();
    assert!(
        refused.to_string().contains("[00, 05]"),
        "not authorized: {refused}"
    );
    let answer = ask(&server, &lamp, "/api/v1/devices/lamp-7");
    assert!(answer.contains("\"n\":1"), "{answer}");
}

#[test]
fn an_application_needs_a_token_and_no_certificate() {
    let server = TestServer::start_with(&secure());
    let config = nobody(&root(&server));
    let connect = |password: &str| {
        Device::connect_with_password(server.mqtt_address(), "shop", password, &config)
    };
    connect(server.token()).unwrap();
    let refused = connect("rft_wrong").err().unwrap().to_string();
    assert!(refused.contains("[00, 04]"), "bad password: {refused}");
}

#[test]
fn certificates_of_others_and_expired_ones_are_refused() {
    let (server, other) = (
        TestServer::start_with(&secure()),
        TestServer::start_with(&secure()),
    );
    let mut stranger = identity(&other, "lamp-7");
    stranger.root = root(&server);
    let address = server.mqtt_address();
    assert!(Device::connect_privately(address, "lamp-7", &stranger.client()).is_err());
    // A session that was begun with a certificate does not outlive it.
    let short = Identity::signed(server.data(), "lamp-8", 1500);
    let config = short.client();
    drop(Device::connect_privately(address, "lamp-8", &config).unwrap());
    let ended = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        Device::connect_privately(address, "lamp-8", &config).is_err()
    });
    assert!(ended);
}

#[test]
fn who_is_barred_is_cut_and_cannot_come_back_on_an_old_session() {
    let server = TestServer::start_with(&secure());
    let (lamp, pump) = (
        identity(&server, "lamp-7").client(),
        identity(&server, "pump-1").client(),
    );
    let connect = |id: &str, config| Device::connect_privately(server.mqtt_address(), id, config);
    let (mut device, mut other) = (
        connect("lamp-7", &lamp).unwrap(),
        connect("pump-1", &pump).unwrap(),
    );
    let answer = asked(
        &server,
        &nobody(&root(&server)),
        "POST",
        "/api/v1/devices/lamp-7/revoke",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    device.until_closed();
    // Its TLS session is resumed, and its certificate is not looked at by TLS.
    let refused = connect("lamp-7", &lamp).err().unwrap().to_string();
    assert!(refused.contains("[00, 05]"), "not authorized: {refused}");
    other.publish("get", b"").unwrap();
    other.acknowledged().unwrap();
}

#[test]
fn plain_text_is_told_where_it_has_come_to() {
    let server = TestServer::start_with(&secure());
    let say = |address: &str, bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // Whoever spoke no TLS at all may be cut without a word.
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = say(
        server.http_address(),
        b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
    );
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("this is HTTPS"),
        "{answer}"
    );
    assert_eq!(say(server.http_address(), b"\x10\x0c\x00\x04MQTT"), "");
    let alert = say(
        server.mqtt_address(),
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00",
    );
    assert!(!alert.starts_with('\x20'), "no CONNACK: {alert:?}");
}

#[test]
fn what_is_wrong_with_keys_is_said_at_the_start() {
    let mut server = TestServer::start_with(&secure());
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    server.stop();
    copy(server.data(), &data);
    let start = || {
        TestServer::start_on(&data, &secure())
            .err()
            .unwrap()
            .to_string()
    };
    let issuer = data.join("ca/issuer.key");
    let key = fs::read(&issuer).unwrap();
    fs::set_permissions(&issuer, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(start().contains("chmod 600"), "{}", start());
    fs::set_permissions(&issuer, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&issuer, fs::read(data.join("ca/root.key")).unwrap()).unwrap();
    assert!(start().contains("issuer"), "{}", start());
    fs::remove_file(&issuer).unwrap();
    assert!(start().contains("issuer"), "{}", start());
    fs::write(&issuer, key).unwrap();
    fs::set_permissions(&issuer, fs::Permissions::from_mode(0o600)).unwrap();
    // A pair of the server that was cut while it was written is made again.
    fs::remove_file(data.join("tls/server.key")).unwrap();
    drop(TestServer::start_on(&data, &secure()).unwrap());
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success());
}

/// Real clients, with `REFIT_TEST_OUTSIDE=1`.
#[test]
fn mosquitto_and_curl_come_in_with_certificates() {
    if std::env::var_os("REFIT_TEST_OUTSIDE").is_none_or(|value| value != "1") {
        return;
    }
    let server = TestServer::start_with(&secure());
    let home = tempfile::tempdir().unwrap();
    identity(&server, "lamp-7").write(home.path());
    let port = server.mqtt_address().rsplit(':').next().unwrap();
    for version in ["mqttv311", "mqttv5"] {
        let status = Command::new("timeout")
            .current_dir(home.path())
            .args([
                "60",
                "mosquitto_pub",
                "-h",
                "localhost",
                "-p",
                port,
                "-V",
                version,
            ])
            .args(["-i", "lamp-7", "--cafile", "root.pem"])
            .args(["--cert", "device.pem", "--key", "device.key", "-q", "1"])
            .args(["-t", "state/lamp-7/update"])
            .args(["-m", r#"{"state":{"reported":{"by":"mosquitto"}}}"#])
            .status();
        assert!(status.unwrap().success(), "{version}");
    }
    let curl = Command::new("timeout")
        .current_dir(home.path())
        .args(["60", "curl", "-sS", "--fail", "--cacert", "root.pem"])
        .args(["-H", &format!("authorization: Bearer {}", server.token())])
        .arg(format!(
            "https://{}/api/v1/devices/lamp-7",
            server.http_address()
        ))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&curl.stdout);
    assert!(
        said.contains("mosquitto"),
        "{said} {}",
        String::from_utf8_lossy(&curl.stderr)
    );
}

/// RFC 6265bis §4.1.3.2: a browser takes such a name only with `Secure`, `Path=/` and without a domain.
#[test]
fn the_cookie_of_a_session_is_for_this_host_over_tls_alone() {
    let server = TestServer::start_with(&secure());
    let nobody = nobody(&root(&server));
    let json = "content-type: application/json\r\n";
    let bearer = format!("{json}authorization: Bearer {}\r\n", server.token());
    let user = r#"{"name":"ada","role":"viewer","password":"correct horse battery"}"#;
    let added = sent(&server, &nobody, "POST /api/v1/users", &bearer, user);
    assert!(added.starts_with("HTTP/1.1 201"), "{added}");
    let who = r#"{"user":"ada","password":"correct horse battery"}"#;
    let signed_in = sent(&server, &nobody, "POST /api/v1/session", json, who);
    let cookie = signed_in
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap_or_else(|| panic!("{signed_in}"));
    let mut parts = cookie.split("; ");
    let pair = parts.next().unwrap();
    assert!(pair.starts_with("__Host-refit="), "{cookie}");
    let attributes: Vec<&str> = parts.collect();
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(attributes.contains(&attribute), "{cookie}");
    }
    assert!(!cookie.to_lowercase().contains("domain"), "{cookie}");
    let who = |cookie: &str| {
        let headers = format!("cookie: {cookie}\r\n");
        sent(&server, &nobody, "GET /api/v1/session", &headers, "")
    };
    assert!(who(pair).starts_with("HTTP/1.1 200"));
    // Under the name that `--dev` uses, which any page of the host could set, it is nothing.
    let plain = pair.replace("__Host-", "");
    assert!(who(&plain).starts_with("HTTP/1.1 401"));
    // A page in plain of the same name is another one.
    let leave = |origin: &str| {
        let headers = format!("cookie: {pair}\r\norigin: {origin}\r\n");
        sent(&server, &nobody, "DELETE /api/v1/session", &headers, "")
    };
    assert!(leave("http://localhost").starts_with("HTTP/1.1 403"));
    let left = leave("https://localhost");
    assert!(left.starts_with("HTTP/1.1 204"), "{left}");
    assert!(
        left.contains(
            "set-cookie: __Host-refit=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"
        ),
        "{left}"
    );
    assert!(who(pair).starts_with("HTTP/1.1 401"));
}

#[test]
fn metrics_are_shown_to_whoever_may_see_the_server_alone() {
    let server = TestServer::start_with(&secure());
    let config = nobody(&root(&server));
    let scrape = |headers: &str| sent(&server, &config, "GET /metrics", headers, "");
    assert!(scrape("").starts_with("HTTP/1.1 401"));
    assert!(scrape("authorization: Bearer rft_x\r\n").starts_with("HTTP/1.1 401"));
    let token = |body: &str| {
        let admin = format!("authorization: Bearer {}\r\n", server.token());
        let headers = format!("{admin}content-type: application/json\r\n");
        let made = sent(&server, &config, "POST /api/v1/tokens", &headers, body);
        let (_, json) = made.split_once("\r\n\r\n").unwrap();
        let made: serde_json::Value = serde_json::from_str(json).unwrap();
        format!(
            "authorization: Bearer {}\r\n",
            made["token"].as_str().unwrap()
        )
    };
    let application = r#"{"name":"shop","role":"application","devices":["*"]}"#;
    let shop = token(application);
    assert!(scrape(&shop).starts_with("HTTP/1.1 403"));
    let viewer = token(r#"{"name":"prometheus","role":"viewer"}"#);
    let shown = scrape(&viewer);
    assert!(
        shown.starts_with("HTTP/1.1 200") && shown.contains("refit_ready 1"),
        "{shown}"
    );
    // Probes stay open: a load balancer has no token.
    assert!(sent(&server, &config, "GET /readyz", "", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn what_was_served_privately_is_not_served_openly() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let private = Wishes {
        is_secure: true,
        ..Wishes::default()
    };
    drop(TestServer::start_on(&data, &private).unwrap());
    let refused = TestServer::start_on(&data, &Wishes::default())
        .err()
        .unwrap();
    assert!(refused.to_string().contains("without --dev"), "{refused}");
    drop(TestServer::start_on(&data, &private).unwrap());
}
