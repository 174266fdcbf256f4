//! The pattern's two questions, in its own words: who may use the URL, and who the credential? A and B are enrolled by
//! the real agent and speak real TLS; they come from two addresses of this machine.

use serde_json::{Value, json};

use crate::enrolled::{Answer, Enrolled, answer, nobody};
use crate::house::{Script, Server};
use crate::outside::wanted;

/// Where A is seen, and where somebody else is.
const SITE: &str = "127.0.0.1";
const ELSEWHERE: &str = "127.0.0.2";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    A,
    B,
    /// Without a certificate.
    Nobody,
}

/// What comes of it.
#[derive(Clone, Copy, Debug)]
enum Then {
    Bytes,
    Refused(&'static str),
}

use Then::{Bytes, Refused};
use Who::{A, B, Nobody};

/// Who uses it, from where, and what comes of it.
type Use = (Who, &'static str, Then);

/// A sentence, the grant that A has, and its uses.
const ROWS: &[(&str, &[&str], &[Use])] = &[
    (
        "B with A's pre-signed URL from another address is refused when it is bound to the address; behind A's it is served",
        &["--strength", "address", "--bind-address", "127.0.0.1/32"],
        &[
            (A, SITE, Bytes),
            (B, ELSEWHERE, Refused("address")),
            (Nobody, ELSEWHERE, Refused("address")),
            (A, ELSEWHERE, Refused("address")),
            (B, SITE, Bytes),
            (Nobody, SITE, Bytes),
        ],
    ),
    (
        "B with A's URL of strength device is refused, wherever it is",
        &["--strength", "device"],
        &[
            (A, SITE, Bytes),
            (A, ELSEWHERE, Bytes),
            (B, SITE, Refused("other-device")),
            (B, ELSEWHERE, Refused("other-device")),
            (Nobody, SITE, Refused("no-certificate")),
        ],
    ),
    (
        "B with A's credential is refused, wherever it is",
        &["--grant", "credential"],
        &[
            (A, SITE, Bytes),
            (A, ELSEWHERE, Bytes),
            (B, SITE, Refused("other-device")),
            (B, ELSEWHERE, Refused("other-device")),
            (Nobody, SITE, Refused("no-certificate")),
        ],
    ),
    (
        "a pre-signed URL alone is a bearer secret: B has it, and so has anybody",
        &["--strength", "time"],
        &[
            (A, SITE, Bytes),
            (B, ELSEWHERE, Bytes),
            (Nobody, ELSEWHERE, Bytes),
        ],
    ),
];

struct House {
    server: Server,
    a: Enrolled,
    b: Enrolled,
}

impl House {
    fn new() -> Self {
        let server = Server::private(&[]);
        let (a, b) = (
            Enrolled::new(&server, "lamp-a"),
            Enrolled::new(&server, "lamp-b"),
        );
        Self { server, a, b }
    }

    /// Wishes something new for A; returns what A is told, and the token if it is to have one.
    fn granted(&self, row: usize, grant: &[&str]) -> (Value, Option<String>) {
        let release = format!("firmware@{row}.0.0");
        let wish = ["device", "set", "lamp-a", &release];
        self.server.refit_json(&[&wish, grant].concat());
        let delta = self.a.delta();
        let job = json!({"jobID": delta["jobID"]});
        let token = (delta["grant"] == "credential").then(|| {
            // B gets none for A's job.
            self.b.ask("/device/v1/credential", Some(&job)).json(404);
            let given = self.a.ask("/device/v1/credential", Some(&job)).json(200);
            given["token"].as_str().unwrap().to_owned()
        });
        (delta, token)
    }

    fn download(&self, who: Who, from: &str, delta: &Value, token: Option<&str>) -> Answer {
        let mut curl = match who {
            A => self.a.curl(),
            B => self.b.curl(),
            Nobody => nobody(self.server.root.as_ref().unwrap()),
        };
        if let Some(token) = token {
            curl.args(["--oauth2-bearer", token]);
        }
        let url = delta["state"]["softwareURL"].as_str().unwrap();
        answer(curl.args(["--interface", from, url]))
    }
}

#[test]
fn only_that_device_obtains_the_software() {
    if !wanted() {
        return;
    }
    let house = House::new();
    for (row, (sentence, grant, uses)) in ROWS.iter().enumerate() {
        let bytes: Vec<u8> = (0..90_000u32).map(|i| (i * 7 + row as u32) as u8).collect();
        house.server.add_release(&format!("{row}.0.0"), &bytes);
        let (delta, token) = house.granted(row, grant);
        for (who, from, then) in *uses {
            let answer = house.download(*who, from, &delta, token.as_deref());
            let what = format!("{sentence}: {who:?} from {from}");
            match then {
                Bytes => assert!(answer.status == 200 && answer.body == bytes, "{what}"),
                Refused(reason) => {
                    assert_eq!(answer.status, 403, "{what}");
                    assert_eq!(answer.json(403)["reason"], *reason, "{what}");
                }
            }
        }
    }
    // Nor is B told of it, or asked for as A.
    assert_eq!(house.b.ask("/device/v1/delta", None).status, 204);
}

#[test]
fn the_guides_device_with_an_identity_takes_both_grants() {
    if !wanted() {
        return;
    }
    let house = House::new();
    let folder = house.server.home().join("device");
    std::fs::create_dir(&folder).unwrap();
    for (from, to) in [
        ("certificate.pem", "device.pem"),
        ("key.pem", "device.key"),
        ("trust.pem", "ca.pem"),
    ] {
        std::fs::copy(house.a.file(from), folder.join(to)).unwrap();
    }
    let port = house.server.mqtt_port.to_string();
    let arguments = ["lamp-a", folder.to_str().unwrap(), &house.server.api, &port];
    let _device = Script::start(
        "examples/device_credential.py",
        &arguments,
        house.server.home(),
    );
    for (version, grant, strength) in [
        ("1.0.0", ["--grant", "credential"], "credential"),
        ("2.0.0", ["--strength", "device"], "presigned"),
        ("3.0.0", ["--strength", "time"], "presigned"),
    ] {
        let bytes: Vec<u8> = version.bytes().cycle().take(123_457).collect();
        let url = house.server.add_release(version, &bytes);
        let release = format!("firmware@{version}");
        let wish = ["device", "set", "lamp-a", &release];
        house.server.refit_json(&[&wish[..], &grant].concat());
        house
            .server
            .wait_for_device("lamp-a", |device| device["reported"]["softwareURL"] == url);
        assert!(
            std::fs::read(folder.join("software")).unwrap() == bytes,
            "{strength}"
        );
    }
}
