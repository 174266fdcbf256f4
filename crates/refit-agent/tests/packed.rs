//! What the depot packs, the agent unpacks.

use refit_agent::files::Real;
use refit_agent::unpack::{Limits, unpack};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

#[test]
fn a_tree_that_the_depot_packed_comes_out_the_same() {
    let home = TempDir::new().unwrap();
    let (from, to) = (home.path().join("from"), home.path().join("to"));
    let deep = format!("{}/{}", "d".repeat(90), "n".repeat(200));
    for path in ["bin/lamp", "share/text", &deep] {
        fs::create_dir_all(from.join(path).parent().unwrap()).unwrap();
        fs::write(from.join(path), path.repeat(5000)).unwrap();
    }
    fs::create_dir(from.join("empty")).unwrap();
    fs::set_permissions(from.join("bin/lamp"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../bin/lamp", from.join("share/link")).unwrap();
    symlink(&deep, from.join("long")).unwrap();
    let mut packed = Vec::new();
    refit_depot::pack::pack(&from, &mut packed).unwrap();
    fs::create_dir(&to).unwrap();
    unpack(&packed[..], &Real, &to, &Limits::default()).unwrap();
    for path in ["bin/lamp", "share/text", &deep] {
        assert_eq!(
            fs::read_to_string(to.join(path)).unwrap(),
            path.repeat(5000)
        );
    }
    assert!(to.join("empty").is_dir());
    assert_eq!(
        fs::read_link(to.join("share/link")).unwrap(),
        Path::new("../bin/lamp")
    );
    assert_eq!(fs::read_link(to.join("long")).unwrap(), Path::new(&deep));
    let executable = |path| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o111 != 0;
    assert!(executable("bin/lamp") && !executable("share/text"));
}
