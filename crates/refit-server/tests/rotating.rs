//! The fleet moves to another CA, and the server to another certificate, while both run: who has moved is served, who has
//! not is waited for, and no connection is dropped.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use refit_server::identity::authority::Own;
use refit_server::privacy::Wanted;
use refit_testkit::identity::nobody;
use refit_testkit::server::Wishes;
use refit_testkit::{Device, Identity, TestServer};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::enrolling::csr;
use crate::private::{root, secure, sent};

struct House {
    server: TestServer,
    /// The root that operators trust now.
    root: String,
}

impl House {
    fn new() -> Self {
        let server = TestServer::start_with(&secure());
        let root = root(&server);
        Self { server, root }
    }

    fn asked(&self, config: &Arc<ClientConfig>, what: &str, body: &Value) -> (u16, Value) {
        let headers = format!(
            "content-type: application/json\r\nauthorization: Bearer {}\r\n",
            self.server.token()
        );
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = sent(&self.server, config, what, &headers, &body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Asks as the operator.
    #[track_caller]
    fn ask(&self, what: &str, body: Value, status: u16) -> Value {
        let (found, answer) = self.asked(&nobody(&self.root), what, &body);
        assert_eq!(found, status, "{what}: {answer}");
        answer
    }

    fn ca(&self) -> Value {
        self.ask("GET /api/v1/ca", Value::Null, 200)
    }

    /// Trusts what signs the server's certificate now.
    fn follow(&mut self) {
        self.root = root(&self.server);
    }

    fn token(&self) -> Value {
        self.ask("POST /api/v1/enrolment-tokens", json!({}), 201)
    }

    fn enrol(&self, id: &str) -> Identity {
        let (token, key) = (self.token(), KeyPair::generate().unwrap());
        let body = json!({"csr": csr(&key, None), "token": token["token"], "id": id});
        let given = self.ask("POST /device/v1/enrol", body, 201);
        self.identity(&given, &key)
    }

    fn identity(&self, given: &Value, key: &KeyPair) -> Identity {
        let certificate = given["certificate"].as_str().unwrap().to_owned();
        let leaf = &refit_identity::pem::certificates(&certificate).unwrap()[0];
        Identity {
            thumbprint: refit_identity::thumbprint(leaf),
            certificate,
            key: key.serialize_pem(),
            root: self.root.clone(),
        }
    }

    fn renew(&self, old: &Identity) -> Identity {
        let key = KeyPair::generate().unwrap();
        let body = json!({ "csr": csr(&key, None) });
        let (status, given) = self.asked(&old.client(), "POST /device/v1/renew", &body);
        assert_eq!(status, 200, "{given}");
        self.identity(&given, &key)
    }

    fn connect(&self, identity: &Identity) -> Result<Device, String> {
        let address = self.server.mqtt_address();
        Device::connect_privately(address, "lamp-7", &identity.client())
            .map_err(|why| why.to_string())
    }

    /// What a device is told about whom to trust.
    fn told(&self, identity: &Identity) -> (u64, bool) {
        let (status, told) = self.asked(&identity.client(), "GET /device/v1/trust", &Value::Null);
        assert_eq!(status, 200, "{told}");
        (told["number"].as_u64().unwrap(), told["renew"] == true)
    }

    fn audited(&self) -> Vec<Value> {
        let lines = self.ask("GET /api/v1/audit?action=trust:write", Value::Null, 200);
        let lines = lines["items"].as_array().unwrap().clone();
        lines
            .into_iter()
            .filter(|line| line["target"] == "ca")
            .collect()
    }
}

/// Reports the number of the bundle that a device holds; the connection is then seen to work.
fn holds(device: &mut Device, number: u64) {
    let report = json!({"state": {"reported": {"agent": {"trust": number}}}});
    device
        .publish("update", report.to_string().as_bytes())
        .unwrap();
    device.acknowledged().unwrap();
}

#[test]
fn a_fleet_moves_to_another_ca_and_no_connection_is_dropped() {
    let mut house = House::new();
    let mut lamp = house.enrol("lamp-7");
    let mut open = house.connect(&lamp).unwrap();
    holds(&mut open, 1);
    let before = house.ca();
    assert_eq!(
        (&before["stage"], &before["lacking"]),
        (&json!("steady"), &json!(0))
    );
    house.ask("POST /api/v1/ca/switch", json!({}), 409);
    house.ask("POST /api/v1/ca/finish", json!({}), 409);

    let tried = house.ask("POST /api/v1/ca/rotate?dryRun=true", json!({}), 200);
    assert_eq!(
        (&tried["trust"], &tried["dryRun"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(house.ca(), before);
    assert!(!house.server.data().join("ca.next").exists());
    house.ask("POST /api/v1/ca/rotate", json!({}), 200);
    house.ask("POST /api/v1/ca/rotate", json!({}), 409);
    let ca = house.ca();
    assert_eq!(
        (&ca["stage"], &ca["trust"], &ca["roots"]),
        (&json!("learning"), &json!(2), &json!(2))
    );
    assert_eq!(
        ca["issuer"], before["issuer"],
        "nothing is signed by it yet"
    );
    assert_eq!((&ca["lacking"], &ca["behind"]), (&json!(1), &json!(1)));

    // The one device does not know the new root yet; what was counted a minute ago does not matter.
    let refused = house.ask("POST /api/v1/ca/switch", json!({}), 409);
    assert_eq!(refused["code"], "devices_left");
    assert_eq!(
        (&refused["lacking"], &refused["seen"]),
        (&json!(1), &json!(1))
    );
    lamp.root = house.ask("GET /device/v1/trust", Value::Null, 200)["roots"]
        .as_str()
        .unwrap()
        .into();
    assert_eq!(house.told(&lamp), (2, false));
    holds(&mut open, 2);
    let token = house.token();
    let tried = house.ask("POST /api/v1/ca/switch?dryRun=true", json!({}), 200);
    assert_eq!(tried["endingTokenIds"], json!([token["id"]]));
    assert_eq!(house.ca()["stage"], "learning");
    let switched = house.ask("POST /api/v1/ca/switch", json!({}), 200);
    assert_eq!(
        (&switched["stage"], &switched["left"]),
        (&json!("moving"), &json!(1))
    );

    // New handshakes see the new CA; the open connection goes on, and the old certificate is let in.
    let old_root = house.root.clone();
    house.follow();
    assert_ne!(house.root, old_root);
    holds(&mut open, 2);
    let blind = Identity {
        root: old_root,
        ..lamp.clone()
    };
    assert!(
        house.connect(&blind).is_err(),
        "it does not know the new root"
    );
    lamp.root = house.root.clone();
    drop(house.connect(&lamp).unwrap());
    assert_eq!(house.told(&lamp), (3, true));
    let refused = house.ask("POST /api/v1/ca/finish", json!({}), 409);
    assert_eq!(
        (&refused["code"], &refused["left"]),
        (&json!("devices_left"), &json!(1))
    );

    // Who has renewed is let in by the running server.
    let new = house.renew(&lamp);
    assert_eq!(house.told(&new), (3, false));
    drop(house.connect(&new).unwrap());

    // What changes the CA outlives the process at any stage.
    drop(open);
    house.server.restart(&secure());
    assert_eq!(house.ca()["stage"], "moving");
    let mut open = house.connect(&new).unwrap();
    let finished = house.ask("POST /api/v1/ca/finish", json!({}), 200);
    assert_eq!(
        (&finished["stage"], &finished["left"]),
        (&json!("steady"), &json!(0))
    );
    holds(&mut open, 4);
    assert!(
        house.connect(&lamp).is_err(),
        "the CA before is trusted no longer"
    );
    drop(house.connect(&new).unwrap());
    let ca = house.ca();
    assert_eq!(
        (&ca["trust"], &ca["roots"], &ca["stage"]),
        (&json!(4), &json!(1), &json!("steady"))
    );
    house.server.restart(&secure());
    assert!(house.connect(&lamp).is_err());
    drop(house.connect(&new).unwrap());
    let audited = house.audited();
    assert_eq!(audited.len(), 3, "{audited:?}");
}

#[test]
fn who_is_left_behind_is_so_by_force_and_the_audit_log_says_it() {
    let mut house = House::new();
    let mut lamp = house.enrol("lamp-7");
    let mut open = house.connect(&lamp).unwrap();
    holds(&mut open, 1);
    house.ask("POST /api/v1/ca/rotate", json!({}), 200);
    house.ask(
        "POST /api/v1/ca/switch",
        json!({"maxLackingPercent": 99.9}),
        409,
    );
    house.ask(
        "POST /api/v1/ca/switch",
        json!({"maxLackingPercent": 101}),
        422,
    );
    house.ask("POST /api/v1/ca/switch", json!({"force": true}), 200);
    house.follow();
    house.ask("POST /api/v1/ca/finish", json!({}), 409);
    holds(&mut open, 1);
    house.ask("POST /api/v1/ca/finish", json!({"force": true}), 200);
    open.until_closed();
    lamp.root = house.root.clone();
    assert!(house.connect(&lamp).is_err());
    let audited = house.audited();
    let forced = audited
        .iter()
        .filter(|line| line.to_string().contains("forced"));
    assert_eq!(forced.count(), 2, "{audited:?}");
}

/// A root with an issuer below it, as files of an operator's own: issuer and root in one, and the issuer's key.
fn put_ca(own: &Own, root: &(Issuer<'static, KeyPair>, String), name: &str) {
    let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.signed_by(&key, &root.0).unwrap().pem();
    put(&own.certificate, &(pem + &root.1));
    put(&own.key, &key.serialize_pem());
}

fn own_root(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn put(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(draft, path).unwrap();
}

#[test]
fn an_operators_own_ca_is_changed_by_its_files() {
    let home = tempfile::tempdir().unwrap();
    let own = Own {
        certificate: home.path().join("ca.pem"),
        key: home.path().join("ca.key"),
    };
    let (first, second) = (own_root("Root 1"), own_root("Root 2"));
    put_ca(&own, &first, "Issuer 1");
    let wishes = Wishes {
        privacy: Wanted {
            ca: Some(own.clone()),
            ..Wanted::default()
        },
        ..secure()
    };
    let server = TestServer::start_with(&wishes);
    let mut house = House {
        server,
        root: first.1.clone(),
    };
    let mut lamp = house.enrol("lamp-7");
    // Another issuer below the same root: devices know the root, and those of the first stay.
    house.ask("POST /api/v1/ca/switch", json!({}), 409);
    // Another key under the same name: nobody could tell who is left.
    put_ca(&own, &first, "Issuer 1");
    house.ask("POST /api/v1/ca/switch", json!({"force": true}), 409);
    put_ca(&own, &first, "Issuer 2");
    house.ask("POST /api/v1/ca/switch", json!({}), 200);
    drop(house.connect(&lamp).unwrap());
    assert_eq!(house.told(&lamp), (2, true));
    let renewed = house.renew(&lamp);
    house.ask("POST /api/v1/ca/finish", json!({}), 200);
    assert!(house.connect(&lamp).is_err());
    lamp = renewed;
    drop(house.connect(&lamp).unwrap());
    // Another root: it is learnt first.
    house.ask("POST /api/v1/ca/rotate", json!({}), 409);
    house.ask("POST /api/v1/ca/rotate", json!({"root": "x"}), 422);
    house.ask("POST /api/v1/ca/rotate", json!({"root": first.1}), 409);
    put_ca(&own, &second, "Issuer 3");
    house.ask("POST /api/v1/ca/switch", json!({}), 409);
    house.ask("POST /api/v1/ca/rotate", json!({"root": second.1}), 200);
    house.ask("POST /api/v1/ca/switch", json!({"force": true}), 200);
    house.root = second.1.clone();
    lamp.root = second.1.clone();
    drop(house.connect(&lamp).unwrap());
    let renewed = house.renew(&lamp);
    house.ask("POST /api/v1/ca/finish", json!({}), 200);
    assert!(house.connect(&lamp).is_err());
    drop(house.connect(&renewed).unwrap());
    house.server.restart(&wishes);
    drop(house.connect(&renewed).unwrap());
    assert_eq!(house.ca()["stage"], "steady");
}

#[test]
fn ones_own_server_certificate_is_exchanged_under_open_connections() {
    let home = tempfile::tempdir().unwrap();
    let tls = Own {
        certificate: home.path().join("server.pem"),
        key: home.path().join("server.key"),
    };
    let put_server = |root: &(Issuer<'static, KeyPair>, String)| {
        let names = ["localhost", "127.0.0.1"].map(String::from);
        let (mut params, key) = (
            CertificateParams::new(names).unwrap(),
            KeyPair::generate().unwrap(),
        );
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let pem = params.signed_by(&key, &root.0).unwrap().pem();
        put(&tls.key, &key.serialize_pem());
        put(&tls.certificate, &(pem + &root.1));
    };
    let (first, second) = (own_root("Web 1"), own_root("Web 2"));
    put_server(&first);
    let server = TestServer::start_with(&Wishes {
        privacy: Wanted {
            certificate: Some(tls.clone()),
            ..Wanted::default()
        },
        ..secure()
    });
    let mut lamp = Identity::signed(server.data(), "lamp-7", 86_400_000);
    lamp.root = first.1.clone();
    let house = House {
        server,
        root: first.1.clone(),
    };
    let mut open = house.connect(&lamp).unwrap();
    holds(&mut open, 1);
    put_server(&second);
    // Another device: a second connection of the same one would take the place of the first.
    let old = Identity::signed(house.server.data(), "pump-1", 86_400_000);
    let shakes = |root: &str| {
        let pump = Identity {
            root: root.into(),
            ..old.clone()
        };
        let address = house.server.mqtt_address();
        Device::connect_privately(address, "pump-1", &pump.client()).is_ok()
    };
    // The files are looked at every few seconds.
    let begun = std::time::Instant::now();
    while !shakes(&second.1) {
        assert!(
            begun.elapsed() < refit_testkit::device::PATIENCE,
            "it is not seen"
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(!shakes(&first.1), "new handshakes see the new one alone");
    holds(&mut open, 1);
}

#[test]
fn a_root_that_devices_could_not_use_is_refused_and_a_wrong_one_is_withdrawn() {
    let house = House::new();
    let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(2011, 1, 1);
    let expired = params.self_signed(&key).unwrap().pem();
    let refused = house.ask("POST /api/v1/ca/rotate", json!({"root": expired}), 422);
    assert_eq!(refused["errors"][0]["pointer"], "/root", "{refused}");
    // A root whose key is not here, learnt by mistake.
    let wrong = own_root("Wrong").1;
    house.ask("POST /api/v1/ca/rotate", json!({"root": wrong}), 200);
    house.ask("POST /api/v1/ca/switch", json!({"force": true}), 409);
    house.ask("POST /api/v1/ca/finish", json!({}), 409);
    let back = house.ask("POST /api/v1/ca/finish", json!({"force": true}), 200);
    assert_eq!(
        (&back["stage"], &back["left"]),
        (&json!("steady"), &json!(0))
    );
    assert_eq!(house.ca()["roots"], 1);
    // One that was made here and withdrawn is not taken again: its key may be why.
    let next = || fs::read_to_string(house.server.data().join("ca.next/root.pem")).unwrap();
    house.ask("POST /api/v1/ca/rotate", json!({}), 200);
    let withdrawn = next();
    house.ask("POST /api/v1/ca/finish", json!({"force": true}), 200);
    house.ask("POST /api/v1/ca/rotate", json!({}), 200);
    assert_ne!(next(), withdrawn);
    house.ask("POST /api/v1/ca/switch", json!({"force": true}), 200);
}
