//! The depot, as far as anybody here needs one: its releases, their bytes and their digests.

use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use refit_protocol::software_url::depot_url;
use refit_replica::input::Catalog;
use sha2::{Digest as _, Sha256};

/// How many releases the depot has; with the foreign one as many as a record counts failures of.
pub(crate) const RELEASES: u8 = 3;

/// The depot: the digests of its releases, oldest first.
pub(crate) struct Releases(Vec<Digest>);

impl Releases {
    /// Makes a depot with so many releases.
    pub(crate) fn new(count: u8) -> Self {
        let digest = |number| Digest::from_bytes(Sha256::digest(Self::content(number)).into());
        Self((0..count).map(digest).collect())
    }

    /// Returns the bytes of a release.
    pub(crate) fn content(number: u8) -> Vec<u8> {
        format!("release {number} of the firmware, whole, verified and well").into_bytes()
    }

    /// Returns the digest of a release.
    pub(crate) fn digest(&self, number: u64) -> Option<&Digest> {
        self.0.get(number as usize % self.0.len().max(1))
    }

    /// Returns the number of a digest's release.
    pub(crate) fn number(&self, digest: &Digest) -> Option<u8> {
        let at = self.0.iter().position(|known| known == digest)?;
        u8::try_from(at).ok()
    }

    /// Returns the bytes that a digest stands for.
    pub(crate) fn bytes(digest: &Digest) -> Option<Vec<u8>> {
        let depot = Self::new(RELEASES);
        depot.number(digest).map(Self::content)
    }
}

impl Catalog for Releases {
    fn knows(&self, digest: &Digest) -> bool {
        self.number(digest).is_some()
    }
}

impl Releases {
    /// Tells whether a release is none of the first.
    pub(crate) fn is_new(software: &Software) -> bool {
        software.version != "0.0.0"
    }

    /// Returns the URL of a release, without a grant.
    pub(crate) fn url(digest: &Digest) -> String {
        depot_url("http://refit.example", digest)
    }

    /// Returns what a device needs to know of a release.
    pub(crate) fn software(&self, digest: &Digest) -> Option<Software> {
        let number = self.number(digest)?;
        Some(Software {
            name: "firmware".into(),
            version: format!("{number}.0.0"),
            digest: *digest,
            length: Self::content(number).len() as u64,
            format: Format::File,
        })
    }
}
