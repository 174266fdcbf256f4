//! Real agents, enrolled over HTTPS, with a real object store: by the store's own URL, and by a credential of its STS,
//! which is for one artifact. What they carry goes to the store, and to nobody that it leads to.

use refit_testkit::Stranger;
use refit_testkit::ceph::{Gateway, ROLE};
use serde_json::{Value, json};

use crate::enrolled::Enrolled;
use crate::house::Server;
use crate::liar::{Liar, Lie};
use crate::object_store_serves::options;
use crate::outside::wanted;

/// A private server over a bucket, which devices reach through a forwarder that listens.
struct House {
    gateway: Gateway,
    front: Liar,
    server: Server,
    _home: tempfile::TempDir,
}

impl House {
    fn new(bucket: &str) -> Self {
        let gateway = Gateway::start();
        gateway.make_bucket(bucket);
        let front = Liar::before(&gateway.endpoint());
        let home = tempfile::tempdir().unwrap();
        let mut options = options(&gateway, bucket, &home);
        for more in [
            "--depot-role",
            ROLE,
            "--depot-public-endpoint",
            &front.endpoint(),
        ] {
            options.push(more.to_owned());
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let server = Server::private(&options);
        Self {
            gateway,
            front,
            server,
            _home: home,
        }
    }

    /// Has a device get a new release by this grant; returns the release's bytes.
    fn wish(&self, device: &str, version: &str, grant: &str) -> (String, Vec<u8>) {
        let bytes: Vec<u8> = version.bytes().cycle().take(345_678).collect();
        let url = self.server.add_release(version, &bytes);
        let release = format!("firmware@{version}");
        self.server
            .refit_json(&["device", "set", device, &release, "--grant", grant]);
        (url, bytes)
    }

    /// The same, and waits until the device runs it.
    fn update(&self, device: &Enrolled, version: &str, grant: &str) {
        let (url, bytes) = self.wish(&device.id, version, grant);
        // The agent reports where it got it from; by its digest it is the same software.
        let digest = |url: &str| url.rsplit('/').next().map(str::to_owned);
        let runs = |shown: &Value| {
            let reported = shown["reported"]["softwareURL"].as_str();
            reported.is_some_and(|reported| digest(reported) == digest(&url))
        };
        self.server.wait_for_device(&device.id, runs);
        assert!(device.installed() == bytes, "{version} by {grant}");
    }
}

#[test]
fn an_agent_updates_by_either_grant_and_what_it_carries_goes_to_the_store_alone() {
    if !wanted() {
        return;
    }
    let house = House::new("agents");
    let root = std::fs::read_to_string(house.server.root.as_ref().unwrap()).unwrap();
    let stranger = Stranger::start(&root);
    let device = Enrolled::new(&house.server, "lamp-a");
    let (config, roots) = (
        house.server.home().join("agent.toml"),
        house.server.home().join("extra.pem"),
    );
    std::fs::write(&roots, &stranger.root).unwrap();
    std::fs::write(&config, format!("extra-roots = {roots:?}\n")).unwrap();
    let _agent = device.run(&["--config", config.to_str().unwrap()]);

    house.update(&device, "1.0.0", "presigned");
    let asked = house.front.asked();
    assert!(
        asked
            .iter()
            .all(|head| head.contains("x-amz-signature=") && !head.contains("authorization:"))
            && !asked.is_empty(),
        "{asked:?}"
    );
    house.update(&device, "2.0.0", "credential");
    let asked = house.front.asked();
    let signed = |head: &String| {
        let line = head.lines().next().unwrap();
        !line.contains('?')
            && head.contains("\r\nauthorization: aws4-hmac-sha256 ")
            && head.contains("\r\nx-amz-security-token: ")
    };
    assert!(asked.iter().all(signed) && !asked.is_empty(), "{asked:?}");
    assert!(stranger.shown().is_empty());

    // The store, or who stands in its place, leads to somebody who would know what to do with what it is shown.
    for (version, grant) in [("3.0.0", "credential"), ("4.0.0", "presigned")] {
        stranger.give(&version.bytes().cycle().take(345_678).collect::<Vec<u8>>());
        house.front.tell(Lie::LeadAway(stranger.url("/elsewhere")));
        house.update(&device, version, grant);
        let shown = stranger.shown();
        assert!(!shown.is_empty(), "{grant}");
        for shown in shown {
            let head = shown.head.to_ascii_lowercase();
            assert!(head.starts_with("get /elsewhere http/1.1\r\n"), "{head}");
            let secret = [
                "authorization",
                "x-amz",
                "cookie",
                "referer",
                "lamp-a",
                "aws",
            ];
            assert!(!secret.iter().any(|word| head.contains(word)), "{head}");
            assert!(!shown.certificate, "{grant}");
        }
    }
}

#[test]
fn a_credential_of_the_store_reads_its_key_and_nothing_else() {
    if !wanted() {
        return;
    }
    let house = House::new("credential");
    let (a, b) = (
        Enrolled::new(&house.server, "lamp-a"),
        Enrolled::new(&house.server, "lamp-b"),
    );
    let (other, _) = house.wish("lamp-b", "1.0.0", "presigned");
    let (_, bytes) = house.wish("lamp-a", "2.0.0", "credential");
    let delta = a.delta();
    // What it is worth is said: whoever has it may use it.
    assert_eq!(
        (&delta["grant"], &delta["strength"]),
        (&json!("credential"), &json!("time"))
    );
    let job = json!({"jobID": delta["jobID"]});
    b.ask("/device/v1/credential", Some(&job)).json(404);
    let given = a.ask("/device/v1/credential", Some(&job)).json(200);
    assert_eq!(given["strength"], "time");
    assert!(given.get("token").is_none(), "{}", given["strength"]);
    let word = |name: &str| given["aws"][name].as_str().unwrap();
    assert_eq!(word("endpoint"), house.front.endpoint());
    let user = (word("accessKeyId"), word("secretAccessKey"));
    let ask = |method: &str, path: &str| {
        let token = Some(word("sessionToken"));
        house.gateway.curl(user, token, method, path)
    };
    // The honest negative: this curl shows no certificate.
    let own = format!("/{}/{}", word("bucket"), word("key"));
    let (status, body) = ask("GET", &own);
    assert!(status == 200 && body.as_bytes() == bytes, "{status}");
    let digest = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    let sibling = own.replace(&digest(word("key")), &digest(&other));
    assert_ne!(own, sibling);
    for (method, path) in [
        ("GET", sibling.as_str()),
        ("PUT", &own),
        ("DELETE", &own),
        ("PUT", &sibling),
        ("DELETE", &sibling),
        ("GET", &format!("/{}", word("bucket"))),
        ("GET", &format!("/{}?list-type=2", word("bucket"))),
    ] {
        assert_eq!(ask(method, path).0, 403, "{method} {path}");
    }
    assert_eq!(house.gateway.curl(user, None, "GET", &own).0, 403);
    // A revoked device is given no other.
    let revoked = house.server.refit(&["device", "revoke", "lamp-a"]);
    assert!(revoked.status.success());
    let refused = a.ask("/device/v1/credential", Some(&job));
    assert_eq!(refused.json(403)["code"], "device_barred");
    let (status, _) = ask("GET", &own);
    assert_eq!(status, 200, "what the store gave ends by itself");
}
