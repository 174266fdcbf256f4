//! The files of the fleet's CA: made at the first start, or the operator's own.
//!
//! `ca/root.pem`, `ca/issuer.pem`, `ca/issuer.key`, and `ca/root.key`, which may lie elsewhere. They come into being
//! together: a folder is made aside and named at the end, so that there is never half a CA.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use parking_lot::RwLock;
use refit_identity::ca::{self, Signer, signed_by, top_of};
use refit_identity::validity::{DAY_MS, DEVICE_MS, WrongClock};
use refit_identity::{Bundle, Ca, CaFiles, IdPattern, Peer, Serial, pem};
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_store::identity::{IdentityChange, IdentityOutcome};
use refit_store::store::{Failure, Store};

use crate::secret_file::write_private;

/// The folder below the data directory.
pub(crate) const FOLDER: &str = "ca";

/// A longer file is no certificate and no key.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A factory whose certificates may enrol.
pub(crate) struct Factory {
    /// The certificate that signs its devices' certificates, DER.
    pub(crate) authority: Vec<u8>,
    /// Which IDs it may name.
    pub(crate) pattern: IdPattern,
}

/// A factory, as the operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactoryFile {
    /// The certificate that signs its devices' certificates, or several, PEM.
    pub certificate: PathBuf,
    /// Which IDs it may name.
    pub pattern: IdPattern,
}

/// How long devices' certificates are good, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From signing to expiry; never longer than the issuer's own.
    pub lifetime_ms: u64,
    /// How long after its expiry one can be renewed with proof of its key: fleets sit in boxes.
    pub grace_ms: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            lifetime_ms: DEVICE_MS,
            grace_ms: 365 * DAY_MS,
        }
    }
}

/// A certificate and its key that the operator brings, PEM: the certificate's file has its issuers' too, up to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The certificates.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// The last certificate of a chain.
fn last(chain: &str) -> &str {
    let begin = chain.rfind("-----BEGIN CERTIFICATE-----");
    chain.get(begin.unwrap_or(0)..).unwrap_or(chain)
}

/// The CA of this server, what devices trust, and who else may have signed a certificate that enrols.
pub(crate) struct Authority {
    pub(crate) ca: Ca,
    /// Issuers of this fleet whose certificates are still in use, DER; the present one among them.
    issuers: Vec<Vec<u8>>,
    bundle: Bundle,
    factories: Vec<Factory>,
    pub(crate) terms: Terms,
    /// Whether a root is the operator's own, which may have signed other issuers for other purposes.
    is_own: bool,
    /// The SHA-256 of the certificate at the top of the chain that the HTTPS listener shows.
    presented: RwLock<Digest>,
}

/// Why there is no CA.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others may read a key.
    #[error("the key {} can be read by others (mode {mode:o}): chmod 600 it, and consider whether it leaked", .path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file is not there, although others of the CA are.
    #[error("{} is missing: restore it from a copy, or name another; without it devices cannot be served", .0.display())]
    Missing(PathBuf),
    /// The files are not what they should be, or do not belong together.
    #[error("the CA in {} cannot be used: {source}", .path.display())]
    Fault {
        /// Where.
        path: PathBuf,
        /// Why.
        source: ca::Fault,
    },
    /// The clock cannot be right: what is signed or checked by it is void.
    #[error(transparent)]
    Clock(#[from] WrongClock),
    /// A factory's certificate is none that signs.
    #[error("the factory's certificate {} cannot be used: {source}", .path.display())]
    Factory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ca::Fault,
    },
    /// A factory's certificate is trusted otherwise already.
    #[error("the factory's certificate {} is the fleet's own, or is named twice: remove it from ca-factory", .0.display())]
    FactoryTwice(PathBuf),
    /// The root is not among those that devices trust.
    #[error("the root in {} is not in the trust bundle that devices hold: put the earlier one back, and use `refit ca rotate`", .0.display())]
    Untrusted(PathBuf),
    /// The file system failed.
    #[error("failed to {act} {}", .path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store failed.
    #[error("failed to keep the trust bundle")]
    Store(#[from] Failure),
}

impl Error {
    fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }

    fn fault(path: &Path) -> impl FnOnce(ca::Fault) -> Self {
        let path = path.to_owned();
        move |source| Self::Fault { path, source }
    }
}

impl Authority {
    /// Opens the CA of a data directory; makes it if there is none.
    /// With an operator's own, that is loaded instead.
    pub(crate) fn open(
        data: &Path,
        own: Option<&Own>,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<Self, Error> {
        WrongClock::check(now)?;
        if let Some(own) = own {
            let chain = read(&own.certificate)?;
            return Self::of(own, last(&chain), &chain, store, now);
        }
        let folder = data.join(FOLDER);
        if !folder.exists() {
            create(&folder, now)?;
        }
        Self::load(&folder, store, now)
    }

    fn load(folder: &Path, store: &dyn Store, now: Timestamp) -> Result<Self, Error> {
        let root_path = folder.join("root.pem");
        let root = read(&root_path)?;
        let chain = read(&folder.join("issuer.pem"))?;
        let root_key = folder.join("root.key");
        if root_key.exists() {
            check_private(&root_key)?;
        }
        let files = Own {
            certificate: folder.join("issuer.pem"),
            key: folder.join("issuer.key"),
        };
        Self::of(&files, &root, &chain, store, now)
    }

    fn of(
        files: &Own,
        root: &str,
        chain: &str,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<Self, Error> {
        check_private(&files.key)?;
        let signer = Signer::from_pem(&read(&files.key)?).map_err(Error::fault(&files.key))?;
        let ca = Ca::load(root, chain, signer).map_err(Error::fault(&files.certificate))?;
        let bundle = trusted(store, root, now, &files.certificate)?;
        let presented = refit_identity::thumbprint(ca.issuer_der());
        Ok(Self {
            issuers: vec![ca.issuer_der().to_vec()],
            ca,
            is_own: !bundle.roots().iter().all(|root| ca::is_made_here(root)),
            bundle,
            factories: Vec::new(),
            terms: Terms::default(),
            presented: RwLock::new(presented),
        })
    }

    /// Returns what devices trust.
    pub(crate) const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Returns the certificates whose clients the TLS listener may let in, DER: roots, and factories.
    pub(crate) fn client_authorities(&self) -> impl Iterator<Item = &[u8]> {
        let roots = self.bundle.roots().iter().map(Vec::as_slice);
        roots.chain(self.issuers.iter().map(Vec::as_slice)).chain(
            self.factories
                .iter()
                .map(|factory| factory.authority.as_slice()),
        )
    }

    /// Says which chain the HTTPS listener shows: claim tokens pin its top.
    pub(crate) fn presents(&self, chain: &str) -> Result<(), pem::Fault> {
        *self.presented.write() = top_of(chain)?;
        Ok(())
    }

    /// Returns what claim tokens pin.
    pub(crate) fn presented(&self) -> Digest {
        *self.presented.read()
    }

    /// Tells whether the fleet's own CA signed this certificate: by its key, not by what it says of itself. A factory
    /// that is trusted for enrolling could otherwise make certificates that look like ours, and so could whoever else
    /// has an issuer below an operator's own root. A root that was made here signs our issuers alone, so TLS has seen it.
    pub(crate) fn admit(&self, peer: &Peer) -> bool {
        (self.factories.is_empty() && !self.is_own) || self.is_ours(peer)
    }

    /// Tells the same without trusting that TLS has verified anything.
    pub(crate) fn is_ours(&self, peer: &Peer) -> bool {
        self.issuers
            .iter()
            .any(|issuer| signed_by(&peer.der, issuer))
    }

    /// Returns the factory that signed this certificate.
    pub(crate) fn factory_of(&self, peer: &Peer) -> Option<&Factory> {
        self.factories
            .iter()
            .find(|factory| signed_by(&peer.der, &factory.authority))
    }

    /// Takes what the operator says of factories and times.
    pub(crate) fn with(mut self, factories: &[FactoryFile], terms: Terms) -> Result<Self, Error> {
        self.terms = terms;
        for file in factories {
            let authorities = Bundle::read(1, &read(&file.certificate)?);
            let authorities = authorities.map_err(|source| Error::Factory {
                path: file.certificate.clone(),
                source,
            })?;
            for authority in authorities.roots() {
                if self.client_authorities().any(|known| known == authority) {
                    return Err(Error::FactoryTwice(file.certificate.clone()));
                }
                self.trust_factory(Factory {
                    authority: authority.clone(),
                    pattern: file.pattern.clone(),
                });
            }
        }
        Ok(self)
    }

    pub(crate) fn trust_factory(&mut self, factory: Factory) {
        self.factories.push(factory);
    }
}

/// Returns the newest bundle; the first is made of the root that there is.
fn trusted(store: &dyn Store, root: &str, now: Timestamp, path: &Path) -> Result<Bundle, Error> {
    let newest = store.reader()?.trust(1)?.pop();
    let (number, roots) = match newest {
        Some(row) => (row.number, row.roots),
        None => {
            let roots = root.to_owned();
            let change = IdentityChange::AddTrust { roots, at: now };
            match store.change_identity(change, None)? {
                IdentityOutcome::Trust(number) => (number, root.to_owned()),
                _ => return Err(Failure::Corrupt("a trust bundle".into()).into()),
            }
        }
    };
    let bundle = Bundle::read(number, &roots).map_err(Error::fault(path))?;
    let root = pem::certificate(root).map_err(|why| Error::fault(path)(why.into()))?;
    if !bundle.roots().contains(&root) {
        return Err(Error::Untrusted(path.to_owned()));
    }
    Ok(bundle)
}

fn create(folder: &Path, now: Timestamp) -> Result<(), Error> {
    let made = ca::create(now, &serial()?, &serial()?).map_err(Error::fault(folder))?;
    write(folder, &made)?;
    tracing::info!(
        "made the fleet's CA in {}; keep a copy of it, and root.key where only you can reach it",
        folder.display()
    );
    Ok(())
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
        ("root.key", &made.root_key),
        ("root.pem", &made.root),
        ("issuer.key", &made.issuer_key),
        ("issuer.pem", &made.issuer),
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

/// Makes a serial number of 128 random bits.
pub(crate) fn serial() -> Result<Serial, Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| {
        Error::file("make", Path::new("a serial number"))(io::Error::other(error))
    })?;
    Ok(Serial::random(bits))
}

fn read(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
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

#[cfg(test)]
mod tests;
