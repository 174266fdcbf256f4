//! What can be wrong with a CA, each with what to do.

use crate::key::Weak;
use crate::pem;
use crate::validity::WrongClock;

/// Why a CA cannot be used, or did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A file is not the PEM that it should be.
    #[error(transparent)]
    Pem(#[from] pem::Fault),
    /// A certificate cannot be read.
    #[error("this is not an X.509 v3 certificate that can be read")]
    Certificate,
    /// A certificate is not a CA's.
    #[error(
        "the certificate is not a CA's: it needs basicConstraints CA:TRUE and, if it has a key usage, keyCertSign"
    )]
    NoAuthority,
    /// The same root stands twice in a bundle.
    #[error("the same certificate stands twice")]
    Twice,
    /// The issuer is not signed by the root.
    #[error(
        "the issuer's certificate is not signed by the next in the file, or by the root; put what lies between them into the issuer's file, in order"
    )]
    Chain,
    /// The key is not the certificate's.
    #[error("the key is not the one of the CA's certificate; give the two that belong together")]
    KeyMismatch,
    /// The private key cannot be read.
    #[error(
        "the private key cannot be read; give an unencrypted PKCS #8 key in PEM (`openssl pkcs8 -topk8 -nocrypt`)"
    )]
    Key,
    /// The key is not strong enough.
    #[error(transparent)]
    Weak(#[from] Weak),
    /// The clock is off.
    #[error(transparent)]
    Clock(#[from] WrongClock),
    /// The issuer has expired, or is not yet good.
    #[error(
        "the issuer's certificate is not valid now; check the clock, or make a new issuer (`refit ca rotate`)"
    )]
    IssuerExpired,
    /// A root has expired, or is not yet good.
    #[error("the root is not valid now: devices could verify nobody by it; give one that is")]
    RootExpired,
    /// A server needs a name.
    #[error("a server's certificate needs at least one name")]
    NoName,
    /// A server's name is neither a host name nor an address.
    #[error("{0:?} is neither a host name nor an address")]
    BadName(String),
    /// The key refused to sign, or what was to be signed cannot be written.
    #[error("the CA could not sign")]
    Sign,
}
