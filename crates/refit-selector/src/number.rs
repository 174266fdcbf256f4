//! What counts as a number: decimal, without an exponent, and short enough to be kept exactly.
//!
//! Anything else that looks like one is a text: the serial number `007` is not 7, the hexadecimal `12e4` is not 120,000, and two
//! IDs of twenty digits that differ in the last are two.

/// The most digits of which every one counts in a double.
const DIGITS_MAX: usize = 15;

/// Reads `[-]digits[.digits]` of at most 15 digits, without leading zeros.
pub fn parse(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let valid = all_digits(whole)
        && fraction.is_none_or(all_digits)
        && (whole == "0" || !whole.starts_with('0'))
        && whole.len() + fraction.unwrap_or_default().len() <= DIGITS_MAX;
    // 0 and -0 are the same number, and print the same.
    valid
        .then(|| text.parse::<f64>().ok().map(|number| number + 0.0))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn only_plain_decimals_are_numbers() {
        for (text, number) in [
            ("0", 0.0),
            ("-5", -5.0),
            ("40.50", 40.5),
            ("0.1", 0.1),
            ("999999999999999", 999_999_999_999_999.0),
        ] {
            assert_eq!(parse(text), Some(number), "{text}");
        }
        for text in [
            "",
            "-",
            "007",
            "1.",
            ".5",
            "1e3",
            "+1",
            "1.2.3",
            "1234567890123456",
            "NaN",
            "inf",
            "0x1",
            "٣",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(
            parse("-0").map(|number| number.to_string()).as_deref(),
            Some("0")
        );
    }
}
