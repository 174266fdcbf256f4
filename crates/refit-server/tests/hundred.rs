//! A hundred hostile connections of each kind beside one good device: it is served.
//!
//! Each kind is a line of the tables in `refit_testkit::crowd`. While all hundred are at it, the good device connects
//! anew, gets its delta, and its report is accepted; another, connected since before, is heard as well. No time is
//! measured here: `refit-bench attack` does that.

use std::sync::Arc;
use std::time::Duration;

use refit_testkit::crowd::{Crowd, Done, Kind, Target, device_id, over_http, over_mqtt};
use refit_testkit::identity::nobody;
use refit_testkit::server::Wishes;
use refit_testkit::wire::request;
use refit_testkit::{Device, Identity, TestServer};
use rustls::ClientConfig;
use serde_json::Value;

const MANY: usize = 100;

/// How long one of them rests between two acts: the machine has other things to do.
const REST: Duration = Duration::from_millis(100);

const DAY_MS: u64 = 86_400_000;

/// As much as no socket holds.
const ARTIFACT_BYTES: usize = 8 << 20;

/// A server under attack, and those who look after it.
struct Scene {
    server: TestServer,
    target: Arc<Target>,
    root: Option<String>,
}

/// A device that means well.
struct Good<'a> {
    scene: &'a Scene,
    id: String,
    tls: Option<Arc<ClientConfig>>,
}

impl Scene {
    fn private() -> Self {
        let server = TestServer::start_with(&Wishes {
            is_secure: true,
            ..Wishes::default()
        });
        let root = std::fs::read_to_string(server.places().root.as_ref().unwrap()).unwrap();
        let (mqtt, http) = (server.mqtt_address(), server.http_address());
        let target = Target::private(mqtt, http, server.data(), MANY).unwrap();
        Self::with(server, target, Some(root))
    }

    fn plain() -> Self {
        let server = TestServer::start();
        let target = Target::plain(server.mqtt_address(), server.http_address());
        Self::with(server, target, None)
    }

    fn with(server: TestServer, target: Target, root: Option<String>) -> Self {
        let scene = Self {
            server,
            target: Arc::new(target),
            root,
        };
        let bytes = "x".repeat(ARTIFACT_BYTES);
        scene.operator("POST /api/v1/releases?name=firmware&version=2", &bytes, 201);
        (0..MANY).for_each(|number| scene.set_release(&device_id(number)));
        scene
    }

    /// Asks as the operator.
    fn operator(&self, what: &str, body: &str, status: u16) {
        let tls = self.root.as_deref().map(nobody);
        let token = self.server.token();
        let headers = format!("authorization: Bearer {token}\r\nif-match: *\r\n");
        let address = self.server.http_address();
        let answer = request(address, tls.as_ref(), what, &headers, body).unwrap();
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{what}: {answer}");
    }

    fn set_release(&self, device: &str) {
        let what = format!("PUT /api/v1/devices/{device}/software");
        self.operator(&what, r#"{"release":"firmware@2"}"#, 200);
    }

    /// A device that should run the release, and does not yet.
    fn good(&self, id: &str) -> Good<'_> {
        self.set_release(id);
        let identity = |_| Identity::signed(self.server.data(), id, DAY_MS).client();
        Good {
            scene: self,
            id: id.into(),
            tls: self.root.as_ref().map(identity),
        }
    }

    /// Sends a hundred of each kind, and has good devices served while all of them are at it.
    fn withstands(&self, kinds: &[Kind], is_served: impl Fn(&Good<'_>)) {
        let through = self.good("good-through");
        let mut through = through.connect();
        through.subscribe("update/accepted").unwrap();
        let is_private = self.root.is_some();
        for (number, kind) in kinds.iter().enumerate() {
            if kind.needs_tls && !is_private {
                continue;
            }
            let crowd = Crowd::send(&self.target, *kind, MANY, REST);
            crowd.has_begun().unwrap();
            is_served(&self.good(&format!("good-{number}")));
            let report = format!(r#"{{"state":{{"reported":{{"n":{number}}}}}}}"#);
            through.publish("update", report.as_bytes()).unwrap();
            let accepted = json(&through.message().unwrap().payload);
            assert_eq!(accepted["state"]["reported"]["n"], number, "{}", kind.name);
            let Done { acts, let_in } = crowd.call_back();
            assert!(acts >= MANY as u64, "{}", kind.name);
            assert_eq!(let_in, 0, "{}", kind.name);
        }
    }
}

impl Good<'_> {
    fn connect(&self) -> Device {
        let address = self.scene.server.mqtt_address();
        let connected = match &self.tls {
            Some(tls) => Device::connect_privately(address, &self.id, tls),
            None => Device::connect(address, &self.id),
        };
        connected.unwrap()
    }

    /// Gets its delta, and has its job acknowledged.
    fn is_served_over_mqtt(&self) {
        let mut device = self.connect();
        device.subscribe("update/accepted").unwrap();
        device.subscribe("update/delta").unwrap();
        let delta = device.message().unwrap();
        assert!(delta.topic.ends_with("/update/delta"), "{delta:?}");
        let delta = json(&delta.payload);
        let job = delta["jobID"].as_str().unwrap();
        let done = format!("jobID:{job} SUCCESS");
        device.publish("update", done.as_bytes()).unwrap();
        let accepted = device.message().unwrap();
        assert!(accepted.topic.ends_with("/update/accepted"), "{accepted:?}");
        assert_eq!(json(&accepted.payload)["status"], "SUCCEEDED");
    }

    /// The same as a poller, and has the artifact's first bytes.
    fn is_served_over_http(&self) {
        let delta = json(self.ask("GET /device/v1/delta", "").as_bytes());
        let url = delta["state"]["softwareURL"].as_str().unwrap();
        let (_, path) = url.split_once("/depot/").unwrap();
        assert_eq!(self.ask(&format!("GET /depot/{path}"), ""), "xxx");
        let job = delta["jobID"].as_str().unwrap();
        let said = self.ask("POST /device/v1/update", &format!("jobID:{job} SUCCESS"));
        assert_eq!(json(said.as_bytes())["status"], "SUCCEEDED");
    }

    /// Asks over HTTP; returns the body of what must be a good answer.
    fn ask(&self, what: &str, body: &str) -> String {
        let headers = format!("refit-device: {}\r\nrange: bytes=0-2\r\n", self.id);
        let address = self.scene.server.http_address();
        let answer = request(address, self.tls.as_ref(), what, &headers, body).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 2"), "{what}: {answer}");
        body.to_owned()
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_hundred_hostile_connections_of_each_kind_over_private_mqtt() {
    Scene::private().withstands(over_mqtt::KINDS, |good| good.is_served_over_mqtt());
}

#[test]
fn a_hundred_hostile_connections_of_each_kind_over_https() {
    Scene::private().withstands(over_http::KINDS, |good| good.is_served_over_http());
}

#[test]
fn a_hundred_hostile_connections_of_each_kind_over_plain_mqtt() {
    Scene::plain().withstands(over_mqtt::KINDS, |good| good.is_served_over_mqtt());
}

#[test]
fn a_hundred_hostile_connections_of_each_kind_over_plain_http() {
    Scene::plain().withstands(over_http::KINDS, |good| good.is_served_over_http());
}
