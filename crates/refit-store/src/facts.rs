//! What is said of a device beside its record, and by whom: tags and attributes by operators, attributes by what it
//! enrolled with, attributes by itself. They are kept apart, so that whoever decides can tell who claims what
//! (semantics 15).

use std::collections::BTreeMap;

use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::job::Status;
use refit_protocol::rollout::{Assignment, RolloutId};
use refit_protocol::software_url::{depot_digest, without_grant};
use refit_protocol::time::Timestamp;
use refit_replica::record::Withheld;
use serde_json::{Map, Value};

use crate::identity::{CertificateState, Standing};
use crate::store::DeviceKey;

/// How many tags, and how many attributes, an operator may set on one device.
pub const FACTS_MAX: usize = 64;

/// The longest key, in bytes.
pub const FACT_KEY_BYTES_MAX: usize = 64;

/// The longest value, in bytes, as JSON would write it without its quotes.
pub const FACT_VALUE_BYTES_MAX: usize = 256;

/// How long all keys and values of one device may be together, in bytes.
pub const FACTS_BYTES_MAX: usize = 4096;

/// How many devices one change may be about: more are changed in several, so that others need not wait long.
pub const FACTS_SLICE_MAX: usize = 2_000;

/// What operators say of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Labels; a value may be empty.
    pub tags: BTreeMap<String, String>,
    /// Properties: each value is a string, a number or a boolean.
    pub attributes: Map<String, Value>,
}

/// Why facts cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// A key is not what a key is.
    #[error("{0:?} is no key: it has 1 to 64 of a-z 0-9 . _ -")]
    Key(String),
    /// A value is too long.
    #[error("the value of {0:?} is longer than 256 bytes")]
    ValueTooLong(String),
    /// An attribute is not flat.
    #[error("the value of {0:?} is neither a string, a number nor a boolean")]
    ValueKind(String),
    /// There are too many tags or attributes.
    #[error("there would be more than 64 tags or attributes")]
    TooMany,
    /// They are too long together.
    #[error("tags and attributes together would have {0} bytes; the most is 4096")]
    TooLarge(usize),
}

impl Facts {
    /// Tells whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.attributes.is_empty()
    }

    /// Tells whether these can be kept.
    pub fn check(&self) -> Result<(), FactsError> {
        if self.tags.len() > FACTS_MAX || self.attributes.len() > FACTS_MAX {
            return Err(FactsError::TooMany);
        }
        let mut bytes = 0;
        for (key, value) in &self.tags {
            bytes += entry_bytes(key, value.len())?;
        }
        for (key, value) in &self.attributes {
            let length = scalar_bytes(value).ok_or_else(|| FactsError::ValueKind(key.clone()))?;
            bytes += entry_bytes(key, length)?;
        }
        if bytes > FACTS_BYTES_MAX {
            return Err(FactsError::TooLarge(bytes));
        }
        Ok(())
    }

    /// Returns these after an edit, if they can still be kept.
    pub fn edited(&self, change: &FactsChange) -> Result<Self, FactsError> {
        let mut facts = self.clone();
        match &change.tags {
            Edit::Patch(patch) => apply(&mut facts.tags, patch),
            Edit::Replace(tags) => facts.tags.clone_from(tags),
        }
        match &change.attributes {
            Edit::Patch(patch) => {
                for (key, value) in patch {
                    match value {
                        Some(value) => drop(facts.attributes.insert(key.clone(), value.clone())),
                        None => drop(facts.attributes.remove(key)),
                    }
                }
            }
            Edit::Replace(attributes) => {
                facts.attributes = attributes.clone().into_iter().collect();
            }
        }
        facts.check()?;
        Ok(facts)
    }
}

fn apply(tags: &mut BTreeMap<String, String>, patch: &BTreeMap<String, Option<String>>) {
    for (key, value) in patch {
        match value {
            Some(value) => drop(tags.insert(key.clone(), value.clone())),
            None => drop(tags.remove(key)),
        }
    }
}

fn entry_bytes(key: &str, value_bytes: usize) -> Result<usize, FactsError> {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    };
    if key.is_empty() || key.len() > FACT_KEY_BYTES_MAX || !key.bytes().all(allowed) {
        return Err(FactsError::Key(key.into()));
    }
    if value_bytes > FACT_VALUE_BYTES_MAX {
        return Err(FactsError::ValueTooLong(key.into()));
    }
    Ok(key.len() + value_bytes)
}

/// Returns the length of a value that is no container, and not null.
fn scalar_bytes(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Number(number) => Some(number.to_string().len()),
        Value::Bool(_) => Some(5),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What becomes of one kind of facts.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit<T> {
    /// These are set, or taken away; the others stay.
    Patch(BTreeMap<String, Option<T>>),
    /// Only these stay.
    Replace(BTreeMap<String, T>),
}

impl<T> Edit<T> {
    /// Changes nothing.
    pub const fn none() -> Self {
        Self::Patch(BTreeMap::new())
    }
}

/// What an operator says of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct FactsChange {
    /// The device.
    pub device: DeviceId,
    /// Its tags.
    pub tags: Edit<String>,
    /// Its attributes.
    pub attributes: Edit<Value>,
    /// Whether a device that nobody knows is made, with an empty record.
    pub make: bool,
    /// When they were last changed, as whoever changes them has read it, 0 for never; `None`: that does not matter.
    pub from: Option<Timestamp>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum FactsOutcome {
    /// It is durable; this is what operators say now.
    Changed {
        /// The device's number.
        key: DeviceKey,
        /// Whether it was made.
        made: bool,
        /// What is said now.
        facts: Facts,
    },
    /// It was so already.
    Same(DeviceKey),
    /// There is no such device, or it was removed.
    Missing,
    /// Somebody was faster: what is said was last changed at another time than this change was made from.
    Conflict,
    /// It cannot be kept.
    Refused(FactsError),
}

/// What is known of a device beside its record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceFacts {
    /// What operators say of it.
    pub operator: Facts,
    /// When they last changed that.
    pub changed: Option<Timestamp>,
    /// What it was enrolled with: what an operator said of this ID, of its claim token, or what its factory's certificate says.
    pub enrolment: Map<String, Value>,
    /// What it said of itself when it enrolled.
    pub claimed: Map<String, Value>,
    /// When its record was made; for old records, the earliest time that is known.
    pub created: Timestamp,
    /// When it first spoke; for old records, the earliest time that is known.
    pub first_seen: Option<Timestamp>,
}

/// A device as an index over the fleet needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanRow {
    /// Its number.
    pub key: DeviceKey,
    /// Its ID.
    pub id: DeviceId,
    /// The software that it should run.
    pub desired: Option<SoftwareRef>,
    /// The software that it last reported.
    pub reported: Option<SoftwareRef>,
    /// The state of its open job, and whose that is.
    pub job: Option<(Status, Option<Assignment>)>,
    /// How its latest job ended, and the reason that was given; `None` while a job is open, and if it never had one.
    pub ended: Option<(Status, Option<String>)>,
    /// Why it has none although it does not run what it should.
    pub withheld: Option<Withheld>,
    /// The rollout whose wish the desired software is.
    pub rollout: Option<RolloutId>,
    /// An operator pinned its software.
    pub pinned: bool,
    /// An operator keeps software from it.
    pub held: bool,
    /// It was removed: nothing but its ID is left.
    pub gone: bool,
    /// When it last spoke, as of the last write.
    pub seen: Option<Timestamp>,
    /// When its record was made.
    pub created: Timestamp,
    /// What operators say of it.
    pub operator: Facts,
    /// The attributes that it was enrolled with.
    pub enrolment: Map<String, Value>,
    /// The attributes that it reports: the flat ones of `reported.attributes`.
    pub attributes: Map<String, Value>,
    /// Where its identity stands; `None`: it never had one.
    pub standing: Option<Standing>,
    /// Where its newest certificate stands, and until when that is good.
    pub certificate: Option<(CertificateState, Timestamp)>,
    /// The claim token that it last enrolled with.
    pub claim: Option<ClaimId>,
}

/// A software, as an index tells two apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SoftwareRef {
    /// It lies in the depot.
    Depot(Digest),
    /// It lies elsewhere: its URL, without a grant.
    Other(String),
}

impl SoftwareRef {
    /// Reads a software URL.
    pub fn of(url: &str) -> Self {
        depot_digest(url).map_or_else(|| Self::Other(without_grant(url)), Self::Depot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Facts {
        Facts {
            tags: pairs
                .iter()
                .map(|(k, v)| (String::from(*k), String::from(*v)))
                .collect(),
            attributes: Map::new(),
        }
    }

    #[test]
    fn what_cannot_be_a_fact_says_why() {
        let long = "x".repeat(257);
        for (facts, error) in [
            (tags(&[("", "")]), FactsError::Key(String::new())),
            (tags(&[("Site", "")]), FactsError::Key("Site".into())),
            (tags(&[("a b", "")]), FactsError::Key("a b".into())),
            (tags(&[("a", &long)]), FactsError::ValueTooLong("a".into())),
        ] {
            assert_eq!(facts.check(), Err(error));
        }
        assert_eq!(tags(&[("a.b_c-9", "")]).check(), Ok(()));
        let mut facts = Facts::default();
        facts.attributes.insert("a".into(), Value::Null);
        assert_eq!(facts.check(), Err(FactsError::ValueKind("a".into())));
    }

    #[test]
    fn facts_are_bounded_in_number_and_size() {
        let many = |count: usize, bytes: usize| Facts {
            tags: (0..count)
                .map(|n| (format!("k{n:02}"), "x".repeat(bytes)))
                .collect(),
            attributes: Map::new(),
        };
        assert_eq!(many(64, 61).check(), Ok(()));
        assert_eq!(many(65, 0).check(), Err(FactsError::TooMany));
        assert_eq!(many(64, 62).check(), Err(FactsError::TooLarge(64 * 65)));
    }
}
