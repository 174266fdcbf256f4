//! What time it is for a device whose clock was never set: not before this program was built, and not before its own
//! certificate was issued.
//!
//! It is for judging the server's certificate alone, is computed at each start and kept nowhere: an online server that
//! gave a certificate of a far future must not be able to set a clock for good (semantics 20). So it counts only where the clock
//! is certainly wrong; a clock that may be right is left alone.

use crate::http::date;
use crate::tls::certificates;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No build of this source is older: 2026-01-01.
const SOURCE_S: u64 = 1_767_225_600;

/// A time that is not before it could be.
#[derive(Debug)]
pub(super) struct Floor {
    built_s: u64,
    issued_s: u64,
}

impl Floor {
    /// `own`: the device's certificate, in PEM.
    pub(super) fn of(own: Option<&str>) -> Self {
        let built = option_env!("SOURCE_DATE_EPOCH").and_then(|epoch| epoch.parse().ok());
        Self {
            built_s: built.unwrap_or(SOURCE_S),
            issued_s: own.and_then(not_before).unwrap_or(0),
        }
    }

    fn lift(&self, now_s: u64) -> u64 {
        if now_s >= self.built_s {
            now_s
        } else {
            self.built_s.max(self.issued_s)
        }
    }
}

impl TimeProvider for Floor {
    #[expect(
        clippy::disallowed_methods,
        reason = "certificates are judged by the clock"
    )]
    fn current_time(&self) -> Option<UnixTime> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_s = self.lift(now.map_or(0, |since| since.as_secs()));
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now_s)))
    }
}

/// Reads `notBefore` of the first certificate (RFC 5280 §4.1): it stands behind version, serial number, algorithm and issuer.
fn not_before(pem: &str) -> Option<u64> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let certificates = certificates(pem).ok()?;
    let whole = certificates.first()?;
    let (tag, certificate, _) = element(whole)?;
    let (inner, signed, _) = element(certificate)?;
    let (first, _, after) = element(signed)?;
    let mut rest = if first == VERSION { after } else { signed };
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (validity, times, _) = element(rest)?;
    let (_, time, _) = element(times)?;
    let is_certificate = [tag, inner, validity] == [SEQUENCE; 3];
    is_certificate.then(|| date::asn1(std::str::from_utf8(time).ok()?))?
}

/// Splits the first element of DER off: its tag, what is in it, and what is behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        short @ 0..=0x7f => (usize::from(*short), rest),
        long @ 0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 3))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (inside, behind) = rest.split_at_checked(length)?;
    Some((*tag, inside, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_is_lifted_and_no_other() {
        let floor = Floor {
            built_s: 1000,
            issued_s: 5000,
        };
        assert_eq!(
            [0, 999, 1000, 3000, 9000].map(|now| floor.lift(now)),
            [5000, 5000, 1000, 3000, 9000]
        );
        assert_eq!(Floor::of(None).lift(0), Floor::of(None).built_s);
    }

    #[test]
    fn the_certificate_says_since_when_it_is_good() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, at) in [(2030, 1_893_456_000), (2060, 2_840_140_800)] {
            let mut params = rcgen::CertificateParams::new(vec!["lamp-7".into()]).unwrap();
            params.not_before = rcgen::date_time_ymd(year, 1, 1);
            params.not_after = rcgen::date_time_ymd(2070, 1, 1);
            let pem = params.self_signed(&key).unwrap().pem();
            assert_eq!(not_before(&pem), Some(at));
            assert_eq!(Floor::of(Some(&pem)).lift(0), at);
        }
        for bad in [
            "",
            "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(not_before(bad), None);
        }
    }
}
