//! Users: added, listed, changed and removed. Passwords come in, and never go out.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use refit_access::role::Role;
use refit_access::{name, password};
use refit_store::access::{AccessChange, AccessOutcome, Redacted, USERS_MAX, UserRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{self, Dry, Page, Query};
use super::count::Count;
use super::error::{FieldCode, FieldError, Kind, Problem};
use super::tokens::{decided, malformed, too_many};
use super::{App, show, whole};
use crate::access::random;
use crate::caller::Caller;
use crate::wall;
use zeroize::Zeroizing;

/// A user to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewUser {
    /// What the user is called: unique, whatever the case of its letters.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
    name: String,
    /// `viewer`, `operator` or `admin`.
    #[schema(pattern = "^(viewer|operator|admin)$")]
    role: String,
    /// The password: 12 characters at least, 256 bytes at most.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// What to change of a user: exactly one of these.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangedUser {
    /// The new role. Sessions go on, with that role.
    #[schema(pattern = "^(viewer|operator|admin)$")]
    role: Option<String>,
    /// The new password. Sessions end.
    #[schema(min_length = 12, max_length = 256)]
    password: Option<String>,
    /// Whether the user may not sign in. Sessions end.
    disabled: Option<bool>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    name: String,
    role: String,
    disabled: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// `true` if nothing was changed, and this is what would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

impl User {
    fn of(row: UserRow, dry: Dry) -> Self {
        Self {
            dry_run: dry.mark(),
            name: row.name,
            role: row.role,
            disabled: row.disabled,
            created_at: row.created.rfc3339(),
        }
    }
}

/// Users.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserPage {
    items: Vec<User>,
    /// The cursor of the next page, if there is one.
    next_cursor: Option<String>,
    /// How long the whole list is, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
}

/// Lists all users by name.
#[utoipa::path(get, operation_id = "listUsers", tag = "access", path = "/api/v1/users", params(Page), responses(
    (status = 200, body = UserPage),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    uri: Uri,
    Query(asked): Query<Page>,
) -> Result<Response, Problem> {
    let users = app.readers.read(|reader| reader.users()).await?;
    let of = (&app.cursors, "users");
    let page = whole::page(of, (&uri, asked), users, |user| user.name.clone())?;
    let items = page
        .items
        .into_iter()
        .map(|row| User::of(row, Dry::default()));
    let shown = UserPage {
        items: items.collect(),
        next_cursor: page.next,
        count: page.count,
    };
    Ok((page.link, Json(shown)).into_response())
}

/// Adds a user.
#[utoipa::path(post, operation_id = "addUser", tag = "access", path = "/api/v1/users", params(Dry), request_body = NewUser, responses(
    (status = 201, body = User, description = "the user is added; with `dryRun`, would be"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let wanted: NewUser = ask::document(&headers, body).await?;
    name::check(&wanted.name).map_err(malformed("name"))?;
    let row = UserRow {
        role: role(&wanted.role)?.as_str().into(),
        password: hashed(wanted.password).await?,
        name: wanted.name,
        disabled: false,
        created: wall::now(),
    };
    let change = AccessChange::AddUser(row.clone());
    match decided(&app, &caller, change, dry).await? {
        AccessOutcome::Done => Ok((StatusCode::CREATED, Json(User::of(row, dry))).into_response()),
        AccessOutcome::TooMany => Err(too_many(USERS_MAX, "users")),
        AccessOutcome::Taken | AccessOutcome::Missing => {
            let detail = format!(
                "there is a user {} already, or one that differs only in case",
                row.name
            );
            Err(Problem::new(Kind::Taken, detail))
        }
    }
}

/// Changes the role or the password of a user, or whether signing in is allowed.
#[utoipa::path(patch, operation_id = "changeUser", tag = "access", path = "/api/v1/users/{name}", params(("name" = String, Path,), Dry),
    request_body(content = ChangedUser, content_type = "application/merge-patch+json"), responses(
    (status = 200, body = User),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(user): Path<String>,
    Query(dry): Query<Dry>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<User>, Problem> {
    let wanted: ChangedUser = ask::document(&headers, body).await?;
    let name = user.clone();
    let change = match (wanted.role, wanted.password, wanted.disabled) {
        (Some(wanted), None, None) => AccessChange::SetRole {
            user,
            role: role(&wanted)?.as_str().into(),
        },
        (None, Some(password), None) => AccessChange::SetPassword {
            user,
            password: Redacted(hashed(password).await?),
        },
        (None, None, Some(disabled)) => AccessChange::SetDisabled { user, disabled },
        _ => {
            let detail = "give one of role, password and disabled";
            return Err(Problem::of_fields(
                Kind::Unprocessable,
                &[FieldError::of_field([], FieldCode::NotTogether, detail)],
            ));
        }
    };
    match decided(&app, &caller, change.clone(), dry).await? {
        AccessOutcome::Done => {}
        _ => return Err(no_such(&name)),
    }
    let mut row = find(&app, &name).await?;
    match change {
        AccessChange::SetRole { role, .. } if dry.dry_run => row.role = role,
        AccessChange::SetDisabled { disabled, .. } if dry.dry_run => row.disabled = disabled,
        _ => {}
    }
    Ok(Json(User::of(row, dry)))
}

async fn find(app: &App, name: &str) -> Result<UserRow, Problem> {
    let users = app.readers.read(|reader| reader.users()).await?;
    let found = users.into_iter().find(|user| user.name == name);
    found.ok_or_else(|| no_such(name))
}

/// Removes a user; the sessions end at once.
#[utoipa::path(delete, operation_id = "removeUser", tag = "access", path = "/api/v1/users/{name}", params(("name" = String, Path,), Dry), responses(
    (status = 204),
    (status = 200, body = User, description = "this user would be removed; nobody was"),
    (status = "4XX", body = show::Problem, content_type = "application/problem+json"),
    (status = 507, body = show::Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(user): Path<String>,
    Query(dry): Query<Dry>,
) -> Result<Response, Problem> {
    let change = AccessChange::RemoveUser { user: user.clone() };
    match decided(&app, &caller, change, dry).await? {
        AccessOutcome::Done if dry.dry_run => {
            let row = find(&app, &user).await?;
            Ok(Json(User::of(row, dry)).into_response())
        }
        AccessOutcome::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        _ => Err(no_such(&user)),
    }
}

fn no_such(user: &str) -> Problem {
    let detail = format!("there is no user {user:?}; GET /api/v1/users lists them");
    Problem::new(Kind::NoUser, detail)
}

fn role(text: &str) -> Result<Role, Problem> {
    let role = Role::OF_USERS
        .into_iter()
        .find(|role| role.as_str() == text);
    role.ok_or_else(|| {
        let all = Role::OF_USERS.map(Role::as_str).join(", ");
        let detail = format!("the role of a user is one of {all}");
        Problem::of_field("role", FieldCode::NotOneOf, detail)
    })
}

/// Hashes a new password, away from the threads that serve.
async fn hashed(password: String) -> Result<String, Problem> {
    let password = Zeroizing::new(password);
    password::check(&password).map_err(malformed("password"))?;
    let salt = random().map_err(|_| Problem::internal("the system gives no random bytes"))?;
    let hashing = tokio::task::spawn_blocking(move || password::hash(&password, &salt));
    let hash = hashing.await.ok().flatten();
    hash.ok_or_else(|| Problem::internal("the password could not be hashed"))
}
