//! Who may come in over MQTT: a device by its certificate, an application by a token.
//!
//! A certificate was verified when its TLS session began, which for a resumed one was a while ago: what may have changed
//! since is asked here, at each CONNECT.

use std::sync::Arc;

use refit_identity::Peer;
use refit_mqtt::identity::{Applications, Credentials, DevGate, Gate, Refusal, Who};

use crate::access::Access;
use crate::access::application::Tokens;
use crate::identity::authority::Authority;
use crate::identity::{Barred, Identities};
use crate::wall;

/// Returns the gate of a server: by certificate where connections are private, else that of `--dev`.
pub(crate) fn of(
    is_private: bool,
    authority: &Arc<Authority>,
    identities: &Arc<Identities>,
    access: &Arc<Access>,
) -> Arc<dyn Gate> {
    let applications = Arc::new(Tokens(Arc::clone(access)));
    if is_private {
        Arc::new(CertGate {
            authority: Arc::clone(authority),
            identities: Arc::clone(identities),
            applications,
        })
    } else {
        Arc::new(DevGate::new(applications))
    }
}

/// The gate of a server without `--dev`.
struct CertGate {
    authority: Arc<Authority>,
    identities: Arc<Identities>,
    applications: Arc<Tokens>,
}

impl Gate for CertGate {
    fn admit(&self, credentials: &Credentials<'_>) -> Result<Who, Refusal> {
        match (credentials.certificate, credentials.password) {
            (Some(certificate), _) => self.device(certificate, credentials.client_id),
            (None, Some(password)) => {
                let found = self.applications.find(password, credentials.peer)?;
                found.map(Who::Application).ok_or(Refusal::Password)
            }
            (None, None) => Err(Refusal::Nobody),
        }
    }

    /// A device that has enrolled anew meanwhile is not barred, but its earlier certificate is.
    fn confirm(&self, who: &Who, certificate: Option<&[u8]>) -> Result<(), Refusal> {
        let thumbprint = certificate.map(refit_identity::thumbprint);
        match who {
            Who::Device(device) if self.identities.bars(device, thumbprint) => Err(Refusal::Barred),
            Who::Device(_) | Who::Application(_) => Ok(()),
        }
    }
}

impl CertGate {
    fn device(&self, certificate: &[u8], client_id: &str) -> Result<Who, Refusal> {
        let peer = Peer::read(certificate).map_err(|fault| {
            tracing::debug!("a certificate is no device's: {fault}");
            Refusal::Certificate
        })?;
        if !self.authority.admit(&peer) {
            return Err(Refusal::Certificate);
        }
        self.identities
            .standing(&peer, wall::now())
            .map_err(|why| match why {
                Barred::NotNow => Refusal::Expired,
                Barred::NotEnrolled => Refusal::Certificate,
                Barred::Revoked | Barred::Retired | Barred::Cloned => Refusal::Barred,
            })?;
        if !client_id.is_empty() && client_id != peer.device.as_str() {
            return Err(Refusal::OtherId);
        }
        Ok(Who::Device(peer.device))
    }
}
