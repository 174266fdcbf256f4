//! All that the index is told of a device.

use refit_protocol::job::Status;
use refit_protocol::time::Timestamp;
use refit_selector::Facts;
use refit_selector::facts::Certificate;

/// A device as it is in the store. What is borrowed is copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceRow<'a> {
    /// The store's number of it. Numbers should lie close together: memory goes by 4096 of them.
    pub key: u64,
    /// Its ID, a valid `DeviceId`.
    pub id: &'a str,
    /// The model of its hardware.
    pub model: Option<&'a str>,
    /// The name of the software that it runs.
    pub software: Option<&'a str>,
    /// The version of that.
    pub version: Option<&'a str>,
    /// The state of its latest job.
    pub status: Option<Status>,
    /// The reason that it gave in that job.
    pub reason: Option<&'a str>,
    /// When it became known.
    pub first_seen: Option<Timestamp>,
    /// When it was last heard.
    pub last_seen: Option<Timestamp>,
    /// Whether it is connected, or polls when it said it would.
    pub online: bool,
    /// Whether it reports other software than is desired of it, or none.
    pub drifting: bool,
    /// Where its identity stands.
    pub certificate: Option<Certificate>,
    /// The claim token that it last enrolled with.
    pub token: Option<&'a str>,
    /// Its tags, each name once.
    pub tags: &'a [(&'a str, &'a str)],
    /// Its attributes, each name once: the operator's value if there is one, else the device's own.
    pub attributes: &'a [(&'a str, &'a str)],
}

fn value<'a>(pairs: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(own, _)| *own == name)
        .map(|(_, value)| *value)
}

impl Facts for DeviceRow<'_> {
    fn id(&self) -> &str {
        self.id
    }
    fn model(&self) -> Option<&str> {
        self.model
    }
    fn software(&self) -> Option<&str> {
        self.software
    }
    fn version(&self) -> Option<&str> {
        self.version
    }
    fn is_online(&self) -> bool {
        self.online
    }
    fn is_drifting(&self) -> bool {
        self.drifting
    }
    fn seen(&self) -> Option<Timestamp> {
        self.last_seen
    }
    fn created(&self) -> Option<Timestamp> {
        self.first_seen
    }
    fn job_status(&self) -> Option<Status> {
        self.status
    }
    fn job_reason(&self) -> Option<&str> {
        self.reason
    }
    fn certificate(&self) -> Option<Certificate> {
        self.certificate
    }
    fn token(&self) -> Option<&str> {
        self.token
    }
    fn tag(&self, name: &str) -> Option<&str> {
        value(self.tags, name)
    }
    fn attribute(&self, name: &str) -> Option<&str> {
        value(self.attributes, name)
    }
}
