//! What holds at one moment: the CA that signs, whose certificates are let in, and what devices trust.
//!
//! It comes of two things: what the store says ([`Said`]: the newest trust bundle) and the files of the CA that signs. In
//! both lists the first is the one that signs.

use std::path::Path;
use std::sync::Arc;

use refit_identity::ca::is_made_here;
use refit_identity::{Bundle, Ca, pem};
use refit_store::identity::TrustRow;

use super::Error;
use super::files::Loaded;

/// How many issuers' certificates are let in at a time.
const ISSUERS_MAX: usize = 8;

/// What a trust bundle says, each certificate PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// What devices trust.
    pub(crate) roots: Vec<String>,
    /// Whose certificates are let in.
    pub(crate) issuers: Vec<String>,
}

/// What holds.
pub(crate) struct Trusted {
    pub(crate) ca: Arc<Ca>,
    /// What devices trust.
    pub(crate) bundle: Bundle,
    /// Issuers of this fleet whose certificates are let in, DER; the one that signs is the first.
    pub(crate) issuers: Vec<Vec<u8>>,
    /// Whether a root is the operator's own, which may have signed other issuers for other purposes.
    pub(super) is_own: bool,
    /// The same as the store has it.
    pub(crate) said: Said,
}

impl Said {
    pub(super) fn of_row(row: &TrustRow) -> Self {
        Self {
            roots: pem::cut(&row.roots),
            issuers: pem::cut(&row.issuers),
        }
    }

    /// The first bundle of a fleet.
    pub(super) fn first(loaded: &Loaded) -> Self {
        Self {
            roots: vec![loaded.root.clone()],
            issuers: vec![loaded.issuer.clone()],
        }
    }

    /// The same, with this CA as the one that signs. Its root must be trusted already.
    pub(crate) fn with(&self, loaded: &Loaded) -> Result<Self, Error> {
        if !self.roots.iter().any(|root| is_same(root, &loaded.root)) {
            return Err(Error::Untrusted(loaded.path.clone()));
        }
        let issuers = first(&self.issuers, &loaded.issuer);
        if issuers.len() > ISSUERS_MAX {
            return Err(Error::TooManyIssuers {
                path: loaded.path.clone(),
                max: ISSUERS_MAX,
            });
        }
        Ok(Self {
            roots: first(&self.roots, &loaded.root),
            issuers,
        })
    }

    /// The same, with another root that devices trust.
    pub(crate) fn and(&self, root: &str) -> Self {
        let mut said = self.clone();
        said.roots.push(root.to_owned());
        said
    }

    /// The one that signs, and nobody else.
    pub(crate) fn alone(&self) -> Self {
        let one = |list: &[String]| list.iter().take(1).cloned().collect();
        Self {
            roots: one(&self.roots),
            issuers: one(&self.issuers),
        }
    }
}

impl Trusted {
    /// Puts together what the store says and the CA that signs; errors name this file.
    pub(crate) fn read(number: u64, said: Said, ca: Arc<Ca>, path: &Path) -> Result<Self, Error> {
        let bundle = Bundle::read(number, &said.roots.concat()).map_err(Error::fault(path))?;
        let issuers = pem::certificates(&said.issuers.concat());
        Ok(Self {
            ca,
            is_own: !bundle.roots().iter().all(|root| is_made_here(root)),
            issuers: issuers.map_err(|why| Error::fault(path)(why.into()))?,
            bundle,
            said,
        })
    }
}

/// Tells whether two texts are the same certificate, however it was wrapped.
fn is_same(one: &str, other: &str) -> bool {
    pem::certificate(one).is_ok_and(|der| pem::certificate(other) == Ok(der))
}

/// The list with this one at its front, and nowhere else.
fn first(list: &[String], one: &str) -> Vec<String> {
    let known = list.iter().find(|other| is_same(other, one));
    let front = known.cloned().unwrap_or_else(|| one.to_owned());
    let others = list.iter().filter(|other| !is_same(other, one)).cloned();
    std::iter::once(front).chain(others).collect()
}
