//! The answers: `accepted`, `rejected` and `get/accepted` (semantics 26).

use crate::diff::SOFTWARE_URL;
use crate::job::{JobId, Status};
use crate::rejection::Rejection;
use crate::software_url::without_grant;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde_json::{Map, Value};

/// The parts of a state that changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changed {
    /// What changed of the desired state; deletions as `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Map<String, Value>>,
    /// What changed of the reported state; deletions as `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Map<String, Value>>,
}

/// The answer to an update that stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The record's version now.
    pub version: u64,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// The job that the update named or ended, and its state now.
    pub job: Option<(JobId, Status)>,
    /// The part that changed.
    pub changed: Changed,
    /// The client's own token.
    pub client_token: Option<String>,
}

/// The answer to an update that does not stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// Why.
    pub rejection: Rejection,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// The job that the update named.
    pub job_id: Option<JobId>,
    /// The client's own token.
    pub client_token: Option<String>,
}

/// The whole record, for who asked with `get`.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The record's version.
    pub version: u64,
    /// When it was read.
    pub timestamp: Timestamp,
    /// The open job, and its state.
    pub job: Option<(&'a JobId, Status)>,
    /// What the device should be.
    pub desired: &'a Map<String, Value>,
    /// What the device said it is.
    pub reported: &'a Map<String, Value>,
}

impl Accepted {
    /// Writes the payload of `update/accepted`, software URLs without their grants.
    pub fn to_json(&self) -> Vec<u8> {
        let changed = Changed {
            desired: self.changed.desired.as_ref().map(redacted),
            reported: self.changed.reported.as_ref().map(redacted),
        };
        write(&AcceptedWire {
            version: self.version,
            timestamp: self.timestamp.0,
            job_id: self.job.as_ref().map(|(id, _)| id.as_str()),
            status: self.job.as_ref().map(|(_, status)| status.as_str()),
            state: &changed,
            client_token: self.client_token.as_deref(),
        })
    }
}

impl Rejected {
    /// Writes the payload of `update/rejected` and `get/rejected`.
    pub fn to_json(&self) -> Vec<u8> {
        write(&RejectedWire {
            code: self.rejection.code.number(),
            message: &self.rejection.message,
            job_id: self.job_id.as_ref().map(JobId::as_str),
            client_token: self.client_token.as_deref(),
            timestamp: self.timestamp.0,
        })
    }
}

impl Shown<'_> {
    /// Writes the payload of `get/accepted`, software URLs without their grants.
    pub fn to_json(&self) -> Vec<u8> {
        let state = Changed {
            desired: Some(redacted(self.desired)),
            reported: Some(redacted(self.reported)),
        };
        write(&AcceptedWire {
            version: self.version,
            timestamp: self.timestamp.0,
            job_id: self.job.map(|(id, _)| id.as_str()),
            status: self.job.map(|(_, status)| status.as_str()),
            state: &state,
            client_token: None,
        })
    }
}

/// Returns a state whose `softwareURL` carries no grant (semantics 32).
pub fn redacted(state: &Map<String, Value>) -> Map<String, Value> {
    let mut state = state.clone();
    if let Some(Value::String(url)) = state.get_mut(SOFTWARE_URL) {
        *url = without_grant(url);
    }
    state
}

/// Writes one of our own documents. They hold nothing that JSON cannot carry, so this cannot fail.
pub(crate) fn write(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedWire<'a> {
    version: u64,
    timestamp: u64,
    #[serde(rename = "jobID", skip_serializing_if = "Option::is_none")]
    job_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    state: &'a Changed,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectedWire<'a> {
    code: u16,
    message: &'a str,
    #[serde(rename = "jobID", skip_serializing_if = "Option::is_none")]
    job_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token: Option<&'a str>,
    timestamp: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Code;
    use serde_json::json;

    #[test]
    fn answers_are_written_in_the_words_of_the_contract() {
        let Value::Object(reported) =
            json!({"softwareURL": "https://s/f?X-Amz-Signature=1", "a": null})
        else {
            unreachable!()
        };
        let accepted = Accepted {
            version: 4,
            timestamp: Timestamp(5),
            job: JobId::parse("j").map(|id| (id, Status::Failed)),
            changed: Changed {
                desired: None,
                reported: Some(reported),
            },
            client_token: Some("t".into()),
        };
        let read: Value = serde_json::from_slice(&accepted.to_json()).unwrap();
        assert_eq!(
            read,
            json!({"version": 4, "timestamp": 5, "jobID": "j", "status": "FAILED",
                "state": {"reported": {"softwareURL": "https://s/f", "a": null}}, "clientToken": "t"})
        );
        let rejected = Rejected {
            rejection: Rejection::new(Code::Conflict, "why"),
            timestamp: Timestamp(5),
            job_id: None,
            client_token: None,
        };
        let read: Value = serde_json::from_slice(&rejected.to_json()).unwrap();
        assert_eq!(read, json!({"code": 409, "message": "why", "timestamp": 5}));
    }
}
