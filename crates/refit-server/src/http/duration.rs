//! Lengths of time as the API takes them: ISO 8601, without what has no fixed length.

use super::error::{FieldCode, Problem};

/// Reads a length of time of 1 second to `most`, as `P7D`, `PT90M` or `P1DT12H`; in seconds.
pub(super) fn field(name: &str, text: &str, most: u64) -> Result<u64, Problem> {
    let Some(seconds) = parse(text) else {
        let detail = format!(
            "{name} is a length of time as ISO 8601 writes it, in weeks, days, hours, minutes and seconds: P7D, PT12H, P1DT30M"
        );
        return Err(Problem::of_field(name, FieldCode::Malformed, detail));
    };
    if (1..=most).contains(&seconds) {
        return Ok(seconds);
    }
    let detail = format!("{name} is PT1S to P{}D", most / 86_400);
    Err(Problem::of_field(name, FieldCode::OutOfRange, detail))
}

/// ISO 8601 §5.5.2.2: the larger unit first, each once, natural numbers; and weeks, which stand alone (§5.5.2.3).
fn parse(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    if let Some(weeks) = rest.strip_suffix('W') {
        return number(weeks)?.checked_mul(7 * 86_400);
    }
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None if rest.is_empty() => return None,
        None => (rest, ""),
    };
    let days = units(date, &[('D', 86_400)])?;
    days.checked_add(units(time, &[('H', 3600), ('M', 60), ('S', 1)])?)
}

fn units(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0u64;
    for (unit, seconds) in units {
        if let Some((count, rest)) = text.split_once(*unit) {
            sum = sum.checked_add(number(count)?.checked_mul(*seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

fn number(text: &str) -> Option<u64> {
    let is_natural = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_natural.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Kind;

    #[test]
    fn only_what_has_a_fixed_length_is_taken() {
        for (text, seconds) in [
            ("PT1S", 1),
            ("PT90M", 5400),
            ("P7D", 604_800),
            ("P1W", 604_800),
            ("P1DT2H3M4S", 93_784),
            ("PT0S", 0),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "7D",
            "P1Y",
            "P1M",
            "PT1.5S",
            "PT-1S",
            "P+1D",
            "PT1S2H",
            "PT1H1H",
            "P1WT1H",
            "p7d",
            "604800",
            "P99999999999999999999D",
            "P999999999999999999D",
            "PT1é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

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
