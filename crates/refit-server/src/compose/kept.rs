//! What lies in the data directory, opened in the order in which each part protects the next.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use refit_depot::grant::ring::KeyRing;
use refit_engine::releases::Releases;
use refit_store::sqlite::{self, SqliteStore};
use refit_store::store::Store;
use tokio::sync::watch;

use super::failure::StartError;
use crate::cursor::{self, Cursors};
use crate::identity::Identities;
use crate::identity::authority::Authority;
use crate::operator;
use crate::places::TOKEN_FILE;
use crate::privacy::Wanted;
use crate::wall;
use zeroize::Zeroizing;

/// Opens what lies in the data directory; makes it if it is not there.
pub(super) async fn open(data: &Path, wanted: Wanted) -> Result<(PathBuf, Kept), StartError> {
    make_data(data)?;
    let data = data.canonicalize().map_err(StartError::data(data))?;
    let at = data.clone();
    let kept = tokio::task::spawn_blocking(move || Kept::open(&at, &wanted)).await;
    let kept = kept.map_err(|error| StartError::data(&data)(io::Error::other(error)))??;
    Ok((data, kept))
}

/// What lies in the data directory.
pub(super) struct Kept {
    pub(super) store: Arc<dyn Store>,
    pub(super) store_broken: watch::Receiver<Option<String>>,
    pub(super) cursors: Cursors,
    pub(super) keys: KeyRing,
    /// The first admin's token, until its hash is among the others.
    pub(super) token: Zeroizing<String>,
    pub(super) releases: Arc<Releases>,
    pub(super) authority: Arc<Authority>,
    pub(super) identities: Arc<Identities>,
}

impl Kept {
    /// The store comes first: its lock keeps a second server from everything else.
    fn open(data: &Path, wanted: &Wanted) -> Result<Self, StartError> {
        let (stopped, store_broken) = watch::channel(None);
        let mut options = sqlite::Options::new(data);
        options.on_broken = Box::new(move |why| drop(stopped.send_replace(Some(why.into()))));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options)?);
        let releases = Arc::new(Releases::default());
        for release in store.reader()?.releases()? {
            releases.add(release.software);
        }
        let authority = Authority::open(data, wanted.ca.as_ref(), &*store, wall::now())?
            .with(&wanted.factories, wanted.terms)?;
        let identities = Identities::new(store.reader()?.barred()?);
        Ok(Self {
            authority: Arc::new(authority),
            identities: Arc::new(identities),
            store,
            store_broken,
            cursors: Cursors::load_or_create(&data.join(cursor::KEY_FILE))?,
            keys: KeyRing::open(&data.join("grant.keys"))?,
            token: operator::load_or_create(&data.join(TOKEN_FILE))?,
            releases,
        })
    }
}

/// Where the store says that its devices have certificates, because it was served without `--dev`.
const PRIVATE: &str = "served-privately";

/// Refuses `--dev` on what was served without it: anybody on this machine could speak as a device that has a certificate,
/// and one that was revoked would be let in.
pub(super) fn refuse_openly(store: &dyn Store, data: &Path, dev: bool) -> Result<(), StartError> {
    let is_private = store.reader()?.meta(PRIVATE)?.is_some();
    match (is_private, dev) {
        (true, true) => Err(StartError::Certified(data.to_owned())),
        (false, false) => Ok(store.put_meta(PRIVATE, "true")?),
        (true, false) | (false, true) => Ok(()),
    }
}

/// Makes the data directory for its owner alone. One that others can look into is not refused, but each secret in it
/// has a mode of its own.
fn make_data(path: &Path) -> Result<(), StartError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(StartError::data(path))?;
    let mode = fs::metadata(path)
        .map_err(StartError::data(path))?
        .permissions()
        .mode();
    if mode & 0o022 != 0 {
        return Err(StartError::Exposed {
            path: path.to_owned(),
            mode: mode & 0o777,
        });
    }
    Ok(())
}
