//! The key of a device: made here, kept in a file that only its owner reads, used to sign; it leaves nowhere.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateSigningRequestDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Characters of base64 in a line of PEM (RFC 7468 §2).
const PEM_LINE: usize = 64;

/// The longest common name that X.520 allows.
const COMMON_NAME_BYTES_MAX: usize = 64;

/// A private key in PEM. Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<String>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// Makes a key: EC on the curve P-256.
    pub fn make() -> Result<Self, String> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|e| format!("no key can be made: {e}"))?;
        let der = Zeroizing::new(pair.serialize_der());
        Ok(Self(Zeroizing::new(pem("PRIVATE KEY", &der))))
    }

    /// Reads a key in PEM: PKCS#8, SEC1 or PKCS#1.
    pub fn parse(text: Zeroizing<String>) -> Result<Self, String> {
        let key = Self(text);
        any_supported_type(&key.der()?).map_err(|_| "it is of a kind that is not supported")?;
        Ok(key)
    }

    /// Returns it in PEM, to be written to its file and nowhere else.
    pub fn pem(&self) -> &str {
        &self.0
    }

    /// Returns it for TLS.
    pub fn der(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.0.as_bytes())
            .map_err(|_| "it is not a private key in PEM".into())
    }

    /// Returns a request for a certificate (PKCS#10) in PEM, for this device if its ID is known.
    pub fn request(&self, device: Option<&DeviceId>) -> Result<String, String> {
        let failed = |e: rcgen::Error| format!("no request for a certificate can be made: {e}");
        let pair = KeyPair::try_from(&self.der()?).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        // A longer name does not fit there (X.520); the server knows it in any case.
        if let Some(device) = device.filter(|id| id.as_str().len() <= COMMON_NAME_BYTES_MAX) {
            params
                .distinguished_name
                .push(DnType::CommonName, device.as_str());
        }
        let request = params.serialize_request(&pair).map_err(failed)?;
        Ok(pem("CERTIFICATE REQUEST", request.der()))
    }

    /// Signs with ECDSA on P-256 and SHA-256: the proof that an expired certificate was this device's. DER.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| "the key cannot sign";
        let key = any_supported_type(&self.der()?).map_err(failed)?;
        let signer = key
            .choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])
            .ok_or("the key is not of the curve P-256")?;
        Ok(signer.sign(message).map_err(failed)?)
    }
}

/// Returns the first certificate of a chain, in PEM.
pub fn leaf_of(chain: &str) -> Result<String, String> {
    let certificates = crate::tls::certificates(chain)?;
    let leaf = certificates.first().ok_or("there is no certificate")?;
    Ok(pem("CERTIFICATE", leaf))
}

/// Returns the digest of a request for a certificate, which a proof is bound to.
pub fn request_digest(request: &str) -> Result<Digest, String> {
    let der = CertificateSigningRequestDer::from_pem_slice(request.as_bytes())
        .map_err(|_| "it is not a request in PEM")?;
    Ok(Digest::from_bytes(Sha256::digest(&der).into()))
}

/// Writes PEM (RFC 7468 §2).
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der));
    let mut pem = format!("-----BEGIN {label}-----\n");
    // What grows leaves copies of a secret behind.
    pem.reserve_exact(text.len() + text.len() / PEM_LINE + label.len() + 20);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(PEM_LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END ");
    pem.push_str(label);
    pem.push_str("-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What OpenSSL, which is not of this house, says of it.
    fn openssl(arguments: &[&str], input: &str) -> String {
        let mut child = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl is not there: install Debian's package openssl");
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(output.status.success(), "{said}");
        said
    }

    #[test]
    fn a_request_names_the_device_and_proves_the_key() {
        let key = Key::make().unwrap();
        let device = DeviceId::parse("lamp-7").unwrap();
        let request = key.request(Some(&device)).unwrap();
        let said = openssl(&["req", "-verify", "-noout", "-subject", "-text"], &request);
        for part in ["verif", "CN = lamp-7", "prime256v1"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = openssl(&["req", "-noout", "-subject"], &key.request(None).unwrap());
        assert_eq!(said.trim(), "subject=");
    }

    #[test]
    fn a_key_is_read_again_and_shown_to_nobody() {
        let key = Key::make().unwrap();
        assert_eq!(
            Key::parse(Zeroizing::new(key.pem().into())).as_ref(),
            Ok(&key)
        );
        assert_ne!(key, Key::make().unwrap());
        assert_eq!(format!("{key:?}"), "Key(…)");
        for bad in [
            "",
            "x",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(Key::parse(Zeroizing::new(bad.into())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_signature_is_good_for_others() {
        let key = Key::make().unwrap();
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("s"), key.sign(b"message").unwrap()).unwrap();
        let public = openssl(&["pkey", "-pubout"], key.pem());
        std::fs::write(path("p"), public).unwrap();
        let arguments = [
            "dgst",
            "-sha256",
            "-verify",
            &path("p"),
            "-signature",
            &path("s"),
        ];
        assert!(openssl(&arguments, "message").contains("Verified OK"));
    }
}
