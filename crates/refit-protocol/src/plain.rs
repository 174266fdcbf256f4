//! The pattern's own acknowledgement, `jobID:<id> SUCCESS`, read into the update that JSON would have given.
//!
//! ASCII `jobID:`, the ID, blanks, a status in capitals, then optionally the reason as text; blanks and line ends
//! around it are ignored (semantics 35).

use crate::job::{JobId, Saying};
use crate::limits::REASON_BYTES_MAX;
use crate::update::Update;

/// Reads the plain form, or says what is wrong with it.
pub fn parse(payload: &[u8]) -> Result<Update, &'static str> {
    const FORM: &str = "the update is neither JSON nor `jobID:<id> SUCCESS`";
    let text = core::str::from_utf8(payload).map_err(|_| "the update is not UTF-8")?;
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let rest = text.strip_prefix("jobID:").ok_or(FORM)?;
    let (id, rest) = rest.split_once(blank).ok_or(FORM)?;
    let rest = rest.trim_start_matches(blank);
    let (status, reason) = rest.split_once(blank).unwrap_or((rest, ""));
    let reason = reason.trim_start_matches(blank);
    if reason.len() > REASON_BYTES_MAX {
        return Err("the reason is longer than 1024 bytes");
    }
    Ok(Update {
        job_id: Some(JobId::parse(id).ok_or("the job ID is not 1 to 64 of A-Z a-z 0-9 -")?),
        saying: Some(
            Saying::parse(status)
                .ok_or("the status is not RUNNING, SUCCESS, FAILURE or REJECTED")?,
        ),
        reason: (!reason.is_empty()).then(|| reason.into()),
        ..Update::default()
    })
}

const fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_words_are_understood() {
        for (text, saying, reason) in [
            ("jobID:j1 SUCCESS", Saying::Success, None),
            ("jobID:j1 FAILURE", Saying::Failure, None),
            ("jobID:j1 RUNNING", Saying::Running, None),
            ("  jobID:j1 \t SUCCESS\r\n", Saying::Success, None),
            (
                "jobID:j1 FAILURE  no space left",
                Saying::Failure,
                Some("no space left"),
            ),
        ] {
            let update = parse(text.as_bytes()).unwrap();
            assert_eq!(update.job_id, JobId::parse("j1"), "{text}");
            assert_eq!(update.saying, Some(saying), "{text}");
            assert_eq!(update.reason.as_deref(), reason, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = alloc::format!("jobID:j1 FAILURE {}", "x".repeat(REASON_BYTES_MAX + 1));
        for text in [
            "",
            "jobID:",
            "jobID:j1",
            "jobID: j1 SUCCESS",
            "jobid:j1 SUCCESS",
            "jobID:j1 success",
            "jobID:j1\nSUCCESS",
            "jobID:j1 SUCCESSFUL",
            "SUCCESS",
            "jobID:j_1 SUCCESS",
            "\"jobID:j1 SUCCESS\"",
            &long,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"jobID:j1 SUCCESS \xff").is_err());
    }
}
