//! An application's subscriptions. Each filter stands for watches of the engine: kinds of messages, of one device or of
//! all. Two filters may stand for the same watch; it ends with the last.

use refit_engine::watchers::Scope;
use refit_packet::Qos;
use refit_protocol::device_id::DeviceId;
use refit_protocol::topic::{Kind, ROOT, matches};

use super::limits::FILTERS_MAX;
use super::verdict::Verdict;
use crate::identity::Application;

/// The subscriptions of one application, and who it is.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) who: Application,
    filters: Vec<(Box<str>, Qos)>,
}

/// What one filter stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) kind: Kind,
    pub(super) scope: Scope,
}

impl Watched {
    pub(super) const fn new(who: Application) -> Self {
        Self {
            who,
            filters: Vec::new(),
        }
    }

    /// Subscribes, or subscribes anew; returns the watches to begin.
    pub(super) fn add(&mut self, filter: &str, qos: Qos) -> Result<Vec<Watch>, Verdict> {
        let watches = watches(filter);
        if watches.is_empty() {
            return Err(Verdict::BARREN_FILTER);
        }
        let may_watch = |watch: &Watch| match &watch.scope {
            Scope::Every => self.who.rights.may_watch(None),
            Scope::One(device) => self.who.rights.may_watch(Some(device)),
        };
        if !watches.iter().all(may_watch) {
            return Err(Verdict::NOT_ALLOWED_TO_WATCH);
        }
        if let Some(known) = self
            .filters
            .iter_mut()
            .find(|(known, _)| **known == *filter)
        {
            known.1 = qos;
        } else if self.filters.len() >= FILTERS_MAX {
            return Err(Verdict::TOO_MANY_FILTERS);
        } else {
            self.filters.push((filter.into(), qos));
        }
        Ok(watches)
    }

    /// Unsubscribes; returns the watches to end, or `None` if there was no such subscription.
    pub(super) fn remove(&mut self, filter: &str) -> Option<Vec<Watch>> {
        let at = self
            .filters
            .iter()
            .position(|(known, _)| **known == *filter)?;
        self.filters.swap_remove(at);
        let still: Vec<Watch> = self.filters.iter().flat_map(|(f, _)| watches(f)).collect();
        let mut ended = watches(filter);
        ended.retain(|watch| !still.contains(watch));
        Some(ended)
    }

    /// Returns the highest QoS of the filters that match; none if it may not, or no longer, see this device.
    pub(super) fn qos(&self, device: &DeviceId, kind: Kind) -> Option<Qos> {
        if !self.who.rights.may_watch(Some(device)) {
            return None;
        }
        let topic = format!("{ROOT}/{device}/{}", kind.path());
        let matching = self.filters.iter().filter(|(f, _)| matches(f, &topic));
        matching.map(|(_, qos)| *qos).max()
    }
}

/// Returns what a filter stands for; nothing if Refit publishes nothing that it matches.
fn watches(filter: &str) -> Vec<Watch> {
    let scope = match filter.split('/').nth(1) {
        None | Some("+" | "#") => Scope::Every,
        Some(device) => match DeviceId::parse(device) {
            Ok(device) => Scope::One(device),
            Err(_) => return Vec::new(),
        },
    };
    // If the filter matches the topics of any device, it matches those of this one.
    let example = match &scope {
        Scope::One(device) => device.as_str(),
        Scope::Every => "any",
    };
    Kind::OUTGOING
        .into_iter()
        .filter(|kind| matches(filter, &format!("{ROOT}/{example}/{}", kind.path())))
        .map(|kind| Watch {
            kind,
            scope: scope.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::EveryRight;

    fn watched() -> Watched {
        Watched::new(Application {
            name: "a".into(),
            rights: Arc::new(EveryRight),
        })
    }

    fn shown(watches: &[Watch]) -> String {
        let show = |w: &Watch| match &w.scope {
            Scope::Every => format!("+:{}", w.kind.path()),
            Scope::One(one) => format!("{one}:{}", w.kind.path()),
        };
        watches.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_filter_stands_for_kinds_of_one_device_or_of_all() {
        let updates = "+:update/delta +:update/accepted +:update/rejected";
        let all = format!("{updates} +:get/accepted +:get/rejected");
        for (filter, expected) in [
            ("state/+/update/accepted", "+:update/accepted"),
            ("state/d/update/delta", "d:update/delta"),
            ("+/d/+/rejected", "d:update/rejected d:get/rejected"),
            ("state/+/update/+", updates),
            ("state/+/update/#", updates),
            ("state/#", &all),
            ("#", &all),
            ("+/+/+/+", &all),
            ("state/+/update", ""),
            ("state/d e/#", ""),
            ("other/+/update/delta", ""),
            ("+", ""),
        ] {
            assert_eq!(shown(&watches(filter)), expected, "{filter}");
        }
    }

    #[test]
    fn a_watch_ends_with_the_last_filter_that_stands_for_it() {
        let mut watched = watched();
        watched.add("state/+/update/+", Qos::AtMostOnce).unwrap();
        watched
            .add("state/+/update/delta", Qos::AtLeastOnce)
            .unwrap();
        let device = DeviceId::parse("d").unwrap();
        assert_eq!(watched.qos(&device, Kind::Delta), Some(Qos::AtLeastOnce));
        assert_eq!(watched.qos(&device, Kind::Rejected), Some(Qos::AtMostOnce));
        let ended = watched.remove("state/+/update/+").unwrap();
        assert_eq!(shown(&ended), "+:update/accepted +:update/rejected");
        assert_eq!(watched.remove("state/+/update/+"), None);
        assert_eq!(
            shown(&watched.remove("state/+/update/delta").unwrap()),
            "+:update/delta"
        );
    }

    #[test]
    fn filters_are_bounded() {
        let mut watched = watched();
        for n in 0..FILTERS_MAX {
            watched
                .add(&format!("state/d{n}/#"), Qos::AtMostOnce)
                .unwrap();
        }
        let more = watched.add("state/x/#", Qos::AtMostOnce);
        assert_eq!(more, Err(Verdict::TOO_MANY_FILTERS));
        assert!(watched.add("state/d0/#", Qos::AtMostOnce).is_ok());
    }
}
