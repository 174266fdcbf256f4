//! What a device or an application sends to `state/{deviceID}/update`, in JSON or in the pattern's plain words.

use crate::document;
use crate::grant::GrantPolicy;
use crate::job::{JobId, Progress, Saying, cut_reason};
use crate::limits::{CLIENT_TOKEN_BYTES_MAX, PHASE_BYTES_MAX, UPDATE_BYTES_MAX};
use crate::plain;
use crate::rejection::{Code, Rejection};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use serde_json::{Map, Value};

/// One update, well formed. Whether its speaker may say it is not known here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// What the device should be, to be merged.
    pub desired: Option<Map<String, Value>>,
    /// What the device is, to be merged.
    pub reported: Option<Map<String, Value>>,
    /// The job that it speaks of.
    pub job_id: Option<JobId>,
    /// What it says of that job. Never without a job.
    pub saying: Option<Saying>,
    /// How far the device is.
    pub progress: Option<Progress>,
    /// Why it failed, for a person.
    pub reason: Option<String>,
    /// The version the record must have.
    pub version: Option<u64>,
    /// Which grant the desired software is given by, where the speaker chooses it. Never without one.
    pub grant: Option<Box<GrantPolicy>>,
    /// Echoed in the answer.
    pub client_token: Option<String>,
}

/// A payload that is no update: the answer, and what of it could be read for that answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// What is wrong.
    pub rejection: Rejection,
    /// The client token, where the payload got that far.
    pub client_token: Option<String>,
}

impl Update {
    /// Reads a payload: JSON if its first non-blank byte is `{`, else the plain form (semantics 35).
    pub fn parse(payload: &[u8]) -> Result<Self, Refused> {
        if payload.len() > UPDATE_BYTES_MAX {
            return Err(refused(
                Code::TooLarge,
                format!(
                    "the update has {} bytes; the most is {UPDATE_BYTES_MAX}",
                    payload.len()
                ),
            ));
        }
        let first = payload.iter().find(|b| !b.is_ascii_whitespace());
        if first == Some(&b'{') {
            let map = document::parse_object(payload).map_err(|why| {
                refused(
                    Code::Malformed,
                    format!("the update is not valid JSON: {why}"),
                )
            })?;
            return Self::from_object(map);
        }
        plain::parse(payload).map_err(|why| refused(Code::Malformed, why.to_string()))
    }

    /// Reads an update from a JSON object. Fields that it does not know are left alone, so that an older server
    /// understands a newer device.
    pub fn from_object(mut map: Map<String, Value>) -> Result<Self, Refused> {
        let client_token = client_token(map.remove("clientToken")).map_err(malformed)?;
        Self::fields(&mut map, client_token.clone()).map_err(|why| Refused {
            client_token,
            ..malformed(why)
        })
    }

    fn fields(map: &mut Map<String, Value>, client_token: Option<String>) -> Result<Self, String> {
        let (desired, reported) = state(map.remove("state"))?;
        let update = Self {
            desired,
            reported,
            job_id: job_id(map.remove("jobID"))?,
            saying: saying(map.remove("status"))?,
            progress: progress(map.remove("progress"))?,
            reason: reason(map.remove("reason"))?,
            version: version(map.remove("version"))?,
            grant: grant(map.remove("grant"))?,
            client_token,
        };
        update.consistent()?;
        Ok(update)
    }

    fn consistent(&self) -> Result<(), String> {
        if self.job_id.is_none() {
            let alone = [
                (self.saying.is_some(), "status"),
                (self.progress.is_some(), "progress"),
                (self.reason.is_some(), "reason"),
            ];
            if let Some((_, field)) = alone.iter().find(|(there, _)| *there) {
                return Err(format!("{field} needs the jobID that it speaks of"));
            }
        }
        let desires_software = || {
            let software = self.desired.as_ref()?.get(crate::diff::SOFTWARE_URL)?;
            software.as_str()
        };
        if self.grant.is_some() && desires_software().is_none() {
            return Err("grant needs the state.desired.softwareURL that it is for".into());
        }
        if self.desired.is_none() && self.reported.is_none() && self.saying.is_none() {
            return Err(
                "it says nothing: give state.reported, state.desired, or jobID and status".into(),
            );
        }
        Ok(())
    }
}

fn refused(code: Code, message: String) -> Refused {
    Refused {
        rejection: Rejection::new(code, message),
        client_token: None,
    }
}

fn malformed(message: String) -> Refused {
    refused(Code::Malformed, message)
}

type State = (Option<Map<String, Value>>, Option<Map<String, Value>>);

fn state(value: Option<Value>) -> Result<State, String> {
    let Some(value) = value else {
        return Ok((None, None));
    };
    let Value::Object(mut state) = value else {
        return Err("state is not an object".into());
    };
    let desired = part(&mut state, "desired")?;
    let reported = part(&mut state, "reported")?;
    match state.keys().next() {
        Some(other) => Err(format!(
            "state holds {}; it may hold desired and reported",
            document::quoted(other)
        )),
        None => Ok((desired, reported)),
    }
}

fn part(state: &mut Map<String, Value>, name: &str) -> Result<Option<Map<String, Value>>, String> {
    match state.remove(name) {
        None => Ok(None),
        Some(Value::Object(map)) => software_url_is_text(&map, name).map(|()| Some(map)),
        Some(_) => Err(format!("state.{name} is not an object")),
    }
}

fn software_url_is_text(map: &Map<String, Value>, name: &str) -> Result<(), String> {
    match map.get(crate::diff::SOFTWARE_URL) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(url)) => {
            software_url(url).map_err(|why| format!("state.{name}.softwareURL {why}"))
        }
        Some(_) => Err(format!("state.{name}.softwareURL is neither text nor null")),
    }
}

fn software_url(url: &str) -> Result<(), &'static str> {
    if url.len() > crate::software_url::SOFTWARE_URL_BYTES_MAX {
        return Err("is longer than 2048 bytes");
    }
    if url.is_empty() || url.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err("is not a URL");
    }
    Ok(())
}

fn text(value: Option<Value>, field: &str) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{field} is not text")),
    }
}

fn client_token(value: Option<Value>) -> Result<Option<String>, String> {
    let token = text(value, "clientToken")?;
    match token {
        Some(token) if token.len() > CLIENT_TOKEN_BYTES_MAX => Err(format!(
            "clientToken is longer than {CLIENT_TOKEN_BYTES_MAX} bytes"
        )),
        token => Ok(token),
    }
}

fn job_id(value: Option<Value>) -> Result<Option<JobId>, String> {
    let Some(id) = text(value, "jobID")? else {
        return Ok(None);
    };
    JobId::parse(&id)
        .map(Some)
        .ok_or_else(|| "jobID is not 1 to 64 of A-Z a-z 0-9 -".into())
}

fn saying(value: Option<Value>) -> Result<Option<Saying>, String> {
    let Some(word) = text(value, "status")? else {
        return Ok(None);
    };
    Saying::parse(&word)
        .map(Some)
        .ok_or_else(|| "status is not RUNNING, SUCCESS, FAILURE or REJECTED".into())
}

fn progress(value: Option<Value>) -> Result<Option<Progress>, String> {
    let mut map = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(map)) => map,
        Some(_) => return Err("progress is not an object".into()),
    };
    let phase = text(map.remove("phase"), "progress.phase")?;
    if phase.as_ref().is_some_and(|p| p.len() > PHASE_BYTES_MAX) {
        return Err(format!(
            "progress.phase is longer than {PHASE_BYTES_MAX} bytes"
        ));
    }
    let percent = match map.remove("percent") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(percent(&value).ok_or("progress.percent is not a number from 0 to 100")?)
        }
    };
    Ok(Some(Progress { phase, percent }))
}

fn percent(value: &Value) -> Option<u8> {
    let number = value.as_f64()?;
    (0.0..=100.0).contains(&number).then_some(number as u8)
}

fn reason(value: Option<Value>) -> Result<Option<String>, String> {
    Ok(text(value, "reason")?.map(cut_reason))
}

fn version(value: Option<Value>) -> Result<Option<u64>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| "version is not a whole number".into()),
    }
}

fn grant(value: Option<Value>) -> Result<Option<Box<GrantPolicy>>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => GrantPolicy::read(&value).map(|grant| Some(Box::new(grant))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(payload: &[u8]) -> u16 {
        Update::parse(payload).map_or_else(|r| r.rejection.code.number(), |_| 200)
    }

    #[test]
    fn a_full_update_is_read() {
        let update = Update::parse(
            br#" {"state":{"desired":{"a":1},"reported":{"softwareURL":"http://h/f"}},"jobID":"j-1",
                "status":"RUNNING","progress":{"phase":"download","percent":41.7},"reason":"r",
                "version":7,"clientToken":"t","later":[1]}"#,
        )
        .unwrap();
        assert_eq!(update.desired.map(Value::Object), Some(json!({"a": 1})));
        assert_eq!(update.saying, Some(Saying::Running));
        assert_eq!(
            update.progress,
            Some(Progress {
                phase: Some("download".into()),
                percent: Some(41)
            })
        );
        assert_eq!(
            (update.version, update.client_token.as_deref()),
            (Some(7), Some("t"))
        );
    }

    #[test]
    fn a_wish_may_choose_its_grant() {
        let update = Update::parse(
            br#"{"state":{"desired":{"softwareURL":"u"}},"grant":{"strength":"address","fallback":"time"}}"#,
        )
        .unwrap();
        let meant = GrantPolicy {
            strength: crate::grant::Strength::Address,
            fallback: crate::grant::Fallback::Time,
            ..GrantPolicy::default()
        };
        assert_eq!(update.grant.as_deref(), Some(&meant));
    }

    #[test]
    fn what_is_no_update_is_malformed() {
        for payload in [
            r#"{}"#,
            r#"{"clientToken":"t"}"#,
            r#"{"state":{}}"#,
            r#"{"state":[]}"#,
            r#"{"state":{"softwareURL":"x"}}"#,
            r#"{"state":{"reported":1}}"#,
            r#"{"state":{"reported":{"softwareURL":1}}}"#,
            r#"{"state":{"reported":{"softwareURL":"a b"}}}"#,
            r#"{"state":{"reported":{"softwareURL":""}}}"#,
            r#"{"status":"SUCCESS"}"#,
            r#"{"jobID":"j"}"#,
            r#"{"jobID":"j/k","status":"SUCCESS"}"#,
            r#"{"jobID":1,"status":"SUCCESS"}"#,
            r#"{"jobID":"j","status":"success"}"#,
            r#"{"jobID":"j","status":"RUNNING","progress":{"percent":101}}"#,
            r#"{"jobID":"j","status":"RUNNING","progress":{"percent":"9"}}"#,
            r#"{"state":{"reported":{}},"version":-1}"#,
            r#"{"state":{"reported":{}},"version":"1"}"#,
            r#"{"state":{"reported":{}},"clientToken":5}"#,
            r#"{"state":{"desired":{"softwareURL":"u"}},"grant":"key"}"#,
            r#"{"state":{"desired":{"softwareURL":"u"}},"grant":{"strenght":"time"}}"#,
            r#"{"state":{"desired":{"softwareURL":null}},"grant":"presigned"}"#,
            r#"{"state":{"desired":{"led":"on"}},"grant":"presigned"}"#,
            r#"[]"#,
            r#"null"#,
            "",
            "   ",
        ] {
            assert_eq!(code(payload.as_bytes()), 400, "{payload}");
        }
        assert_eq!(code(&[0xff, 0xfe]), 400);
    }

    #[test]
    fn length_is_checked_first() {
        assert_eq!(code(&[b'{'; UPDATE_BYTES_MAX + 1]), 413);
        assert_eq!(code(&[b'{'; UPDATE_BYTES_MAX]), 400);
    }

    #[test]
    fn the_token_is_echoed_where_it_could_be_read() {
        let refused = Update::parse(br#"{"clientToken":"t","status":"SUCCESS"}"#).unwrap_err();
        assert_eq!(refused.client_token.as_deref(), Some("t"));
        let long = format!(
            r#"{{"clientToken":"{}","state":{{"reported":{{}}}}}}"#,
            "t".repeat(65)
        );
        assert_eq!(code(long.as_bytes()), 400);
    }
}
