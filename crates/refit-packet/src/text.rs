//! UTF-8 strings, topic names and topic filters (3.1.1 §1.5.3 and §4.7; 5 §1.5.4, §4.7, §4.8).

use crate::encode::check_field;
use crate::{Error, Version};

/// Reads a UTF-8 string: well formed (which excludes surrogates), no U+0000. A byte order mark is
/// kept, as \[MQTT-1.5.3-3\] (in 5 \[MQTT-1.5.4-3\]) demands; control characters are allowed.
pub(crate) fn from_wire(bytes: &[u8]) -> Result<&str, Error> {
    let text = core::str::from_utf8(bytes).map_err(|_| Error::Utf8)?;
    check_nul(text)?;
    Ok(text)
}

/// Refuses a text that cannot be written as a UTF-8 string.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    check_field(text.as_bytes())?;
    check_nul(text)
}

fn check_nul(text: &str) -> Result<(), Error> {
    if text.as_bytes().contains(&0) {
        Err(Error::Nul)
    } else {
        Ok(())
    }
}

/// Refuses what is no topic name: empty, too long, or with U+0000 or a wildcard in it.
pub fn check_topic_name(topic: &str) -> Result<(), Error> {
    check_topic_parts(&[topic])
}

/// As [`check_topic_name`], for a name that its parts make when put together.
pub(crate) fn check_topic_parts(parts: &[&str]) -> Result<(), Error> {
    let mut len = 0usize;
    for part in parts {
        len = len.saturating_add(part.len());
        for byte in part.bytes() {
            match byte {
                0 => return Err(Error::Nul),
                b'+' | b'#' => return Err(Error::TopicWildcard),
                _ => {}
            }
        }
    }
    match len {
        0 => Err(Error::TopicEmpty),
        1..=0xffff => Ok(()),
        _ => Err(Error::FieldTooLong),
    }
}

/// Refuses what is no topic filter. In MQTT 5 a filter that starts with `$share/` must be a
/// well-formed shared subscription; in 3.1.1 it is a filter like any other.
pub fn check_topic_filter(filter: &str, version: Version) -> Result<(), Error> {
    check(filter)?;
    if version == Version::V5 && filter.starts_with(SHARE) {
        let shared = shared(filter).ok_or(Error::SharedFilter)?;
        return check_levels(shared.filter);
    }
    check_levels(filter)
}

fn check_levels(filter: &str) -> Result<(), Error> {
    if filter.is_empty() {
        return Err(Error::FilterEmpty);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.len() > 1 && level.contains(['+', '#']) {
            return Err(Error::FilterWildcard);
        }
        if level == "#" && levels.peek().is_some() {
            return Err(Error::FilterWildcard);
        }
    }
    Ok(())
}

const SHARE: &str = "$share/";

/// The two halves of a shared subscription's filter, `$share/{group}/{filter}` (5 §4.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared<'a> {
    /// The name that the sharing clients have in common.
    pub group: &'a str,
    /// What is subscribed to.
    pub filter: &'a str,
}

/// Takes a shared subscription's filter apart; `None` for any other filter.
#[must_use]
pub fn shared(filter: &str) -> Option<Shared<'_>> {
    let (group, filter) = filter.strip_prefix(SHARE)?.split_once('/')?;
    let named = !group.is_empty() && !group.contains(['+', '#']);
    (named && !filter.is_empty()).then_some(Shared { group, filter })
}
