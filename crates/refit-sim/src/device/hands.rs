//! What an agent's hands do to its disk: a folder of whole releases, and a link to the one that runs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use refit_agent::files::fragile::Fragile;
use refit_agent::files::{Files, Kind};
use refit_protocol::digest::Digest;

/// The name of a release's bytes in its folder.
pub(crate) const ARTIFACT: &str = "artifact";

const VERSIONS: &str = "/versions";
const CURRENT: &str = "/current";
const NEXT: &str = "/current.next";

/// Returns the bytes of a release: enough to be torn.
pub(crate) fn artifact(digest: &Digest) -> Vec<u8> {
    digest.to_hex().into_bytes()
}

/// Returns the folder of a release.
pub(crate) fn version(digest: &Digest) -> PathBuf {
    Path::new(VERSIONS).join(digest.to_hex())
}

/// Returns what runs, by the link's own account.
pub(crate) fn running(disk: &Fragile) -> io::Result<Option<Digest>> {
    let target = disk.read_link(Path::new(CURRENT))?;
    let name = target
        .as_deref()
        .and_then(Path::file_name)
        .and_then(|n| n.to_str());
    Ok(name.and_then(Digest::parse))
}

/// Makes the folder.
pub(crate) fn prepare(disk: &Fragile) -> io::Result<()> {
    disk.make_folder(Path::new(VERSIONS))?;
    disk.sync_folder(Path::new("/"))
}

/// Writes a release beside what runs. `half` is planted: it gets its name before it is whole.
pub(crate) fn write(disk: &Fragile, digest: &Digest, half: bool) -> io::Result<()> {
    let whole = version(digest);
    if disk.kind(&whole)? == Some(Kind::Folder) {
        return disk.sync_folder(Path::new(VERSIONS));
    }
    let partial = Path::new(VERSIONS).join(format!("{digest}.partial"));
    disk.remove(&partial)?;
    disk.make_folder(&partial)?;
    let mut file = disk.create(&partial.join(ARTIFACT), 0o755)?;
    file.write_all(&artifact(digest))?;
    file.flush()?;
    if !half {
        disk.sync_tree(&partial)?;
    }
    disk.rename(&partial, &whole)?;
    disk.sync_folder(Path::new(VERSIONS))
}

/// Makes a written release the one that runs.
pub(crate) fn switch(disk: &Fragile, to: &Digest) -> io::Result<()> {
    if disk.kind(&version(to))? != Some(Kind::Folder) {
        return Err(io::Error::other("the release is not there"));
    }
    if running(disk)? != Some(*to) {
        disk.remove(Path::new(NEXT))?;
        disk.link(&version(to), Path::new(NEXT))?;
        disk.rename(Path::new(NEXT), Path::new(CURRENT))?;
    }
    disk.sync_folder(Path::new("/"))
}

/// Goes back to what ran before.
pub(crate) fn go_back(disk: &Fragile, to: Option<&Digest>) -> io::Result<()> {
    match to {
        Some(to) => switch(disk, to),
        None => {
            disk.remove(Path::new(CURRENT))?;
            disk.sync_folder(Path::new("/"))
        }
    }
}

/// Forgets all releases but the one that runs and the one before it.
pub(crate) fn confirm(disk: &Fragile, to: &Digest, former: Option<&Digest>) -> io::Result<()> {
    for name in disk.names(Path::new(VERSIONS))? {
        let digest = Digest::parse(&name);
        if digest.is_some_and(|digest| digest != *to && Some(&digest) != former) {
            let path = Path::new(VERSIONS).join(&name);
            let gone = Path::new(VERSIONS).join(format!("{name}.gone"));
            disk.remove(&gone)?;
            disk.rename(&path, &gone)?;
            disk.sync_folder(Path::new(VERSIONS))?;
            disk.remove(&gone)?;
        }
    }
    Ok(())
}
