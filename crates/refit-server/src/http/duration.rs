//! Lengths of time as the API takes them: ISO 8601, without what has no fixed length.

use refit_protocol::measure::Span;

use super::error::{FieldCode, Problem};

/// Reads a length of time of 1 second to `most`, as `P7D`, `PT90M` or `P1DT12H`; in seconds.
pub(super) fn field(name: &str, text: &str, most: u64) -> Result<u64, Problem> {
    let Some(span) = Span::iso(text) else {
        let detail = format!(
            "{name} is a length of time as ISO 8601 writes it, in weeks, days, hours, minutes and seconds: P7D, PT12H, P1DT30M"
        );
        return Err(Problem::of_field(name, FieldCode::Malformed, detail));
    };
    let seconds = u64::from(span.as_seconds());
    if (1..=most).contains(&seconds) {
        return Ok(seconds);
    }
    let detail = format!("{name} is PT1S to P{}D", most / 86_400);
    Err(Problem::of_field(name, FieldCode::OutOfRange, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Kind;

    #[test]
    fn what_is_out_of_range_is_told_with_the_range() {
        assert_eq!(
            field("expiresIn", "P366D", 366 * 86_400).unwrap(),
            31_622_400
        );
        for text in ["PT0S", "P367D", "soon"] {
            let problem = field("expiresIn", text, 366 * 86_400).unwrap_err();
            assert_eq!(problem.kind, Kind::Unprocessable);
            assert!(problem.detail().contains("P"), "{text}");
        }
    }
}
