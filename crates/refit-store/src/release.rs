//! Releases, and their order (semantics 31): fixed when a release is added, so that "older" means the same for ever.
//!
//! A place is a number with gaps, so that 1.5.0 can come between 1.0.0 and 2.0.0 when it comes late. Where a gap is
//! used up, all places of the name are spread anew; the order of any two releases never changes.

use refit_protocol::delta::Software;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use semver::Version;

/// A release to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRelease {
    /// What it is.
    pub software: Software,
    /// A word about it, for people.
    pub note: Option<String>,
    /// The version that it comes right after; `None`: where its own version puts it.
    pub after: Option<String>,
    /// When it is added.
    pub added: Timestamp,
}

/// A release, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// What it is.
    pub software: Software,
    /// Its place among the versions of this name: the higher is the newer.
    pub place: i64,
    /// A word about it, for people.
    pub note: Option<String>,
    /// When it was added.
    pub added: Timestamp,
}

/// What became of a release to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is durable.
    New(Release),
    /// The same bytes were recorded under this name and version before; nothing changed.
    Already(Release),
    /// Other bytes were recorded under this name and version; nothing changed.
    Conflict(Release),
    /// There is no such version to come after; nothing changed.
    NoSuchVersion(String),
}

/// What became of a release to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone. `last`: no other release has this artifact, so its bytes may go too.
    Gone {
        /// What it was.
        release: Release,
        /// Whether it was the last with this artifact.
        last: bool,
    },
    /// There was none.
    Missing,
    /// It stays, because devices desire it.
    Desired {
        /// How many.
        devices: u64,
        /// One of them.
        first: DeviceId,
    },
}

impl Release {
    /// Returns the digest of its artifact.
    pub const fn digest(&self) -> &Digest {
        &self.software.digest
    }
}

/// The distance of places that are given anew: room for 32 releases between any two, at worst.
const PLACE_STEP: i64 = 1 << 32;

/// Where a new release goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// This place is free.
    At(i64),
    /// It belongs before the release of this index, but there is no gap: spread all places, then ask again.
    Spread,
}

/// Returns the place of a new version among those of its name, which are given in order; `None`: `after` is not one
/// of them.
pub(crate) fn spot(known: &[(String, i64)], version: &str, after: Option<&str>) -> Option<Spot> {
    let index = match after {
        Some(after) => known.iter().position(|(known, _)| known == after)? + 1,
        None => index_by_version(known, version),
    };
    let below = index.checked_sub(1).map(|below| known[below].1);
    let above = known.get(index).map(|(_, place)| *place);
    Some(match (below, above) {
        (None, None) => Spot::At(0),
        (Some(below), None) => Spot::At(below + PLACE_STEP),
        (None, Some(above)) => Spot::At(above - PLACE_STEP),
        (Some(below), Some(above)) if above - below < 2 => Spot::Spread,
        (Some(below), Some(above)) => Spot::At(below + (above - below) / 2),
    })
}

/// Returns places for this many releases, far apart.
pub(crate) fn spread(count: usize) -> impl Iterator<Item = i64> {
    (0..count).map(|index| index as i64 * PLACE_STEP)
}

/// Before the first that is newer by semantic versioning; where that does not say, in the order of adding.
fn index_by_version(known: &[(String, i64)], version: &str) -> usize {
    let Ok(version) = Version::parse(version) else {
        return known.len();
    };
    known
        .iter()
        .position(|(known, _)| {
            Version::parse(known).is_ok_and(|known| known.cmp_precedence(&version).is_gt())
        })
        .unwrap_or(known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds versions one by one, each as `version` or `version>after`, and returns them in their order.
    fn ordered(added: &[&str]) -> String {
        let mut known: Vec<(String, i64)> = Vec::new();
        for word in added {
            let (version, after) = match word.split_once('>') {
                Some((version, after)) => (version, Some(after)),
                None => (*word, None),
            };
            let place = match spot(&known, version, after).unwrap() {
                Spot::At(place) => place,
                Spot::Spread => {
                    for (slot, place) in known.iter_mut().zip(spread(added.len())) {
                        slot.1 = place;
                    }
                    match spot(&known, version, after).unwrap() {
                        Spot::At(place) => place,
                        Spot::Spread => panic!("no room after spreading"),
                    }
                }
            };
            known.push((version.into(), place));
            known.sort_by_key(|(_, place)| *place);
            assert!(known.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }
        let versions: Vec<_> = known.into_iter().map(|(version, _)| version).collect();
        versions.join(" ")
    }

    #[test]
    fn versions_are_ordered_as_semantic_versioning_says_else_as_added() {
        for (added, order) in [
            (vec!["2.0.0", "1.0.0", "1.5.0"], "1.0.0 1.5.0 2.0.0"),
            (vec!["1.0.0", "1.0.0-rc.1"], "1.0.0-rc.1 1.0.0"),
            (vec!["1.0.0+a", "1.0.0+b"], "1.0.0+a 1.0.0+b"),
            (vec!["zebra", "apple"], "zebra apple"),
            (vec!["1.0.0", "nightly", "0.9.0"], "0.9.0 1.0.0 nightly"),
            (vec!["1.0.0", "2.0.0", "1.9.9>2.0.0"], "1.0.0 2.0.0 1.9.9"),
            (vec!["a", "b", "c>a"], "a c b"),
        ] {
            assert_eq!(ordered(&added), order);
        }
    }

    #[test]
    fn a_gap_that_is_used_up_is_made_anew() {
        let mut added = vec!["a".to_owned(), "b".to_owned()];
        added.extend((0..100).map(|i| format!("v{i}>a")));
        let added: Vec<&str> = added.iter().map(String::as_str).collect();
        let order = ordered(&added);
        assert!(order.starts_with("a v99 v98 ") && order.ends_with(" v0 b"));
    }

    #[test]
    fn an_unknown_version_to_come_after_is_named() {
        assert_eq!(spot(&[("a".into(), 0)], "b", Some("c")), None);
    }
}
