//! Who is at the other end of a request: from where it comes, and with which certificate.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};
use refit_depot::grant::Asker;
use refit_depot::grant::credential::Certificate;
use refit_identity::Peer;
use refit_protocol::device_id::DeviceId;

use super::App;
use crate::forwarded::origin;
use crate::identity::Barred;
use crate::wall;

/// The other end of the connection, as the listener saw it. It is put into the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteAddress(pub(crate) SocketAddr);

/// The device whose certificate a connection was opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) device: DeviceId,
    pub(crate) thumbprint: [u8; 32],
}

/// Who is at the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// From where: behind trusted proxies, as they say it.
    pub(crate) address: Option<IpAddr>,
    /// With which device's certificate, if with one.
    pub(crate) certificate: Option<Bearer>,
    /// Why a certificate that is there does not count: its device was revoked, or is none of ours.
    pub(crate) barred: Option<Barred>,
}

impl Origin {
    /// Returns what of it counts for a grant.
    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            address: self.address,
            certificate: self.certificate.as_ref().map(|bearer| Certificate {
                device: &bearer.device,
                thumbprint: &bearer.thumbprint,
            }),
        }
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let address = from_where(app, &parts.extensions, &parts.headers);
        let peer = parts.extensions.get::<Option<Arc<Peer>>>();
        let Some(peer) = peer.and_then(Option::as_ref) else {
            return Ok(Self {
                address,
                ..Self::default()
            });
        };
        // A connection outlives a revocation; a request does not.
        let barred = app.office.standing(peer, wall::now()).err();
        let certificate = barred.is_none().then(|| Bearer {
            device: peer.device.clone(),
            thumbprint: *peer.thumbprint.as_bytes(),
        });
        Ok(Self {
            address,
            certificate,
            barred,
        })
    }
}

/// Returns where a request comes from: behind trusted proxies, as they say it.
pub(super) fn from_where(
    app: &App,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Option<IpAddr> {
    let remote = extensions.get::<RemoteAddress>()?;
    address(app, remote.0.ip(), headers)
}

fn address(app: &App, connection: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    let values = |name: header::HeaderName| -> Vec<Vec<u8>> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.as_bytes().to_vec()).collect()
    };
    let forwarded = values(header::FORWARDED);
    let x_forwarded_for = values(header::HeaderName::from_static("x-forwarded-for"));
    let forwarded: Vec<&[u8]> = forwarded.iter().map(Vec::as_slice).collect();
    let x_forwarded_for: Vec<&[u8]> = x_forwarded_for.iter().map(Vec::as_slice).collect();
    origin(
        connection,
        &forwarded,
        &x_forwarded_for,
        &app.trusted_proxies,
    )
}
