//! The files of the fleet's CA: made at the first start, or the operator's own.
//!
//! `ca/root.pem`, `ca/issuer.pem`, `ca/issuer.key`, and `ca/root.key`, which may lie elsewhere. They come into being
//! together: a folder is made aside and named at the end, so that there is never half a CA. While the CA is changed the
//! next one lies in `ca.next/`, and the one before it in `ca.former-…/`. Which of them signs is not said here, but by the
//! first root of the newest trust bundle: [`Home::settle`] names the folders after it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use refit_identity::ca::{self, Signer};
use refit_identity::{Ca, CaFiles, pem, thumbprint};
use refit_protocol::time::Timestamp;
use zeroize::Zeroizing;

use super::{Error, Own, serial};
use crate::secret_file::write_private;

/// The folder of the CA that signs, below the data directory.
pub(crate) const FOLDER: &str = "ca";

/// The folder of the CA that is to sign next.
const NEXT: &str = "ca.next";

/// What the folder of an earlier CA begins with; its root's fingerprint follows.
const FORMER: &str = "ca.former-";

/// A longer file is no certificate and no key.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Where the files are.
pub(crate) enum Home {
    /// Below this data directory.
    Folder(PathBuf),
    /// Where the operator says.
    Own(Own),
}

/// A CA as its files have it.
pub(crate) struct Loaded {
    pub(crate) ca: Arc<Ca>,
    /// The root, PEM.
    pub(crate) root: String,
    /// The issuer, PEM.
    pub(crate) issuer: String,
    /// The file of the issuer, for messages.
    pub(crate) path: PathBuf,
}

impl Home {
    pub(super) fn of(data: &Path, own: Option<&Own>) -> Self {
        match own {
            Some(own) => Self::Own(own.clone()),
            None => Self::Folder(data.to_owned()),
        }
    }

    /// Brings the folders to what the trust bundle says: these are its roots. A CA is made where there never was one.
    pub(super) fn settle(&self, roots: Option<&str>, now: Timestamp) -> Result<(), Error> {
        let Self::Folder(data) = self else {
            return Ok(());
        };
        let folder = data.join(FOLDER);
        let Some(roots) = roots else {
            if !folder.exists() {
                create(&folder, now)?;
                tracing::info!(
                    "made the fleet's CA in {}; keep a copy of it, and root.key where only you can reach it",
                    folder.display()
                );
            }
            return Ok(());
        };
        let signs = pem::certificates(roots)
            .ok()
            .and_then(|roots| roots.into_iter().next());
        if signs.is_some() && root_in(&folder) != signs && root_in(&data.join(NEXT)) == signs {
            exchange(data)?;
            tracing::info!(
                "{} holds the CA that signs since the switch",
                folder.display()
            );
        }
        Ok(())
    }

    /// Reads the CA that signs.
    pub(crate) fn load(&self) -> Result<Loaded, Error> {
        match self {
            Self::Folder(data) => load_folder(&data.join(FOLDER)),
            Self::Own(own) => {
                let chain = read(&own.certificate)?;
                let root = pem::cut(&chain).pop().unwrap_or_default();
                load(own, &root, &chain)
            }
        }
    }

    /// Reads the CA that is to sign next; `None`: there is none.
    pub(crate) fn load_next(&self) -> Result<Option<Loaded>, Error> {
        match self.next_folder() {
            Some(next) if next.exists() => load_folder(&next).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// Makes the CA that is to sign next. Nobody trusts it yet.
    pub(crate) fn make_next(&self, now: Timestamp) -> Result<(), Error> {
        self.next_folder().map_or(Ok(()), |next| create(&next, now))
    }

    /// Puts away the CA that was to sign next: its root was withdrawn.
    pub(crate) fn set_next_aside(&self) -> Result<(), Error> {
        match self {
            Self::Folder(data) => set_aside(data, &data.join(NEXT)),
            Self::Own(_) => Ok(()),
        }
    }

    /// Puts the next CA in the place of the one that signed before.
    pub(crate) fn exchange(&self) -> Result<(), Error> {
        match self {
            Self::Folder(data) => exchange(data),
            Self::Own(_) => Ok(()),
        }
    }

    /// Tells whether the files are the operator's.
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    fn next_folder(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(data) => Some(data.join(NEXT)),
            Self::Own(_) => None,
        }
    }
}

/// The root that lies in a folder, DER; `None`: there is none.
fn root_in(folder: &Path) -> Option<Vec<u8>> {
    let text = read(&folder.join("root.pem")).ok()?;
    pem::certificate(&text).ok()
}

/// Puts the next CA in the place of the one before, which is kept. Killed between the two it goes on at the next start.
fn exchange(data: &Path) -> Result<(), Error> {
    let (folder, next) = (data.join(FOLDER), data.join(NEXT));
    if folder.exists() {
        set_aside(data, &folder)?;
    }
    fs::rename(&next, &folder).map_err(Error::file("name", &folder))?;
    sync(data)
}

/// Keeps a CA that is no longer of use where nobody takes it for one that is.
fn set_aside(data: &Path, folder: &Path) -> Result<(), Error> {
    let root = root_in(folder).unwrap_or_default();
    let name: String = thumbprint(&root).to_hex().chars().take(16).collect();
    let former = data.join(format!("{FORMER}{name}"));
    fs::rename(folder, &former).map_err(Error::file("name", &former))?;
    sync(data)
}

fn load_folder(folder: &Path) -> Result<Loaded, Error> {
    let root = read(&folder.join("root.pem"))?;
    let files = Own {
        certificate: folder.join("issuer.pem"),
        key: folder.join("issuer.key"),
    };
    let chain = read(&files.certificate)?;
    let root_key = folder.join("root.key");
    if root_key.exists() {
        check_private(&root_key)?;
    }
    load(&files, &root, &chain)
}

fn load(files: &Own, root: &str, chain: &str) -> Result<Loaded, Error> {
    check_private(&files.key)?;
    let signer =
        Signer::from_pem(&Zeroizing::new(read(&files.key)?)).map_err(Error::fault(&files.key))?;
    let ca = Ca::load(root, chain, signer).map_err(Error::fault(&files.certificate))?;
    let first = |text: &str| pem::cut(text).into_iter().next().unwrap_or_default();
    Ok(Loaded {
        ca: Arc::new(ca),
        root: first(root),
        issuer: first(chain),
        path: files.certificate.clone(),
    })
}

fn create(folder: &Path, now: Timestamp) -> Result<(), Error> {
    let made = ca::create(now, &serial()?, &serial()?).map_err(Error::fault(folder))?;
    write(folder, &made)
}

/// Writes the files of a CA into a new folder, which comes into being whole.
fn write(folder: &Path, made: &CaFiles) -> Result<(), Error> {
    let draft = folder.with_extension("draft");
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::file("remove", &draft)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut builder = DirBuilder::new();
    builder
        .mode(0o700)
        .create(&draft)
        .map_err(Error::file("make", &draft))?;
    for (name, text) in [
        ("root.key", made.root_key.as_str()),
        ("root.pem", made.root.as_str()),
        ("issuer.key", made.issuer_key.as_str()),
        ("issuer.pem", made.issuer.as_str()),
    ] {
        let path = draft.join(name);
        write_private(&path, text.trim_end().as_bytes()).map_err(Error::file("write", &path))?;
    }
    sync(&draft)?;
    fs::rename(&draft, folder).map_err(Error::file("name", folder))?;
    folder.parent().map_or(Ok(()), sync)
}

fn sync(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|opened| opened.sync_all());
    synced.map_err(Error::file("sync", folder))
}

pub(super) fn read(path: &Path) -> Result<String, Error> {
    // A key may be in it: growing would leave parts of it behind.
    let mut text = String::with_capacity(FILE_BYTES_MAX as usize);
    let read =
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Missing(path.to_owned()))
        }
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

pub(crate) fn check_private(path: &Path) -> Result<(), Error> {
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Missing(path.to_owned()));
        }
        Err(error) => return Err(Error::file("look at", path)(error)),
    };
    if mode & 0o077 != 0 {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}
