//! Gives devices their certificates, and renews them. Each call signs and waits for the disk: not for async threads.
//!
//! What can be refused cheaply is refused before anything is signed; what decides is decided in the store's
//! transaction (`refit_store::identity::verdict`), on what is true then.

use std::sync::Arc;

use refit_access::audit::Entry;
use refit_engine::author::Author;
use refit_engine::events::{EventKind, IdentityAct};
use refit_engine::fleet::Fleet;
use refit_identity::ca::Issued as Signed;
use refit_identity::validity::Validity;
use refit_identity::{Csr, Peer, pem, proof};
use refit_protocol::claim::Claim;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::enrolment::{Enrol, Issued, Nonce, Renew, RenewExpired, TrustBundle};
use refit_protocol::time::Timestamp;
use refit_store::identity::{
    CertificateRow, CertificateState, ClaimRow, Enrolment, IdentityChange, IdentityOutcome,
    Refusal, Renewal, Standing,
};
use refit_store::store::Store;
use subtle::ConstantTimeEq;

use super::authority::{self, Authority};
use super::claims::{of_claim, secret_hash};
use super::counted::Counted;
use super::nonces::Nonces;
use super::refusal::{bad_csr, barred, cannot_sign, refusal};
use super::{Barred, Identities};
use serde_json::json;

use crate::desk;
use crate::http::error::{Kind, Problem};
use crate::metrics::Trust;

/// The office where certificates are asked for.
pub(crate) struct Office {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) fleet: Fleet,
    pub(crate) authority: Arc<Authority>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) counted: Counted,
    nonces: Nonces,
}

/// What a device gets, before it is told where to connect.
#[derive(Debug)]
pub(crate) struct Given {
    device: DeviceId,
    chain: String,
    validity: Validity,
}

impl Office {
    /// `key`: 32 random bytes for challenges; they need not outlive the process.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        fleet: Fleet,
        authority: Arc<Authority>,
        identities: Arc<Identities>,
        key: [u8; 32],
    ) -> Self {
        Self {
            store,
            fleet,
            authority,
            identities,
            counted: Counted::default(),
            nonces: Nonces::new(key),
        }
    }

    /// Returns what devices trust.
    pub(crate) fn trust(&self) -> TrustBundle {
        self.authority.trusted().bundle.to_wire()
    }

    /// Returns the same for the device of this certificate: it is told to renew if the CA of that signs no longer.
    pub(crate) fn trust_of(&self, peer: Option<&Peer>) -> TrustBundle {
        TrustBundle {
            renew: peer.is_some_and(|peer| self.authority.is_former(peer)),
            ..self.trust()
        }
    }

    /// Returns what is shown of identities.
    pub(crate) fn figures(&self, now: Timestamp) -> Trust {
        let left = |until: Timestamp| {
            let [until, now] = [until, now].map(|at| at.as_millis().cast_signed());
            (until - now) / 1000
        };
        let trusted = self.authority.trusted();
        let bundle = &trusted.bundle;
        Trust {
            issuer_s: left(trusted.ca.validity().not_after),
            root_s: bundle.first_expiry().map_or(0, left),
            bundle: bundle.number,
            barred: self.identities.counts(),
        }
    }

    /// Makes a challenge.
    pub(crate) fn nonce(&self, now: Timestamp) -> Result<Nonce, Problem> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| Problem::internal("there is no randomness"))?;
        Ok(self.nonces.make(random, now))
    }

    /// Tells whether the device of this certificate may do what devices do.
    pub(crate) fn standing(&self, peer: &Peer, now: Timestamp) -> Result<(), Barred> {
        self.identities.standing(peer, now)?;
        if self.authority.admit(peer) {
            Ok(())
        } else {
            Err(Barred::NotEnrolled)
        }
    }

    /// Gives a device its first certificate, for a claim token or for a factory's certificate.
    pub(crate) fn enrol(
        &self,
        asks: Enrol,
        peer: Option<&Peer>,
        by: &Author,
        now: Timestamp,
    ) -> Result<Given, Problem> {
        let csr = Csr::from_pem(&asks.csr).map_err(bad_csr)?;
        let (claim, device) = match (&asks.token, peer) {
            (Some(token), _) => {
                let claim = self.claim(token)?;
                let device = of_claim(&asks, &csr, &claim)?;
                (Some(claim), device)
            }
            (None, Some(peer)) => (None, self.of_factory(&asks, peer)?),
            (None, None) => {
                return Err(Problem::new(
                    Kind::EnrolmentRefused,
                    "give a claim token (`refit enrol token new` makes one), or show the certificate of a factory that is trusted here",
                ));
            }
        };
        csr.check_for(&device).map_err(bad_csr)?;
        let (signed, mut row) = self.sign(&csr, &device, now)?;
        row.claim = claim.as_ref().map(|claim| claim.id);
        let audit = of_device(by, "device:enrol", &row);
        let change = IdentityChange::Enrol(Box::new(Enrolment {
            certificate: row,
            attributes: claim.map(|claim| claim.attributes).unwrap_or_default(),
            claimed: asks.attributes,
            at: now,
        }));
        let outcome = self.change(change, Some(audit))?;
        match outcome {
            IdentityOutcome::Issued { revoked } => {
                self.identities
                    .enrolled(&device, &revoked, || self.all_revoked(&device));
                self.tell(&device, IdentityAct::Enrolled, now);
                if !revoked.is_empty() {
                    self.fleet.expel(&device);
                }
                Ok(given(device, signed))
            }
            outcome => self.answered_before(device, outcome, now),
        }
    }

    /// Gives a device another certificate, over its present one.
    pub(crate) fn renew(
        &self,
        asks: &Renew,
        peer: &Peer,
        by: &Author,
        now: Timestamp,
    ) -> Result<Given, Problem> {
        self.standing(peer, now).map_err(barred)?;
        self.renewed(&asks.csr, peer, by, now)
    }

    /// Gives a device another certificate for one that has expired, with proof that it has the old key.
    pub(crate) fn renew_expired(
        &self,
        asks: &RenewExpired,
        by: &Author,
        now: Timestamp,
    ) -> Result<Given, Problem> {
        let refused = |why: &str| Problem::new(Kind::EnrolmentRefused, why);
        if !self.nonces.is_good(&asks.nonce, now) {
            return Err(refused(
                "the nonce is none of this server, or has expired: ask for another (GET /device/v1/nonce)",
            ));
        }
        let der = pem::certificates(&asks.certificate)
            .ok()
            .and_then(|chain| chain.into_iter().next())
            .ok_or_else(|| {
                Problem::new(Kind::BadBody, "certificate is not a certificate in PEM")
            })?;
        let old = Peer::read(&der).map_err(|why| Problem::new(Kind::BadBody, why.to_string()))?;
        // No TLS has verified anything here.
        if !self.authority.is_ours(&old) {
            return Err(refused("the certificate was not issued by this fleet"));
        }
        let csr = Csr::from_pem(&asks.csr).map_err(bad_csr)?;
        let proven = proof::verify(&old, &asks.nonce, &csr, &asks.signature);
        if proven != Ok(true) {
            return Err(refused(
                "the signature is not by the key of the certificate, over this nonce and this csr",
            ));
        }
        if !self.nonces.use_up(&asks.nonce, now) {
            return Err(refused(
                "the nonce was used before: ask for another (GET /device/v1/nonce)",
            ));
        }
        match self.identities.standing(&old, now) {
            Ok(()) | Err(Barred::NotNow) => {}
            Err(why) => return Err(barred(why)),
        }
        let grace = self.authority.terms.grace_ms;
        if now.as_millis() > old.not_after.as_millis().saturating_add(grace) {
            return Err(refused(
                "the certificate expired too long ago: an operator can allow the device a new key (`refit device re-enrol`)",
            ));
        }
        self.renewed(&asks.csr, &old, by, now)
    }

    fn renewed(
        &self,
        csr: &str,
        old: &Peer,
        by: &Author,
        now: Timestamp,
    ) -> Result<Given, Problem> {
        let csr = Csr::from_pem(csr).map_err(bad_csr)?;
        let device = old.device.clone();
        csr.check_for(&device).map_err(bad_csr)?;
        let (signed, mut row) = self.sign(&csr, &device, now)?;
        row.previous = Some(old.thumbprint);
        let audit = of_device(by, "device:renew", &row);
        let change = IdentityChange::Renew(Box::new(Renewal {
            old: of_peer(old),
            certificate: row,
            at: now,
        }));
        let outcome = self.change(change, Some(audit))?;
        match outcome {
            IdentityOutcome::Issued { .. } => {
                self.tell(&device, IdentityAct::Renewed, now);
                Ok(given(device, signed))
            }
            outcome => self.answered_before(device, outcome, now),
        }
    }

    /// What an outcome means that issued nothing.
    fn answered_before(
        &self,
        device: DeviceId,
        outcome: IdentityOutcome,
        now: Timestamp,
    ) -> Result<Given, Problem> {
        match outcome {
            IdentityOutcome::Already(row) => Ok(Given {
                device,
                validity: Validity {
                    not_before: row.not_before,
                    not_after: row.not_after,
                },
                chain: row.chain,
            }),
            IdentityOutcome::Refused(why) => {
                if why == Refusal::Cloned {
                    self.identities.bar(&device, Standing::Cloned);
                    self.tell(&device, IdentityAct::Cloned, now);
                    self.fleet.expel(&device);
                }
                Err(refusal(why))
            }
            _ => Err(Problem::internal(
                "the store answered what it cannot answer",
            )),
        }
    }

    /// Finds the token, and checks its secret. One that is not known and one whose secret is wrong look alike.
    fn claim(&self, token: &Claim) -> Result<ClaimRow, Problem> {
        let found = self
            .store
            .reader()
            .and_then(|mut reader| reader.claim(token.id))
            .map_err(Problem::of_store)?;
        let hash = secret_hash(&token.secret);
        let stored = found.as_ref().map_or([0; 32], |claim| claim.hash);
        let fits: bool = stored.ct_eq(&hash).into();
        match found {
            Some(claim) if fits => Ok(claim),
            _ => Err(refusal(Refusal::NoSuchClaim)),
        }
    }

    fn of_factory(&self, asks: &Enrol, peer: &Peer) -> Result<DeviceId, Problem> {
        let refused = |why: String| Problem::new(Kind::EnrolmentRefused, why);
        let Some(factory) = self.authority.factory_of(peer) else {
            return Err(match self.authority.is_ours(peer) {
                true => Problem::new(
                    Kind::Conflict,
                    "the device is enrolled already: renew its certificate (POST /device/v1/renew)",
                ),
                false => refused("the certificate is of no factory that is trusted here".into()),
            });
        };
        if !factory.pattern.fits(&peer.device) {
            return Err(refused(format!(
                "this factory may enrol {} alone, which {} is not",
                factory.pattern, peer.device
            )));
        }
        match &asks.id {
            Some(id) if *id != peer.device => Err(refused(format!(
                "the certificate names {}, and the request {id}",
                peer.device
            ))),
            _ => Ok(peer.device.clone()),
        }
    }

    fn sign(
        &self,
        csr: &Csr,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<(Signed, CertificateRow), Problem> {
        let serial =
            authority::serial().map_err(|_| Problem::internal("there is no randomness"))?;
        let ca = Arc::clone(&self.authority.trusted().ca);
        let signed = ca
            .sign_device(csr, device, now, self.authority.terms.lifetime_ms, &serial)
            .map_err(cannot_sign)?;
        let row = CertificateRow {
            thumbprint: signed.thumbprint,
            device: device.clone(),
            key: csr.key,
            serial: serial.as_bytes().to_vec(),
            issuer: ca.name(),
            not_before: signed.validity.not_before,
            not_after: signed.validity.not_after,
            state: CertificateState::Active,
            previous: None,
            claim: None,
            chain: signed.chain.clone(),
        };
        Ok((signed, row))
    }

    /// Changes what is known of devices.
    pub(crate) fn change(
        &self,
        change: IdentityChange,
        audit: Option<Entry>,
    ) -> Result<IdentityOutcome, Problem> {
        let devices = change.devices();
        let outcome = self
            .store
            .change_identity(change, audit)
            .map_err(Problem::of_store)?;
        self.fleet.indexing().look_again(devices);
        Ok(outcome)
    }

    pub(crate) fn tell(&self, device: &DeviceId, act: IdentityAct, now: Timestamp) {
        let kind = EventKind::Identity(act);
        self.fleet.feed().add(now, Some(device.clone()), kind);
    }

    fn all_revoked(&self, device: &DeviceId) -> Vec<Digest> {
        let read = self
            .store
            .reader()
            .and_then(|mut reader| reader.certificates_of(device));
        let revoked = |row: &CertificateRow| row.state == CertificateState::Revoked;
        let rows = read.unwrap_or_default().into_iter();
        rows.filter(revoked).map(|row| row.thumbprint).collect()
    }
}

impl Given {
    /// Returns the answer, with what the device needs to go on.
    pub(crate) fn answer(self, trust: TrustBundle, mqtt: String) -> Issued {
        Issued {
            id: self.device,
            certificate: self.chain,
            trust,
            mqtt,
            renew_after: self.validity.renew_after(),
            expires: self.validity.not_after,
        }
    }
}

/// The line of the audit log about a certificate that a device asked for.
fn of_device(by: &Author, action: &str, row: &CertificateRow) -> Entry {
    let by = Author {
        actor: format!("device:{}", row.device),
        ..by.clone()
    };
    let after = json!({
        "certificate": row.thumbprint.to_hex(),
        "enrolmentToken": row.claim.map(|claim| claim.to_string()),
    });
    desk::line(&by, action, by.actor.clone(), Some(after))
}

fn of_peer(peer: &Peer) -> CertificateRow {
    CertificateRow {
        thumbprint: peer.thumbprint,
        device: peer.device.clone(),
        key: peer.key,
        serial: peer.serial.as_bytes().to_vec(),
        issuer: peer.issuer,
        not_before: peer.not_before,
        not_after: peer.not_after,
        state: CertificateState::Superseded,
        previous: None,
        claim: None,
        chain: String::new(),
    }
}

fn given(device: DeviceId, signed: Signed) -> Given {
    Given {
        device,
        chain: signed.chain,
        validity: signed.validity,
    }
}

#[cfg(test)]
mod tests;
