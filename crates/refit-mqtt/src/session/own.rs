//! A device's subscriptions, as bits. Within `state/{id}/` only 26 filters match anything that Refit publishes, so which
//! of them are subscribed, and at which QoS, is eight bytes; no string is kept.

use refit_engine::seat::Wants;
use refit_packet::Qos;
use refit_protocol::topic::{Kind, ROOT};

use super::limits::BARREN_FILTERS_MAX;
use super::verdict::Verdict;

const D: u8 = 1;
const A: u8 = 1 << 1;
const R: u8 = 1 << 2;
const GA: u8 = 1 << 3;
const GR: u8 = 1 << 4;

/// What follows `state/{id}/`, and which kinds it matches, in the order of [`Kind::OUTGOING`].
const FILTERS: [(&str, u8); 26] = [
    ("update/delta", D),
    ("update/accepted", A),
    ("update/rejected", R),
    ("get/accepted", GA),
    ("get/rejected", GR),
    ("update/+", D | A | R),
    ("get/+", GA | GR),
    ("+/delta", D),
    ("+/accepted", A | GA),
    ("+/rejected", R | GR),
    ("+/+", D | A | R | GA | GR),
    ("#", D | A | R | GA | GR),
    ("update/#", D | A | R),
    ("get/#", GA | GR),
    ("+/#", D | A | R | GA | GR),
    ("update/delta/#", D),
    ("update/accepted/#", A),
    ("update/rejected/#", R),
    ("get/accepted/#", GA),
    ("get/rejected/#", GR),
    ("update/+/#", D | A | R),
    ("get/+/#", GA | GR),
    ("+/delta/#", D),
    ("+/accepted/#", A | GA),
    ("+/rejected/#", R | GR),
    ("+/+/#", D | A | R | GA | GR),
];

/// For each outgoing kind the filters that match it.
const MATCHING: [u32; 5] = {
    let mut matching = [0; 5];
    let mut filter = 0;
    while filter < FILTERS.len() {
        let mut kind = 0;
        while kind < matching.len() {
            if FILTERS[filter].1 & (1 << kind) != 0 {
                matching[kind] |= 1 << filter;
            }
            kind += 1;
        }
        filter += 1;
    }
    matching
};

/// The subscriptions of one device.
#[derive(Debug, Default)]
pub(super) struct Own {
    granted: u32,
    /// Those that are granted at QoS 1.
    at_least_once: u32,
    /// Filters within its own topics that match nothing. They are kept so that UNSUBSCRIBE is answered truthfully.
    #[expect(
        clippy::box_collection,
        reason = "a third of a Vec's size, and nearly nobody has any"
    )]
    barren: Option<Box<Vec<Box<str>>>>,
}

impl Own {
    /// Returns what follows `state/{id}/` in a filter of this device's own.
    pub(super) fn within<'f>(filter: &'f str, id: &str) -> Option<&'f str> {
        let rest = filter.strip_prefix(ROOT)?.strip_prefix('/')?;
        rest.strip_prefix(id)?.strip_prefix('/')
    }

    /// Subscribes, or subscribes anew. Tells whether the delta is among what this filter matches.
    pub(super) fn add(&mut self, within: &str, qos: Qos) -> Result<bool, Verdict> {
        let Some(at) = place(within) else {
            return self.add_barren(within).map(|()| false);
        };
        self.granted |= 1 << at;
        if qos == Qos::AtMostOnce {
            self.at_least_once &= !(1 << at);
        } else {
            self.at_least_once |= 1 << at;
        }
        Ok(MATCHING[0] & (1 << at) != 0)
    }

    /// Unsubscribes; tells whether there was such a subscription.
    pub(super) fn remove(&mut self, within: &str) -> bool {
        let Some(at) = place(within) else {
            return self.remove_barren(within);
        };
        let known = self.granted & (1 << at) != 0;
        self.granted &= !(1 << at);
        self.at_least_once &= !(1 << at);
        known
    }

    /// Returns the highest QoS at which a kind is subscribed.
    pub(super) fn qos(&self, kind: Kind) -> Option<Qos> {
        let matching = self.granted & matching(kind);
        match (matching, matching & self.at_least_once) {
            (0, _) => None,
            (_, 0) => Some(Qos::AtMostOnce),
            _ => Some(Qos::AtLeastOnce),
        }
    }

    /// Returns what the seat is to be told.
    pub(super) fn wants(&self) -> Wants {
        Kind::OUTGOING
            .into_iter()
            .filter(|kind| self.granted & matching(*kind) != 0)
            .fold(Wants::default(), |wants, kind| wants.and(Wants::of(kind)))
    }

    fn add_barren(&mut self, within: &str) -> Result<(), Verdict> {
        let barren = self.barren.get_or_insert_default();
        if barren.iter().any(|filter| **filter == *within) {
            return Ok(());
        }
        if barren.len() >= BARREN_FILTERS_MAX {
            return Err(Verdict::TOO_MANY_FILTERS);
        }
        barren.push(within.into());
        Ok(())
    }

    fn remove_barren(&mut self, within: &str) -> bool {
        let Some(barren) = &mut self.barren else {
            return false;
        };
        let at = barren.iter().position(|filter| **filter == *within);
        let known = at.map(|at| barren.swap_remove(at)).is_some();
        if barren.is_empty() {
            self.barren = None;
        }
        known
    }
}

fn place(within: &str) -> Option<usize> {
    FILTERS.iter().position(|(filter, _)| *filter == within)
}

const fn matching(kind: Kind) -> u32 {
    match kind {
        Kind::Delta => MATCHING[0],
        Kind::Accepted => MATCHING[1],
        Kind::Rejected => MATCHING[2],
        Kind::GetAccepted => MATCHING[3],
        Kind::GetRejected => MATCHING[4],
        Kind::Update | Kind::Get => 0,
    }
}

#[cfg(test)]
mod tests {
    use refit_packet::{Version, check_topic_filter};
    use refit_protocol::topic::matches;

    use super::*;

    /// All filters of one to four levels over the words that occur, and some that do not.
    fn filters() -> Vec<String> {
        let words = [
            "update", "get", "delta", "accepted", "rejected", "+", "#", "", "x",
        ];
        let mut all: Vec<String> = words.map(String::from).to_vec();
        let mut last = all.clone();
        for _ in 1..4 {
            last = last
                .iter()
                .flat_map(|filter| words.iter().map(move |word| format!("{filter}/{word}")))
                .collect();
            all.extend(last.iter().cloned());
        }
        all.retain(|filter| check_topic_filter(filter, Version::V5).is_ok());
        all
    }

    #[test]
    fn the_table_holds_all_filters_that_match_anything() {
        for filter in filters() {
            for kind in Kind::OUTGOING {
                let expected = matches(&filter, kind.path());
                let mut own = Own::default();
                own.add(&filter, Qos::AtLeastOnce).unwrap();
                assert_eq!(
                    own.qos(kind).is_some(),
                    expected,
                    "{filter} {}",
                    kind.path()
                );
            }
        }
        assert!(MATCHING.iter().all(|filters| filters >> FILTERS.len() == 0));
    }

    #[test]
    fn the_highest_qos_that_matches_counts() {
        let mut own = Own::default();
        assert_eq!(own.add("update/delta", Qos::AtMostOnce), Ok(true));
        assert_eq!(own.qos(Kind::Delta), Some(Qos::AtMostOnce));
        assert_eq!(own.add("#", Qos::AtLeastOnce), Ok(true));
        assert_eq!(own.qos(Kind::Delta), Some(Qos::AtLeastOnce));
        assert_eq!(own.add("#", Qos::AtMostOnce), Ok(true));
        assert_eq!(own.qos(Kind::Delta), Some(Qos::AtMostOnce));
        assert!(own.remove("#") && !own.remove("#"));
        assert_eq!(own.qos(Kind::Accepted), None);
        assert!(own.wants().has(Wants::of(Kind::Delta)));
    }

    #[test]
    fn filters_that_match_nothing_are_remembered_and_bounded() {
        let mut own = Own::default();
        assert!(!own.remove("x"));
        for n in 0..BARREN_FILTERS_MAX {
            assert_eq!(own.add(&format!("x{n}"), Qos::AtMostOnce), Ok(false));
        }
        assert_eq!(own.add("x0", Qos::AtMostOnce), Ok(false));
        assert_eq!(
            own.add("y", Qos::AtMostOnce),
            Err(Verdict::TOO_MANY_FILTERS)
        );
        assert!(own.remove("x0") && !own.remove("x0"));
    }

    #[test]
    fn only_the_own_topics_are_within() {
        for (filter, expected) in [
            ("state/d/update/delta", Some("update/delta")),
            ("state/d/#", Some("#")),
            ("state/d/", Some("")),
            ("state/d", None),
            ("state/dd/#", None),
            ("state/+/update/delta", None),
            ("+/d/update/delta", None),
            ("states/d/#", None),
            ("#", None),
        ] {
            assert_eq!(Own::within(filter, "d"), expected, "{filter}");
        }
    }
}
