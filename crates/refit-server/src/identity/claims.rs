//! Claim tokens: made, known again by a hash, and which device one is for.

use refit_identity::{Csr, IdPattern};
use refit_protocol::claim::{Claim, ClaimId};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::enrolment::Enrol;
use refit_protocol::time::Timestamp;
use refit_store::identity::ClaimRow;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::http::error::{Kind, Problem};

/// Returns the hash under which a claim's secret is kept. It has 128 random bits, so nothing slower is needed.
pub(crate) fn secret_hash(secret: &[u8; 16]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Makes a token, and the row that knows it again.
pub(crate) fn new_claim(
    server: Digest,
    devices: u64,
    pattern: Option<&IdPattern>,
    attributes: Map<String, Value>,
    (created, expires): (Timestamp, Timestamp),
) -> Result<(Claim, ClaimRow), Problem> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(|_| Problem::internal("there is no randomness"))?;
    let (mut id, mut secret) = ([0; 8], [0; 16]);
    id.copy_from_slice(&random[..8]);
    secret.copy_from_slice(&random[8..]);
    let claim = Claim {
        server,
        id: ClaimId(id),
        secret,
    };
    let row = ClaimRow {
        id: claim.id,
        hash: secret_hash(&secret),
        devices,
        left: devices,
        pattern: pattern.map(|pattern| pattern.as_str().to_owned()),
        attributes,
        created,
        expires,
        revoked: None,
    };
    Ok((claim, row))
}

/// Which device a token enrols: the one that is asked for, else the one that the request names, else the only one that
/// the token is for.
pub(super) fn of_claim(asks: &Enrol, csr: &Csr, claim: &ClaimRow) -> Result<DeviceId, Problem> {
    let pattern = claim.pattern.as_deref().map(IdPattern::parse).transpose();
    let pattern = pattern.map_err(|why| Problem::internal(&why.to_string()))?;
    let only = pattern.as_ref().and_then(IdPattern::only);
    let device = asks.id.clone().or_else(|| csr.names.clone()).or(only);
    let device = device.ok_or_else(|| {
        Problem::new(
            Kind::BadBody,
            "say which ID the device is to have: id, or the common name of the csr",
        )
    })?;
    match pattern {
        Some(pattern) if !pattern.fits(&device) => Err(Problem::new(
            Kind::EnrolmentRefused,
            format!("this token enrols {pattern} alone, which {device} is not"),
        )),
        _ => Ok(device),
    }
}
