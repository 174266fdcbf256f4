//! The server's own certificate, and its files.

use std::fs;
use std::sync::Arc;

use refit_tls::clients::Clients;
use refit_tls::own::{Error, Look, OwnCertificate};
use refit_tls::server::{Oldest, config};

use crate::authority::{Authority, Pair};
use crate::pair::{Both, client};

struct Files {
    home: tempfile::TempDir,
}

impl Files {
    fn new(pair: &Pair) -> Self {
        let files = Self {
            home: tempfile::tempdir().unwrap(),
        };
        files.put("server.pem", pair.certificate.pem());
        files.put("server.key", pair.key.serialize_pem());
        files
    }

    /// As careful people do it: written beside, and renamed.
    fn put(&self, name: &str, text: String) {
        let draft = self.home.path().join("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.home.path().join(name)).unwrap();
    }

    fn open(&self) -> Result<OwnCertificate, Error> {
        let at = self.home.path();
        OwnCertificate::from_files(&at.join("server.pem"), &at.join("server.key"))
    }
}

#[test]
fn a_new_pair_is_shown_and_old_connections_stay() {
    let authority = Authority::new("fleet");
    let (old, new) = (authority.server(), authority.server());
    let files = Files::new(&old);
    let own = Arc::new(files.open().unwrap());
    let clients = Arc::new(Clients::new(&[]).unwrap());
    let server = config(Arc::clone(&own), clients, Oldest::Tls13, &[]).unwrap();
    let shown = |both: &Both| both.client.peer_certificates().unwrap()[0].clone();
    let mut before = Both::new(&client(&authority, None), &server);
    before.settle();
    assert!(matches!(own.look(), Look::Same));
    files.put("server.pem", new.certificate.pem());
    // Half of the change: the pair does not match.
    let Look::Bad(error) = own.look() else {
        panic!("the pair does not match");
    };
    assert!(error.to_string().contains("does not belong"), "{error}");
    assert!(own.fault().unwrap().contains("server.key"));
    assert!(matches!(own.look(), Look::Same), "it is told once");
    assert_eq!(own.chain()[0], old.der());
    files.put("server.key", new.key.serialize_pem());
    assert!(matches!(own.look(), Look::New));
    assert_eq!(own.fault(), None);
    let mut after = Both::new(&client(&authority, None), &server);
    after.settle();
    assert_eq!((shown(&before), shown(&after)), (old.der(), new.der()));
    before.client_says(b"still there");
    before.settle();
    assert_eq!(before.server_got, b"still there");
}

#[test]
fn a_file_that_goes_away_changes_nothing_but_is_told() {
    let authority = Authority::new("fleet");
    let pair = authority.server();
    let files = Files::new(&pair);
    let own = files.open().unwrap();
    let key = files.home.path().join("server.key");
    fs::remove_file(&key).unwrap();
    assert!(matches!(own.look(), Look::Bad(Error::File { .. })));
    assert!(own.fault().unwrap().contains("server.key"));
    files.put("server.key", "no key".into());
    assert!(matches!(own.look(), Look::Bad(Error::Pair { .. })));
    files.put("server.key", pair.key.serialize_pem());
    assert!(matches!(own.look(), Look::Same));
    assert_eq!(own.fault(), None);
    assert_eq!(own.chain()[0], pair.der());
}

#[test]
fn a_start_with_bad_files_says_which() {
    let authority = Authority::new("fleet");
    let (pair, other) = (authority.server(), authority.server());
    let files = Files::new(&pair);
    files.put("server.key", other.key.serialize_pem());
    let error = files.open().unwrap_err();
    assert!(error.to_string().contains("does not belong"), "{error}");
    files.put("server.pem", "nothing".into());
    let error = files.open().unwrap_err();
    assert!(
        error.to_string().contains("no whole certificate"),
        "{error}"
    );
    fs::remove_file(files.home.path().join("server.pem")).unwrap();
    let error = files.open().unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
}
