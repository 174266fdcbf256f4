//! The two releases of the story: small trees with a health command, and how to tell such a tree from a damaged one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The software that all of the demo's devices run.
pub(super) const NAME: &str = "firmware";

/// The version that everything begins with.
pub(super) const OLD: &str = "1.0.0";

/// The version that everything goes to.
pub(super) const NEW: &str = "2.0.0";

/// The file in an agent's root that says which board it is; the health command of 2.0.0 looks at it.
pub(super) const BOARD_FILE: &str = "board";

/// The board that 2.0.0 works on, and the one that it does not.
pub(super) const GOOD_BOARD: &str = "rev-C";
/// See [`GOOD_BOARD`].
pub(super) const BAD_BOARD: &str = "rev-B";

/// Parts that make the trees large enough to be seen at work, and small enough for a thousand downloads.
const PARTS: usize = 32;
const PART_BYTES: usize = 4096;

const MANIFEST: &str = "[health]\ncommand = [\"./health\"]\ndeadline = \"20s\"\n";

const HEALTH_OF_OLD: &str = "#!/bin/sh\necho \"firmware $REFIT_VERSION: all well\"\n";

/// It takes a second, as a self-test does: long enough to be killed in, and to be seen.
const HEALTH_OF_NEW: &str = "#!/bin/sh
# 2.0.0 speaks to the modem in a new way, which boards of revision B do not understand.
board=$(cat ../../board)
echo \"firmware $REFIT_VERSION on board $board: self-test\"
sleep 1
if [ \"$board\" = rev-B ]; then
    echo \"modem: no answer within 1 s\"
    exit 1
fi
echo \"all well\"
";

/// Writes the tree of a version below `folder`, and returns where it is.
pub(super) fn write(folder: &Path, version: &str, seed: u64) -> io::Result<PathBuf> {
    let tree = folder.join(format!("{NAME}-{version}"));
    let parts = tree.join("parts");
    fs::create_dir_all(&parts)?;
    let (health, salt) = match version {
        OLD => (HEALTH_OF_OLD, 1),
        _ => (HEALTH_OF_NEW, 2),
    };
    fs::write(tree.join("refit.toml"), MANIFEST)?;
    fs::write(tree.join("VERSION"), format!("{version}\n"))?;
    fs::write(tree.join("health"), health)?;
    fs::set_permissions(tree.join("health"), fs::Permissions::from_mode(0o755))?;
    let mut noise = fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(salt));
    let mut part = vec![0; PART_BYTES];
    for number in 0..PARTS {
        noise.fill(&mut part);
        fs::write(parts.join(format!("{number:02}.bin")), &part)?;
    }
    Ok(tree)
}

/// Says how two trees differ; `None` if every file of the one is in the other, byte for byte, and nothing else is.
pub(super) fn difference(expected: &Path, found: &Path) -> Option<String> {
    let read =
        |tree: &Path| files(tree).map_err(|e| format!("{} cannot be read: {e}", tree.display()));
    match (read(expected), read(found)) {
        (Err(why), _) | (_, Err(why)) => Some(why),
        (Ok(expected), Ok(found)) => compare(&expected, &found),
    }
}

type Files = BTreeMap<PathBuf, (Vec<u8>, bool)>;

fn compare(expected: &Files, found: &Files) -> Option<String> {
    for (path, file) in expected {
        match found.get(path) {
            None => return Some(format!("{} is missing", path.display())),
            Some(other) if other != file => return Some(format!("{} is altered", path.display())),
            Some(_) => {}
        }
    }
    let extra = found.keys().find(|path| !expected.contains_key(*path))?;
    Some(format!("{} does not belong there", extra.display()))
}

/// Reads every file of a tree, with whether it can be run.
fn files(tree: &Path) -> io::Result<Files> {
    let mut files = BTreeMap::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let kind = fs::symlink_metadata(&path)?;
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let runs = kind.permissions().mode() & 0o100 != 0;
            let name = path.strip_prefix(tree).unwrap_or(&path).to_owned();
            files.insert(name, (fs::read(&path)?, runs));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_is_cut_altered_or_added_to_is_told_from_a_whole_one() {
        let home = tempfile::tempdir().unwrap();
        let one = write(&home.path().join("a"), NEW, 7).unwrap();
        let two = write(&home.path().join("b"), NEW, 7).unwrap();
        assert_eq!(difference(&one, &two), None);
        fs::write(two.join("parts/37.bin"), b"").unwrap();
        assert_eq!(
            difference(&one, &two).unwrap(),
            "parts/37.bin does not belong there"
        );
        fs::write(two.join("parts/07.bin"), b"").unwrap();
        assert_eq!(difference(&one, &two).unwrap(), "parts/07.bin is altered");
        fs::remove_file(two.join("health")).unwrap();
        assert_eq!(difference(&one, &two).unwrap(), "health is missing");
        assert!(difference(&one, &home.path().join("c")).is_some());
    }

    #[test]
    fn the_two_versions_differ_and_a_seed_gives_the_same_again() {
        let home = tempfile::tempdir().unwrap();
        let old = write(home.path(), OLD, 7).unwrap();
        let new = write(home.path(), NEW, 7).unwrap();
        assert!(difference(&old, &new).is_some());
    }
}
