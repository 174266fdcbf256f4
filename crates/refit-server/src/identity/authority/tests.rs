//! What is wrong with the CA's files, or with the clock, is said at the start.

use std::os::unix::fs::PermissionsExt;

use refit_store::sqlite::{Options, SqliteStore};

use super::*;

/// 2026-11-24.
const NOW: Timestamp = Timestamp(1_795_478_400_000);

struct House {
    home: tempfile::TempDir,
    store: SqliteStore,
}

impl House {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(Options::new(home.path())).unwrap();
        Self { home, store }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(FOLDER).join(name)
    }

    fn own(&self) -> Own {
        Own {
            certificate: self.file("issuer.pem"),
            key: self.file("issuer.key"),
        }
    }

    fn open(&self, own: Option<&Own>, now: Timestamp) -> Result<(), String> {
        let opened = Authority::open(self.home.path(), own, &self.store, now);
        opened.map(drop).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(&self, why: &str) {
        let said = self.open(None, NOW).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_key_that_is_missing_or_open_or_of_another_is_refused_by_name() {
    let house = House::new();
    house.open(None, NOW).unwrap();
    let (key, aside) = (house.file("issuer.key"), house.file("aside"));
    fs::rename(&key, &aside).unwrap();
    house.refused("issuer.key is missing: restore it");
    fs::copy(house.file("root.key"), &key).unwrap();
    house.refused("the key is not the one of the CA's certificate");
    fs::write(&key, "").unwrap();
    house.refused("the private key cannot be read");
    fs::rename(&aside, &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    house.refused("issuer.key can be read by others (mode 640): chmod 600");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    house.open(None, NOW).unwrap();
    // The root's key may lie elsewhere, its certificate not.
    fs::remove_file(house.file("root.key")).unwrap();
    house.open(None, NOW).unwrap();
    fs::remove_file(house.file("root.pem")).unwrap();
    house.refused("root.pem is missing");
}

#[test]
fn a_clock_that_is_far_off_is_refused_with_a_new_ca_a_known_one_and_ones_own() {
    for wrong in [Timestamp(0), Timestamp(4_294_967_296_000)] {
        let house = House::new();
        let said = house.open(None, wrong).unwrap_err();
        assert!(said.contains("set it (NTP), then start again"), "{said}");
        assert!(!house.home.path().join(FOLDER).exists());
        house.open(None, NOW).unwrap();
        for own in [None, Some(&house.own())] {
            let said = house.open(own, wrong).unwrap_err();
            assert!(said.contains("the clock shows"), "{said}");
        }
    }
}
