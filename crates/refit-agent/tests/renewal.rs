//! The identity goes on: renewed, proven after its end, its trust bundle brought up to date, against a server that this
//! test plays. What the server checks is checked by the server's own room.

use crate::https::{Answer, Https, Request};
use crate::pki::{Authority, Valid, public_key};
use refit_agent::files::Real;
use refit_agent::http::Client;
use refit_agent::identity::Identity;
use refit_agent::identity::current::Current;
use refit_agent::identity::store::Store;
use refit_agent::renewal::{Failure, Keeper};
use refit_identity::csr::Csr;
use refit_identity::{Peer, pem, proof};
use refit_protocol::enrolment::{Issued, Nonce, Renew, RenewExpired, TrustBundle};
use refit_protocol::time::Timestamp;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const HERE: &str = "127.0.0.1";
const NONCE: [u8; 32] = [9; 32];

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    /// To another authority: whoever asks is told to renew.
    Moving,
    Revoking,
    Busy,
    Confused,
}

struct Bench {
    home: TempDir,
    https: Https,
    mood: Arc<Mutex<Mood>>,
    current: Arc<Current>,
    client: Client,
}

impl Bench {
    fn start() -> Self {
        let authority = Arc::new(Authority::new("the fleet's authority"));
        let mood = Arc::new(Mutex::new(Mood::Good));
        let (signing, felt) = (Arc::clone(&authority), Arc::clone(&mood));
        let answer = move |request: &Request| {
            let mood = *felt.lock().unwrap();
            answer(request, &signing, mood)
        };
        let leaf = authority.server(HERE, Valid::Now);
        let https = Https::start(&leaf, &authority, answer);
        let home = TempDir::new().unwrap();
        let identity = authority.identity("lamp-7", &https.url(""), "h:8883");
        Store::new(&Real, home.path()).keep(&identity).unwrap();
        let current = Arc::new(Current::new(identity, Vec::new()).unwrap());
        Self {
            home,
            https,
            mood,
            client: Client::of(Arc::clone(&current), "").unwrap(),
            current,
        }
    }

    fn keeper(&self) -> Keeper<'_> {
        Keeper {
            files: &Real,
            root: self.home.path(),
            current: &self.current,
            client: &self.client,
            keep_key: false,
        }
    }

    fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn on_disk(&self) -> Identity {
        Store::new(&Real, self.home.path()).read().unwrap().unwrap()
    }
}

fn answer(request: &Request, authority: &Authority, mood: Mood) -> Answer {
    match mood {
        Mood::Revoking => return problem(403, "the device was revoked"),
        Mood::Busy => return (503, "Retry-After: 90\r\n".into(), Vec::new()),
        Mood::Good | Mood::Moving | Mood::Confused => {}
    }
    let bundle = TrustBundle {
        number: 4,
        roots: authority.pem(),
        renew: mood == Mood::Moving,
    };
    let csr = match &*request.line {
        "GET /device/v1/trust" => return json(&bundle.to_json()),
        "GET /device/v1/nonce" => {
            let nonce = Nonce {
                nonce: NONCE,
                expires: Timestamp(1),
            };
            return json(&nonce.to_json());
        }
        "POST /device/v1/renew" => {
            assert!(request.certificate.is_some(), "over the identity itself");
            Renew::parse(&request.body).unwrap().csr
        }
        "POST /device/v1/renew/expired" => {
            assert!(request.certificate.is_none(), "without a certificate");
            let asked = RenewExpired::parse(&request.body).unwrap();
            let old = pem::certificate(&asked.certificate).unwrap();
            let (old, csr) = (
                Peer::read(&old).unwrap(),
                Csr::from_pem(&asked.csr).unwrap(),
            );
            match proof::verify(&old, &NONCE, &csr, &asked.signature) {
                Ok(true) => asked.csr,
                refused => return problem(403, &format!("no proof: {refused:?}")),
            }
        }
        line => panic!("{line}"),
    };
    let id = match mood {
        Mood::Confused => "another",
        Mood::Good | Mood::Moving | Mood::Revoking | Mood::Busy => "lamp-7",
    };
    let issued = Issued {
        id: refit_protocol::device_id::DeviceId::parse(id).unwrap(),
        certificate: authority.certify_request(&csr),
        trust: bundle,
        mqtt: "mqtts://h:8883".into(),
        renew_after: Timestamp(u64::MAX >> 12),
        expires: Timestamp(u64::MAX >> 12),
    };
    json(&issued.to_json())
}

fn json(document: &serde_json::Value) -> Answer {
    (200, String::new(), document.to_string().into_bytes())
}

fn problem(status: u16, detail: &str) -> Answer {
    let document = serde_json::json!({"title": "Refused", "detail": detail});
    (status, String::new(), document.to_string().into_bytes())
}

#[test]
fn an_identity_is_renewed_over_itself_with_a_new_key() {
    let bench = Bench::start();
    let old = bench.on_disk();
    bench.keeper().renew().unwrap();
    let new = bench.on_disk();
    assert_ne!((&new.key, &new.certificate), (&old.key, &old.certificate));
    assert_eq!((new.trust.number, &new.mqtt), (4, &old.mqtt));
    assert_eq!(bench.current.get().identity, new, "it is used from now on");
    bench.keeper().trust().unwrap();
    let requests = bench.https.requests();
    let shown = |n: usize| requests[n].certificate.clone().unwrap();
    assert_ne!(shown(0), shown(1), "the new certificate is shown");

    let keeper = Keeper {
        keep_key: true,
        ..bench.keeper()
    };
    keeper.renew().unwrap();
    assert_eq!(bench.on_disk().key, new.key, "if that is wanted");
}

#[test]
fn an_expired_identity_is_proven_by_its_old_key() {
    let bench = Bench::start();
    let old = bench.on_disk();
    bench.keeper().prove().unwrap();
    assert_ne!(bench.on_disk().key, old.key);
    assert_eq!(bench.https.requests().len(), 2);
}

#[test]
fn a_lost_renewal_is_asked_for_again_with_the_same_new_key() {
    let bench = Bench::start();
    bench.feel(Mood::Busy);
    let failure = bench.keeper().renew().unwrap_err();
    assert_eq!(failure.wait.map(|wait| wait.as_secs()), Some(90));
    bench.feel(Mood::Good);
    bench.keeper().renew().unwrap();
    let keys: Vec<_> = bench
        .https
        .requests()
        .iter()
        .map(|request| public_key(&Renew::parse(&request.body).unwrap().csr))
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "no second new key");
}

#[test]
fn who_was_revoked_hears_it_and_keeps_all() {
    let bench = Bench::start();
    let old = bench.on_disk();
    bench.feel(Mood::Revoking);
    for failure in [bench.keeper().renew(), bench.keeper().prove()] {
        let Failure {
            reason, refused, ..
        } = failure.unwrap_err();
        assert!(refused && reason.contains("was revoked"), "{reason}");
    }
    bench.feel(Mood::Confused);
    assert!(
        bench
            .keeper()
            .renew()
            .unwrap_err()
            .reason
            .contains("another")
    );
    assert_eq!(bench.on_disk(), old);
    assert_eq!(bench.current.get().identity, old);
}

#[test]
fn a_trust_bundle_is_taken_when_it_is_newer() {
    let bench = Bench::start();
    let old = bench.on_disk();
    let heard = bench.keeper().trust().unwrap();
    assert_eq!((heard.is_newer, heard.renew), (true, false));
    assert_eq!(bench.on_disk().trust.number, 4);
    assert_eq!(bench.on_disk().key, old.key);
    bench.feel(Mood::Moving);
    let heard = bench.keeper().trust().unwrap();
    assert_eq!((heard.is_newer, heard.renew), (false, true), "the same");
}
