//! What failures have in common: reason × model × from-version, or where the devices came from. With the lift: how many
//! times as often a group fails as the rest does.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use refit_protocol::measure::Share;
use serde::{Deserialize, Serialize};

/// The longest class of a reason, in bytes.
const CLASS_BYTES_MAX: usize = 64;

/// How many clusters are told: past a dozen nobody reads them.
pub const CLUSTERS_MAX: usize = 50;

/// Devices with something in common. What is `None` is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Group {
    /// Their model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The version that they come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The enrolment token or network that they came by (semantics 15).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Group {
    /// Tells whether a device with these facts belongs to it. A group that asks nothing has no one.
    pub fn has(&self, device: &Self) -> bool {
        let fits = |asked: &Option<String>, is: &Option<String>| asked.is_none() || asked == is;
        *self != Self::default()
            && fits(&self.model, &device.model)
            && fits(&self.from, &device.from)
            && fits(&self.origin, &device.origin)
    }
}

/// The devices of one group, as far as failures go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What they have in common; all three are the facts of the devices.
    pub group: Group,
    /// How many have ended, well or not.
    pub ended: u32,
    /// How many failed, by the class of their reason.
    pub failed: Vec<(String, u32)>,
}

/// A group that fails more often than the rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Why they failed.
    pub reason: String,
    /// What they have in common.
    pub group: Group,
    /// How many of it failed so,
    pub count: u32,
    /// of so many that ended.
    pub of: u32,
    /// That as a share.
    pub share: Share,
    /// How many times as often as the rest, in hundredths; `None`: the rest never does.
    pub lift_percent: Option<u32>,
}

/// Returns the class of a reason: what stands before its first colon, in lower case and without digits. Devices put
/// numbers and paths into reasons, and each would be a cluster of its own.
pub fn class(reason: &str) -> String {
    let head = reason.split(':').next().unwrap_or_default();
    let mut class = String::new();
    for word in head.split(|c: char| c.is_whitespace() || c.is_ascii_digit()) {
        if !word.is_empty() && class.len() + word.len() < CLASS_BYTES_MAX {
            class.push_str(if class.is_empty() { "" } else { " " });
            class.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    if class.is_empty() {
        "no reason".into()
    } else {
        class
    }
}

/// Returns the clusters, those with the most failures above their due first.
pub fn clusters(outcomes: &[Outcome]) -> Vec<Cluster> {
    let all: u32 = outcomes.iter().map(|outcome| outcome.ended).sum();
    let mut by_reason: BTreeMap<&str, u32> = BTreeMap::new();
    for (reason, count) in outcomes.iter().flat_map(|outcome| &outcome.failed) {
        *by_reason.entry(reason).or_default() += count;
    }
    let mut found: Vec<(u64, Cluster)> = outcomes
        .iter()
        .flat_map(|outcome| outcome.failed.iter().map(move |failed| (outcome, failed)))
        .filter(|(_, (_, count))| *count > 0)
        .map(|(outcome, (reason, count))| {
            let failed = by_reason.get(reason.as_str()).copied().unwrap_or_default();
            let rest = (
                failed.saturating_sub(*count),
                all.saturating_sub(outcome.ended),
            );
            let due = u64::from(failed) * u64::from(outcome.ended) / u64::from(all.max(1));
            let cluster = Cluster {
                reason: reason.clone(),
                group: outcome.group.clone(),
                count: *count,
                of: outcome.ended,
                share: Share::of(*count, outcome.ended),
                lift_percent: lift(*count, outcome.ended, rest),
            };
            (u64::from(*count).saturating_sub(due), cluster)
        })
        .collect();
    found.sort_by(|(a, x), (b, y)| {
        b.cmp(a)
            .then_with(|| y.count.cmp(&x.count))
            .then_with(|| (&x.reason, &x.group).cmp(&(&y.reason, &y.group)))
    });
    found.truncate(CLUSTERS_MAX);
    found.into_iter().map(|(_, cluster)| cluster).collect()
}

/// (count ÷ of) ÷ (failed ÷ ended of the rest), in hundredths.
fn lift(count: u32, of: u32, (failed, ended): (u32, u32)) -> Option<u32> {
    let above = u128::from(count) * u128::from(ended) * 100;
    let below = u128::from(of) * u128::from(failed);
    (below > 0).then(|| u32::try_from(above / below).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(model: &str) -> Group {
        Group {
            model: Some(model.into()),
            ..Group::default()
        }
    }

    #[test]
    fn reasons_with_numbers_are_one_class() {
        for (reason, expected) in [
            ("verify: digest is ab12", "verify"),
            ("Slot 3 is full", "slot is full"),
            ("", "no reason"),
            (": x", "no reason"),
            ("404", "no reason"),
        ] {
            assert_eq!(class(reason), expected, "{reason:?}");
        }
        assert!(class(&"ab ".repeat(500)).len() < CLASS_BYTES_MAX);
    }

    #[test]
    fn the_model_that_fails_stands_first_with_its_lift() {
        let of = |model: &str, ended, failed| Outcome {
            group: group(model),
            ended,
            failed: vec![("verify".into(), failed)],
        };
        let found = clusters(&[of("a", 1_000, 10), of("b", 63, 61), of("c", 900, 9)]);
        assert_eq!(
            found.iter().map(|c| c.count).collect::<Vec<_>>(),
            [61, 10, 9]
        );
        let first = &found[0];
        assert_eq!((first.of, first.lift_percent), (63, Some(9_682)));
        assert_eq!(clusters(&[of("a", 5, 5)])[0].lift_percent, None);
    }

    #[test]
    fn a_group_has_the_devices_that_it_names_and_an_empty_one_has_none() {
        let device = Group {
            from: Some("1.0.0".into()),
            ..group("a")
        };
        assert!(group("a").has(&device));
        assert!(!group("b").has(&device));
        assert!(!Group::default().has(&device));
    }
}
