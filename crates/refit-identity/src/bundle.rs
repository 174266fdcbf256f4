//! What devices trust: a set of roots under a number that only rises (semantics 18).

use crate::ca::Fault;
use crate::{peer, pem};
use refit_protocol::enrolment::TrustBundle;
use refit_protocol::time::Timestamp;

/// The most roots in one bundle: the one in force, the next, and what is left of an earlier one.
pub const ROOTS_MAX: usize = 8;

/// A numbered set of roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Which one it is; it begins at 1.
    pub number: u64,
    roots: Vec<Vec<u8>>,
    text: String,
}

impl Bundle {
    /// Reads the roots (PEM). Each must be a CA's certificate; none stands twice.
    pub fn read(number: u64, text: &str) -> Result<Self, Fault> {
        let roots = pem::certificates(text)?;
        if roots.len() > ROOTS_MAX {
            return Err(Fault::Pem(pem::Fault::TooMany(ROOTS_MAX)));
        }
        for (at, root) in roots.iter().enumerate() {
            let certificate = peer::parse(root).map_err(|_| Fault::Certificate)?;
            if !certificate.is_ca() {
                return Err(Fault::NoAuthority);
            }
            if roots.iter().skip(at + 1).any(|other| other == root) {
                return Err(Fault::Twice);
            }
        }
        Ok(Self {
            number,
            roots,
            text: text.to_owned(),
        })
    }

    /// Returns the roots, DER.
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// Returns the roots, PEM.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns when the first of the roots expires.
    pub fn first_expiry(&self) -> Option<Timestamp> {
        let ends = self.roots.iter().filter_map(|root| {
            let certificate = peer::parse(root).ok()?;
            let seconds = certificate.validity().not_after.timestamp();
            Some(Timestamp(u64::try_from(seconds).ok()?.saturating_mul(1000)))
        });
        ends.min()
    }

    /// Returns what a device is told.
    pub fn to_wire(&self) -> TrustBundle {
        TrustBundle {
            number: self.number,
            roots: self.text.clone(),
            renew: false,
        }
    }
}
