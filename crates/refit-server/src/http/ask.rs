//! How requests are read: queries, bodies and preconditions, each refused with a problem of its own.

mod typed;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::{BodyExt, Limited};
use refit_protocol::device_id::DeviceId;
use refit_protocol::document;
use refit_protocol::limits::UPDATE_BYTES_MAX;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::error::{FieldCode, Kind, Problem};
use super::slow::is_too_slow;
use super::{BODY_PAUSE_MAX, count};
pub(crate) use typed::document;

/// A query, read strictly: a parameter that does not exist is a mistake worth telling.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|refused| of_query(&refused.body_text()))
    }
}

/// Says which parameter is wrong. That each is known was checked before, against the description.
fn of_query(said: &str) -> Problem {
    let said = said
        .rsplit_once("query string: ")
        .map_or(said, |(_, what)| what);
    match said.split_once(": ") {
        Some((name, why)) => {
            Problem::of_parameter(name, FieldCode::Malformed, format!("{name}: {why}"))
        }
        None => {
            let code = if said.starts_with("missing") {
                FieldCode::Missing
            } else {
                FieldCode::Malformed
            };
            let name = said.split('`').nth(1).unwrap_or_default();
            Problem::of_parameter(name, code, said)
        }
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// How many items at most; 50 if it is not given.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_-]+$")]
    pub(crate) cursor: Option<String>,
    /// Whether to count the whole list, and how: `estimate` or `exact`; not, if it is not given.
    #[param(pattern = "^(estimate|exact)$")]
    pub(crate) count: Option<String>,
}

/// Which part of a list is wanted, checked.
pub(crate) struct Part {
    pub(crate) limit: usize,
    pub(crate) cursor: Option<String>,
    pub(crate) count: Option<count::Asked>,
}

impl Page {
    pub(crate) fn checked(self) -> Result<Part, Problem> {
        Ok(Part {
            limit: limit(self.limit)?,
            cursor: self.cursor,
            count: count::Asked::read(self.count.as_deref())?,
        })
    }
}

/// A device, in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes what `device` reads")]
pub(crate) struct DevicePath {
    /// The device's ID.
    #[param(pattern = "^[A-Za-z0-9:_.-]{1,128}$")]
    id: String,
}

/// A precondition.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `if_match` reads")]
pub(crate) struct IfMatch {
    /// The version that the record must have: its ETag, or `*` for any.
    #[param(rename = "If-Match", pattern = "^(\"?[0-9]{1,16}\"?|\\*)$")]
    if_match: Option<String>,
}

/// A precondition that is demanded.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "it describes what `if_match` reads, and `demanded` asks for"
)]
pub(crate) struct IfMatchDemanded {
    /// The version that the record must have: its ETag, or `*` for any.
    #[param(rename = "If-Match", pattern = "^(\"?[0-9]{1,16}\"?|\\*)$")]
    if_match: String,
}

/// Whether a change is only to be tried.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Dry {
    /// Whether to change nothing, and to answer what would happen.
    #[serde(default)]
    #[param(required = false)]
    pub(crate) dry_run: bool,
}

/// What stands in the answer of a trial where a change would make an ID or a secret: nothing by it works anywhere.
pub(crate) const DRY_RUN: &str = "dry-run";

impl Dry {
    /// The mark of an answer to a trial.
    pub(crate) const fn mark(self) -> Option<bool> {
        if self.dry_run { Some(true) } else { None }
    }
}

/// Tells whether a request changes nothing, before its query is read in earnest.
pub(crate) fn is_dry(uri: &Uri) -> bool {
    let mut parts = uri.query().unwrap_or_default().split('&');
    parts.any(|part| part == "dryRun=true")
}

/// Which grant the software of a wish is given by, and whether the wish is only to be tried.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GrantOf {
    /// `presigned`, `credential`, or a `GrantPolicy` in JSON; the server's default if it is not there.
    grant: Option<String>,
    /// Whether to change nothing, and to answer what would happen.
    #[serde(default)]
    #[param(required = false)]
    dry_run: bool,
}

impl GrantOf {
    pub(crate) fn read(self) -> Result<(Option<Value>, Dry), Problem> {
        let dry = Dry {
            dry_run: self.dry_run,
        };
        let Some(text) = self.grant else {
            return Ok((None, dry));
        };
        if !text.starts_with('{') {
            return Ok((Some(text.into()), dry));
        }
        let object = document::parse_object(text.as_bytes()).map_err(|why| {
            let detail = format!("grant is not a JSON object: {why}");
            Problem::of_parameter("grant", FieldCode::Malformed, detail)
        })?;
        Ok((Some(object.into()), dry))
    }
}

/// How many items a page has, and may have.
const PAGE_ITEMS: usize = 50;
const PAGE_ITEMS_MAX: usize = 500;

/// Checks how many items a page is to have.
fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(PAGE_ITEMS) {
        limit @ 1..=PAGE_ITEMS_MAX => Ok(limit),
        _ => Err(Problem::of_parameter(
            "limit",
            FieldCode::OutOfRange,
            format!("limit is 1 to {PAGE_ITEMS_MAX}"),
        )),
    }
}

/// Writes `Link` for the next page: the same question, with its cursor (RFC 8288).
pub(crate) fn link_next(uri: &Uri, next: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(next) = next else { return headers };
    let same = uri.query().unwrap_or_default().split('&');
    let same = same.filter(|part| !part.is_empty() && !part.starts_with("cursor="));
    let query: Vec<&str> = same.collect();
    let query = [query.join("&"), format!("cursor={next}")].join("&");
    let link = format!(
        "<{}?{}>; rel=\"next\"",
        uri.path(),
        query.trim_start_matches('&')
    );
    if let Ok(link) = HeaderValue::from_str(&link) {
        headers.insert(header::LINK, link);
    }
    headers
}

/// Reads the device ID of a path.
pub(crate) fn device(text: &str) -> Result<DeviceId, Problem> {
    DeviceId::parse(text).map_err(|why| Problem::new(Kind::BadDeviceId, why.to_string()))
}

/// Reads a JSON object as strictly as an update is read.
pub(crate) async fn object(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Problem> {
    is_json(headers)?;
    let bytes = bytes(body).await?;
    document::parse_object(&bytes).map_err(|why| {
        Problem::new(
            Kind::BadBody,
            format!("the body is not a JSON object that can be taken: {why}"),
        )
    })
}

/// Checks that a body says that it is JSON, if it says anything.
pub(crate) fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        let kind = kind
            .as_bytes()
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default();
        let known: [&[u8]; 2] = [b"application/json", b"application/merge-patch+json"];
        if !known
            .iter()
            .any(|known| kind.trim_ascii().eq_ignore_ascii_case(known))
        {
            return Err(Problem::new(
                Kind::MediaType,
                "send application/json or application/merge-patch+json",
            ));
        }
    }
    Ok(())
}

/// Reads a body of the size that an update may have.
pub(crate) async fn bytes(body: Body) -> Result<Bytes, Problem> {
    bytes_up_to(body, UPDATE_BYTES_MAX).await
}

/// Reads a body of at most this many bytes.
pub(crate) async fn bytes_up_to(body: Body, most: usize) -> Result<Bytes, Problem> {
    let read = Limited::new(body, most).collect();
    match tokio::time::timeout(BODY_PAUSE_MAX, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::new(
            Kind::TooLarge,
            format!("a body here has at most {most} bytes"),
        )),
        Ok(Err(error)) if is_too_slow(&*error) => {
            Err(Problem::new(Kind::TooSlow, error.to_string()))
        }
        Ok(Err(error)) => Err(Problem::new(
            Kind::BadBody,
            format!("the body was cut short: {error}"),
        )),
        Err(_) => Err(Problem::new(
            Kind::TooSlow,
            "the body did not arrive in time",
        )),
    }
}

/// What a request says of the record that it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing.
    Unsaid,
    /// `*`: any version will do, and none.
    Any,
    /// It must have this version.
    Version(u64),
}

impl Precondition {
    /// Returns the version that is named.
    pub(crate) const fn version(self) -> Option<u64> {
        match self {
            Self::Unsaid | Self::Any => None,
            Self::Version(version) => Some(version),
        }
    }

    /// Returns the version that is named; something must have been said (RFC 6585 §3).
    pub(crate) fn demanded(self) -> Result<Option<u64>, Problem> {
        match self {
            Self::Unsaid => Err(Problem::new(
                Kind::PreconditionRequired,
                "send If-Match with the ETag of the record as you read it, or with * if any version will do",
            )),
            Self::Any | Self::Version(_) => Ok(self.version()),
        }
    }
}

/// Reads `If-Match`: the version that a record must have, as its ETag or as a bare number, or `*`.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(Precondition::Unsaid);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Precondition::Any);
    }
    let number = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    number.parse().map(Precondition::Version).map_err(|_| {
        Problem::new(
            Kind::BadRequest,
            "If-Match takes one version of the record: its ETag, as it was shown",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_one_version() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, value.parse().unwrap());
            if_match(&headers)
        };
        assert_eq!(read("\"7\"").unwrap(), Precondition::Version(7));
        assert_eq!(read("7").unwrap(), Precondition::Version(7));
        assert_eq!(read("*").unwrap(), Precondition::Any);
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), Precondition::Unsaid);
        assert_eq!(Precondition::Any.demanded().unwrap(), None);
        let unsaid = Precondition::Unsaid.demanded().unwrap_err();
        assert_eq!(unsaid.kind, Kind::PreconditionRequired);
        for bad in ["\"7\", \"8\"", "W/\"7\"", "x", ""] {
            assert_eq!(read(bad).unwrap_err().kind, Kind::BadRequest, "{bad}");
        }
    }
}
