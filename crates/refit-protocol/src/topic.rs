//! The topics under `state/{deviceID}` and the filters that select among them.

use crate::device_id;

/// The first level of every topic.
pub const ROOT: &str = "state";

/// What a topic is for. The first two are written by devices and applications, the others by Refit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `update`: what is desired, reported, acknowledged.
    Update,
    /// `get`: the question for the record.
    Get,
    /// `update/delta`: the command to the device.
    Delta,
    /// `update/accepted`: the answer to an update that stands.
    Accepted,
    /// `update/rejected`: the answer to one that does not.
    Rejected,
    /// `get/accepted`: the record.
    GetAccepted,
    /// `get/rejected`: why there is none.
    GetRejected,
}

impl Kind {
    /// All kinds that Refit publishes.
    pub const OUTGOING: [Self; 5] = [
        Self::Delta,
        Self::Accepted,
        Self::Rejected,
        Self::GetAccepted,
        Self::GetRejected,
    ];

    /// Returns what follows `state/{deviceID}/`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Get => "get",
            Self::Delta => "update/delta",
            Self::Accepted => "update/accepted",
            Self::Rejected => "update/rejected",
            Self::GetAccepted => "get/accepted",
            Self::GetRejected => "get/rejected",
        }
    }

    /// Returns where a message of this kind is refused: `rejected` of what was written or asked.
    pub const fn refused(self) -> Self {
        match self {
            Self::Update | Self::Delta | Self::Accepted | Self::Rejected => Self::Rejected,
            Self::Get | Self::GetAccepted | Self::GetRejected => Self::GetRejected,
        }
    }

    /// Reads what follows `state/{deviceID}/`.
    pub fn parse(path: &str) -> Option<Self> {
        Some(match path {
            "update" => Self::Update,
            "get" => Self::Get,
            "update/delta" => Self::Delta,
            "update/accepted" => Self::Accepted,
            "update/rejected" => Self::Rejected,
            "get/accepted" => Self::GetAccepted,
            "get/rejected" => Self::GetRejected,
            _ => return None,
        })
    }
}

/// A topic under `state/{deviceID}`, borrowed from where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic<'a> {
    /// The device, valid.
    pub device: &'a str,
    /// What it is for.
    pub kind: Kind,
}

impl<'a> Topic<'a> {
    /// Reads a topic; `None` if it is none of ours.
    pub fn parse(topic: &'a str) -> Option<Self> {
        let (root, rest) = topic.split_once('/')?;
        let (device, path) = rest.split_once('/')?;
        if root != ROOT || device_id::check(device).is_err() {
            return None;
        }
        Some(Self {
            device,
            kind: Kind::parse(path)?,
        })
    }
}

/// Tells whether a valid topic filter matches a topic (MQTT 5 §4.7.1).
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut topic = topic.split('/');
    let mut filter = filter.split('/').peekable();
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(want), Some(have)) if want == have => {}
            (None, None) => return true,
            // `a/#` matches `a` itself.
            (Some(_), None) | (None, Some(_)) | (Some(_), Some(_)) => return false,
        }
        if filter.peek() == Some(&"#") {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_a_device_are_known() {
        for kind in Kind::OUTGOING.into_iter().chain([Kind::Update, Kind::Get]) {
            let topic = format!("state/lamp-7/{}", kind.path());
            assert_eq!(
                Topic::parse(&topic),
                Some(Topic {
                    device: "lamp-7",
                    kind
                })
            );
        }
        for topic in [
            "state",
            "state/",
            "state//update",
            "State/a/update",
            "state/a",
            "state/a/",
            "state/a/x",
            "/state/a/update",
            "state/a b/update",
            "state/a/update/",
        ] {
            assert_eq!(Topic::parse(topic), None, "{topic}");
        }
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("#", "state/a/update", true),
            ("state/#", "state/a/update", true),
            ("state/a/#", "state/a", true),
            ("state/+/update", "state/a/update", true),
            ("state/+/update", "state/a/update/delta", false),
            ("+/+", "state/a", true),
            ("+", "state/a", false),
            ("state/a/update/+", "state/a/update", false),
            ("state/a/update/#", "state/a/update", true),
            ("state/b/#", "state/a/update", false),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
