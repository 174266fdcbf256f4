//! The permission to download one artifact: minted when a delta leaves, never stored (design §6).
//!
//! A pre-signed URL is a bearer secret. Its strength is *time*: whoever holds it may download, until it expires. The
//! device in it says for whom it was meant, and binds nothing until the request proves who asks (semantics 1).

pub mod cloud;
pub mod keys;
pub mod presigned;

use keys::GrantKeys;
use presigned::Query;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::software_url::depot_url;
use refit_protocol::time::Timestamp;
use std::time::Duration;

/// How long a grant is good unless the operator says otherwise: an hour, for a slow link and a large artifact. A
/// device that is still downloading then asks again and goes on from where it was.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(3600);

/// Mints grants, and checks them.
#[derive(Debug)]
pub struct Grants {
    keys: GrantKeys,
    public_url: String,
    time_to_live: Duration,
}

impl Grants {
    /// Grants under the URL by which devices reach the depot. A changed time to live counts for grants minted from
    /// then on: the expiry of the others is in them, signed.
    pub fn new(keys: GrantKeys, public_url: &str, time_to_live: Duration) -> Self {
        let public_url = public_url.to_owned();
        Self {
            keys,
            public_url,
            time_to_live,
        }
    }

    /// Returns the URL of an artifact without a grant: what an application publishes, and what stays the same.
    pub fn stable_url(&self, digest: &Digest) -> String {
        depot_url(&self.public_url, digest)
    }

    /// Returns until when a grant is good that is minted now: a grant counts whole seconds.
    pub const fn expires(&self, now: Timestamp) -> Timestamp {
        let expires = seconds(now).saturating_add(self.time_to_live.as_secs());
        Timestamp(expires.saturating_mul(1000))
    }

    /// Mints a URL by which `device` can download the artifact until it expires.
    pub fn mint(&self, digest: &Digest, device: &DeviceId, now: Timestamp) -> String {
        let mut url = self.stable_url(digest);
        let expires = seconds(self.expires(now));
        url.push('?');
        url.push_str(&presigned::sign(
            self.keys.current(),
            digest,
            device,
            expires,
        ));
        url
    }

    /// Checks the query of a request for the artifact. That a grant has expired is told only of one that was good.
    pub fn check(&self, digest: &Digest, query: &str, now: Timestamp) -> Result<Granted, Refused> {
        let query = Query::parse(query)?;
        let key = self.keys.find(query.key).ok_or(Refused::UnknownKey)?;
        presigned::verify(key, digest, &query)?;
        let expires = Timestamp(query.expires.saturating_mul(1000));
        if now >= expires {
            return Err(Refused::Expired { since: expires });
        }
        Ok(Granted {
            device: query.device,
            expires,
        })
    }
}

const fn seconds(time: Timestamp) -> u64 {
    time.as_millis() / 1000
}

/// A grant that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The device that it was minted for: for limits and records, no proof of who asks.
    pub device: DeviceId,
    /// The first moment at which it is no longer good.
    pub expires: Timestamp,
}

/// Why a download is not granted. All of them are 403 to the asker (semantics 37): a device asks again on `get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A parameter is not there, or none is.
    #[error("the URL carries no {0}: {ASK_AGAIN}")]
    Missing(&'static str),
    /// A parameter cannot be read, stands there twice, or is none of ours.
    #[error("the URL carries {0}: {ASK_AGAIN}")]
    Malformed(&'static str),
    /// It was signed with a key that is not, or no longer, known here.
    #[error("the URL was signed with a key that is not in use: {ASK_AGAIN}")]
    UnknownKey,
    /// Its signature is not that of this device, artifact and time.
    #[error("the signature does not fit the URL, which was altered: {ASK_AGAIN}")]
    BadSignature,
    /// It was good once.
    #[error("the URL has expired: {ASK_AGAIN}")]
    Expired {
        /// The first moment at which it was no longer good.
        since: Timestamp,
    },
}

const ASK_AGAIN: &str = "a device asks for a fresh one by publishing to state/{deviceID}/get";

impl Refused {
    /// Returns the reason in one word, for metrics and for `reason` in the answer.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Malformed(_) => "malformed",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "signature",
            Self::Expired { .. } => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_500);
    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    fn grants(key: u8) -> Grants {
        Grants::new(
            GrantKeys::from_secret("k1", [key; 32]),
            "https://u.example/",
            TIME_TO_LIVE,
        )
    }

    fn device(id: &str) -> DeviceId {
        DeviceId::parse(id).unwrap()
    }

    fn minted(id: &str) -> String {
        let url = grants(1).mint(&DIGEST, &device(id), NOW);
        url.split_once('?').unwrap().1.to_owned()
    }

    fn check(query: &str) -> Result<Granted, Refused> {
        grants(1).check(&DIGEST, query, NOW)
    }

    #[test]
    fn a_minted_url_is_granted_to_its_device_until_it_expires() {
        let url = grants(1).mint(&DIGEST, &device("lamp:7"), NOW);
        let (stable, query) = url.split_once('?').unwrap();
        assert_eq!(stable, grants(1).stable_url(&DIGEST));
        assert_eq!(stable, format!("https://u.example/depot/sha256/{DIGEST}"));
        assert!(
            query.starts_with("device=lamp:7&expires=1700003600&key=k1&signature="),
            "{query}"
        );
        let expires = Timestamp(1_700_003_600_000);
        assert_eq!(grants(1).expires(NOW), expires);
        let granted = Granted {
            device: device("lamp:7"),
            expires,
        };
        assert_eq!(check(query), Ok(granted.clone()));
        let at = |millis| grants(1).check(&DIGEST, query, Timestamp(millis));
        assert_eq!(at(1_700_003_599_999), Ok(granted));
        assert_eq!(
            at(1_700_003_600_000),
            Err(Refused::Expired { since: expires })
        );
    }

    #[test]
    fn the_signature_stays_what_it_was() {
        // Made once with another implementation (Python's hmac): a node of the next version must sign the same.
        let query = minted("lamp-7");
        assert!(
            query.ends_with("signature=Ds2WRcir78tlzEPS2OzShhkaBnwCtdMhaI0-lpc6v84"),
            "{query}"
        );
    }

    #[test]
    fn a_grant_is_for_one_artifact_and_one_key() {
        let query = minted("lamp-7");
        let other = Digest::from_bytes([8; 32]);
        assert_eq!(
            grants(1).check(&other, &query, NOW),
            Err(Refused::BadSignature)
        );
        assert_eq!(
            grants(2).check(&DIGEST, &query, NOW),
            Err(Refused::BadSignature)
        );
        assert_eq!(
            check(&query.replace("key=k1", "key=k2")),
            Err(Refused::UnknownKey)
        );
        assert_eq!(
            check(&query.replace("lamp-7", "lamp-8")),
            Err(Refused::BadSignature)
        );
    }

    #[test]
    fn an_expiry_that_was_moved_is_a_bad_signature_whether_past_or_not() {
        let query = minted("lamp-7");
        for expires in ["1800000000", "1", "18446744073709551615"] {
            let moved = query.replace("1700003600", expires);
            assert_eq!(check(&moved), Err(Refused::BadSignature), "{expires}");
        }
    }

    #[test]
    fn every_refusal_says_what_to_do_and_why() {
        let expired = Refused::Expired { since: NOW };
        let all = [
            Refused::Missing("key"),
            Refused::Malformed("x"),
            Refused::UnknownKey,
            Refused::BadSignature,
            expired,
        ];
        for refused in all {
            assert!(refused.to_string().contains("/get"), "{refused}");
            assert!(!refused.reason().is_empty());
        }
    }

    #[test]
    fn a_time_at_the_end_of_all_numbers_grants_without_overflow() {
        let url = grants(1).mint(&DIGEST, &device("d"), Timestamp(u64::MAX));
        let query = url.split_once('?').unwrap().1;
        assert!(grants(1).check(&DIGEST, query, NOW).is_ok());
    }

    proptest! {
        #[test]
        fn one_byte_altered_is_refused(id in "[A-Za-z0-9:_.-]{3,20}", at: prop::sample::Index, to: u8) {
            let mut query = minted(&id).into_bytes();
            let at = at.index(query.len());
            prop_assume!(query[at] != to);
            query[at] = to;
            if let Ok(query) = std::str::from_utf8(&query) {
                prop_assert!(check(query).is_err(), "{query}");
            }
        }

        #[test]
        fn one_byte_more_or_less_is_refused(at: prop::sample::Index, byte in "[ -~]") {
            let query = minted("lamp-7");
            let at = at.index(query.len());
            let mut less = query.clone();
            less.remove(at);
            prop_assert!(check(&less).is_err(), "{less}");
            let mut more = query;
            more.insert_str(at, &byte);
            prop_assert!(check(&more).is_err(), "{more}");
        }

        #[test]
        fn what_was_never_minted_is_refused(query in "\\PC{0,200}") {
            prop_assert!(check(&query).is_err());
        }
    }
}
