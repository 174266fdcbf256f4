//! Who makes a change, for the audit log: the line is written in the commit of the change, from what was before and is
//! after. What devices report is not in it; the history of jobs is theirs.

use std::net::IpAddr;

use refit_access::audit::Entry;
use refit_access::matrix::Operation;
use refit_protocol::device_id::DeviceId;
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::time::Timestamp;
use refit_replica::input::Input;
use refit_replica::record::Record;
use serde_json::{Map, Value, json};

/// Somebody who is neither a device nor the server itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// `token:ci` or `user:anna`.
    pub actor: String,
    /// From which address.
    pub source: Option<IpAddr>,
    /// In which request.
    pub request: Option<String>,
}

impl Author {
    /// Writes a line of the audit log: what this one did, with what, what that was before and is now.
    pub fn line(
        &self,
        at: Timestamp,
        action: &str,
        target: String,
        (before, after): (Option<String>, Option<String>),
    ) -> Entry {
        Entry {
            at,
            actor: self.actor.clone(),
            action: action.into(),
            target,
            source: self.source.map(|source| source.to_string()),
            request: self.request.clone(),
            before,
            after,
        }
    }
}

/// What a record is before an input is decided, as far as the line needs it.
pub(crate) struct Change {
    action: Operation,
    keys: Vec<String>,
    before: Value,
}

impl Change {
    /// Looks at a record before the input is decided. Returns nothing for what is no change of an author's.
    pub(crate) fn of(input: &Input, record: &Record) -> Option<Self> {
        let (action, keys) = match input {
            Input::Update { update, .. } => {
                let keys: Vec<String> = update.desired.as_ref()?.keys().cloned().collect();
                let assigns = keys.iter().any(|key| key == SOFTWARE_URL);
                let action = if assigns {
                    Operation::SoftwareAssign
                } else {
                    Operation::StateWrite
                };
                (action, keys)
            }
            Input::Cancel => (Operation::JobCancel, Vec::new()),
            Input::Hold(_) | Input::Pin(_) => (Operation::DeviceHold, Vec::new()),
            Input::Retry => (Operation::JobRetry, Vec::new()),
            Input::Remove => (Operation::DeviceRemove, Vec::new()),
            Input::At(_, input) => return Self::of(input, record),
            Input::Ask { .. }
            | Input::Subscribed
            | Input::Detached
            | Input::Due
            | Input::Assign(_)
            | Input::Fold => return None,
        };
        Some(Self {
            before: shown(action, &keys, record),
            action,
            keys,
        })
    }

    /// Writes the line, once the input was decided and has changed the record.
    pub(crate) fn line(
        self,
        author: &Author,
        device: &DeviceId,
        record: &Record,
        at: Timestamp,
    ) -> Entry {
        let after = shown(self.action, &self.keys, record);
        let texts = (Some(self.before.to_string()), Some(after.to_string()));
        author.line(at, self.action.as_str(), format!("device:{device}"), texts)
    }
}

/// Shows what the action is about, and no more.
fn shown(action: Operation, keys: &[String], record: &Record) -> Value {
    match action {
        Operation::DeviceHold => json!({ "held": record.held }),
        Operation::DeviceRemove => json!({ "gone": record.gone }),
        Operation::JobCancel | Operation::JobRetry => {
            let job = record.job.as_ref();
            json!({ "jobID": job.map(|job| job.id.as_str()) })
        }
        _ => {
            let wanted = keys.iter().filter_map(|key| {
                let value = record.desired.get(key)?;
                Some((key.clone(), without_query(key, value)))
            });
            Value::Object(Map::from_iter(wanted))
        }
    }
}

/// A URL of somebody's own store may carry a signature, which is a secret.
fn without_query(key: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(url) if key == SOFTWARE_URL => url.split(['?', '#']).next().unwrap_or_default().into(),
        _ => value.clone(),
    }
}
