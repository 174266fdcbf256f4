//! What went wrong with a request: RFC 9457 problem documents.
//!
//! A [`Problem`] travels inside the response and is written by [`render`], the outermost layer, which knows the
//! request's ID and turns whatever else a framework refused by itself into a problem too.

mod field;
mod kind;

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use refit_engine::output::with_sources;
use refit_store::store::Failure;
use serde_json::{Map, Value, json};

use super::later;
pub(crate) use field::{FieldCode, FieldError};
pub(crate) use kind::Kind;
pub(super) use kind::page;

/// A problem: its kind, what is wrong and what to do next, and what a program may want to know.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: String,
    more: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            more: Map::new(),
            headers: Vec::new(),
        }
    }

    /// Says what is wrong with fields of the body, or parameters of the query; there is one at least.
    pub(crate) fn of_fields(kind: Kind, errors: &[FieldError]) -> Self {
        let details: Vec<&str> = errors.iter().map(|error| error.detail.as_str()).collect();
        let errors: Vec<Value> = errors.iter().map(FieldError::to_json).collect();
        Self::new(kind, details.join("; ")).with("errors", errors)
    }

    /// Says what is wrong with a field of the body.
    pub(crate) fn of_field(name: &str, code: FieldCode, detail: impl Into<String>) -> Self {
        let error = FieldError::of_field([name], code, detail);
        Self::of_fields(Kind::Unprocessable, &[error])
    }

    /// Says what is wrong with a parameter of the query.
    pub(crate) fn of_parameter(name: &str, code: FieldCode, detail: impl Into<String>) -> Self {
        Self::of_fields(
            Kind::BadQuery,
            &[FieldError::of_parameter(name, code, detail)],
        )
    }

    /// Makes it another kind, with the same words.
    pub(crate) fn now(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Returns what is wrong with this request.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns a member for programs.
    #[cfg(test)]
    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        self.more.get(name)
    }

    /// Adds a member for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.into(), value.into());
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Says when to try again: not before this many seconds, and not all at once.
    pub(crate) fn later(self, seconds: u32) -> Self {
        let seconds = later::seconds(seconds).to_string();
        self.header(header::RETRY_AFTER, &seconds)
    }

    pub(crate) fn internal(detail: &str) -> Self {
        tracing::error!("{detail}");
        Self::new(
            Kind::Internal,
            format!("{detail}; the log of the server says more"),
        )
    }

    pub(crate) fn stopping() -> Self {
        Self::new(
            Kind::Unavailable,
            "the server is stopping; try again in a moment",
        )
        .later(5)
    }

    pub(crate) fn of_store(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::full(),
            Failure::Busy => {
                Self::new(Kind::Unavailable, "too much waits to be written; try again").later(1)
            }
            Failure::Unknown(_) | Failure::Broken(_) | Failure::Closed => {
                tracing::error!("the store: {failure}");
                Self::new(
                    Kind::Unavailable,
                    "the store has stopped; it is not known whether this was done",
                )
            }
            Failure::Corrupt(_) => Self::internal(&failure.to_string()),
        }
    }

    /// What failed under the depot. Of an object store it is told what is wrong, for it is somebody's to mend.
    pub(crate) fn of_depot(error: &refit_depot::backend::Error) -> Self {
        let Some(trouble) = error.trouble() else {
            return Self::internal(&with_sources(error));
        };
        tracing::error!("the depot: {}", with_sources(error));
        Self::new(Kind::Unavailable, trouble.to_string()).later(10)
    }

    pub(crate) fn full() -> Self {
        Self::new(
            Kind::DiskFull,
            "nothing was stored: make room in the data directory, or where the depot is, and try again",
        )
    }

    fn write(&self, request: &str) -> Vec<u8> {
        let (status, code, title) = self.kind.row();
        let detail = if self.detail.is_empty() {
            title
        } else {
            &self.detail
        };
        let mut document = self.more.clone();
        for (name, value) in [
            ("type", json!(format!("{}{code}", kind::PAGES))),
            ("title", json!(title)),
            ("status", json!(status)),
            ("detail", json!(detail)),
            ("code", json!(code)),
            ("instance", json!(format!("urn:refit:request:{request}"))),
        ] {
            document.insert(name.into(), value);
        }
        Value::Object(document).to_string().into_bytes()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Says of a response that it is as it is to be sent: its problem is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rendered;

/// Writes the problem in a response, if there is one.
pub(crate) fn render(mut response: Response<Body>, request: &str) -> Response<Body> {
    let status = response.status();
    let is_rendered = response.extensions().get::<Rendered>().is_some();
    if is_rendered || !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response
        .extensions_mut()
        .remove::<Problem>()
        .unwrap_or_else(|| Problem::new(Kind::of_status(status), ""));
    let body = problem.write(request);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        // Whoever refuses knows better, or it is a moment.
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    for (name, value) in problem.headers {
        headers.insert(name, value);
    }
    *response.body_mut() = body.into();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_framework_refuses_keeps_its_status() {
        for status in [400, 404, 405, 408, 413, 415, 422, 431, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            let response = render(status.into_response(), "r");
            assert_eq!(response.status(), status);
            assert_eq!(
                response.headers()[header::CONTENT_TYPE],
                "application/problem+json"
            );
        }
    }

    #[test]
    fn whoever_asks_too_much_is_told_when_to_ask_again() {
        let refused = |problem: Problem| render(problem.into_response(), "r");
        let plain = refused(Problem::new(Kind::TooMany, ""));
        assert_eq!(plain.headers()[header::RETRY_AFTER], "1");
        let later = Problem::new(Kind::TooMany, "").header(header::RETRY_AFTER, "10");
        assert_eq!(refused(later).headers()[header::RETRY_AFTER], "10");
    }

    #[test]
    fn a_store_that_cannot_write_says_whether_to_try_again() {
        let broken = Failure::Broken("an I/O error".into());
        let corrupt = Failure::Corrupt("a byte".into());
        for (failure, kind) in [
            (Failure::Full, Kind::DiskFull),
            (Failure::Busy, Kind::Unavailable),
            (Failure::Closed, Kind::Unavailable),
            (broken, Kind::Unavailable),
            (corrupt, Kind::Internal),
        ] {
            assert_eq!(Problem::of_store(failure).kind, kind);
        }
    }

    #[test]
    fn a_problem_says_what_and_for_which_request() {
        let problem = Problem::new(Kind::NoJob, "look again").with("jobID", "j1");
        let document: Value = serde_json::from_slice(&problem.write("7f")).unwrap();
        assert_eq!(
            document,
            json!({
                "type": "https://refit.dev/problems/job_not_found", "title": "There is no such job", "status": 404,
                "detail": "look again", "code": "job_not_found", "jobID": "j1",
                "instance": "urn:refit:request:7f",
            })
        );
    }
}
