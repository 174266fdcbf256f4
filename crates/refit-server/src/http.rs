//! Where every request enters and leaves: routes, who may use them, request IDs, and problems in one form.

mod artifacts;
mod ask;
mod audit;
mod bootstrap;
mod ca;
mod condition;
pub(crate) mod connection;
mod count;
#[cfg_attr(not(test), expect(dead_code, reason = "no route is deprecated yet"))]
mod deprecation;
mod device_api;
mod devices;
mod door;
mod duration;
mod enrolment;
pub(crate) mod error;
mod events;
mod exchange;
mod facts;
mod figures;
mod gate;
mod grant_keys;
mod identity;
mod jobs;
pub(crate) mod later;
mod lines;
mod lists;
mod narrow;
mod neighbours;
mod once;
mod origin;
mod paces;
mod pretend;
mod probes;
mod releases;
mod rollouts;
mod selected;
mod selector;
mod session;
mod shares;
mod show;
mod slow;
mod tokens;
mod users;
mod whole;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Response, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use refit_depot::depot::Depot;
use refit_depot::grant::Grants;
use refit_engine::conductor::Conductor;
use refit_engine::driver::Figures;
use refit_engine::fleet::Fleet;
use refit_engine::marks::Table;
use refit_engine::releases::Releases;
use refit_protocol::device_id::DeviceId;
use refit_protocol::network::Cidr;
use refit_replica::input::Policy;
use refit_store::store::Store;
use tokio::sync::{Mutex, Semaphore, watch};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Access;
use crate::caller::RequestId;
use crate::counters::{Counters, Shed};
use crate::cursor::Cursors;
use crate::granting::Granting;
use crate::identity::enrol::Office;
use crate::identity::throttle::Throttle;
use crate::places::Places;
use crate::pollers::Pollers;
use crate::privacy::Privacy;
use crate::readers::Readers;
pub(crate) use ask::Dry;
use error::{Kind, Problem, render};
use gate::{guarded, open};

/// How many uploads may be under way at a time: each holds a thread that writes.
const UPLOADS_MAX: usize = 8;

/// How many downloads may be under way at a time: each holds a piece of its artifact in memory.
const DOWNLOADS_MAX: usize = 1024;

/// How many may follow the events at a time.
const FOLLOWERS_MAX: usize = 256;

/// How many requests may be under way at a time; a body that is being sent, or followed, is none.
const REQUESTS_MAX: usize = 4096;

/// After how many seconds to come back, at least, when there are more.
const AGAIN_S: u32 = 5;

/// How long a body may send nothing.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(60);

/// What requests are served from.
pub(crate) struct App {
    pub(crate) fleet: Fleet,
    pub(crate) conductor: Conductor,
    pub(crate) marks: Arc<Table>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) mqtt: Arc<refit_mqtt::figures::Figures>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) depot: Depot,
    pub(crate) grants: Arc<Grants>,
    pub(crate) granting: Arc<Granting>,
    pub(crate) trusted_proxies: Vec<Cidr>,
    pub(crate) pollers: Arc<Pollers>,
    pub(crate) poll_interval: Duration,
    /// Whether this is `--dev`: plain, on loopback, and devices without an identity are taken.
    pub(crate) dev: bool,
    pub(crate) access: Arc<Access>,
    pub(crate) office: Arc<Office>,
    pub(crate) enrolments: Throttle,
    pub(crate) cursors: Cursors,
    pub(crate) counters: Arc<Counters>,
    pub(crate) places: Places,
    /// How connections are private; `None` with `--dev`.
    pub(crate) privacy: Option<Arc<Privacy>>,
    pub(crate) stopping: watch::Receiver<bool>,
    /// Names this run of the server, since the numbers of events begin anew with each.
    pub(crate) run: String,
    /// One at a time records or removes a release: the bytes and the record are two steps.
    pub(crate) recording: Mutex<()>,
    /// The timers and bounds that the engine decides by.
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) under_way: once::UnderWay,
}

/// How much may be under way at a time.
pub(crate) struct Limits {
    requests: Semaphore,
    uploads: Semaphore,
    downloads: Arc<Semaphore>,
    shares: Arc<shares::Shares>,
    pub(crate) paces: paces::Paces<DeviceId>,
    pub(crate) updates: paces::Updates,
    pub(crate) callers: paces::Paces<String>,
    followers: Arc<Semaphore>,
    /// How long an artifact may be.
    upload_bytes_max: u64,
}

impl Limits {
    /// Returns how many follow the events.
    fn followers(&self) -> usize {
        FOLLOWERS_MAX.saturating_sub(self.followers.available_permits())
    }
}

impl Limits {
    pub(crate) fn new(paces: &crate::config::Paces, upload_bytes_max: u64) -> Self {
        Self {
            requests: Semaphore::new(REQUESTS_MAX),
            uploads: Semaphore::new(UPLOADS_MAX),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            shares: Arc::default(),
            paces: paces::Paces::new(paces::DEVICE),
            updates: paces::Updates::new(paces.device),
            callers: paces::Paces::new(paces::CALLER),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            upload_bytes_max,
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Refit",
        description = "Software updates for device fleets. Every answer that is not a success is a problem document \
                       (RFC 9457) with a stable `code`. Clients must ignore fields that they do not know.\n\n\
                       Lists come in pages: `nextCursor`, and `Link: rel=next`; a cursor is signed, and good for its list and \
                       filter alone. `count=estimate` or `exact` adds how long the whole list is, and how far that is to be trusted: \
                       exact counts go up to 100,000 rows, or the newest 10,000 lines of the audit log. Changes of a record demand `If-Match` with its ETag, or `*` for any version (428, 412). \
                       Changes take `Idempotency-Key`: the same request under the same key within 24 hours, also after a \
                       restart of the server, is done once and answered the same, marked `Idempotency-Replayed: true`; 4,096 \
                       answers of a caller are kept, but none that says to try again (401, 403, 408, 429, 5xx). Changes take \
                       `dryRun=true`, but for signing in and out: the answer is that of the change, with `dryRun` in it, and nothing \
                       is changed; what would be removed is answered 200, as it is or would be. Where an ID or a secret would be \
                       made, the answer says `dry-run`.\n\n\
                       Users have no `If-Match`: a change sets one of role, password and `disabled` outright, whatever they were, \
                       and there is no version of a user. The verbs of an identity have none either: each names the standing that \
                       is wanted, and to say it again changes nothing.\n\n\
                       Every answer to a token or user says how often it may ask: `RateLimit-Policy` and `RateLimit` \
                       (draft-ietf-httpapi-ratelimit-headers-10), and `Retry-After` with each 429. A route on its way out says so \
                       with `Deprecation` (RFC 9745) and `Sunset` (RFC 8594).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(),
    ),
    security(("token" = []), ("session" = [])),
    components(schemas(show::Problem, show::GrantPolicy)),
    modifiers(&Bearer),
)]
struct Document;

/// Says in the document what one is known by.
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme,
        };
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let cookie = ApiKeyValue::new("__Host-refit");
        if let Some(components) = openapi.components.as_mut() {
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
            let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
            components.add_security_scheme("session", cookie);
        }
    }
}

/// Every route with what its caller needs; signing in alone needs nothing.
fn api() -> OpenApiRouter<Arc<App>> {
    use refit_access::matrix::Operation as To;
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(guarded(&[To::DeviceRead], routes!(devices::list)))
        .routes(guarded(&[To::DeviceRead], routes!(devices::show)))
        .routes(guarded(&[To::DeviceRemove], routes!(devices::remove)))
        .routes(guarded(&[To::DeviceRead], routes!(facts::show)))
        .routes(guarded(&[To::DeviceDescribe], routes!(facts::change)))
        .routes(guarded(&[To::DeviceRead], routes!(exchange::export)))
        .routes(guarded(&[To::DeviceDescribe], routes!(exchange::import)))
        .routes(guarded(&[To::FleetRead], routes!(figures::show)))
        .routes(guarded(&[To::FleetRead], routes!(selector::explain)))
        .routes(guarded(&[To::ListRead], routes!(lists::list)))
        .routes(guarded(&[To::ListRead], routes!(lists::show)))
        .routes(guarded(&[To::ListWrite], routes!(lists::put)))
        .routes(guarded(&[To::ListWrite], routes!(lists::remove)))
        .routes(guarded(
            &[To::StateWrite, To::SoftwareAssign],
            routes!(devices::desire),
        ))
        .routes(guarded(
            &[To::SoftwareAssign],
            routes!(devices::set_software),
        ))
        .routes(guarded(&[To::JobCancel], routes!(devices::cancel)))
        .routes(guarded(&[To::DeviceHold], routes!(devices::hold)))
        .routes(guarded(&[To::DeviceHold], routes!(devices::release)))
        .routes(guarded(&[To::JobRetry], routes!(devices::retry)))
        .routes(guarded(&[To::JobRead], routes!(jobs::of_device)))
        .routes(guarded(&[To::JobRead], routes!(jobs::list)))
        .routes(guarded(&[To::JobRead], routes!(jobs::show)))
        .routes(guarded(&[To::ReleaseRead], routes!(releases::list)))
        .routes(guarded(&[To::ReleaseAdd], routes!(releases::upload::add)))
        .routes(guarded(&[To::ReleaseRead], routes!(releases::show)))
        .routes(guarded(&[To::ReleaseRemove], routes!(releases::remove)))
        .routes(guarded(&[To::RolloutRead], routes!(rollouts::list)))
        .routes(guarded(&[To::RolloutSteer], routes!(rollouts::create)))
        .routes(guarded(&[To::RolloutRead], routes!(rollouts::show)))
        .routes(guarded(&[To::RolloutRead], routes!(rollouts::reported)))
        .routes(guarded(&[To::RolloutRead], routes!(rollouts::look_at)))
        .routes(guarded(&[To::RolloutSteer], routes!(rollouts::act::start)))
        .routes(guarded(
            &[To::RolloutApprove],
            routes!(rollouts::act::approve),
        ))
        .routes(guarded(&[To::RolloutSteer], routes!(rollouts::act::pause)))
        .routes(guarded(&[To::RolloutSteer], routes!(rollouts::act::resume)))
        .routes(guarded(
            &[To::RolloutSteer],
            routes!(rollouts::act::advance),
        ))
        .routes(guarded(&[To::RolloutSteer], routes!(rollouts::act::abort)))
        .routes(guarded(&[To::RolloutSteer], routes!(rollouts::act::retry)))
        .routes(guarded(
            &[To::RolloutSteer],
            routes!(rollouts::act::exclude),
        ))
        .routes(guarded(&[To::RolloutSteer], routes!(rollouts::act::pace)))
        .routes(guarded(&[To::AuditRead], routes!(audit::list)))
        .routes(guarded(&[To::AuditRead], routes!(audit::head)))
        .routes(guarded(&[To::EventRead], routes!(events::follow)))
        .routes(guarded(&[To::EnrolmentRead], routes!(identity::list)))
        .routes(guarded(&[To::EnrolmentWrite], routes!(identity::make)))
        .routes(guarded(
            &[To::EnrolmentWrite],
            routes!(identity::revoke_claim),
        ))
        .routes(guarded(
            &[To::EnrolmentWrite],
            routes!(identity::import::import),
        ))
        .routes(guarded(&[To::DeviceRead], routes!(identity::show)))
        .routes(guarded(&[To::DeviceBar], routes!(identity::revoke)))
        .routes(guarded(&[To::DeviceBar], routes!(identity::retire)))
        .routes(guarded(&[To::DeviceBar], routes!(identity::re_enrol)))
        .routes(guarded(&[To::TrustRead], routes!(grant_keys::list)))
        .routes(guarded(&[To::TrustWrite], routes!(grant_keys::rotate)))
        .routes(guarded(&[To::TrustRead], routes!(ca::show)))
        .routes(guarded(&[To::TrustWrite], routes!(ca::turn::rotate)))
        .routes(guarded(&[To::TrustWrite], routes!(ca::turn::switch)))
        .routes(guarded(&[To::TrustWrite], routes!(ca::turn::finish)))
        .routes(guarded(&[To::ServerRead], routes!(condition::show)))
        .routes(guarded(&[To::TokenRead], routes!(tokens::list)))
        .routes(guarded(&[To::TokenWrite], routes!(tokens::make)))
        .routes(guarded(&[To::TokenWrite], routes!(tokens::revoke)))
        .routes(guarded(&[To::UserRead], routes!(users::list)))
        .routes(guarded(&[To::UserWrite], routes!(users::add)))
        .routes(guarded(&[To::UserWrite], routes!(users::change)))
        .routes(guarded(&[To::UserWrite], routes!(users::remove)))
        .routes(guarded(&[To::SessionRead], routes!(session::show)))
        .routes(guarded(&[To::SessionEnd], routes!(session::sign_out)))
        .routes(open(&[To::SessionBegin], routes!(session::sign_in)))
}

/// Says of each operation that changes something that it takes a key.
fn describe_keys(document: &mut utoipa::openapi::OpenApi) {
    use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
    use utoipa::openapi::schema::{ObjectBuilder, Type};
    for item in document.paths.paths.values_mut() {
        let changes = [
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in changes.into_iter().flatten() {
            let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(
                "^(\"[!#-+.-\\[\\]-~-]{1,255}\"|[!#-+.-\\[\\]-~-]{1,255})$",
            ));
            let key = ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .description(Some(
                    "The same request under the same key again, within 24 hours, is done once and answered the same.",
                ))
                .schema(Some(schema));
            let parameters = operation.parameters.get_or_insert_default();
            parameters.push(key.build().into());
        }
    }
}

/// Writes the OpenAPI document of the API, as it is served and as it is committed.
pub fn openapi() -> String {
    let (_, mut document) = api().split_for_parts();
    describe_keys(&mut document);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Writes the page of the reference about who may do what, as it is committed.
pub fn access() -> String {
    refit_access::matrix::page()
}

/// Writes the page of the reference about problems, as it is committed.
pub fn problems() -> String {
    error::page()
}

/// Makes the routes of a server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (api, _) = api().split_for_parts();
    let document: Arc<str> = openapi().into();
    let document = get(move || async move {
        (
            [(header::CONTENT_TYPE, "application/json")],
            document.to_string(),
        )
    });
    api.route(gate::DESCRIPTION, document)
        .route("/depot/sha256/{digest}", get(artifacts::download))
        .route("/device/v1/bootstrap", get(bootstrap::bootstrap))
        .route("/device/v1/enrol", post(enrolment::enrol))
        .route("/device/v1/renew", post(enrolment::renew))
        .route("/device/v1/renew/expired", post(enrolment::renew_expired))
        .route("/device/v1/nonce", get(enrolment::nonce))
        .route("/device/v1/trust", get(enrolment::trust))
        .route("/device/v1/delta", get(device_api::delta))
        .route("/device/v1/update", post(device_api::update))
        .route("/device/v1/credential", post(device_api::credential))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_for_this)
        .layer(from_fn_with_state(Arc::clone(&app), once::once))
        .layer(from_fn_with_state(Arc::clone(&app), gate::admit))
        .layer(from_fn_with_state(
            Arc::clone(&app),
            gate::refuse_foreign_pages,
        ))
        .layer(from_fn_with_state(Arc::clone(&app), frame))
        .with_state(app)
}

async fn nothing_here(uri: Uri) -> Problem {
    let detail = format!(
        "there is nothing at {}; the API is at /api/v1, described by /api/v1/openapi.json",
        uri.path()
    );
    Problem::new(Kind::NotFound, detail)
}

async fn not_for_this(method: Method, uri: Uri) -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        format!("{} does not take {method}", uri.path()),
    )
}

/// The outermost layer: the request gets an ID, and what leaves is counted and in one form.
async fn frame(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response<axum::body::Body> {
    let id = request_id();
    request.extensions_mut().insert(RequestId(id.clone()));
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let is_probe = matches!(path.as_str(), "/livez" | "/readyz" | "/metrics");
    let turn = app.limits.requests.try_acquire();
    let response = if let Err(problem) = gate::check_head(&request) {
        problem.into_response()
    } else if turn.is_ok() || is_probe {
        next.run(request).await
    } else {
        app.counters.shed(Shed::Requests);
        let detail = "too many requests are under way; try again in a moment";
        let refused = Problem::new(Kind::Unavailable, detail).later(AGAIN_S);
        refused.into_response()
    };
    drop(turn);
    let mut response = render(response, &id);
    let status = response.status().as_u16();
    app.counters.request(status);
    // The path alone: a query may hold a grant.
    tracing::debug!(%method, path, status, request = id, ms = started.elapsed().as_millis() as u64);
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    response
}

fn request_id() -> String {
    let mut bytes = [0; 8];
    // An ID that is not random still serves: it is for finding a line in the log.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}
