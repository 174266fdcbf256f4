//! A request to an S3-compatible store, signed with a temporary session: Signature Version 4 in the `Authorization`
//! header, one GET of one object. The bytes are verified by their digest, so the payload is left unsigned.

use super::{Pass, text};
use crate::http::route::Origin;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use ureq::http::{HeaderName, header};
use zeroize::Zeroizing;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A session of the store, and the object that it may read.
pub(super) struct Session {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    token: String,
    region: String,
    endpoint: String,
    bucket: String,
    key: String,
}

impl Session {
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self, String> {
        let word = |name| text(map, name).map(str::to_owned);
        Ok(Self {
            access_key_id: word("accessKeyId")?,
            secret_access_key: Zeroizing::new(word("secretAccessKey")?),
            token: word("sessionToken")?,
            region: word("region")?,
            endpoint: word("endpoint")?.trim_end_matches('/').into(),
            bucket: word("bucket")?,
            key: word("key")?,
        })
    }

    /// Signs the request for the object, with its bucket in the path. `now` is in seconds since 1970.
    pub(super) fn pass(&self, now: u64) -> Result<Pass, String> {
        let host = host(&self.endpoint)?;
        let path = escaped(&format!("/{}/{}", self.bucket, self.key));
        let time = stamp(now);
        let headers = [
            ("host", &*host),
            ("x-amz-content-sha256", UNSIGNED),
            ("x-amz-date", &time),
            ("x-amz-security-token", &self.token),
        ];
        let authorization = self.authorization(&path, &headers, UNSIGNED, &time);
        let mut sent: Vec<(HeaderName, String)> = headers
            .into_iter()
            .skip(1) // the client sends the host
            .map(|(name, value)| (HeaderName::from_static(name), value.to_owned()))
            .collect();
        sent.push((header::AUTHORIZATION, authorization));
        Ok(Pass {
            url: format!("{}{path}", self.endpoint),
            headers: sent,
            home_only: false,
        })
    }

    /// Returns the header for a GET of an escaped path, with these headers: in lower case, and in their order.
    fn authorization(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        payload: &str,
        time: &str,
    ) -> String {
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let request = format!("GET\n{path}\n\n{lines}\n{names}\n{payload}");
        let day = time.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let to_sign = format!(
            "{ALGORITHM}\n{time}\n{scope}\n{}",
            hex(&Sha256::digest(request))
        );
        let first = Zeroizing::new(format!("AWS4{}", *self.secret_access_key));
        let key = [day, &self.region, "s3", "aws4_request"]
            .into_iter()
            .fold(Zeroizing::new(first.as_bytes().to_vec()), |key, part| {
                Zeroizing::new(mac(&key, part).to_vec())
            });
        let signature = hex(&mac(&key, &to_sign));
        let id = &self.access_key_id;
        format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

/// The host as a client sends it: a usual port is left out.
fn host(endpoint: &str) -> Result<String, String> {
    let origin = Origin::of(endpoint)
        .filter(|_| endpoint.matches('/').count() == 2)
        .ok_or("the credential names no store")?;
    Ok(match (origin.secure, origin.port) {
        (true, 443) | (false, 80) => origin.host,
        (_, port) => format!("{}:{port}", origin.host),
    })
}

fn mac(key: &[u8], message: &str) -> [u8; 32] {
    // An HMAC takes a key of any length.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mac| {
        mac.chain_update(message).finalize().into_bytes().into()
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Escapes all but the unreserved characters and the slash.
fn escaped(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// Writes a time as `20130524T000000Z`: days to a date by eras of 400 years, which begin in March.
fn stamp(now: u64) -> String {
    let (day, second) = (now / 86_400 + 719_468, now % 86_400);
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(endpoint: &str, key: &str) -> Session {
        Session {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: Zeroizing::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
            token: "token".into(),
            region: "us-east-1".into(),
            endpoint: endpoint.into(),
            bucket: "bucket".into(),
            key: key.into(),
        }
    }

    /// The example "GET Object" in the description of Signature Version 4 for Amazon S3.
    #[test]
    fn the_documented_example_is_signed_as_documented() {
        let time = stamp(1_369_353_600);
        assert_eq!(time, "20130524T000000Z");
        let empty = hex(&Sha256::digest(""));
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", &empty),
            ("x-amz-date", &time),
        ];
        let signed = session("https://s", "k").authorization("/test.txt", &headers, &empty, &time);
        let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert!(
            signed.ends_with(&format!("Signature={expected}")),
            "{signed}"
        );
        assert!(signed.contains(
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date"
        ));
    }

    #[test]
    fn times_are_written_over_the_centuries() {
        for (now, written) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(stamp(now), written);
        }
    }

    #[test]
    fn a_pass_names_the_object_and_shows_no_secret() {
        let pass = session("http://store:7480", "a b/ü+1").pass(0).unwrap();
        assert_eq!(pass.url, "http://store:7480/bucket/a%20b/%C3%BC%2B1");
        let all = format!("{:?}", pass.headers);
        assert!(
            all.contains("x-amz-security-token") && !all.contains("wJalr"),
            "{all}"
        );
        assert_eq!(host("https://s:443").unwrap(), "s");
        assert_eq!(host("http://s:7480").unwrap(), "s:7480");
        for bad in ["", "s", "ftp://s", "https://s/path", "https://u@s"] {
            assert!(session(bad, "k").pass(0).is_err(), "{bad}");
        }
    }
}
