//! The releases that the depot has, as decisions and deltas need them: a handful, kept in memory.

use hashbrown::HashMap;
use parking_lot::RwLock;
use refit_protocol::delta::Software;
use refit_protocol::digest::Digest;
use refit_replica::input::Catalog;

/// All releases by the digest of their artifact. One digest under two names is one software (semantics 31); the
/// name that came first is shown.
#[derive(Default)]
pub struct Releases {
    by_digest: RwLock<HashMap<Digest, Vec<Software>>>,
}

impl Releases {
    /// Takes in a release.
    pub fn add(&self, software: Software) {
        let mut by_digest = self.by_digest.write();
        let known = by_digest.entry(software.digest).or_default();
        if !known.contains(&software) {
            known.push(software);
        }
    }

    /// Forgets a release.
    pub fn remove(&self, name: &str, version: &str) {
        self.by_digest.write().retain(|_, known| {
            known.retain(|software| software.name != name || software.version != version);
            !known.is_empty()
        });
    }

    /// Returns what is known of an artifact.
    pub fn find(&self, digest: &Digest) -> Option<Software> {
        self.by_digest.read().get(digest)?.first().cloned()
    }
}

impl Catalog for Releases {
    fn knows(&self, digest: &Digest) -> bool {
        self.by_digest.read().contains_key(digest)
    }
}
