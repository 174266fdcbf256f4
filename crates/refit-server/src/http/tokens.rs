//! Tokens: made, listed and revoked. The text of one is shown when it is made, and never again.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use refit_access::name;
use refit_access::rights::Rights;
use refit_access::role::Role;
use refit_access::scope::Scope;
use refit_access::token::Purpose;
use refit_engine::author::Author;
use refit_protocol::time::Timestamp;
use refit_store::access::{AccessChange, AccessOutcome, TOKENS_MAX, TokenRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{self, DRY_RUN, Dry, Page, Query};
use super::count::Count;
use super::error::{FieldCode, Kind, Problem};
use super::session::no_store;
use super::{App, duration, show, whole};
use crate::access::{new_id, new_secret};
use crate::caller::Caller;
use crate::desk;
use crate::wall;

/// How long a token may be good at most, in seconds: ten years. One without an end is good until it is revoked.
const LIFETIME_SECONDS_MAX: u64 = 10 * 366 * 86_400;

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What people call it.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
    name: String,
    /// `viewer`, `operator`, `admin` or `application`.
    #[schema(pattern = "^(viewer|operator|admin|application)$")]
    role: String,
    /// For an application: the devices of its scope, by ID or by pattern with `*` and `?`.
    devices: Option<Vec<String>>,
    /// For an application: the operations of its scope. Without, those that only look.
    may: Option<Vec<String>>,
    /// How long it is good, as ISO 8601 writes it (`P90D`), at most `P3660D`; without, until it is revoked.
    #[schema(pattern = "^P([0-9]+W|([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?)$")]
    expires_in: Option<String>,
}

/// A token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    /// The devices of an application's scope.
    pub(crate) devices: Option<Vec<String>>,
    /// The operations of an application's scope.
    pub(crate) may: Option<Vec<String>>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<String>,
    /// When it was last used, to the hour.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) used_at: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) revoked_at: Option<String>,
    /// Whether it is good now: neither revoked nor expired.
    pub(crate) good: bool,
    /// The text of the token, when it is made. With `dryRun` it is the word `dry-run`, as `id` is: nothing lets it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// `true` if nothing was changed, and this is what would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dry_run: Option<bool>,
}

impl Token {
    fn of(row: TokenRow) -> Self {
        let is_expired = row.expires.is_some_and(|expires| expires <= wall::now());
        let scope = row
            .scope
            .as_deref()
            .and_then(|text| Scope::parse(text).ok());
        Self {
            good: row.revoked.is_none() && !is_expired,
            id: row.id,
            name: row.name,
            role: row.role,
            devices: scope.as_ref().map(|scope| scope.text().devices.clone()),
            may: scope.as_ref().map(|scope| scope.text().may.clone()),
            created_at: row.created.rfc3339(),
            expires_at: row.expires.map(Timestamp::rfc3339),
            used_at: row.used.map(Timestamp::rfc3339),
            revoked_at: row.revoked.map(Timestamp::rfc3339),
            token: None,
            dry_run: None,
        }
    }
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenPage {
    items: Vec<Token>,
    /// The cursor of the next page, if there is one.
    next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
}

/// Lists all tokens by name, those that are no longer good too.
#[utoipa::path(get, operation_id = "listTokens", tag = "access", path = "/api/v1/tokens", params(Page), responses(
    (status = 200, body = TokenPage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(asked): Query<Page>,
) -> Result<Response, Problem> {
    let tokens = app.readers.read(|reader| reader.tokens()).await?;
    let of = (&app.cursors, "tokens");
    let page = whole::page(of, (&uri, asked), tokens, |token| token.id.clone())?;
    let items = page.items.into_iter().map(Token::of);
    let shown = TokenPage {
        items: items.collect(),
        next_cursor: page.next,
        count: page.count,
    };
    Ok((page.link, Json(shown)).into_response())
}

/// Makes a token. Its text is in this answer, and nowhere else ever again.
#[utoipa::path(post, operation_id = "makeToken", tag = "access", path = "/api/v1/tokens", params(Dry), request_body = NewToken, responses(
    (status = 201, body = Token, description = "it is made; with `dryRun`, it would be"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn make(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let wanted: NewToken = ask::document(&headers, body).await?;
    let (rights, expires) = checked(&wanted)?;
    let no_chance = |_| Problem::internal("the system gives no random bytes");
    let secret = new_secret(Purpose::Token).map_err(no_chance)?;
    let row = TokenRow {
        id: new_id().map_err(no_chance)?,
        name: wanted.name,
        role: rights.role().as_str().into(),
        scope: rights.scope().map(Scope::to_json),
        hash: secret.hash().0,
        created: wall::now(),
        expires,
        used: None,
        revoked: None,
    };
    let change = AccessChange::AddToken(row.clone());
    match decided(&app, &caller, change, dry).await? {
        AccessOutcome::Done => {}
        AccessOutcome::TooMany => return Err(too_many(TOKENS_MAX, "tokens")),
        AccessOutcome::Taken | AccessOutcome::Missing => {
            let detail = format!(
                "there is a token {} that is good: revoke it, or choose another name",
                row.name
            );
            return Err(Problem::new(Kind::Taken, detail));
        }
    }
    let mut token = Token::of(row);
    token.token = Some(if dry.dry_run {
        token.id = DRY_RUN.into();
        DRY_RUN.into()
    } else {
        secret.expose().to_owned()
    });
    token.dry_run = dry.mark();
    let mut response = (StatusCode::CREATED, Json(token)).into_response();
    no_store(&mut response);
    Ok(response)
}

fn checked(wanted: &NewToken) -> Result<(Rights, Option<Timestamp>), Problem> {
    name::check(&wanted.name).map_err(malformed("name"))?;
    let role = Role::parse(&wanted.role).ok_or_else(|| {
        let all = Role::ALL.map(Role::as_str).join(", ");
        Problem::of_field("role", FieldCode::NotOneOf, format!("role is one of {all}"))
    })?;
    let scope = match (&wanted.devices, &wanted.may) {
        (None, None) => None,
        (devices, may) => {
            let devices = devices.as_deref().unwrap_or_default();
            let scope = Scope::new(devices, may.as_deref());
            Some(scope.map_err(malformed(if may.is_some() { "may" } else { "devices" }))?)
        }
    };
    let rights = Rights::new(role, scope)
        .map_err(|why| Problem::of_field("devices", FieldCode::NotTogether, why.to_string()))?;
    let seconds = wanted.expires_in.as_deref();
    let seconds = seconds.map(|text| duration::field("expiresIn", text, LIFETIME_SECONDS_MAX));
    let expires = seconds.transpose()?;
    Ok((
        rights,
        expires.map(|seconds| Timestamp(wall::now().0 + seconds * 1000)),
    ))
}

/// Revokes a token: what it holds open is closed at once.
#[utoipa::path(delete, operation_id = "revokeToken", tag = "access", path = "/api/v1/tokens/{id}", params(("id" = String, Path,), Dry), responses(
    (status = 204),
    (status = 200, body = Token, description = "it would be revoked, and be this; nothing was"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(dry): Query<Dry>,
) -> Result<Response, Problem> {
    let at = wall::now();
    let change = AccessChange::RevokeToken { id: id.clone(), at };
    match decided(&app, &caller, change, dry).await? {
        AccessOutcome::Done if dry.dry_run => {}
        AccessOutcome::Done => return Ok(StatusCode::NO_CONTENT.into_response()),
        _ => return Err(none_good(&id)),
    }
    let tokens = app.readers.read(|reader| reader.tokens()).await?;
    let found = tokens.into_iter().find(|token| token.id == id);
    let mut row = found.ok_or_else(|| none_good(&id))?;
    row.revoked = Some(at);
    let mut token = Token::of(row);
    token.dry_run = dry.mark();
    Ok(Json(token).into_response())
}

fn none_good(id: &str) -> Problem {
    let detail = format!("there is no token {id:?} that is good; GET /api/v1/tokens lists them");
    Problem::new(Kind::NoToken, detail)
}

/// Changes who may do what, or tells what would become of it.
pub(super) async fn decided(
    app: &App,
    caller: &Caller,
    change: AccessChange,
    dry: Dry,
) -> Result<AccessOutcome, Problem> {
    if dry.dry_run {
        desk::try_access(app, change).await
    } else {
        desk::change_access(app, Author::from(caller), change).await
    }
}

/// Says that a field does not have the form that it must have.
pub(super) fn malformed<E: std::fmt::Display>(field: &'static str) -> impl Fn(E) -> Problem {
    move |why| Problem::of_field(field, FieldCode::Malformed, why.to_string())
}

pub(super) fn too_many(most: u64, what: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        format!("there are {most} {what}, which is all that there may be"),
    )
}
