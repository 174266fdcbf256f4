//! `Idempotency-Key`: a change that is asked for twice under one key is made once, and answered the same both times.
//!
//! What is the same request is known by its method, path, query, the headers that change what is done, and its body.
//! Small bodies are read before; an upload is hashed as it passes. Answers are kept in the store, so they outlive a
//! restart: 24 hours, and 4,096 of each caller. An answer is kept in a commit after that of the change: a server that is
//! killed between the two has made the change and forgotten its key.

mod request;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::Next;
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use refit_protocol::time::Timestamp;
use refit_store::answer::{Answer, Keeping};
use sha2::Digest;

use super::error::{Kind, Problem, Rendered, render};
use super::{App, RequestId, ask};
use crate::caller::Caller;
use crate::wall;
use request::{hash_of, hashed_as_it_passes, hashed_before, head, is_upload, key};

/// The header that carries the key.
pub(super) const KEY: &str = "idempotency-key";

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// How many answers of one caller are kept; the oldest are forgotten first.
const KEPT_PER_CALLER_MAX: u32 = 4096;

/// The longest answer that is kept, in bytes: a device with both states full and two jobs is a tenth of it.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// The headers of an answer that are kept.
const KEPT_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::CACHE_CONTROL,
    header::ALLOW,
];

/// The keys whose requests are under way.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashSet<(String, String)>>);

impl UnderWay {
    fn begin(app: &Arc<App>, caller: String, key: &str) -> Option<Turn> {
        let of = (caller, key.to_owned());
        let is_first = app.under_way.0.lock().insert(of.clone());
        is_first.then(|| Turn {
            app: Arc::clone(app),
            of,
        })
    }
}

/// One request under its key; another may begin when this is dropped.
struct Turn {
    app: Arc<App>,
    of: (String, String),
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.app.under_way.0.lock().remove(&self.of);
    }
}

/// The layer: a change that carries a key passes through here once.
pub(super) async fn once(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Problem> {
    let given = request.headers().get(KEY);
    let (Some(given), true) = (given, is_change(&request)) else {
        return Ok(next.run(request).await);
    };
    let key = key(given)?;
    // A trial changes nothing, so nothing of it is kept.
    if ask::is_dry(request.uri()) {
        return Ok(next.run(request).await);
    }
    let Some(caller) = request.extensions().get::<Caller>() else {
        // Who signs in is nobody yet, and gets another session each time.
        return Ok(next.run(request).await);
    };
    let caller = caller.who.key();
    let turn = UnderWay::begin(&app, caller, &key).ok_or_else(|| {
        let detail =
            "a request with this key is under way: wait for its answer, or ask again in a moment";
        Problem::new(Kind::KeyInUse, detail).header(header::RETRY_AFTER, "1")
    })?;
    // A task of its own: whoever goes away has the answer kept, and hears it when asking again.
    let done = tokio::spawn(async move { answered(&turn.app, &turn.of, request, next).await });
    done.await
        .map_err(|_| Problem::internal("a change was abandoned"))?
}

fn is_change(request: &Request) -> bool {
    let is_change = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    is_change && request.uri().path().starts_with("/api/")
}

async fn answered(
    app: &Arc<App>,
    of: &(String, String),
    request: Request,
    next: Next,
) -> Result<Response<Body>, Problem> {
    let head = head(&request);
    let since = Timestamp(wall::now().0.saturating_sub(KEPT.as_millis() as u64));
    let (caller, key) = of.clone();
    let known = app
        .readers
        .read(move |reader| reader.answer(&caller, &key, since));
    match known.await? {
        Some(known) => again(known, head, request).await,
        None => first(app, of, head, since, request, next).await,
    }
}

/// Answers as before, if it is the same request.
async fn again(known: Answer, head: [u8; 32], request: Request) -> Result<Response<Body>, Problem> {
    let other = || {
        let detail = "this key was used for another request: use a new key for each change, and the same only to ask \
                      for the same again";
        Problem::new(Kind::KeyReused, detail)
    };
    if known.head != head {
        return Err(other());
    }
    // A body whose digest is announced is known without being read; the announcement is in the head.
    let is_announced = request.headers().contains_key("content-digest");
    if !is_announced && body_hash(request).await? != known.body {
        return Err(other());
    }
    let mut response = Response::new(Body::from(known.content));
    *response.status_mut() = StatusCode::from_u16(known.status).unwrap_or_default();
    let headers = response.headers_mut();
    for line in known.headers.lines() {
        if let Some((name, value)) = line.split_once(": ")
            && let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse())
        {
            headers.insert(name, value);
        }
    }
    headers.insert(
        HeaderName::from_static("idempotency-replayed"),
        HeaderValue::from_static("true"),
    );
    response.extensions_mut().insert(Rendered);
    Ok(response)
}

/// Hashes the body of a request that is not made again, within the bounds that it has when it is made.
async fn body_hash(request: Request) -> Result<[u8; 32], Problem> {
    if is_upload(&request) {
        return hash_of(request.into_body()).await;
    }
    let (_, body) = hashed_before(request).await?;
    let hash = body.lock().clone();
    Ok(hash.finalize().into())
}

/// Has the change made, and keeps what is answered.
async fn first(
    app: &Arc<App>,
    (caller, key): &(String, String),
    head: [u8; 32],
    since: Timestamp,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Problem> {
    let id = request.extensions().get::<RequestId>().cloned();
    let is_upload = is_upload(&request);
    let (request, body) = if is_upload {
        hashed_as_it_passes(request)
    } else {
        hashed_before(request).await?
    };
    let response = render(next.run(request).await, &id.unwrap_or_default().0);
    let (parts, content) = response.into_parts();
    let content = match Limited::new(content, ANSWER_BYTES_MAX).collect().await {
        Ok(content) => content.to_bytes(),
        Err(error) => {
            tracing::error!("an answer was lost: {error}");
            return Err(Problem::internal("an answer was lost"));
        }
    };
    if is_kept(parts.status, is_upload) && !is_secret(&parts) {
        let answer = Answer {
            caller: caller.clone(),
            key: key.clone(),
            head,
            body: body.lock().clone().finalize().into(),
            status: parts.status.as_u16(),
            headers: kept(&parts.headers),
            content: content.to_vec(),
            at: wall::now(),
        };
        keep(app, answer, since).await;
    }
    let mut response = Response::from_parts(parts, Body::from(content));
    response.extensions_mut().insert(Rendered);
    Ok(response)
}

/// What was decided is kept. What was not, because the caller may not, or should try again, can be tried again; and an
/// upload that was refused by its head alone was not read, so nobody knows what it would have been.
fn is_kept(status: StatusCode, is_upload: bool) -> bool {
    match status.as_u16() {
        200..300 | 404 | 409 => true,
        401 | 403 | 408 | 429 | 500.. => false,
        _ => !is_upload,
    }
}

/// A success that says it is not to be stored holds a secret, for instance a token that is shown once: it is not kept,
/// and its key is good for no second time.
fn is_secret(parts: &Parts) -> bool {
    let said = parts.headers.get(header::CACHE_CONTROL);
    parts.status.is_success() && said.is_some_and(|said| said == "no-store")
}

async fn keep(app: &Arc<App>, answer: Answer, since: Timestamp) {
    let keeping = Keeping {
        since,
        per_caller_max: KEPT_PER_CALLER_MAX,
    };
    let store = Arc::clone(&app.store);
    let kept = tokio::task::spawn_blocking(move || store.keep_answer(answer, keeping)).await;
    // The change is made, so its answer is given; only its key is forgotten.
    if let Ok(Err(failure)) = kept {
        tracing::warn!("an answer could not be kept under its key: {failure}");
    }
}

fn kept(headers: &HeaderMap) -> String {
    let lines = KEPT_HEADERS.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(format!("{name}: {value}\n"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_kept() {
        let parts = |status: u16, said: &'static str| {
            let answer = Response::builder().status(status);
            let answer = answer.header(header::CACHE_CONTROL, said);
            answer.body(Body::empty()).unwrap().into_parts().0
        };
        assert!(is_secret(&parts(201, "no-store")));
        assert!(!is_secret(&parts(201, "no-cache")));
        // Every problem says so.
        assert!(!is_secret(&parts(409, "no-store")));
    }

    #[test]
    fn only_what_was_decided_is_kept() {
        let is_kept = |status, is_upload| is_kept(StatusCode::from_u16(status).unwrap(), is_upload);
        for status in [200, 201, 204, 404, 409] {
            assert!(is_kept(status, true) && is_kept(status, false), "{status}");
        }
        for status in [401, 403, 408, 429, 500, 503, 507] {
            assert!(
                !is_kept(status, true) && !is_kept(status, false),
                "{status}"
            );
        }
        for status in [400, 412, 422, 428] {
            assert!(!is_kept(status, true) && is_kept(status, false), "{status}");
        }
    }
}
