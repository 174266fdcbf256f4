//! Which public keys are strong enough, and how each of them signs.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_SIG_ED25519};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The shortest RSA modulus that is accepted, in bits (NIST SP 800-131A).
pub const RSA_BITS_MIN: usize = 2048;

/// The longest, in bits: beyond it a check costs an attacker less than us.
pub const RSA_BITS_MAX: usize = 8192;

/// The kind of a key that is strong enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ECDSA on NIST P-256; signs with SHA-256.
    P256,
    /// ECDSA on NIST P-384; signs with SHA-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA, 2048 to 8192 bits; signs PKCS #1 v1.5 with SHA-256.
    Rsa,
}

/// A key that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// An RSA key of this many bits.
    #[error(
        "the RSA key has {0} bits; make one with {RSA_BITS_MIN} to {RSA_BITS_MAX}, or EC P-256"
    )]
    Rsa(usize),
    /// A curve or algorithm that is not of the list.
    #[error(
        "this kind of key is not accepted; make an EC P-256 key (P-384, Ed25519 and RSA work too)"
    )]
    Unknown,
}

impl Kind {
    /// Tells which kind of key this is, or why it is refused.
    pub(crate) fn of(key: &SubjectPublicKeyInfo<'_>) -> Result<Self, Weak> {
        let algorithm = &key.algorithm;
        if algorithm.algorithm == OID_SIG_ED25519 {
            let bytes = key.subject_public_key.data.len();
            return if bytes == 32 {
                Ok(Self::Ed25519)
            } else {
                Err(Weak::Unknown)
            };
        }
        match key.parsed().map_err(|_| Weak::Unknown)? {
            PublicKey::RSA(rsa) => Self::rsa(rsa.modulus),
            PublicKey::EC(point) => {
                let curve = algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
                let curve = curve.ok_or(Weak::Unknown)?;
                // Uncompressed points only (RFC 5480 §2.2): the length tells.
                match point.data().len() {
                    65 if curve == OID_EC_P256 => Ok(Self::P256),
                    97 if curve == OID_NIST_EC_P384 => Ok(Self::P384),
                    _ => Err(Weak::Unknown),
                }
            }
            _ => Err(Weak::Unknown),
        }
    }

    fn rsa(modulus: &[u8]) -> Result<Self, Weak> {
        let leading = modulus.iter().take_while(|byte| **byte == 0).count();
        let significant = modulus.get(leading..).unwrap_or_default();
        let unused = significant
            .first()
            .map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = significant.len() * 8 - unused;
        if (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            Ok(Self::Rsa)
        } else {
            Err(Weak::Rsa(bits))
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Self::P384 => &signature::ECDSA_P384_SHA384_ASN1,
            Self::Ed25519 => &signature::ED25519,
            Self::Rsa => &signature::RSA_PKCS1_2048_8192_SHA256,
        }
    }

    /// Tells whether `signature` is this key's over `message`.
    pub(crate) fn verifies(
        self,
        key: &SubjectPublicKeyInfo<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        UnparsedPublicKey::new(self.verification(), &key.subject_public_key.data)
            .verify(message, signature)
            .is_ok()
    }
}
