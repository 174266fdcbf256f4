//! Who is let through: a request shows a token or the cookie of a session, becomes a [`Caller`], and each route says
//! with [`guarded`] what its caller needs.

mod query;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, Version, header};
use axum::middleware::{Next, from_fn};
use hyper::body::Body as _;
use refit_access::matrix::{Operation, Target};
use refit_protocol::device_id::DeviceId;
use serde_json::Value;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation as Described, PathItem};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::UtoipaMethodRouter;

use super::error::{Kind, Problem};
use super::{App, ask, origin};
use crate::access::{Credential, Pass};
use crate::caller::Caller;
use crate::counters::Shed;

/// The name of a session's cookie. A browser takes one with this prefix only over TLS and from this very host
/// (RFC 6265bis §4.1.3), which plain `--dev` cannot have.
const COOKIE: &str = "__Host-refit";
const COOKIE_IN_PLAIN: &str = "refit";

/// Where the description of the API is. It holds no secret, and the start banner points there.
pub(super) const DESCRIPTION: &str = "/api/v1/openapi.json";

/// Where one signs in.
pub(super) const SESSION: &str = "/api/v1/session";

/// Where the devices are: what follows is the ID of one.
const DEVICES: &str = "/api/v1/devices/";

/// Lets a route be reached by whoever may do one of these, and says so in the description. With several, the handler
/// decides by what the request holds. If they are of devices and the path names one, it must be in scope.
pub(super) fn guarded(
    any: &'static [Operation],
    routes: UtoipaMethodRouter<Arc<App>>,
) -> UtoipaMethodRouter<Arc<App>> {
    let (schemas, paths, router) = open(any, routes);
    let check = move |params: RawPathParams, request: Request, next: Next| {
        check(any, params, request, next)
    };
    (schemas, paths, router.route_layer(from_fn(check)))
}

/// Says in the description what a route is, takes the parameters that are described there and no others, and lets
/// everybody through: who one is, the handler finds out.
pub(super) fn open(
    any: &'static [Operation],
    (schemas, mut paths, router): UtoipaMethodRouter<Arc<App>>,
) -> UtoipaMethodRouter<Arc<App>> {
    let mut known = Vec::new();
    let mut takes_body = false;
    for item in paths.paths.values_mut() {
        for operation in described(item).into_iter().flatten() {
            known.extend(query::described(operation));
            takes_body |= operation.request_body.is_some();
            describe(operation, any);
        }
    }
    let known: Arc<[String]> = known.into();
    let check = move |request: Request, next: Next| {
        let known = Arc::clone(&known);
        async move {
            query::check(&known, request.uri())?;
            let request = if takes_body {
                request
            } else {
                without_body(request).await?
            };
            Ok::<_, Problem>(next.run(request).await)
        }
    };
    (schemas, paths, router.route_layer(from_fn(check)))
}

/// Refuses a body of a change that takes none: whoever sends one means something by it.
async fn without_body(request: Request) -> Result<Request, Problem> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_read || request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    match ask::bytes_up_to(body, 0).await {
        Ok(_) => Ok(Request::from_parts(parts, Body::empty())),
        Err(problem) if problem.kind == Kind::TooLarge => {
            let detail =
                "this takes no body: send none; what can be asked for is in its path and query";
            Err(Problem::new(Kind::BadBody, detail))
        }
        Err(problem) => Err(problem),
    }
}

pub(super) fn described(item: &mut PathItem) -> [Option<&mut Described>; 5] {
    [
        item.get.as_mut(),
        item.put.as_mut(),
        item.post.as_mut(),
        item.patch.as_mut(),
        item.delete.as_mut(),
    ]
}

fn describe(operation: &mut Described, any: &[Operation]) {
    let names: Vec<Value> = any.iter().map(|one| one.as_str().into()).collect();
    let names = match names.as_slice() {
        [one] => one.clone(),
        _ => Value::Array(names),
    };
    let extension = ExtensionsBuilder::new()
        .add("x-refit-operation", names)
        .build();
    operation
        .extensions
        .get_or_insert_default()
        .merge(extension);
    for (status, description) in [
        ("401", "nobody is known by what was shown, if anything was"),
        ("403", "it is known who asks, and they may not"),
    ] {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content.build());
        let response = RefOr::T(response.build());
        operation
            .responses
            .responses
            .insert(status.into(), response);
    }
}

async fn check(
    any: &'static [Operation],
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Problem> {
    let caller = request.extensions().get::<Caller>();
    let caller =
        caller.ok_or_else(|| Problem::internal("a route was reached without its caller"))?;
    let id = params.iter().find(|(name, _)| *name == "id");
    let id = id.filter(|_| request.uri().path().starts_with(DEVICES));
    // What is no device ID is the handler's to refuse.
    let device = id.and_then(|(_, id)| DeviceId::parse(id).ok());
    let mut refused = None;
    for operation in any {
        let device = device
            .as_ref()
            .filter(|_| operation.target() == Target::Device);
        match caller.may(*operation, device) {
            Ok(()) => return Ok(next.run(request).await),
            Err(problem) => drop(refused.get_or_insert(problem)),
        }
    }
    Err(refused.unwrap_or_else(|| Problem::internal("a route needs nothing")))
}

/// Everything under `/api` needs somebody who is known, but for its description and signing in.
pub(super) async fn admit(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Result<Response<Body>, Problem> {
    let path = request.uri().path();
    let is_open = path == DESCRIPTION || (path == SESSION && request.method() == Method::POST);
    if path.starts_with("/api") && !is_open {
        let (pass, credential) = known(&app, &request)?;
        let (turn, standing) = app.limits.callers.told(&pass.who.key());
        let headers = standing.headers("caller");
        if let Err(wait) = turn {
            app.counters.shed(Shed::Caller);
            let detail = "this token or user asks too often: wait as Retry-After says";
            let problem = Problem::new(Kind::TooMany, detail).later(wait.as_secs() as u32 + 1);
            let said = headers.into_iter();
            return Err(said.fold(problem, |problem, (name, value)| {
                problem.header(name, &value)
            }));
        }
        app.access.note_use(&pass);
        let source = origin::from_where(&app, request.extensions(), request.headers());
        let caller = Caller::of(&pass, credential, source, request.extensions());
        request.extensions_mut().insert(caller);
        let mut response = next.run(request).await;
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        return Ok(response);
    }
    Ok(next.run(request).await)
}

/// Refuses a request that two readers could read in two ways: a proxy before us may have looked at the other of two
/// headers (RFC 9112 §3.2 for `Host`).
pub(super) fn check_head(request: &Request) -> Result<(), Problem> {
    let count = |name: header::HeaderName| request.headers().get_all(name).iter().count();
    let hosts = count(header::HOST);
    let needs_host = request.version() == Version::HTTP_11;
    if hosts > 1 || (needs_host && hosts == 0) || count(header::AUTHORIZATION) > 1 {
        let detail = "a request has one Host header, and at most one Authorization: send each once";
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    Ok(())
}

fn known(app: &App, request: &Request) -> Result<(Arc<Pass>, Credential), Problem> {
    let headers = request.headers();
    let credential = match bearer(headers) {
        Some(token) => Credential::of_token(token),
        None => session_cookie(app, headers),
    };
    let found = credential.and_then(|one| Some((app.access.find(one)?, one)));
    let (pass, credential) = found.ok_or_else(|| nobody(app))?;
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if matches!(credential, Credential::Session(_)) && !is_safe && !is_from_own_page(app, headers) {
        let detail = "a change by a session must come from a page of this server, and say so with Origin; a program uses a token";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    Ok((pass, credential))
}

/// Returns who shows a token with this request, whatever it is for.
pub(super) fn with_token(app: &App, headers: &HeaderMap) -> Option<Arc<Pass>> {
    let pass = app.access.find(Credential::of_token(bearer(headers)?)?)?;
    app.access.note_use(&pass);
    Some(pass)
}

fn nobody(app: &App) -> Problem {
    let detail = format!(
        "send `Authorization: Bearer` with a token that is good; the first admin's is kept by the server in {}",
        app.places.token_file.display()
    );
    Problem::new(Kind::Unauthenticated, detail).header(header::WWW_AUTHENTICATE, "Bearer")
}

/// Returns the token of an `Authorization` header; the scheme's case does not matter (RFC 9110 §11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(7).unwrap_or((value, b""));
    // Another scheme is no reason to look at cookies: whoever sends it means to be known by it.
    Some(if scheme.eq_ignore_ascii_case(b"bearer ") {
        rest.trim_ascii()
    } else {
        b""
    })
}

fn session_cookie(app: &App, headers: &HeaderMap) -> Option<Credential> {
    let name = cookie_name(app);
    let cookies = headers.get_all(header::COOKIE).iter();
    let pairs = cookies.flat_map(|value| value.as_bytes().split(|b| *b == b';'));
    let mut values = pairs.filter_map(|pair| {
        pair.trim_ascii()
            .strip_prefix(name.as_bytes())?
            .strip_prefix(b"=")
    });
    let value = values.next()?;
    // Two of one name: somebody else set one of them.
    if values.next().is_some() {
        return None;
    }
    Credential::of_session(value)
}

const fn cookie_name(app: &App) -> &'static str {
    if app.dev { COOKIE_IN_PLAIN } else { COOKIE }
}

/// Writes the cookie of a session; without one, the order to forget it.
pub(super) fn set_cookie(app: &App, session: Option<(&str, u64)>) -> Option<HeaderValue> {
    let (text, seconds) = session.unwrap_or(("", 0));
    let secure = if app.dev { "" } else { "; Secure" };
    let cookie = format!(
        "{}={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}",
        cookie_name(app)
    );
    let mut value = HeaderValue::from_str(&cookie).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A browser names the page that a request comes from. No page of anybody else has business here, and on loopback
/// any page that the operator visits could otherwise reach this server.
pub(super) async fn refuse_foreign_pages(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Problem> {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_foreign = matches!(site, Some(b"cross-site" | b"same-site"))
        || (headers.contains_key(header::ORIGIN)
            && !(request.uri().path().starts_with("/api") && is_from_own_page(&app, headers)));
    if is_foreign {
        return Err(Problem::new(
            Kind::Forbidden,
            "requests from other web pages are not taken",
        ));
    }
    Ok(next.run(request).await)
}

/// Tells whether `Origin` is this server: by the URL that it is known by, or by the host that the request was sent to.
/// With `--dev` the latter counts only if it is this machine, or a foreign name that leads here would do.
pub(super) fn is_from_own_page(app: &App, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(Ok(origin)), None) = (origins.next().map(HeaderValue::to_str), origins.next()) else {
        return false;
    };
    if [&app.places.api, &app.places.public_url]
        .iter()
        .any(|url| origin_of(url) == origin)
    {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let scheme = if app.dev { "http" } else { "https" };
    host.is_some_and(|host| (!app.dev || is_here(host)) && origin == format!("{scheme}://{host}"))
}

fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Returns scheme and host of a URL.
fn origin_of(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let path_at = url[host_at..]
        .find('/')
        .map_or(url.len(), |at| host_at + at);
    &url[..path_at]
}
