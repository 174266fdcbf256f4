//! Dates of HTTP and of certificates, in seconds since 1970.

/// Reads an IMF-fixdate (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. The two forms that are obsolete are none.
pub(crate) fn http(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = text.trim().split_once(", ")?;
    let mut words = rest.split(' ');
    let mut word = || words.next();
    let (day, month, year, time, zone) = (word()?, word()?, word()?, word()?, word()?);
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let mut clock = time.split(':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if zone != "GMT" || word().is_some() || clock.next().is_some() {
        return None;
    }
    seconds([number(year)?, month, number(day)?, hour, minute, second])
}

/// Reads a UTCTime (its years are those of RFC 5280 §4.1.2.5.1) or a GeneralizedTime, in the one form that certificates have.
pub(crate) fn asn1(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z')?;
    let full = match digits.len() {
        12 => format!("{}{digits}", if digits < "5" { "20" } else { "19" }),
        14 => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| number(full.get(from..to)?);
    seconds([
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?,
    ])
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Counts the days of the Gregorian calendar with the year beginning in March, so that a leap day is its last.
fn seconds([year, month, day, hour, minute, second]: [u64; 6]) -> Option<u64> {
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    // A leap second is the first of the next minute.
    if !is_date || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (years, months) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = years * 365 + years / 4 - years / 100 + years / 400;
    let days = days + (months * 153 + 2) / 5 + day - 1 - DAYS_TO_1970;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// From the first of March of the year 0.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_what_they_are() {
        for (text, at) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("120", None),
            ("", None),
        ] {
            assert_eq!(http(text), at, "{text}");
        }
        assert_eq!(asn1("700101000000Z"), Some(0));
        assert_eq!(asn1("491231235959Z"), Some(2_524_607_999));
        assert_eq!(asn1("20500101000000Z"), Some(2_524_608_000));
        assert_eq!((asn1("7001010000Z"), asn1("700101000000")), (None, None));
    }
}
