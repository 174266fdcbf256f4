//! The key that signs. Today it lies in a file; another place is another implementation of rcgen's `SigningKey`.

use super::Fault;
use rcgen::{Error, KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey};
use std::fmt;

/// A private key, wherever it is.
pub struct Signer(Box<dyn SigningKey + Send + Sync>);

impl Signer {
    /// Reads an unencrypted PKCS #8 key, PEM.
    pub fn from_pem(text: &str) -> Result<Self, Fault> {
        let key = KeyPair::from_pem(text).map_err(|_| Fault::Key)?;
        Ok(Self(Box::new(key)))
    }

    /// Takes a key that lies elsewhere.
    pub fn new(key: impl SigningKey + Send + Sync + 'static) -> Self {
        Self(Box::new(key))
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.sign(message)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}
