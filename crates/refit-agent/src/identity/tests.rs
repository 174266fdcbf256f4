//! Enrolment and renewal, killed and cut off from power at every change of the disk.

use super::key::Key;
use super::store::Store;
use super::{Identity, Trust};
use crate::files::Files;
use crate::files::fragile::{Fate, Fragile};
use refit_protocol::device_id::DeviceId;
use refit_protocol::time::Timestamp;
use std::collections::HashSet;
use std::path::Path;
use zeroize::Zeroizing;

const ROOT: &str = "/root";

/// A server that enrols a device once: to the same key it gives the same certificate, to another none.
#[derive(Clone, Default)]
struct Server(Option<Key>);

impl Server {
    fn certify(&mut self, key: &Key, name: &str) -> Result<Identity, String> {
        if self.0.get_or_insert_with(|| key.clone()) != key {
            return Err("the server knows another key".into());
        }
        Ok(Identity {
            device: DeviceId::parse("lamp-7").unwrap(),
            key: key.clone(),
            certificate: format!("certificate {name}"),
            trust: Trust {
                number: 3,
                roots: "roots".into(),
            },
            server: "https://h:8443".into(),
            mqtt: "h:8883".into(),
            renew_after: Timestamp(1),
            expires: Timestamp(2),
        })
    }
}

/// What `enrol` does, and every renewal.
fn exchange(disk: &Fragile, server: &mut Server, name: &str) -> Result<(), String> {
    let store = Store::new(disk, Path::new(ROOT));
    let key = store.pending()?;
    store.keep(&server.certify(&key, name)?)
}

fn read(disk: &Fragile) -> Result<Option<Identity>, String> {
    Store::new(disk, Path::new(ROOT)).read()
}

fn empty() -> Fragile {
    let disk = Fragile::default();
    disk.make_folder(Path::new(ROOT)).unwrap();
    disk.sync_folder(Path::new("/")).unwrap();
    disk
}

/// Every way to end at every change: killed, and cut off from power with each fate of what was not synced.
fn interruptions(before: &Fragile, server: &Server, name: &str, check: impl Fn(Fragile, Server)) {
    let trial = before.copy();
    trial.revive();
    exchange(&trial, &mut server.clone(), name).unwrap();
    let changes = trial.changes();
    assert!(changes > 10, "the disk is written: {changes}");
    for cut in 0..changes {
        let (disk, mut server) = (before.copy(), server.clone());
        disk.revive();
        disk.cut_at(cut);
        exchange(&disk, &mut server, name).unwrap_err();
        let fates = [Fate::Lost, Fate::Kept]
            .into_iter()
            .chain((0..16).map(Fate::Mixed));
        for fate in fates {
            check(disk.after_cut(fate), server.clone());
        }
        disk.revive();
        check(disk, server);
    }
}

#[test]
fn enrolment_cut_anywhere_ends_with_the_same_key() {
    interruptions(&empty(), &Server::default(), "1", |disk, mut server| {
        let found = read(&disk).unwrap();
        assert!(found.is_none_or(|identity| identity.certificate == "certificate 1"));
        exchange_or_done(&disk, &mut server, "1");
        assert_eq!(read(&disk).unwrap().map(|identity| identity.key), server.0);
    });
}

/// An identity that is there is not made again.
fn exchange_or_done(disk: &Fragile, server: &mut Server, name: &str) {
    let wanted = format!("certificate {name}");
    if read(disk)
        .unwrap()
        .is_none_or(|identity| identity.certificate != wanted)
    {
        exchange(disk, server, name).unwrap();
    }
}

#[test]
fn renewal_cut_anywhere_leaves_the_old_or_the_new_identity() {
    let disk = empty();
    exchange(&disk, &mut Server::default(), "1").unwrap();
    let old = read(&disk).unwrap().unwrap();
    interruptions(&disk, &Server::default(), "2", |disk, mut server| {
        let found = read(&disk).unwrap().expect("never without an identity");
        assert!(
            found == old
                || (found.certificate == "certificate 2" && Some(&found.key) == server.0.as_ref())
        );
        exchange_or_done(&disk, &mut server, "2");
        let found = read(&disk).unwrap().unwrap();
        assert_eq!(Some(&found.key), server.0.as_ref());
        assert_ne!(found.key, old.key, "a renewal has a key of its own");
    });
}

#[test]
fn each_renewal_has_a_new_key_and_leaves_nothing_behind() {
    let disk = empty();
    let mut keys = HashSet::new();
    for name in ["1", "2", "3"] {
        exchange(&disk, &mut Server::default(), name).unwrap();
        keys.insert(read(&disk).unwrap().unwrap().key.pem().to_owned());
        let mut names = disk.names(Path::new(ROOT)).unwrap();
        names.retain(|name| !matches!(&**name, "identity.0" | "identity.1"));
        assert_eq!(names, ["identity"]);
    }
    assert_eq!(keys.len(), 3);
}

#[test]
fn a_new_trust_bundle_leaves_a_renewal_its_key() {
    let disk = empty();
    exchange(&disk, &mut Server::default(), "1").unwrap();
    let store = Store::new(&disk, Path::new(ROOT));
    let pending = store.pending().unwrap();
    let mut identity = read(&disk).unwrap().unwrap();
    identity.trust.number += 1;
    store.keep(&identity).unwrap();
    assert_eq!(store.pending().unwrap(), pending);
    assert_eq!(read(&disk).unwrap().unwrap(), identity);
}

#[test]
fn a_damaged_identity_is_named_and_kept() {
    for file in ["key.pem", "certificate.pem", "trust.pem", "identity.json"] {
        let disk = empty();
        exchange(&disk, &mut Server::default(), "1").unwrap();
        let path = Path::new(ROOT).join("identity.0").join(file);
        disk.remove(&path).unwrap();
        let why = read(&disk).unwrap_err();
        assert!(why.contains(file) && why.contains("enrol again"), "{why}");
        assert!(
            disk.read_link(&Path::new(ROOT).join("identity"))
                .unwrap()
                .is_some()
        );
    }
}

#[test]
fn a_pending_key_that_is_no_key_is_made_anew() {
    let disk = empty();
    let store = Store::new(&disk, Path::new(ROOT));
    let first = store.pending().unwrap();
    assert_eq!(store.pending().unwrap(), first);
    let path = Path::new(ROOT).join("identity.pending/key.pem");
    disk.overwrite(&path, b"-----BEGIN nothing").unwrap();
    let second = store.pending().unwrap();
    assert_ne!(second, first);
    assert_eq!(Key::parse(Zeroizing::new(second.pem().into())), Ok(second));
}
