//! The CA of this server: who signs, whom it lets in, and what devices trust; all of it can change while it runs.
//!
//! What holds is the newest trust bundle in the store; the keys are files (`files.rs`). So a change of the CA is one
//! commit, and the files follow it: now, or at the next start.

pub(crate) mod files;
pub(crate) mod trusted;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use refit_access::audit::Entry;
use refit_access::matrix::Operation;
use refit_engine::author::Author;
use refit_identity::ca::{self, signed_by, top_of};
use refit_identity::validity::{DAY_MS, DEVICE_MS, WrongClock};
use refit_identity::{Bundle, IdPattern, Peer, Serial, pem};
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_store::identity::{IdentityChange, IdentityOutcome};
use refit_store::store::{Failure, Store};

pub(crate) use files::{FOLDER, check_private};
use files::{Home, Loaded};
use trusted::{Said, Trusted};

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

/// Who signs, whom the server lets in, and who else may have signed a certificate that enrols.
pub(crate) struct Authority {
    /// What holds now; whoever decides by it takes it once.
    trusted: RwLock<Arc<Trusted>>,
    /// Where the files are.
    pub(super) home: Home,
    factories: Vec<Factory>,
    pub(crate) terms: Terms,
    /// Whether an issuer has lost its trust since the start: connections that are open were verified before that.
    has_finished: AtomicBool,
    /// The SHA-256 of the certificate at the top of the chain that the HTTPS listener shows.
    presented: RwLock<Digest>,
    /// Held by whoever changes the CA.
    pub(super) turn: Mutex<()>,
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
    /// There are more issuers than are let in at a time.
    #[error("{} is one issuer more than the {max} whose certificates are let in: put the earlier one back, and use `refit ca finish`", .path.display())]
    TooManyIssuers {
        /// The file of the new one.
        path: PathBuf,
        /// How many may be.
        max: usize,
    },
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
    /// Opens the CA of a data directory; makes it if there was never one. What a killed server left half done is brought
    /// to its end. With an operator's own, that is loaded instead.
    pub(crate) fn open(
        data: &Path,
        own: Option<&Own>,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<Self, Error> {
        WrongClock::check(now)?;
        let home = Home::of(data, own);
        let newest = store.reader()?.trust(1)?.pop();
        home.settle(newest.as_ref().map(|row| row.roots.as_str()), now)?;
        let loaded = home.load()?;
        let (number, said) = match newest {
            Some(row) => {
                let known = Said::of_row(&row);
                let said = known.with(&loaded)?;
                let number = if said == known {
                    row.number
                } else {
                    let path = loaded.path.display();
                    tracing::warn!("{path} is another issuer than before: it signs from now on");
                    record(store, &said, Some(at_start(&loaded, now)), now)?
                };
                (number, said)
            }
            None => {
                let said = Said::first(&loaded);
                (record(store, &said, None, now)?, said)
            }
        };
        let trusted = Trusted::read(number, said, loaded.ca, &loaded.path)?;
        Ok(Self {
            presented: RwLock::new(refit_identity::thumbprint(trusted.ca.issuer_der())),
            trusted: RwLock::new(Arc::new(trusted)),
            home,
            factories: Vec::new(),
            terms: Terms::default(),
            has_finished: AtomicBool::new(false),
            turn: Mutex::new(()),
        })
    }

    /// Returns what holds now.
    pub(crate) fn trusted(&self) -> Arc<Trusted> {
        Arc::clone(&self.trusted.read())
    }

    /// From now on this holds; it is durable already.
    pub(super) fn replace(&self, new: Trusted) {
        let mut trusted = self.trusted.write();
        let lets_in = |issuer: &Vec<u8>| new.issuers.contains(issuer);
        if !trusted.issuers.iter().all(lets_in) {
            self.has_finished.store(true, Ordering::Release);
        }
        *trusted = Arc::new(new);
    }

    /// Returns the certificates whose clients the TLS listener may let in, DER: roots, issuers, and factories.
    pub(crate) fn client_authorities(&self) -> Vec<Vec<u8>> {
        let trusted = self.trusted();
        let factories = self.factories.iter().map(|factory| &factory.authority);
        let all = trusted.bundle.roots().iter().chain(&trusted.issuers);
        all.chain(factories).cloned().collect()
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
        let tls_has_seen_it = self.factories.is_empty()
            && !self.trusted.read().is_own
            && !self.has_finished.load(Ordering::Acquire);
        tls_has_seen_it || self.is_ours(peer)
    }

    /// Tells the same without trusting that TLS has verified anything.
    pub(crate) fn is_ours(&self, peer: &Peer) -> bool {
        let trusted = self.trusted();
        trusted
            .issuers
            .iter()
            .any(|issuer| signed_by(&peer.der, issuer))
    }

    /// Tells whether this certificate is of an issuer that is let in, and no longer signs.
    pub(crate) fn is_former(&self, peer: &Peer) -> bool {
        self.is_ours(peer) && !self.trusted().ca.issued(peer)
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
            let authorities = Bundle::read(1, &files::read(&file.certificate)?);
            let authorities = authorities.map_err(|source| Error::Factory {
                path: file.certificate.clone(),
                source,
            })?;
            for authority in authorities.roots() {
                if self.client_authorities().contains(authority) {
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

/// The line of the audit log about a CA whose files an operator has replaced while the server was down.
fn at_start(loaded: &Loaded, now: Timestamp) -> Entry {
    let server = Author {
        actor: "server".into(),
        source: None,
        request: None,
    };
    let after = serde_json::json!({ "act": "start", "issuer": loaded.ca.name().to_hex() });
    let texts = (None, Some(after.to_string()));
    server.line(now, Operation::TrustWrite.as_str(), "ca".into(), texts)
}

/// Makes the next trust bundle, and returns its number.
pub(super) fn record(
    store: &dyn Store,
    said: &Said,
    audit: Option<Entry>,
    now: Timestamp,
) -> Result<u64, Error> {
    let change = IdentityChange::AddTrust {
        roots: said.roots.concat(),
        issuers: said.issuers.concat(),
        at: now,
    };
    match store.change_identity(change, audit)? {
        IdentityOutcome::Trust(number) => Ok(number),
        _ => Err(Failure::Corrupt("a trust bundle".into()).into()),
    }
}

/// Makes a serial number of 128 random bits.
pub(crate) fn serial() -> Result<Serial, Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| {
        Error::file("make", Path::new("a serial number"))(io::Error::other(error))
    })?;
    Ok(Serial::random(bits))
}

#[cfg(test)]
mod tests;
