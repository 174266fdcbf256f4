//! A row of the store as the index takes it: whose word stands where several say something, and what is too much.

use std::borrow::Cow;
use std::collections::BTreeMap;

use refit_index::DeviceRow;
use refit_protocol::time::Timestamp;
use refit_selector::facts::Certificate;
use refit_selector::limits::is_name;
use refit_store::facts::{FACT_VALUE_BYTES_MAX, FACTS_MAX, ScanRow, SoftwareRef};
use refit_store::identity::Standing;
use serde_json::{Map, Value};

use crate::releases::Releases;

/// What is known in memory alone.
#[derive(Clone, Copy)]
pub(super) struct Heard {
    pub(super) online: bool,
    pub(super) last: Option<Timestamp>,
}

/// Makes the row of a device, and hands it on.
pub(super) fn with<T>(
    scan: &ScanRow,
    heard: Heard,
    releases: &Releases,
    now: Timestamp,
    then: impl FnOnce(&DeviceRow<'_>) -> T,
) -> T {
    let attributes = attributes(scan);
    let pairs: Vec<(&str, &str)> = attributes.iter().map(|(k, v)| (*k, &**v)).collect();
    let tags = &scan.operator.tags;
    let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let software = named(scan.reported.as_ref(), releases);
    let token = scan.claim.map(|claim| claim.to_string());
    let (status, reason) = match (&scan.job, &scan.ended) {
        (Some((status, _)), _) => (Some(*status), None),
        (None, Some((status, reason))) => (Some(*status), reason.as_deref()),
        (None, None) => (None, None),
    };
    let (name, version) = software.unzip();
    then(&DeviceRow {
        key: scan.key.0,
        id: scan.id.as_str(),
        model: attributes.get("model").map(|model| &**model),
        software: name.as_deref(),
        version: version.as_deref(),
        status,
        reason,
        first_seen: Some(scan.created),
        last_seen: heard.last.max(scan.seen),
        online: heard.online,
        drifting: scan.desired.is_some() && scan.desired != scan.reported,
        certificate: certificate(scan, now),
        token: token.as_deref(),
        tags: &tags,
        attributes: &pairs,
    })
}

/// Returns name and version of a software, if it is a release of this server.
pub(super) fn named(
    software: Option<&SoftwareRef>,
    releases: &Releases,
) -> Option<(String, String)> {
    let SoftwareRef::Depot(digest) = software? else {
        return None;
    };
    let found = releases.find(digest)?;
    Some((found.name, found.version))
}

/// Returns the attributes: an operator's word stands before what the device was enrolled with, and that before its own.
/// Of its own no more is taken than an operator may set, for a device may say what it likes.
fn attributes(scan: &ScanRow) -> BTreeMap<&str, Cow<'_, str>> {
    let mut all: BTreeMap<&str, Cow<'_, str>> = texts(&scan.attributes).collect();
    all.extend(texts(&scan.enrolment));
    all.extend(texts(&scan.operator.attributes));
    all
}

fn texts(of: &Map<String, Value>) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let texts = of.iter().filter_map(|(name, value)| {
        let text: Cow<'_, str> = match value {
            Value::String(text) => text.as_str().into(),
            Value::Bool(true) => "true".into(),
            Value::Bool(false) => "false".into(),
            Value::Number(number) => number.to_string().into(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (is_name(name) && text.len() <= FACT_VALUE_BYTES_MAX).then_some((name.as_str(), text))
    });
    texts.take(FACTS_MAX)
}

/// Returns where an identity stands at this time: that a certificate has expired is nowhere written.
pub(super) fn certificate(scan: &ScanRow, now: Timestamp) -> Option<Certificate> {
    Some(match scan.standing? {
        Standing::Registered => Certificate::Registered,
        Standing::Revoked => Certificate::Revoked,
        Standing::Retired => Certificate::Retired,
        Standing::Cloned => Certificate::Cloned,
        Standing::Enrolled => match scan.certificate {
            Some((_, until)) if until < now => Certificate::Expired,
            Some(_) | None => Certificate::Enrolled,
        },
    })
}
