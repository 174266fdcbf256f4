//! What is wrong with the CA's files, or with the clock, is said at the start.

use std::os::unix::fs::PermissionsExt;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
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

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

#[test]
fn below_ones_own_root_only_the_fleets_issuer_makes_devices() {
    let house = House::new();
    let key = || KeyPair::generate().unwrap();
    let (params, root_key) = (authority_params("Example Ltd"), key());
    let root_pem = params.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(params, root_key);
    let below = |name: &str| {
        let (params, key) = (authority_params(name), key());
        let pem = params.signed_by(&key, &root).unwrap().pem();
        let key_pem = key.serialize_pem();
        (Issuer::new(params, key), pem, key_pem)
    };
    let (fleet, pem, key_pem) = below("Fleet");
    let (laptops, ..) = below("Laptops");
    fs::create_dir(house.home.path().join(FOLDER)).unwrap();
    fs::write(house.file("issuer.pem"), pem + &root_pem).unwrap();
    write_private(&house.file("issuer.key"), key_pem.trim_end().as_bytes()).unwrap();
    fs::write(house.file("root.pem"), &root_pem).unwrap();
    let device = |by: &Issuer<'_, KeyPair>| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "lamp-7");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Peer::read(params.signed_by(&key(), by).unwrap().der()).unwrap()
    };
    for own in [Some(&house.own()), None] {
        let opened = Authority::open(house.home.path(), own, &house.store, NOW).unwrap();
        assert!(opened.admit(&device(&fleet)));
        assert!(!opened.admit(&device(&laptops)));
    }
}
