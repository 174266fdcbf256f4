//! The agent's side of the wire: what it says as JSON, and what it makes of what comes.

use refit_agent::job::{Command, Delta, Grant, Outcome, Release, Wanted};
use refit_agent::machine::effect::{Saying, Update};
use refit_protocol::delta::{Format, Software};
use refit_protocol::diff::SOFTWARE_URL;
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::software_url::without_grant;
use serde_json::{Map, Value, json};

/// Writes an update.
pub(super) fn write(update: &Update) -> Vec<u8> {
    let mut document = match &update.saying {
        Saying::Running(job, progress) => json!({
            "jobID": job.as_str(), "status": "RUNNING",
            "progress": {"phase": progress.stage, "percent": progress.percent.unwrap_or(0)},
        }),
        Saying::Ended(job, Outcome::Success(release)) => json!({
            "jobID": job.as_str(), "status": "SUCCESS",
            "state": {"reported": {"softwareURL": release.url}},
        }),
        Saying::Ended(job, Outcome::Failure(reason)) => {
            json!({"jobID": job.as_str(), "status": "FAILURE", "reason": reason})
        }
        Saying::Ended(job, Outcome::Rejected(reason)) => {
            json!({"jobID": job.as_str(), "status": "REJECTED", "reason": reason})
        }
        Saying::Facts(facts, release) => {
            let mut reported = json!({"agent": facts.agent, "boot": facts.boot});
            if let Some(release) = release {
                reported[SOFTWARE_URL] = json!(release.url);
            }
            json!({"state": {"reported": reported}})
        }
    };
    document["clientToken"] = json!(update.token);
    document.to_string().into_bytes()
}

/// Reads a delta.
pub(super) fn delta(document: &Value) -> Delta {
    let mut other: Map<String, Value> = document["state"].as_object().cloned().unwrap_or_default();
    let url = other.remove(SOFTWARE_URL);
    let command = url.as_ref().and_then(Value::as_str).and_then(|url| {
        let job = JobId::parse(document["jobID"].as_str()?)?;
        let grant = Grant(url.into());
        let wanted = Ok(wanted(document, url));
        Some(Command { job, grant, wanted })
    });
    Delta {
        version: document["version"].as_u64().unwrap_or(0),
        command,
        other: (!other.is_empty()).then(|| Value::Object(other).to_string()),
    }
}

fn wanted(document: &Value, url: &str) -> Wanted {
    let url = without_grant(url);
    match software(&document["software"]) {
        Some(software) => Wanted::Known(Release { url, software }),
        None => Wanted::Foreign { url },
    }
}

fn software(document: &Value) -> Option<Software> {
    Some(Software {
        name: document["name"].as_str()?.into(),
        version: document["version"].as_str()?.into(),
        digest: Digest::parse(document["sha256"].as_str()?)?,
        length: document["length"].as_u64()?,
        format: Format::parse(document["format"].as_str()?)?,
    })
}
