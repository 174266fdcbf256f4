//! Whether a device gets a certificate: the rules of semantics 17, over what the transaction has read.
//!
//! Pure, so that each store decides alike.

use super::{
    CertificateRow, CertificateState, ClaimRow, Enrolment, IdentityRow, Refusal, Renewal, Standing,
};

/// What is to be done for a device that asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Record the certificate; a claim token counts down.
    Issue,
    /// Answer what was answered before; nothing is counted.
    Again(Box<CertificateRow>),
    /// Refuse, and hold the device: one certificate was renewed to two keys.
    Hold,
    /// Refuse.
    Refuse(Refusal),
}

/// Decides an enrolment. `known`: the certificates of the device, and those of the same key.
pub fn enrol(
    asks: &Enrolment,
    claim: Option<&ClaimRow>,
    identity: Option<&IdentityRow>,
    known: &[CertificateRow],
) -> Verdict {
    let new = &asks.certificate;
    let used_up = match (new.claim, claim) {
        (None, _) => false,
        (Some(_), None) => return Verdict::Refuse(Refusal::NoSuchClaim),
        (Some(_), Some(claim)) if claim.revoked.is_some() => {
            return Verdict::Refuse(Refusal::ClaimRevoked);
        }
        (Some(_), Some(claim)) if claim.expires <= asks.at => {
            return Verdict::Refuse(Refusal::ClaimExpired);
        }
        (Some(_), Some(claim)) => claim.left == 0,
    };
    match identity.map(|identity| identity.standing) {
        Some(Standing::Retired) if !may_rekey(identity) => {
            return Verdict::Refuse(Refusal::Retired);
        }
        _ => {}
    }
    if known
        .iter()
        .any(|known| known.key == new.key && known.device != new.device)
    {
        return Verdict::Refuse(Refusal::KeyKnown);
    }
    let own = known.iter().filter(|known| known.device == new.device);
    // A lost answer: the same key with what paid for it then.
    let same = |known: &&CertificateRow| {
        known.key == new.key
            && known.claim == new.claim
            && known.previous.is_none()
            && known.state == CertificateState::Active
            && known.not_after > asks.at
    };
    if let Some(again) = own.clone().find(same) {
        return Verdict::Again(Box::new(again.clone()));
    }
    if !may_rekey(identity) && own.clone().next().is_some() {
        return Verdict::Refuse(match identity.map(|identity| identity.standing) {
            Some(Standing::Revoked) => Refusal::Revoked,
            Some(Standing::Cloned) => Refusal::Held,
            _ => Refusal::HasKey,
        });
    }
    // A revoked key does not come back, not even where a new one is allowed.
    if own
        .clone()
        .any(|known| known.key == new.key && known.state == CertificateState::Revoked)
    {
        return Verdict::Refuse(Refusal::Revoked);
    }
    // An ID without a certificate may have been barred before it ever came.
    let barred = identity.is_some_and(|identity| identity.standing.is_barred());
    match (barred && !may_rekey(identity), used_up) {
        (true, _) => Verdict::Refuse(Refusal::Revoked),
        (_, true) => Verdict::Refuse(Refusal::ClaimUsedUp),
        _ => Verdict::Issue,
    }
}

/// Decides a renewal. `known`: the certificates of the device, and those of the same key.
pub fn renew(asks: &Renewal, identity: Option<&IdentityRow>, known: &[CertificateRow]) -> Verdict {
    match identity.map(|identity| identity.standing) {
        Some(Standing::Revoked) => return Verdict::Refuse(Refusal::Revoked),
        Some(Standing::Retired) => return Verdict::Refuse(Refusal::Retired),
        Some(Standing::Cloned) => return Verdict::Refuse(Refusal::Held),
        Some(Standing::Registered | Standing::Enrolled) | None => {}
    }
    let (old, new) = (&asks.old, &asks.certificate);
    let find = |thumbprint| known.iter().find(|known| known.thumbprint == thumbprint);
    if find(old.thumbprint).is_some_and(|old| old.state == CertificateState::Revoked) {
        return Verdict::Refuse(Refusal::Revoked);
    }
    if known
        .iter()
        .any(|known| known.key == new.key && known.device != new.device)
    {
        return Verdict::Refuse(Refusal::KeyKnown);
    }
    let mut children = known
        .iter()
        .filter(|known| known.previous == Some(old.thumbprint));
    if children.clone().any(|child| child.key != new.key) {
        return Verdict::Hold;
    }
    match children.rfind(|child| child.not_after > asks.at) {
        Some(again) => Verdict::Again(Box::new(again.clone())),
        None => Verdict::Issue,
    }
}

fn may_rekey(identity: Option<&IdentityRow>) -> bool {
    identity.is_some_and(|identity| identity.may_rekey)
}
