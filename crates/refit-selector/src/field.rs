//! What can be asked of a device, what its values are, and who says so.

use alloc::string::String;
use core::fmt;

/// One fact of a device that can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `id`
    Id,
    /// `model`
    Model,
    /// `software`: its name.
    Software,
    /// `version`: of the software.
    Version,
    /// `seen`, also `last_seen`
    Seen,
    /// `created`, also `first_seen`
    Created,
    /// `job.status`, also `state`: of the latest job.
    JobStatus,
    /// `job.reason`: of the latest job.
    JobReason,
    /// `cert`, also `certificate.state`
    Certificate,
    /// `enrolled.token`
    Token,
    /// `tag.NAME`
    Tag(String),
    /// `attr.NAME`
    Attribute(String),
}

/// What the values of a field are, and so what it can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text: `=`, `!=`, `in`, `~`.
    Text,
    /// A version: as a text, and in the order of versions.
    Version,
    /// A moment: `<`, `<=`, `>`, `>=`, `within`.
    Time,
    /// One of a few words: `=`, `!=`, `in`.
    Word,
    /// Whatever somebody wrote: as a text, and in order if it is compared with a number, a version or a time.
    Loose,
}

/// Who says that a fact is so (semantics 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The device's certificate says so.
    Certificate,
    /// Refit itself has seen it.
    Server,
    /// An operator says so.
    Operator,
    /// The device claims it, unless an operator has said otherwise.
    Device,
}

impl Source {
    /// Returns the word that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Server => "server",
            Self::Operator => "operator",
            Self::Device => "device",
        }
    }
}

/// The names of the fields that have no name of their own in them, aliases after what is printed.
const NAMES: [(&str, Field); 14] = [
    ("id", Field::Id),
    ("model", Field::Model),
    ("software", Field::Software),
    ("version", Field::Version),
    ("seen", Field::Seen),
    ("last_seen", Field::Seen),
    ("created", Field::Created),
    ("first_seen", Field::Created),
    ("job.status", Field::JobStatus),
    ("state", Field::JobStatus),
    ("job.reason", Field::JobReason),
    ("cert", Field::Certificate),
    ("certificate.state", Field::Certificate),
    ("enrolled.token", Field::Token),
];

impl Field {
    /// Reads a field's name; `None` if there is no such field.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let named = |prefix| {
            word.strip_prefix(prefix)
                .filter(|name| crate::limits::is_name(name))
        };
        if let Some(name) = named("tag.") {
            return Some(Self::Tag(name.into()));
        }
        if let Some(name) = named("attr.") {
            return Some(Self::Attribute(name.into()));
        }
        NAMES
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, field)| field.clone())
    }

    /// Returns every name of a field that has a fixed one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Returns what its values are.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Id | Self::Model | Self::Software | Self::JobReason | Self::Token => Kind::Text,
            Self::Version => Kind::Version,
            Self::Seen | Self::Created => Kind::Time,
            Self::JobStatus | Self::Certificate => Kind::Word,
            Self::Tag(_) | Self::Attribute(_) => Kind::Loose,
        }
    }

    /// Returns who says so. What the device may have said counts as the device's, even where an operator can overrule it.
    pub const fn source(&self) -> Source {
        match self {
            Self::Id => Source::Certificate,
            Self::Seen | Self::Created | Self::JobStatus | Self::Certificate | Self::Token => {
                Source::Server
            }
            Self::Tag(_) => Source::Operator,
            Self::Model | Self::Software | Self::Version | Self::JobReason | Self::Attribute(_) => {
                Source::Device
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(name) => write!(f, "tag.{name}"),
            Self::Attribute(name) => write!(f, "attr.{name}"),
            fixed => {
                let named = NAMES.iter().find(|(_, field)| field == fixed);
                f.write_str(named.map_or("", |(name, _)| name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_name_reads_and_prints_as_the_first_of_its_field() {
        for (name, field) in &NAMES {
            assert_eq!(Field::parse(name).as_ref(), Some(field));
            assert_eq!(Field::parse(&field.to_string()).as_ref(), Some(field));
        }
        assert_eq!(Field::parse("last_seen").unwrap().to_string(), "seen");
        assert_eq!(
            Field::parse("tag.example.com/ring").unwrap().to_string(),
            "tag.example.com/ring"
        );
        for none in [
            "",
            "tag",
            "tag.",
            "attr.",
            "Model",
            "tag.a b",
            "tag.ä",
            &("tag.".to_string() + &"x".repeat(65)),
        ] {
            assert_eq!(Field::parse(none), None, "{none}");
        }
    }
}
