//! The server's own certificate and key: from PEM, or from files that are looked at again and again.
//!
//! A new pair is taken only whole and matching; else the old one stays, and what is wrong can be asked for. Connections
//! that are open keep what they have agreed on.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use zeroize::Zeroizing;

/// A certificate file or key file that is longer is none.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The certificate that the server shows, which can change while it runs.
pub struct OwnCertificate {
    current: RwLock<Arc<CertifiedKey>>,
    files: Option<Files>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: Mutex<Seen>,
}

/// What was there when it was last looked at.
#[derive(Default)]
struct Seen {
    stamps: Option<[Stamp; 2]>,
    /// What is wrong with the files as they are; the certificate shown is an older one.
    fault: Option<String>,
}

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

/// What looking at the files has brought.
#[derive(Debug)]
pub enum Look {
    /// They are as they were.
    Same,
    /// A new certificate is shown from now on.
    New,
    /// They changed, and cannot be used: the old certificate stays.
    Bad(Error),
}

impl OwnCertificate {
    /// Takes a chain, leaf first, and the leaf's key, both in PEM.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let pair = pair(certificate, key)?;
        Ok(Self {
            current: RwLock::new(Arc::new(pair)),
            files: None,
        })
    }

    /// Takes them from files, which [`OwnCertificate::look`] looks at again.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            seen: Mutex::default(),
        };
        let stamps = files.stamps()?;
        let pair = files.read()?;
        files.seen.lock().stamps = Some(stamps);
        Ok(Self {
            current: RwLock::new(Arc::new(pair)),
            files: Some(files),
        })
    }

    /// Shows another certificate from now on, given as [`OwnCertificate::from_pem`] takes it.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), Error> {
        *self.current.write() = Arc::new(pair(certificate, key)?);
        Ok(())
    }

    /// Looks whether the files have changed. It reads files, and should be called every few seconds where that may be.
    pub fn look(&self) -> Look {
        let Some(files) = &self.files else {
            return Look::Same;
        };
        let mut seen = files.seen.lock();
        let stamps = files.stamps();
        if let Ok(stamps) = &stamps
            && seen.stamps.as_ref() == Some(stamps)
        {
            return Look::Same;
        }
        match stamps.and_then(|stamps| Ok((stamps, files.read()?))) {
            Ok((stamps, pair)) => {
                // Both files are written one after the other: if one changed meanwhile, the next look sees it.
                *seen = Seen {
                    stamps: Some(stamps),
                    fault: None,
                };
                let is_new = self.current.read().cert != pair.cert;
                *self.current.write() = Arc::new(pair);
                if is_new { Look::New } else { Look::Same }
            }
            Err(error) => {
                // It is read again at the next look, and told once.
                let fault = error.to_string();
                let is_told = seen.fault.as_ref() == Some(&fault);
                seen.stamps = None;
                seen.fault = Some(fault);
                if is_told {
                    Look::Same
                } else {
                    Look::Bad(error)
                }
            }
        }
    }

    /// Returns what is wrong with the files, while an older certificate is shown.
    pub fn fault(&self) -> Option<String> {
        self.files.as_ref()?.seen.lock().fault.clone()
    }

    /// Returns the chain that is shown, leaf first, in DER.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current.read().cert.clone()
    }
}

impl Files {
    fn stamps(&self) -> Result<[Stamp; 2], Error> {
        let stamp = |path: &Path| {
            let found = fs::metadata(path).map_err(Error::file(path))?;
            Ok(Stamp::of(&found))
        };
        Ok([stamp(&self.certificate)?, stamp(&self.key)?])
    }

    fn read(&self) -> Result<CertifiedKey, Error> {
        let certificate = read(&self.certificate)?;
        let key = Zeroizing::new(read(&self.key)?);
        pair(&certificate, &key).map_err(|error| Error::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source: Box::new(error),
        })
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            modified: found.modified().ok(),
            len: found.len(),
            inode: found.ino(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let found = fs::metadata(path).map_err(Error::file(path))?;
    if found.len() > FILE_BYTES_MAX {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 1 MiB");
        return Err(Error::file(path)(error));
    }
    fs::read(path).map_err(Error::file(path))
}

fn pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| Error::NoCertificate)?;
    if chain.is_empty() {
        return Err(Error::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::NoKey)?;
    let key = any_supported_type(&key).map_err(|_| Error::NoKey)?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) => Ok(pair),
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(Error::Mismatch),
        Err(_) => Err(Error::NoCertificate),
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCertificate")
    }
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Two files do not make a pair.
    #[error("{} and {} cannot be used: {source}", .certificate.display(), .key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: Box<Self>,
    },
    /// There is no certificate, or a damaged one.
    #[error(
        "there is no whole certificate in PEM: it needs the server's own first, then those of its issuers"
    )]
    NoCertificate,
    /// There is no key, or one of a kind that is not supported.
    #[error(
        "there is no private key in PEM that can be used: it may be ECDSA, Ed25519 or RSA, and not encrypted"
    )]
    NoKey,
    /// The key is another certificate's.
    #[error("the key does not belong to the certificate: bring the pair that was made together")]
    Mismatch,
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
