//! Whose clients are let in: the authorities that may have signed a client's certificate.
//!
//! A client may come without a certificate; then whoever admits it must know it otherwise. One that shows a certificate
//! must have its key, and the certificate must be valid now, for a client, and signed by one of the authorities.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
};

use crate::tickets::Tickets;

/// The authorities of clients; they can be changed while connections are open.
pub struct Clients {
    verifier: RwLock<Option<Arc<dyn ClientCertVerifier>>>,
    algorithms: WebPkiSupportedAlgorithms,
    /// The tickets of all configurations that let these clients in.
    tickets: Tickets,
}

impl Clients {
    /// Trusts these authorities. With none, no certificate is accepted.
    pub fn new(authorities: &[CertificateDer<'_>]) -> Result<Self, Error> {
        Ok(Self {
            verifier: RwLock::new(verifier(authorities)?),
            algorithms: ring::default_provider().signature_verification_algorithms,
            tickets: Tickets::new().map_err(|_| Error::Chance)?,
        })
    }

    /// Trusts these from now on, and no others. Sessions cannot be resumed across the change, because a resumed one would
    /// not be asked whose it is; open connections stay.
    pub fn trust(&self, authorities: &[CertificateDer<'_>]) -> Result<(), Error> {
        let verifier = verifier(authorities)?;
        *self.verifier.write() = verifier;
        self.tickets.forget().map_err(|_| Error::Chance)
    }

    pub(crate) fn tickets(&self) -> Tickets {
        self.tickets.clone()
    }
}

fn verifier(
    authorities: &[CertificateDer<'_>],
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
    if authorities.is_empty() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    for (place, authority) in authorities.iter().enumerate() {
        roots
            .add(authority.clone().into_owned())
            .map_err(|source| Error::Authority { place, source })?;
    }
    let provider = Arc::new(ring::default_provider());
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(built.ok())
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: a device has one certificate, and the list would make each handshake longer.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verifier = self.verifier.read().clone();
        match verifier {
            Some(verifier) => verifier.verify_client_cert(leaf, intermediates, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients")
    }
}

/// Why authorities cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One is no certificate.
    #[error("the certificate of authority number {} cannot be used: {source}", .place + 1)]
    Authority {
        /// Its place in the list, from 0.
        place: usize,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness for keys of session tickets")]
    Chance,
}
