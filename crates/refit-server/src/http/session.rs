//! Signing in and out, and who one is.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use refit_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{Kind, Problem};
use super::{App, ask, gate, origin, show};
use crate::access::{Credential, SESSION_LIFETIME_MS, Who};
use crate::caller::{Caller, RequestId};
use crate::desk;
use refit_engine::author::Author;
use refit_store::access::{AccessChange, AccessOutcome};
use zeroize::Zeroizing;

/// Whoever comes from nowhere that is known is one address.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The name of the user.
    user: String,
    /// The password.
    password: String,
}

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    /// `token` or `user`.
    kind: &'static str,
    /// The name of the token or user.
    name: String,
    /// `viewer`, `operator`, `admin` or `application`.
    role: &'static str,
    /// What one may do, to some device at least.
    may: Vec<&'static str>,
    /// The devices of an application's scope.
    devices: Option<Vec<String>>,
    /// Until when; `null`: for ever.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

impl Session {
    fn of(caller: &Caller) -> Self {
        Self {
            kind: match caller.who {
                Who::Token { .. } => "token",
                Who::User { .. } => "user",
            },
            name: caller.who.name().to_owned(),
            role: caller.rights.role().as_str(),
            may: caller.rights.operations().map(|one| one.as_str()).collect(),
            devices: caller
                .rights
                .scope()
                .map(|scope| scope.text().devices.clone()),
            expires_at: caller.expires.map(Timestamp::rfc3339),
        }
    }
}

/// Says who one is, and what one may.
#[utoipa::path(get, operation_id = "showSession", tag = "access", path = "/api/v1/session", responses(
    (status = 200, body = Session),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show(caller: Caller) -> Json<Session> {
    Json(Session::of(&caller))
}

/// Signs a user in: the answer sets a cookie, and the session lasts twelve hours.
///
/// Tries are counted by user and by address; too many are answered 429, with `Retry-After`.
#[utoipa::path(post, operation_id = "signIn", tag = "access", path = "/api/v1/session", security(()), request_body = SignIn, responses(
    (status = 200, body = Session, headers(("Set-Cookie" = String, description = "the session"))),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
    let source = origin::from_where(&app, &parts.extensions, &parts.headers);
    let wanted: SignIn = ask::document(&parts.headers, body).await?;
    let password = Zeroizing::new(wanted.password);
    let signed_in = app
        .access
        .sign_in(&wanted.user, password, source.unwrap_or(UNKNOWN))
        .await?;
    let credential = Credential::Session(signed_in.secret.hash());
    // Who signs in has no caller yet: the user is the one.
    let by = Author {
        actor: format!("user:{}", signed_in.session.user),
        source,
        request: Some(id.unwrap_or_default()),
    };
    let added = AccessChange::AddSession(signed_in.session);
    if desk::change_access(&app, by, added).await? != AccessOutcome::Done {
        return Err(gone());
    }
    let pass = app.access.find(credential).ok_or_else(gone)?;
    let caller = Caller::of(&pass, credential, source, &parts.extensions);
    let seconds = SESSION_LIFETIME_MS / 1000;
    let cookie = gate::set_cookie(&app, Some((signed_in.secret.expose(), seconds)));
    let mut response = Json(Session::of(&caller)).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    no_store(&mut response);
    Ok(response)
}

fn gone() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "the user was removed or disabled meanwhile",
    )
}

/// Signs out: the session is no more.
#[utoipa::path(delete, operation_id = "signOut", tag = "access", path = "/api/v1/session", responses(
    (status = 204),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Response, Problem> {
    let Credential::Session(hash) = caller.credential else {
        let detail = "this is a token, which has no session; DELETE /api/v1/tokens/{id} revokes it";
        return Err(Problem::new(Kind::Conflict, detail));
    };
    let ended = AccessChange::RemoveSession { hash: hash.0 };
    desk::change_access(&app, Author::from(&caller), ended).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = gate::set_cookie(&app, None) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What is shown once must lie in no cache.
pub(super) fn no_store(response: &mut Response) {
    let value = header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
}
