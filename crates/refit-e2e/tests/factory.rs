//! A device whose certificate comes from a factory: the real agent enrols itself with it, without a token, and is updated.

use refit_testkit::Identity;

use crate::enrolled::Enrolled;
use crate::house::{Server, wait_for};

const DAY_MS: u64 = 86_400_000;

/// Leaves the certificate that the factory's CA signed for a device, and its key, as a factory leaves them on it.
fn made(factory: &Server, id: &str) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    Identity::signed(&factory.data(), id, DAY_MS).write(left.path());
    left
}

#[test]
fn a_factorys_device_enrols_without_a_token_and_is_updated() {
    let factory = Server::private(&[]); // another fleet: all that is used of it is its CA
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("refit.toml");
    let authority = factory.data().join("ca/issuer.pem");
    let text = format!("[[ca.factory]]\ncertificate = {authority:?}\nid-pattern = \"lamp-*\"\n");
    std::fs::write(&settings, text).unwrap();
    let server = Server::private(&["--config", settings.to_str().unwrap()]);

    let enrol = |id: &str, root: &str| {
        let root = server.home().join(root);
        Enrolled::by_factory(&server, id, made(&factory, id).path(), root)
    };
    let device = enrol("lamp-7", "lamp-7").unwrap();
    let url = server.add_release("1.0.0", b"the first");
    let _agent = device.run(&[]);
    server.refit_json(&["device", "set", "lamp-7", "firmware@1.0.0"]);
    wait_for("the update", || {
        let shown = server.refit_json(&["device", "show", "lamp-7"]);
        (shown["reported"]["softwareURL"] == url.as_str()).then_some(())
    });
    assert_eq!(device.installed(), b"the first");

    // Its ID has a key now, and the factory may name lamps alone.
    for (id, said) in [("lamp-7", "re-enrol"), ("door-1", "door-1")] {
        let why = enrol(id, "another").err();
        let why = why.unwrap_or_else(|| panic!("{id} was let in"));
        assert!(why.contains(said), "{id}: {why}");
    }
}
