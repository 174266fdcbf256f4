//! A device as selectors and plans ask for it, made of the row that the store scans.
//!
//! Until the engine keeps the fleet's index this is read anew where it is needed; what selectors then ask of the index,
//! they ask of [`Asked`] now.

use std::collections::BTreeMap;

use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::facts::Certificate;
use refit_store::facts::ScanRow;
use refit_store::identity::Standing;
use serde_json::{Map, Value};

use super::ways::Ways;

/// A device as selectors ask for it.
pub(crate) struct Asked<'a> {
    row: &'a ScanRow,
    software: Option<(&'a str, &'a str)>,
    model: Option<String>,
    attributes: BTreeMap<&'a str, String>,
    online: bool,
    now: Timestamp,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(row: &'a ScanRow, ways: &'a Ways, online: bool, now: Timestamp) -> Self {
        // Who is believed most comes last: certificate, then operator, then device (semantics 15).
        let said = [&row.attributes, &row.operator.attributes, &row.enrolment];
        let pairs = said.into_iter().flatten();
        Self {
            row,
            software: row.reported.as_ref().and_then(|at| ways.name(at)),
            model: model(row),
            attributes: pairs
                .map(|(key, value)| (key.as_str(), text(value)))
                .collect(),
            online,
            now,
        }
    }
}

/// Returns the model of a device: what an operator says goes before what it enrolled with, and that before its own word.
pub(crate) fn model(row: &ScanRow) -> Option<String> {
    let said = [&row.operator.attributes, &row.enrolment, &row.attributes];
    said.into_iter()
        .find_map(|said| said.get("model"))
        .map(text)
}

/// Returns the value of a label that a plan names, such as `tag.site`; of the device's own words only if those are
/// trusted.
pub(crate) fn label(row: &ScanRow, label: &str, trusts_devices: bool) -> Option<String> {
    if label == "model" {
        return attribute(row, "model", trusts_devices);
    }
    let (kind, name) = label.split_once('.')?;
    match kind {
        "tag" => row.operator.tags.get(name).cloned(),
        _ => attribute(row, name, trusts_devices),
    }
}

/// Returns the value of an attribute.
pub(crate) fn attribute(row: &ScanRow, name: &str, trusts_devices: bool) -> Option<String> {
    let none = Map::new();
    let own = if trusts_devices {
        &row.attributes
    } else {
        &none
    };
    let said = [&row.enrolment, &row.operator.attributes, own];
    said.into_iter().find_map(|said| said.get(name)).map(text)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl refit_selector::Facts for Asked<'_> {
    fn id(&self) -> &str {
        self.row.id.as_str()
    }
    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
    fn software(&self) -> Option<&str> {
        self.software.map(|(name, _)| name)
    }
    fn version(&self) -> Option<&str> {
        self.software.map(|(_, version)| version)
    }
    fn is_online(&self) -> bool {
        self.online
    }
    fn is_drifting(&self) -> bool {
        let row = self.row;
        row.desired.is_some() && row.desired != row.reported
    }
    fn seen(&self) -> Option<Timestamp> {
        self.row.seen
    }
    fn created(&self) -> Option<Timestamp> {
        Some(self.row.created)
    }
    fn job_status(&self) -> Option<Status> {
        self.row.job.map(|(status, _)| status)
    }
    fn job_reason(&self) -> Option<&str> {
        None
    }
    fn certificate(&self) -> Option<Certificate> {
        let expired = || {
            let until = self.row.certificate.map(|(_, until)| until);
            until.is_some_and(|until| until < self.now)
        };
        Some(match self.row.standing? {
            Standing::Registered => Certificate::Registered,
            Standing::Enrolled if expired() => Certificate::Expired,
            Standing::Enrolled => Certificate::Enrolled,
            Standing::Revoked => Certificate::Revoked,
            Standing::Retired => Certificate::Retired,
            Standing::Cloned => Certificate::Cloned,
        })
    }
    fn token(&self) -> Option<&str> {
        None
    }
    fn tag(&self, name: &str) -> Option<&str> {
        self.row.operator.tags.get(name).map(String::as_str)
    }
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}
