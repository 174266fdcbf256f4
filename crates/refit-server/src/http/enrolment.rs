//! `/device/v1`: how a device gets a certificate, renews it, and learns what to trust.
//!
//! Anybody may ask for the first, with a token or a factory's certificate, and renew an expired one with proof of its
//! key; so these are throttled by address. Whose certificate a connection was opened with is said by the listener, as
//! an extension of the request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use refit_engine::author::Author;
use refit_identity::Peer;
use refit_protocol::enrolment::{ENROLMENT_BYTES_MAX, Enrol, Renew, RenewExpired};
use refit_protocol::rejection::{Code, Rejection};
use serde_json::Value;

use super::App;
use super::ask;
use super::error::{Kind, Problem};
use super::origin::Origin;
use crate::caller::RequestId;

use crate::identity::enrol::{Given, Office};
use crate::wall;

/// Who is at the other end of the connection, before anybody has looked whether it may be.
pub(crate) struct Shown {
    /// The certificate, if there is one.
    pub(crate) peer: Option<Arc<Peer>>,
    /// From where.
    pub(crate) address: Option<IpAddr>,
    /// In which request.
    request_id: String,
}

impl FromRequestParts<Arc<App>> for Shown {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Option<Arc<Peer>>>().cloned();
        let id = parts.extensions.get::<RequestId>().cloned();
        let Origin { address, .. } = Origin::from_request_parts(parts, app).await?;
        Ok(Self {
            peer: peer.flatten(),
            address,
            request_id: id.unwrap_or_default().0,
        })
    }
}

impl Shown {
    /// Who asks, for the audit log: which device it is shows with what it asks for.
    fn by(&self) -> Author {
        Author {
            actor: String::new(),
            source: self.address,
            request: Some(self.request_id.clone()),
        }
    }
}

/// Enrols a device: 201 with its certificate.
pub(crate) async fn enrol(
    State(app): State<Arc<App>>,
    shown: Shown,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    throttle(&app, &shown)?;
    let asks = read(&headers, body, Enrol::parse).await?;
    let by = shown.by();
    let given = at_work(&app, move |office| {
        office.enrol(asks, shown.peer.as_deref(), &by, wall::now())
    });
    let given = given.await?;
    Ok((StatusCode::CREATED, answer(&app, given, &uri, &headers)))
}

/// Renews the certificate that the connection was opened with.
pub(crate) async fn renew(
    State(app): State<Arc<App>>,
    shown: Shown,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let by = shown.by();
    let peer = shown.peer.ok_or_else(certificate_needed)?;
    let asks = read(&headers, body, Renew::parse).await?;
    let given = at_work(&app, move |office| {
        office.renew(&asks, &peer, &by, wall::now())
    });
    let given = given.await?;
    Ok(answer(&app, given, &uri, &headers))
}

/// Renews a certificate that has expired, for proof of its key.
pub(crate) async fn renew_expired(
    State(app): State<Arc<App>>,
    shown: Shown,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    throttle(&app, &shown)?;
    let asks = read(&headers, body, RenewExpired::parse).await?;
    let by = shown.by();
    let given = at_work(&app, move |office| {
        office.renew_expired(&asks, &by, wall::now())
    });
    let given = given.await?;
    Ok(answer(&app, given, &uri, &headers))
}

/// Gives a challenge for that proof.
pub(crate) async fn nonce(
    State(app): State<Arc<App>>,
    shown: Shown,
) -> Result<([(header::HeaderName, &'static str); 1], Json<Value>), Problem> {
    throttle(&app, &shown)?;
    let nonce = app.office.nonce(wall::now())?;
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(nonce.to_json())))
}

/// Says what devices trust. There is no secret in it.
pub(crate) async fn trust(
    State(app): State<Arc<App>>,
    shown: Shown,
) -> Result<Json<Value>, Problem> {
    throttle(&app, &shown)?;
    let peer = shown.peer.as_deref();
    Ok(Json(app.office.trust_of(peer).to_json()))
}

fn throttle(app: &App, shown: &Shown) -> Result<(), Problem> {
    let taken = app.enrolments.take(shown.address, Instant::now());
    taken.map_err(|wait| {
        app.counters.throttled();
        let seconds = wait.as_secs().max(1).to_string();
        Problem::new(
            Kind::TooMany,
            "too many ask for certificates at a time; try again in a moment",
        )
        .header(header::RETRY_AFTER, &seconds)
    })
}

async fn read<T>(
    headers: &HeaderMap,
    body: Body,
    parse: impl FnOnce(&[u8]) -> Result<T, Rejection>,
) -> Result<T, Problem> {
    ask::is_json(headers)?;
    let bytes = ask::bytes_up_to(body, ENROLMENT_BYTES_MAX).await?;
    parse(&bytes).map_err(|rejection| {
        let kind = match rejection.code {
            Code::TooLarge => Kind::TooLarge,
            _ => Kind::BadBody,
        };
        Problem::new(kind, rejection.message)
    })
}

/// Signing takes a tenth of a millisecond and the commit some more: on the blocking pool, as reads are.
pub(crate) async fn at_work<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&Office) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || work(&app.office))
        .await
        .map_err(|_| Problem::internal("a change of identities was abandoned"))?
}

pub(crate) fn certificate_needed() -> Problem {
    Problem::new(
        Kind::CertificateNeeded,
        "connect with the device's certificate; POST /device/v1/enrol gives one",
    )
}

fn answer(app: &App, given: Given, uri: &Uri, headers: &HeaderMap) -> Json<Value> {
    let mqtt = mqtt_url(&app.places.mqtt, uri, headers);
    Json(given.answer(app.office.trust(), mqtt).to_json())
}

/// The device reached this server under a name; under the same name it reaches its MQTT endpoint. The address that is
/// listened on may be that of all interfaces, which is nobody's.
pub(super) fn mqtt_url(listens: &str, uri: &Uri, headers: &HeaderMap) -> String {
    let host = uri.authority().map(|authority| authority.host().to_owned());
    let host = host.or_else(|| {
        let said = headers.get(header::HOST)?.to_str().ok()?;
        let authority: axum::http::uri::Authority = said.parse().ok()?;
        Some(authority.host().to_owned())
    });
    let parts = listens.split_once("://");
    match (
        host,
        parts.and_then(|(scheme, at)| Some((scheme, at.rsplit_once(':')?.1))),
    ) {
        (Some(host), Some((scheme, port))) if !host.is_empty() => {
            format!("{scheme}://{host}:{port}")
        }
        _ => listens.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_finds_mqtt_where_it_found_https() {
        let url = |host: &str| {
            let mut headers = HeaderMap::new();
            if let Ok(host) = host.parse() {
                headers.insert(header::HOST, host);
            }
            mqtt_url("mqtts://0.0.0.0:8883", &Uri::from_static("/x"), &headers)
        };
        assert_eq!(url("fleet.example:8443"), "mqtts://fleet.example:8883");
        assert_eq!(url("192.0.2.7"), "mqtts://192.0.2.7:8883");
        assert_eq!(url("[2001:db8::1]:8443"), "mqtts://[2001:db8::1]:8883");
        for odd in ["", "a b", "a/b", "me@", "a,b"] {
            let told = url(odd);
            assert!(
                told == "mqtts://0.0.0.0:8883"
                    || !told.contains([' ', '/'])
                    || told.matches('/').count() == 2,
                "{odd:?}: {told}"
            );
        }
    }
}
