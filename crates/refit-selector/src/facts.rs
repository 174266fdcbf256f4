//! What is known of a device, and of the moment in which somebody asks.

use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;

/// The facts of one device. What is not known is `None`, and no comparison with it holds.
pub trait Facts {
    /// The device's ID.
    fn id(&self) -> &str;
    /// The model of its hardware.
    fn model(&self) -> Option<&str>;
    /// The name of the software that it runs, as far as that is known.
    fn software(&self) -> Option<&str>;
    /// The version of that software.
    fn version(&self) -> Option<&str>;
    /// Whether it is connected, or polls when it said it would.
    fn is_online(&self) -> bool;
    /// Whether it reports other software than is desired of it, or none.
    fn is_drifting(&self) -> bool;
    /// When it was last heard. A device that is online is heard now, whatever stands here.
    fn seen(&self) -> Option<Timestamp>;
    /// When it became known.
    fn created(&self) -> Option<Timestamp>;
    /// The state of its latest job.
    fn job_status(&self) -> Option<Status>;
    /// The reason that it gave in its latest job.
    fn job_reason(&self) -> Option<&str>;
    /// Where its identity stands.
    fn certificate(&self) -> Option<Certificate>;
    /// The claim token that it last enrolled with.
    fn token(&self) -> Option<&str>;
    /// The value of a tag. Tags are set by operators; one that says nothing but its name has an empty value.
    fn tag(&self, name: &str) -> Option<&str>;
    /// The value of an attribute: the operator's if there is one, else the device's own.
    fn attribute(&self, name: &str) -> Option<&str>;
}

/// Where a device's identity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certificate {
    /// It is known, and has no certificate yet.
    Registered,
    /// It has a certificate that is good.
    Enrolled,
    /// It has one that was good, and was not renewed in time.
    Expired,
    /// Its certificates were revoked.
    Revoked,
    /// It was taken out of service.
    Retired,
    /// One of its certificates was renewed to two keys.
    Cloned,
}

impl Certificate {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Registered,
        Self::Enrolled,
        Self::Expired,
        Self::Revoked,
        Self::Retired,
        Self::Cloned,
    ];

    /// Returns the word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Enrolled => "enrolled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
            Self::Cloned => "cloned",
        }
    }
}

/// The uploaded lists of IDs.
pub trait Lists {
    /// Tells whether the list has this device. A list that nobody uploaded has none: whoever takes a selector from a person
    /// compares [`crate::Selector::lists`] with the names that exist first, since `not in list NAME` would have all.
    fn has(&self, list: &str, id: &str) -> bool;
}

/// No lists at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLists;

impl Lists for NoLists {
    fn has(&self, _list: &str, _id: &str) -> bool {
        false
    }
}

/// What an answer depends on beside the device.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// When it is asked.
    pub now: Timestamp,
    /// What shuffles the draw of `sample`: the rollout's ID.
    pub salt: &'a str,
    /// The uploaded lists.
    pub lists: &'a dyn Lists,
}
