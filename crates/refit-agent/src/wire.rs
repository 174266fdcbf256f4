//! What the server says, read; and what the agent says, written (semantics 26). JSON ends here.

use crate::job::{Command, Delta, Grant, Outcome, Release, Wanted};
use crate::machine::effect::{Facts, Saying, Update};
use crate::machine::input::{Answer, Input, Refusal};
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use refit_protocol::document::parse_object;
use refit_protocol::job::JobId;
use refit_protocol::software_url::{
    GRANTED_URL_BYTES_MAX, SOFTWARE_URL_BYTES_MAX, depot_digest, without_grant,
};
use refit_protocol::topic::Kind;
use serde_json::{Map, Value, json};

const SOFTWARE_URL: &str = "softwareURL";

/// The longest name or version of software, in bytes: it is journalled and shown.
const NAME_BYTES_MAX: usize = 256;

/// Reads a message of the server; `None` if it is of no interest. `Err` says why it cannot be understood.
pub fn read(kind: Kind, payload: &[u8]) -> Result<Option<Input>, String> {
    match kind {
        Kind::Delta => delta(parse_object(payload)?).map(|delta| Some(Input::Delta(delta))),
        Kind::Accepted => {
            let map = parse_object(payload)?;
            Ok(Some(Input::Accepted(answer(&map))))
        }
        Kind::Rejected => {
            let map = parse_object(payload)?;
            Ok(Some(Input::Rejected(answer(&map), refusal(&map))))
        }
        Kind::Update | Kind::Get | Kind::GetAccepted | Kind::GetRejected => Ok(None),
    }
}

fn answer(map: &Map<String, Value>) -> Answer {
    Answer {
        token: text(map, "clientToken").map(Into::into),
    }
}

fn refusal(map: &Map<String, Value>) -> Refusal {
    let code = map.get("code").and_then(Value::as_u64);
    Refusal {
        code: code
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or(500),
        message: text(map, "message").unwrap_or("it gave no reason").into(),
    }
}

fn delta(mut map: Map<String, Value>) -> Result<Delta, String> {
    let version = map
        .get("version")
        .and_then(Value::as_u64)
        .ok_or("the delta has no version")?;
    let Some(Value::Object(mut state)) = map.remove("state") else {
        return Err("the delta has no state".into());
    };
    let job = text(&map, "jobID").and_then(JobId::parse);
    let url = state.remove(SOFTWARE_URL);
    let command = match (job, url) {
        (Some(job), Some(Value::String(url))) => Some(Command {
            job,
            wanted: wanted(&url, map.get("software")),
            grant: match text(&map, "grant") {
                Some("credential") => Grant::Credential(url),
                Some(_) | None => Grant::Presigned(url),
            },
        }),
        _ => None, // other state only; or software that is to be removed, which is no update
    };
    let other = (!state.is_empty()).then(|| Value::Object(state).to_string());
    Ok(Delta {
        version,
        command,
        other,
    })
}

fn wanted(url: &str, software: Option<&Value>) -> Result<Wanted, String> {
    let scheme = url
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) || url.len() > GRANTED_URL_BYTES_MAX {
        return Err("softwareURL is not an http or https URL of at most 8192 bytes".into());
    }
    let promised = depot_digest(url);
    let url = without_grant(url);
    if url.len() > SOFTWARE_URL_BYTES_MAX {
        return Err("softwareURL is longer than 2048 bytes, its grant aside".into());
    }
    match software {
        None | Some(Value::Null) => Ok(Wanted::Foreign { url }),
        Some(Value::Object(map)) => {
            let software = self::software(map)?;
            if promised.is_some_and(|promised| promised != software.digest) {
                return Err("softwareURL and software name different digests".into());
            }
            Ok(Wanted::Known(Release { url, software }))
        }
        Some(_) => Err("software is not an object".into()),
    }
}

fn software(map: &Map<String, Value>) -> Result<Software, String> {
    let name = |field| {
        let name = text(map, field).filter(|name| name.len() <= NAME_BYTES_MAX);
        name.map(str::to_owned)
            .ok_or_else(|| format!("software.{field} is missing or too long"))
    };
    Ok(Software {
        name: name("name")?,
        version: name("version")?,
        digest: text(map, "sha256")
            .and_then(Digest::parse)
            .ok_or("software.sha256 is not a digest")?,
        length: map
            .get("length")
            .and_then(Value::as_u64)
            .ok_or("software.length is not a whole number")?,
        format: text(map, "format")
            .and_then(Format::parse)
            .ok_or("software.format is neither \"file\" nor \"tree\"; this agent knows no other")?,
    })
}

fn text<'a>(map: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    map.get(field)?.as_str()
}

/// Writes an update.
pub fn write(update: &Update) -> Vec<u8> {
    let mut document = match &update.saying {
        Saying::Running(job, progress) => {
            let mut shown = json!({"phase": progress.stage});
            if let Some(percent) = progress.percent {
                shown["percent"] = percent.into();
            }
            json!({"jobID": job.as_str(), "status": "RUNNING", "progress": shown})
        }
        Saying::Ended(job, Outcome::Success(release)) => json!({
            "jobID": job.as_str(), "status": "SUCCESS", "state": {"reported": reported(release)},
        }),
        Saying::Ended(job, Outcome::Failure(reason)) => ended(job, "FAILURE", reason),
        Saying::Ended(job, Outcome::Rejected(reason)) => ended(job, "REJECTED", reason),
        Saying::Facts(facts, installed) => {
            json!({"state": {"reported": known(facts, installed.as_ref())}})
        }
    };
    document["clientToken"] = update.token.as_str().into();
    document.to_string().into_bytes()
}

fn ended(job: &JobId, status: &str, reason: &str) -> Value {
    json!({"jobID": job.as_str(), "status": status, "reason": reason})
}

fn reported(release: &Release) -> Value {
    let Software { name, version, .. } = &release.software;
    // Of unverified software nobody knows a name: null takes away the former one's.
    let software = if name.is_empty() {
        Value::Null
    } else {
        json!({"name": name, "version": version})
    };
    json!({SOFTWARE_URL: release.url, "software": software})
}

fn known(facts: &Facts, installed: Option<&Release>) -> Value {
    let mut known = installed.map_or_else(|| json!({}), reported);
    known["agent"] = json!({"name": "refit-agent", "version": facts.agent});
    if let Some(trust) = facts.trust {
        known["agent"]["trust"] = trust.into();
    }
    known["boot"] = json!({"id": facts.boot});
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::effect::Progress;
    use refit_protocol::update::Update as ServerUpdate;

    const D: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn release() -> Release {
        Release {
            url: format!("http://h/depot/sha256/{D}"),
            software: Software {
                name: "firmware".into(),
                version: "2.0.0".into(),
                digest: Digest::parse(D).unwrap(),
                length: 5,
                format: Format::Tree,
            },
        }
    }

    fn long(begin: &str, length: usize) -> String {
        format!("{begin}{}", "x".repeat(length - begin.len()))
    }

    fn read_delta(document: &Value) -> Result<Delta, String> {
        match read(Kind::Delta, document.to_string().as_bytes())? {
            Some(Input::Delta(delta)) => Ok(delta),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_servers_own_delta_is_read() {
        let url = format!("http://h/depot/sha256/{D}?sig=1");
        let state = json!({"softwareURL": url, "lamp": "on"});
        let payload = refit_protocol::delta::Delta {
            version: 9,
            timestamp: refit_protocol::time::Timestamp(1),
            job_id: JobId::parse("j").as_ref(),
            state: state.as_object().unwrap(),
            previous: None,
            software: Some(&release().software),
            grant: None,
        }
        .to_json();
        let read = read(Kind::Delta, &payload).unwrap();
        let expected = Delta {
            version: 9,
            command: Some(Command {
                job: JobId::parse("j").unwrap(),
                grant: Grant::Presigned(url),
                wanted: Ok(Wanted::Known(release())),
            }),
            other: Some(r#"{"lamp":"on"}"#.into()),
        };
        assert_eq!(read, Some(Input::Delta(expected)));
    }

    #[test]
    fn what_cannot_be_installed_is_a_command_to_refuse() {
        let base = json!({"version": 1, "jobID": "j", "state": {"softwareURL": "https://s/f"},
            "software": {"name": "n", "version": "v", "sha256": D, "length": 5, "format": "file"}});
        let wanted = |path: &str, value: Value| {
            let mut document = base.clone();
            *document.pointer_mut(path).unwrap() = value;
            read_delta(&document).unwrap().command.unwrap().wanted
        };
        assert!(wanted("/version", json!(2)).is_ok());
        // A grant may be longer than the URL that it is for: AWS puts a session's token into it.
        for url in [
            long("https://s/f?X-Amz-Security-Token=", 8192),
            long("https://s/f/", 2048),
        ] {
            assert!(wanted("/state/softwareURL", json!(url)).is_ok());
        }
        for (path, value) in [
            ("/state/softwareURL", json!("ftp://s/f")),
            ("/state/softwareURL", json!("s")),
            ("/state/softwareURL", json!(long("https://s/f/", 2049))),
            (
                "/state/softwareURL",
                json!(long("https://s/f?X-Amz-Security-Token=", 8193)),
            ),
            (
                "/state/softwareURL",
                json!(format!("http://h/depot/sha256/{}", D.replace('a', "b"))),
            ),
            ("/software/sha256", json!("aa")),
            ("/software/length", json!(-1)),
            ("/software/format", json!("image")),
            ("/software/name", json!("n".repeat(257))),
            ("/software", json!(1)),
        ] {
            assert!(wanted(path, value.clone()).is_err(), "{path} {value}");
        }
        assert!(matches!(
            wanted("/software", Value::Null),
            Ok(Wanted::Foreign { .. })
        ));
    }

    #[test]
    fn the_number_of_the_trust_bundle_is_reported() {
        let facts = |trust| {
            let facts = Facts {
                trust,
                ..Facts::default()
            };
            let saying = Saying::Facts(facts, None);
            let update = write(&Update {
                token: "t".into(),
                saying,
            });
            let update: Value = serde_json::from_slice(&update).unwrap();
            update["state"]["reported"]["agent"].get("trust").cloned()
        };
        assert_eq!(facts(Some(7)), Some(json!(7)));
        assert_eq!(facts(None), None);
    }

    #[test]
    fn a_delta_says_which_grant_there_is() {
        let grant = |grant: Value| {
            let delta = json!({"version": 1, "jobID": "j", "state": {"softwareURL": "https://s/f"}, "grant": grant});
            read_delta(&delta).unwrap().command.unwrap().grant
        };
        let url = || "https://s/f".to_owned();
        assert_eq!(grant(json!("credential")), Grant::Credential(url()));
        assert_eq!(grant(json!("presigned")), Grant::Presigned(url()));
        assert_eq!(grant(Value::Null), Grant::Presigned(url()));
    }

    #[test]
    fn a_delta_of_other_state_is_no_command() {
        for state in [json!({"lamp": 1}), json!({"softwareURL": null, "lamp": 1})] {
            let delta = read_delta(&json!({"version": 1, "state": state, "jobID": "j"})).unwrap();
            assert_eq!(
                (delta.command, delta.other.as_deref()),
                (None, Some(r#"{"lamp":1}"#))
            );
        }
        assert!(read_delta(&json!({"version": 1})).is_err());
        assert!(read_delta(&json!({"state": {}})).is_err());
    }

    #[test]
    fn the_server_understands_what_the_agent_says() {
        let job = || JobId::parse("j").unwrap();
        let progress = Progress {
            stage: "download",
            percent: Some(40),
        };
        let sayings = [
            Saying::Running(job(), progress),
            Saying::Ended(job(), Outcome::Success(release())),
            Saying::Ended(job(), Outcome::Failure("why".into())),
            Saying::Ended(job(), Outcome::Rejected("why".into())),
            Saying::Facts(Facts::default(), None),
            Saying::Facts(Facts::default(), Some(release())),
        ];
        for saying in sayings {
            let token = "t".to_owned();
            let payload = write(&Update { token, saying });
            let read = ServerUpdate::parse(&payload).unwrap();
            assert_eq!(read.client_token.as_deref(), Some("t"));
        }
    }
}
