//! What is answered to a device that gets no certificate, each with what to do next.

use refit_identity::{ca, csr};
use refit_store::identity::Refusal;

use super::Barred;
use crate::http::error::{Kind, Problem};

#[expect(clippy::needless_pass_by_value, reason = "it is used with map_err")]
pub(super) fn bad_csr(why: csr::Fault) -> Problem {
    Problem::new(Kind::BadCsr, why.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it is used with map_err")]
pub(super) fn cannot_sign(why: ca::Fault) -> Problem {
    tracing::error!("no certificate was signed: {why}");
    match why {
        ca::Fault::Clock(_) | ca::Fault::IssuerExpired => Problem::new(
            Kind::Unavailable,
            "the server cannot sign certificates now; its log says why",
        ),
        _ => Problem::internal("the server could not sign a certificate"),
    }
}

/// The problem of a device that is not let in.
pub(crate) fn barred(why: Barred) -> Problem {
    Problem::new(Kind::DeviceBarred, why.to_string())
}

pub(super) fn refusal(why: Refusal) -> Problem {
    let (kind, detail) = match why {
        Refusal::NoSuchClaim => (
            Kind::EnrolmentRefused,
            "there is no such claim token; copy it again, all of it",
        ),
        Refusal::ClaimRevoked => (
            Kind::EnrolmentRefused,
            "the claim token was revoked; `refit enrol token new` makes another",
        ),
        Refusal::ClaimExpired => (
            Kind::EnrolmentRefused,
            "the claim token has expired; `refit enrol token new` makes another",
        ),
        Refusal::ClaimUsedUp => (
            Kind::EnrolmentRefused,
            "the claim token is used up: as many devices as it was made for have enrolled with it; `refit enrol token new` makes another",
        ),
        Refusal::HasKey => (
            Kind::DeviceHasKey,
            "the device has, or had, a key, and no token gives it another: an operator can allow it one (`refit device re-enrol`)",
        ),
        Refusal::KeyKnown => (
            Kind::DeviceHasKey,
            "the key is, or was, another device's: make a key for each device, on the device",
        ),
        Refusal::Revoked => return barred(Barred::Revoked),
        Refusal::Retired => return barred(Barred::Retired),
        Refusal::Cloned | Refusal::Held => return barred(Barred::Cloned),
    };
    Problem::new(kind, detail)
}
