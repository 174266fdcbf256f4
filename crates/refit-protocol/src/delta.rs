//! The command to a device: what it should have and has not, and the job that this is (design §5, semantics 26).

use crate::digest::Digest;
use crate::grant::{GrantKind, Strength};
use crate::job::JobId;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

/// The version of this contract that a delta carries in `metadata.protocol` (semantics 23).
pub const PROTOCOL: u32 = 1;

/// How the bytes of an artifact are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As they are.
    File,
    /// As a zstd-compressed pax archive of a directory tree.
    Tree,
}

impl Format {
    /// Returns the word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Tree => "tree",
        }
    }

    /// Reads such a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::File, Self::Tree]
            .into_iter()
            .find(|format| format.as_str() == text)
    }
}

/// A release, as far as a device needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// The name of the software.
    pub name: String,
    /// The version of the release.
    pub version: String,
    /// The digest of its artifact.
    pub digest: Digest,
    /// The length of its artifact, in bytes.
    pub length: u64,
    /// How to read it.
    pub format: Format,
}

/// A delta, ready to be written.
#[derive(Clone, Debug)]
pub struct Delta<'a> {
    /// The record's version.
    pub version: u64,
    /// When it leaves.
    pub timestamp: Timestamp,
    /// The job, if `state` holds a `softwareURL`.
    pub job_id: Option<&'a JobId>,
    /// The difference; its `softwareURL` can be downloaded as it is.
    pub state: &'a Map<String, Value>,
    /// The software that the device last reported.
    pub previous: Option<&'a str>,
    /// What is known of the software, unless it lies in somebody else's store.
    pub software: Option<&'a Software>,
    /// The grant by which its software can be downloaded, unless it lies in somebody else's store.
    pub grant: Option<Granted>,
}

/// The grant of a delta, as far as the device is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// What the device is given.
    pub kind: GrantKind,
    /// What it is bound to.
    pub strength: Strength,
    /// When it ends; a credential's end is told with the credential.
    pub expires: Option<Timestamp>,
}

impl Delta<'_> {
    /// Writes the payload.
    pub fn to_json(&self) -> Vec<u8> {
        crate::reply::write(self)
    }
}

impl Serialize for Delta<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("timestamp", &self.timestamp.0)?;
        if let Some(job_id) = self.job_id {
            map.serialize_entry("jobID", job_id.as_str())?;
        }
        map.serialize_entry("state", self.state)?;
        if self.job_id.is_some() {
            map.serialize_entry(
                "previous",
                &Previous {
                    software_url: self.previous,
                },
            )?;
        }
        if let Some(software) = self.software {
            map.serialize_entry("software", &Shown(software))?;
        }
        if let Some(grant) = self.grant {
            map.serialize_entry("grant", grant.kind.as_str())?;
            map.serialize_entry("strength", grant.strength.as_str())?;
        }
        let grant_expires = self.grant.and_then(|grant| grant.expires).map(|t| t.0);
        map.serialize_entry(
            "metadata",
            &Metadata {
                protocol: PROTOCOL,
                grant_expires,
            },
        )?;
        map.end()
    }
}

#[derive(Serialize)]
struct Previous<'a> {
    #[serde(rename = "softwareURL")]
    software_url: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    protocol: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_expires: Option<u64>,
}

struct Shown<'a>(&'a Software);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(5))?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("version", &self.0.version)?;
        map.serialize_entry("sha256", &self.0.digest.to_hex())?;
        map.serialize_entry("length", &self.0.length)?;
        map.serialize_entry("format", self.0.format.as_str())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_delta_is_written_in_the_words_of_the_contract() {
        let Value::Object(state) = json!({"softwareURL": "http://h/f?s=1"}) else {
            unreachable!()
        };
        let software = Software {
            name: "firmware".into(),
            version: "2.0.0".into(),
            digest: Digest::from_bytes([0x11; 32]),
            length: 5,
            format: Format::File,
        };
        let delta = Delta {
            version: 3,
            timestamp: Timestamp(9),
            job_id: JobId::parse("j").as_ref(),
            state: &state,
            previous: Some("http://h/e"),
            software: Some(&software),
            grant: Some(Granted {
                kind: GrantKind::Presigned,
                strength: Strength::Time,
                expires: Some(Timestamp(99)),
            }),
        }
        .to_json();
        let delta: Value = serde_json::from_slice(&delta).unwrap();
        assert_eq!(
            delta,
            json!({
                "version": 3, "timestamp": 9, "jobID": "j", "state": {"softwareURL": "http://h/f?s=1"},
                "previous": {"softwareURL": "http://h/e"},
                "software": {"name": "firmware", "version": "2.0.0", "sha256": "11".repeat(32), "length": 5, "format": "file"},
                "grant": "presigned", "strength": "time",
                "metadata": {"protocol": 1, "grantExpires": 99},
            })
        );
    }
}
