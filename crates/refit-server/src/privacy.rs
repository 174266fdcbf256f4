//! How connections become private: the server's own certificate, made and renewed by itself unless the operator brings
//! one, and whose devices are let in.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use refit_identity::ca::{self, signed_by, validity_of};
use refit_identity::validity::SERVER_MS;
use refit_protocol::time::Timestamp;
use refit_tls::clients::Clients;
use refit_tls::own::{Look, OwnCertificate};
use refit_tls::server::{Oldest, config};
use refit_tls::{CertificateDer, ServerConfig};

use crate::identity::authority::{self, Authority, FactoryFile, Own, Terms, check_private, serial};
use crate::secret_file::write_private;
use crate::wall;

/// The directory of the server's certificate, below the data directory.
const TLS_DIR: &str = "tls";

/// How often the certificate's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often it is asked whether our own certificate is to be renewed, in looks.
const LOOKS_PER_RENEWAL: u32 = 720;

/// What the first line of a certificate that we made begins with; PEM allows such lines.
const NAMES: &str = "names: ";

/// What the operator says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The server's names and addresses.
    pub names: Vec<String>,
    /// A certificate of the operator's own.
    pub certificate: Option<Own>,
    /// The CA of the operator's own.
    pub ca: Option<Own>,
    /// Factories whose certificates enrol.
    pub factories: Vec<FactoryFile>,
    /// How long devices' certificates are good.
    pub terms: Terms,
    /// The oldest version of TLS.
    pub oldest: Oldest,
}

/// All that is needed to be private.
pub(crate) struct Privacy {
    authority: Arc<Authority>,
    pub(crate) https: Arc<ServerConfig>,
    pub(crate) mqtts: Arc<ServerConfig>,
    pub(crate) own: Arc<OwnCertificate>,
    /// Whose devices are let in.
    clients: Arc<Clients>,
    /// The names that the certificate should have.
    pub(crate) names: Vec<String>,
    /// Set where the certificate is our own to renew; held by whoever does.
    renewing: Option<Mutex<Renewing>>,
    /// The file of the chain that is shown.
    shown: PathBuf,
}

/// The certificate that we make ourselves.
struct Renewing {
    authority: Arc<Authority>,
    names: Vec<String>,
    certificate: PathBuf,
    key: PathBuf,
}

impl Privacy {
    /// Sets everything up from the data directory.
    pub(crate) fn open(
        data: &Path,
        authority: Arc<Authority>,
        wanted: &Wanted,
    ) -> Result<Self, Error> {
        let (own, renewing) = match &wanted.certificate {
            Some(Own { certificate, key }) => {
                check_private(key)?;
                (OwnCertificate::from_files(certificate, key)?, None)
            }
            None => {
                let at = data.join(TLS_DIR);
                let renewing = Renewing {
                    authority: Arc::clone(&authority),
                    names: wanted.names.clone(),
                    certificate: at.join("server.pem"),
                    key: at.join("server.key"),
                };
                renewing.prepare(&at)?;
                let open = || OwnCertificate::from_files(&renewing.certificate, &renewing.key);
                let own = match open() {
                    // It was cut while it wrote the two.
                    Err(refit_tls::own::Error::Pair { .. }) => {
                        renewing.make(wall::now())?;
                        open()?
                    }
                    opened => opened?,
                };
                (own, Some(renewing))
            }
        };
        let clients = Arc::new(Clients::new(&let_in(&authority))?);
        let own = Arc::new(own);
        let tls = |protocols: &[&[u8]]| {
            config(
                Arc::clone(&own),
                Arc::clone(&clients),
                wanted.oldest,
                protocols,
            )
            .map_err(|error| Error::Tls(error.to_string()))
        };
        let shown = match &wanted.certificate {
            Some(own) => own.certificate.clone(),
            None => data.join(TLS_DIR).join("server.pem"),
        };
        let privacy = Self {
            https: tls(&[b"http/1.1"])?,
            mqtts: tls(&[])?,
            authority,
            own,
            clients,
            names: wanted.names.clone(),
            renewing: renewing.map(Mutex::new),
            shown,
        };
        privacy.say_shown();
        Ok(privacy)
    }

    /// Looks at the files, and renews our own certificate, for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut looks = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            looks = (looks + 1) % LOOKS_PER_RENEWAL;
            let (this, renews) = (Arc::clone(&self), looks == 0);
            drop(tokio::task::spawn_blocking(move || this.look(renews)).await);
        }
    }

    /// The CA has changed: from now on its devices are let in, and a certificate of our own is by the CA that signs. New
    /// handshakes see both; connections that are open stay. It reads and writes files.
    pub(crate) fn follow(&self) -> Result<(), Error> {
        self.clients.trust(&let_in(&self.authority))?;
        self.look(true);
        Ok(())
    }

    /// Tells whether the server's certificate is our own to make, and so follows the CA.
    pub(crate) const fn is_ours(&self) -> bool {
        self.renewing.is_some()
    }

    /// Claim tokens pin what is shown.
    fn say_shown(&self) {
        let chain = fs::read_to_string(&self.shown).unwrap_or_default();
        if let Err(fault) = self.authority.presents(&chain) {
            tracing::error!("claim tokens cannot pin the server's certificate: {fault}");
        }
    }

    fn look(&self, renews: bool) {
        if let (Some(renewing), true) = (&self.renewing, renews)
            && let Err(error) = renewing.lock().renew_if_due(wall::now())
        {
            tracing::error!("the server's certificate was not renewed: {error}");
        }
        match self.own.look() {
            Look::Same => {}
            Look::New => {
                self.say_shown();
                tracing::info!("a new certificate of the server is shown from now on");
            }
            Look::Bad(error) => {
                tracing::error!("the server's certificate stays the old one: {error}");
            }
        }
    }
}

fn let_in(authority: &Authority) -> Vec<CertificateDer<'static>> {
    let all = authority.client_authorities().into_iter();
    all.map(CertificateDer::from).collect()
}

impl Renewing {
    fn prepare(&self, at: &Path) -> Result<(), Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(at);
        made.map_err(Error::file("make", at))?;
        if self.key.exists() {
            check_private(&self.key)?;
        }
        self.renew_if_due(wall::now())
    }

    fn renew_if_due(&self, now: Timestamp) -> Result<(), Error> {
        if self.is_good(now) {
            return Ok(());
        }
        self.make(now)
    }

    fn make(&self, now: Timestamp) -> Result<(), Error> {
        let ca = Arc::clone(&self.authority.trusted().ca);
        let signed = ca.sign_server(&self.names, now, SERVER_MS, &serial()?);
        let (issued, key) = signed.map_err(Error::Sign)?;
        let text = format!("{NAMES}{}\n{}", self.names.join(", "), issued.chain);
        // Between the two they do not match: then the old pair is shown until the next look.
        for (path, text) in [
            (&self.key, key.as_str()),
            (&self.certificate, text.as_str()),
        ] {
            let draft = path.with_extension("draft");
            write_private(&draft, text.trim_end().as_bytes())
                .map_err(Error::file("write", &draft))?;
            fs::rename(&draft, path).map_err(Error::file("name", path))?;
        }
        Ok(())
    }

    /// Tells whether what is there will do: of these names, by this CA, and not near its end.
    fn is_good(&self, now: Timestamp) -> bool {
        let (Ok(text), true) = (fs::read_to_string(&self.certificate), self.key.exists()) else {
            return false;
        };
        let names = text.lines().next().and_then(|l| l.strip_prefix(NAMES));
        let Ok(chain) = refit_identity::pem::certificates(&text) else {
            return false;
        };
        let Some(leaf) = chain.first() else {
            return false;
        };
        let is_timely = validity_of(leaf)
            .is_some_and(|validity| validity.not_before <= now && now < validity.renew_after());
        names == Some(&self.names.join(", "))
            && is_timely
            && signed_by(leaf, self.authority.trusted().ca.issuer_der())
    }
}

/// The names of a server that was given none: this machine's, and those of loopback.
pub(crate) fn default_names() -> Vec<String> {
    let host = host_name();
    let mut names = Vec::new();
    if !host.is_empty() && host != "localhost" {
        names.push(host);
    }
    with_loopback(names)
}

/// Adds the names by which a server is reached on its own machine, whatever else it is called.
pub(crate) fn with_loopback(mut names: Vec<String>) -> Vec<String> {
    for own in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|name| name == own) {
            names.push(own.to_owned());
        }
    }
    names
}

/// What this machine is called; empty if that is not known.
pub(crate) fn host_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    host.trim().to_owned()
}

/// Why connections cannot be private.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's certificate and key cannot be used.
    #[error("the server's certificate cannot be used: {0}")]
    Own(#[from] refit_tls::own::Error),
    /// A certificate of the server cannot be signed.
    #[error("a certificate for the server cannot be signed: {0}; its names are set with --name")]
    Sign(ca::Fault),
    /// Whom to trust cannot be set.
    #[error("clients' certificates cannot be verified: {0}")]
    Clients(#[from] refit_tls::clients::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A key, or the CA.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// The file system failed.
    #[error("failed to {act} {}: {source}", .path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }
}
