//! What is wrong with the CA's files, or with the clock, is said at the start.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use refit_store::sqlite::{Options, SqliteStore};

use super::*;
use crate::identity::rotation::{History, Stage};
use crate::secret_file::write_private;

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

/// What a server finds that starts on what is there: which root signs, how many are trusted, how far the change is.
fn started(house: &House) -> (String, usize, Stage) {
    let opened = Authority::open(house.home.path(), None, &house.store, NOW).unwrap();
    let trusted = opened.trusted();
    let history = History::read(&mut *house.store.reader().unwrap()).unwrap();
    // The files are where the documentation says.
    let root = fs::read_to_string(house.file("root.pem")).unwrap();
    assert_eq!(pem::certificate(&root).unwrap(), trusted.ca.root_der());
    let roots = trusted.bundle.roots().len();
    (root, roots, history.stage(&trusted))
}

/// Each step of a rotation as it is done, and the server killed after it: the next start finds what was, or what is to be.
#[test]
fn a_rotation_that_is_killed_at_any_step_has_not_begun_or_goes_on() {
    let house = House::new();
    let at = |name: &str| house.home.path().join(name);
    let (a, ..) = started(&house);
    // Half a CA was written aside: it has not begun.
    fs::create_dir(at("ca.draft")).unwrap();
    fs::write(at("ca.draft/root.key"), "half").unwrap();
    fs::create_dir(at("ca.next.draft")).unwrap();
    assert_eq!(started(&house), (a.clone(), 1, Stage::Steady));
    // The next CA is whole, and nobody trusts it: it has not begun, and the next try takes it.
    let home = Home::of(house.home.path(), None);
    home.make_next(NOW).unwrap();
    assert_eq!(started(&house), (a.clone(), 1, Stage::Steady));
    let next = home.load_next().unwrap().unwrap();
    let b = next.root.clone();
    // Devices are to trust it.
    let said = || {
        let row = house.store.reader().unwrap().trust(1).unwrap().pop();
        Said::of_row(&row.unwrap())
    };
    record(&house.store, &said().and(&b), None, NOW).unwrap();
    assert_eq!(started(&house), (a.clone(), 2, Stage::Learning));
    // It is to sign, and no file has moved. Each start moves what is left.
    record(&house.store, &said().with(&next).unwrap(), None, NOW).unwrap();
    let untouched = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        fs::create_dir(to).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    };
    copy(&at("ca"), &untouched.path().join("ca"));
    copy(&at("ca.next"), &untouched.path().join("ca.next"));
    assert_eq!(started(&house).0.trim(), b.trim());
    assert_eq!(started(&house).2, Stage::Moving);
    let former = |name: &str| name.starts_with("ca.former-");
    let names = || {
        let entries = fs::read_dir(house.home.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>()
    };
    let kept: Vec<_> = names().into_iter().filter(|name| former(name)).collect();
    assert_eq!(kept.len(), 1, "the CA before is kept");
    assert!(at(&kept[0]).join("issuer.key").exists());
    assert!(!at("ca.next").exists());
    // It was killed between the two renames.
    fs::remove_dir_all(at("ca")).unwrap();
    copy(&untouched.path().join("ca.next"), &at("ca.next"));
    assert_eq!(started(&house).0.trim(), b.trim());
    assert!(!at("ca.next").exists());
    // The old one is trusted no longer.
    record(&house.store, &said().alone(), None, NOW).unwrap();
    let (root, roots, stage) = started(&house);
    assert_eq!((root.trim(), roots, stage), (b.trim(), 1, Stage::Steady));
    // What was there once is not made anew.
    fs::rename(at("ca"), at("elsewhere")).unwrap();
    house.refused("root.pem is missing");
}

#[test]
fn an_issuer_that_was_replaced_stays_trusted_until_the_end_of_the_rotation() {
    let house = House::new();
    let (key, (params, root_key)) = (
        || KeyPair::generate().unwrap(),
        (
            authority_params("Example Ltd"),
            KeyPair::generate().unwrap(),
        ),
    );
    let root_pem = params.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(params, root_key);
    fs::create_dir(house.home.path().join(FOLDER)).unwrap();
    let put = |name: &str| {
        let (params, key) = (authority_params(name), key());
        let pem = params.signed_by(&key, &root).unwrap().pem();
        fs::write(house.file("issuer.pem"), pem + &root_pem).unwrap();
        write_private(
            &house.file("issuer.key"),
            key.serialize_pem().trim_end().as_bytes(),
        )
        .unwrap();
        Issuer::new(params, key)
    };
    let lamp = |by: &Issuer<'_, KeyPair>| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "lamp-7");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Peer::read(params.signed_by(&key(), by).unwrap().der()).unwrap()
    };
    let open =
        || Authority::open(house.home.path(), Some(&house.own()), &house.store, NOW).unwrap();
    let first = put("Fleet 1");
    assert!(open().admit(&lamp(&first)));
    let second = put("Fleet 2");
    for _ in 0..2 {
        let opened = open();
        assert!(opened.admit(&lamp(&second)) && opened.admit(&lamp(&first)));
        assert!(opened.is_former(&lamp(&first)) && !opened.is_former(&lamp(&second)));
        assert_eq!(opened.trusted().bundle.number, 2, "it is recorded once");
    }
    let row = house
        .store
        .reader()
        .unwrap()
        .trust(1)
        .unwrap()
        .pop()
        .unwrap();
    record(&house.store, &Said::of_row(&row).alone(), None, NOW).unwrap();
    assert!(!open().admit(&lamp(&first)));
}
