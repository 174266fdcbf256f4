//! Authorities that the operator brings: a factory's, whose devices enrol themselves, and a CA and certificates of one's own.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::KeyPair;
use refit_identity::IdPattern;
use refit_server::identity::authority::{FactoryFile, Own, Terms};
use refit_server::privacy::Wanted;
use refit_testkit::device::PATIENCE;
use refit_testkit::identity::nobody;
use refit_testkit::server::Wishes;
use refit_testkit::{Device, Identity, TestServer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};

use crate::enrolling::csr;

const DAY_MS: u64 = 86_400_000;

fn private(privacy: Wanted) -> Wishes {
    Wishes {
        is_secure: true,
        privacy,
        ..Wishes::default()
    }
}

fn root(server: &TestServer) -> String {
    fs::read_to_string(server.places().root.as_ref().unwrap()).unwrap()
}

/// An open HTTPS connection.
type Line = StreamOwned<ClientConnection, TcpStream>;

fn dial(server: &TestServer, config: &Arc<ClientConfig>) -> Line {
    let stream = TcpStream::connect(server.http_address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).unwrap();
    StreamOwned::new(client, stream)
}

/// Enrols over a connection of this identity; returns the status and the body.
fn enrol(server: &TestServer, config: &Arc<ClientConfig>, body: &Value) -> (u16, Value) {
    let mut line = dial(server, config);
    let body = body.to_string();
    let request = format!(
        "POST /device/v1/enrol HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    line.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// A device of the factory, as it comes to this fleet: it trusts the fleet's root.
fn made(factory: &TestServer, fleet: &TestServer, id: &str) -> Identity {
    let mut identity = Identity::signed(factory.data(), id, DAY_MS);
    identity.root = root(fleet);
    identity
}

#[test]
fn a_factorys_device_enrols_itself_within_the_pattern_and_can_do_nothing_else() {
    let factory = TestServer::start_with(&private(Wanted::default()));
    let terms = Terms {
        lifetime_ms: 2 * DAY_MS,
        ..Terms::default()
    };
    let server = TestServer::start_with(&private(Wanted {
        factories: vec![FactoryFile {
            certificate: factory.data().join("ca/issuer.pem"),
            pattern: IdPattern::parse("lamp-*").unwrap(),
        }],
        terms,
        ..Wanted::default()
    }));
    let connect = |config: &Arc<ClientConfig>| {
        Device::connect_privately(server.mqtt_address(), "lamp-7", config)
    };
    let lamp = made(&factory, &server, "lamp-7");
    assert!(connect(&lamp.client()).is_err(), "it is not enrolled");

    let key = KeyPair::generate().unwrap();
    let body = json!({"csr": csr(&key, None)});
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (status, given) = enrol(&server, &lamp.client(), &body);
    assert_eq!((status, &given["id"]), (201, &json!("lamp-7")), "{given}");
    let lasts = given["expires"].as_u64().unwrap() - now.as_millis() as u64;
    assert!(
        (2 * DAY_MS - 2000..2 * DAY_MS + 60_000).contains(&lasts),
        "{lasts} ms, as configured"
    );
    let enrolled = Identity {
        certificate: given["certificate"].as_str().unwrap().into(),
        key: key.serialize_pem(),
        ..lamp.clone()
    };
    let mut device = connect(&enrolled.client()).unwrap();
    device.publish("get", b"").unwrap();
    device.acknowledged().unwrap();
    assert!(connect(&lamp.client()).is_err(), "good for enrolling alone");

    // The same key again is the same certificate; another key is an operator's to allow.
    let again = enrol(&server, &lamp.client(), &body);
    assert_eq!(again, (201, given));
    let other = json!({"csr": csr(&KeyPair::generate().unwrap(), None)});
    assert_eq!(enrol(&server, &lamp.client(), &other).0, 409);
    // Not its pattern, not its name, no factory that is trusted.
    let pump = made(&factory, &server, "pump-1").client();
    let (status, refused) = enrol(&server, &pump, &other);
    let detail = refused["detail"].as_str().unwrap();
    assert!(status == 403 && detail.contains("lamp-*"), "{refused}");
    let foreign = json!({"id": "lamp-9", "csr": other["csr"]});
    let lamp8 = made(&factory, &server, "lamp-8").client();
    assert_eq!(enrol(&server, &lamp8, &foreign).0, 403);
    assert_eq!(enrol(&server, &nobody(&root(&server)), &other).0, 403);
}

fn write(path: &Path, text: &[u8], mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_ca_of_ones_own_is_taken_and_what_is_wrong_with_it_is_said() {
    let other = TestServer::start_with(&private(Wanted::default()));
    let ca = other.data().join("ca");
    let read = |name: &str| fs::read(ca.join(name)).unwrap();
    let home = tempfile::tempdir().unwrap();
    let own = Own {
        certificate: home.path().join("own.pem"),
        key: home.path().join("own.key"),
    };
    let chain = [read("issuer.pem"), b"\n".to_vec(), read("root.pem")].concat();
    write(&own.certificate, &chain, 0o644);
    write(&own.key, &read("issuer.key"), 0o640);
    let wishes = private(Wanted {
        ca: Some(own.clone()),
        ..Wanted::default()
    });
    let start = || TestServer::start_on(&home.path().join("data"), &wishes);
    let wrong = || start().err().unwrap().to_string();
    let said = wrong();
    assert!(
        said.contains("own.key") && said.contains("chmod 600"),
        "{said}"
    );
    write(&own.key, &read("root.key"), 0o600);
    let said = wrong();
    assert!(said.contains("own.pem") && said.contains("key"), "{said}");
    write(&own.key, &read("issuer.key"), 0o600);
    let server = start().unwrap();
    let mut lamp = Identity::signed(other.data(), "lamp-7", DAY_MS);
    lamp.root = String::from_utf8(read("root.pem")).unwrap();
    Device::connect_privately(server.mqtt_address(), "lamp-7", &lamp.client()).unwrap();
    assert!(
        !home.path().join("data/ca").exists(),
        "none is made beside it"
    );
}

#[test]
fn a_factory_that_is_no_authority_is_refused_at_the_start() {
    let other = TestServer::start_with(&private(Wanted::default()));
    let home = tempfile::tempdir().unwrap();
    let said = |certificate: &Path| {
        let wishes = private(Wanted {
            factories: vec![FactoryFile {
                certificate: certificate.into(),
                pattern: IdPattern::parse("*").unwrap(),
            }],
            ..Wanted::default()
        });
        let started = TestServer::start_on(&home.path().join("data"), &wishes);
        started.err().unwrap().to_string()
    };
    let leaf = said(&other.data().join("tls/server.pem"));
    assert!(leaf.contains("server.pem"), "{leaf}");
    let missing = said(&home.path().join("none.pem"));
    assert!(missing.contains("none.pem"), "{missing}");
    let own = said(&home.path().join("data/ca/root.pem"));
    assert!(own.contains("the fleet's own"), "{own}");
}
