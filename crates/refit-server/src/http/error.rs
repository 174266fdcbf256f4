//! What went wrong with a request: RFC 9457 problem documents, and the one table of their codes.
//!
//! A [`Problem`] travels inside the response and is written by [`render`], the outermost layer, which knows the
//! request's ID and turns whatever else a framework refused by itself into a problem too.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use refit_engine::output::with_sources;
use refit_protocol::rejection::Code;
use refit_store::store::Failure;
use serde_json::{Map, Value, json};

use super::later;

/// What kind of problem it is. The code is for programs and stays; the title is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    BadQuery,
    BadCursor,
    BadBody,
    BadDeviceId,
    Unauthenticated,
    Forbidden,
    GrantRefused,
    EnrolmentRefused,
    DeviceBarred,
    CertificateNeeded,
    BadCsr,
    DeviceHasKey,
    NotFound,
    NoDevice,
    NoJob,
    NoRelease,
    NoArtifact,
    NoToken,
    NoUser,
    MethodNotAllowed,
    TooSlow,
    Conflict,
    Taken,
    ReleaseExists,
    ReleaseDesired,
    KeyInUse,
    EventsGone,
    VersionConflict,
    PreconditionRequired,
    TooLarge,
    MediaType,
    OutOfRange,
    DigestDiffers,
    Unprocessable,
    UnknownRelease,
    KeyReused,
    TooMany,
    Internal,
    Unavailable,
    DiskFull,
}

impl Kind {
    const ALL: [Self; 41] = [
        Self::BadRequest,
        Self::BadQuery,
        Self::BadCursor,
        Self::BadBody,
        Self::BadDeviceId,
        Self::BadCsr,
        Self::Unauthenticated,
        Self::CertificateNeeded,
        Self::Forbidden,
        Self::GrantRefused,
        Self::EnrolmentRefused,
        Self::DeviceBarred,
        Self::NotFound,
        Self::NoDevice,
        Self::NoJob,
        Self::NoRelease,
        Self::NoArtifact,
        Self::NoToken,
        Self::NoUser,
        Self::MethodNotAllowed,
        Self::TooSlow,
        Self::Conflict,
        Self::DeviceHasKey,
        Self::Taken,
        Self::ReleaseExists,
        Self::ReleaseDesired,
        Self::KeyInUse,
        Self::EventsGone,
        Self::VersionConflict,
        Self::TooLarge,
        Self::MediaType,
        Self::OutOfRange,
        Self::DigestDiffers,
        Self::Unprocessable,
        Self::UnknownRelease,
        Self::KeyReused,
        Self::PreconditionRequired,
        Self::TooMany,
        Self::Internal,
        Self::Unavailable,
        Self::DiskFull,
    ];

    /// The table: status, code, title.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BadRequest => (400, "bad_request", "The request is not understood"),
            Self::BadQuery => (400, "bad_query", "The query is not understood"),
            Self::BadCursor => (400, "bad_cursor", "The cursor is not one of this list"),
            Self::BadBody => (400, "bad_body", "The body is not understood"),
            Self::BadDeviceId => (400, "bad_device_id", "This is not a device ID"),
            Self::BadCsr => (400, "bad_csr", "The signing request is not taken"),
            Self::CertificateNeeded => (
                401,
                "certificate_needed",
                "The device's certificate is needed",
            ),
            Self::Unauthenticated => (401, "unauthenticated", "A valid token is needed"),
            Self::Forbidden => (403, "forbidden", "This is not allowed"),
            Self::GrantRefused => (403, "grant_refused", "The download is not granted"),
            Self::EnrolmentRefused => (403, "enrolment_refused", "The device is not enrolled"),
            Self::DeviceBarred => (403, "device_barred", "The device is not let in"),
            Self::NotFound => (404, "not_found", "There is nothing here"),
            Self::NoDevice => (404, "device_not_found", "There is no such device"),
            Self::NoJob => (404, "job_not_found", "There is no such job"),
            Self::NoRelease => (404, "release_not_found", "There is no such release"),
            Self::NoArtifact => (404, "artifact_not_found", "There is no such artifact"),
            Self::NoToken => (404, "token_not_found", "There is no such token"),
            Self::NoUser => (404, "user_not_found", "There is no such user"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "The method is not for this"),
            Self::TooSlow => (408, "too_slow", "The request did not arrive in time"),
            Self::Conflict => (409, "conflict", "It is not in the state for this"),
            Self::DeviceHasKey => (409, "device_has_key", "The device has a key"),
            Self::Taken => (409, "name_taken", "The name is taken"),
            Self::ReleaseExists => (409, "release_exists", "The release has other bytes"),
            Self::ReleaseDesired => (409, "release_desired", "A device desires the release"),
            Self::KeyInUse => (
                409,
                "idempotency_key_in_use",
                "A request with this key is under way",
            ),
            Self::EventsGone => (410, "events_gone", "These events are no longer kept"),
            Self::VersionConflict => (412, "version_conflict", "The record has another version"),
            Self::TooLarge => (413, "too_large", "It is too large"),
            Self::MediaType => (415, "media_type", "The body has another type than is taken"),
            Self::OutOfRange => (416, "out_of_range", "The range lies past the end"),
            Self::DigestDiffers => (
                422,
                "digest_differs",
                "Other bytes came than were announced",
            ),
            Self::Unprocessable => (422, "unprocessable", "This cannot be done"),
            Self::UnknownRelease => (422, "unknown_release", "There is no such release to desire"),
            Self::KeyReused => (
                422,
                "idempotency_key_reused",
                "The key was used for another request",
            ),
            Self::PreconditionRequired => (428, "precondition_required", "If-Match is needed"),
            Self::TooMany => (429, "too_many", "There is too much at a time"),
            Self::Internal => (500, "internal", "Refit failed"),
            Self::Unavailable => (503, "unavailable", "It cannot be done now"),
            Self::DiskFull => (507, "disk_full", "The disk is full"),
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the kind that a refusal of the engine is.
    pub(crate) const fn of_code(code: Code) -> Self {
        match code {
            Code::Malformed => Self::BadBody,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::Forbidden => Self::Forbidden,
            Code::NotFound => Self::NoDevice,
            Code::Conflict => Self::Conflict,
            Code::TooLarge => Self::TooLarge,
            Code::Unprocessable => Self::Unprocessable,
            Code::TooMany => Self::TooMany,
            Code::Internal => Self::Internal,
            Code::Unavailable => Self::Unavailable,
        }
    }

    /// Returns the kind for what a framework refused by itself.
    const fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::TooSlow,
            409 => Self::Conflict,
            412 => Self::VersionConflict,
            413 => Self::TooLarge,
            415 => Self::MediaType,
            416 => Self::OutOfRange,
            422 => Self::Unprocessable,
            428 => Self::PreconditionRequired,
            429 => Self::TooMany,
            503 => Self::Unavailable,
            507 => Self::DiskFull,
            400..500 => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// Writes the table for the reference.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Problems of the HTTP API\n\n\
         Every answer that is not a success is a problem document (RFC 9457, `application/problem+json`). `code` is for \
         programs, and stays; `type` is `urn:refit:problem:` and the code; `detail` says what is wrong with this request \
         and what to do next; `instance` names the request as the log of the server does, and as the header \
         `X-Request-ID` of the answer.\n\n| status | code | title |\n| --- | --- | --- |\n",
    );
    for (status, code, title) in Kind::ALL.map(Kind::row) {
        page = format!("{page}| {status} | `{code}` | {title} |\n");
    }
    page
}

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

    /// Makes it another kind, with the same words.
    pub(crate) fn now(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Returns what is wrong with this request.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
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
            ("type", json!(format!("urn:refit:problem:{code}"))),
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
    fn codes_are_snake_case_and_unique() {
        let mut codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.row().1).collect();
        assert!(
            codes
                .iter()
                .all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
    }

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
    fn what_the_engine_refuses_keeps_its_number() {
        use Code::{Conflict, Forbidden, Internal, Malformed, NotFound, TooLarge, TooMany};
        use Code::{Unauthenticated, Unavailable, Unprocessable};
        for code in [
            Malformed,
            Unauthenticated,
            Forbidden,
            NotFound,
            Conflict,
            TooLarge,
            Unprocessable,
            TooMany,
            Internal,
            Unavailable,
        ] {
            assert_eq!(Kind::of_code(code).status().as_u16(), code.number());
        }
    }

    #[test]
    fn a_problem_says_what_and_for_which_request() {
        let problem = Problem::new(Kind::NoJob, "look again").with("jobID", "j1");
        let document: Value = serde_json::from_slice(&problem.write("7f")).unwrap();
        assert_eq!(
            document,
            json!({
                "type": "urn:refit:problem:job_not_found", "title": "There is no such job", "status": 404,
                "detail": "look again", "code": "job_not_found", "jobID": "j1",
                "instance": "urn:refit:request:7f",
            })
        );
    }
}
