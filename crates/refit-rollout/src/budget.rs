//! How many devices of one place may be at work at once: a budget of disruption for each value of a label.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::plan::Budget;

/// Who is at work, for each budget of a plan and each value of its label. Rebuilt from jobs whenever it is needed, since
/// a counter that is kept by hand goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    budgets: Vec<Budget>,
    values: BTreeMap<(usize, String), Use>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Use {
    devices: u32,
    at_work: u32,
}

/// A budget that has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    /// The label.
    pub label: String,
    /// Its value; empty: devices without the label, who are one group.
    pub value: String,
    /// So many are at work,
    pub at_work: u32,
    /// and no more may be.
    pub limit: u32,
}

impl Ledger {
    /// Returns the ledger of a plan's budgets, with nobody in it.
    pub fn new(budgets: &[Budget]) -> Self {
        Self {
            budgets: budgets.to_vec(),
            values: BTreeMap::new(),
        }
    }

    /// Counts a device, in the fleet and not only in the rollout, with the value of each budget's label in turn, and
    /// whether it may be at work, for whatever rollout (semantics 8).
    pub fn count<'a>(&mut self, values: impl IntoIterator<Item = Option<&'a str>>, at_work: bool) {
        for (at, value) in (0..self.budgets.len()).zip(values) {
            let used = self
                .values
                .entry((at, String::from(value.unwrap_or_default())))
                .or_default();
            used.devices += 1;
            used.at_work += u32::from(at_work);
        }
    }

    /// Counts one more at work: its job is about to open.
    pub fn take<'a>(&mut self, values: impl IntoIterator<Item = Option<&'a str>>) {
        for (at, value) in (0..self.budgets.len()).zip(values) {
            let used = self
                .values
                .entry((at, String::from(value.unwrap_or_default())))
                .or_default();
            used.at_work += 1;
        }
    }

    /// Returns the first budget that has no room for a device with these values.
    pub fn full<'a>(&self, values: impl IntoIterator<Item = Option<&'a str>>) -> Option<Full> {
        self.budgets
            .iter()
            .enumerate()
            .zip(values)
            .find_map(|((at, budget), value)| {
                let value = value.unwrap_or_default();
                let used = self
                    .values
                    .get(&(at, String::from(value)))
                    .copied()
                    .unwrap_or_default();
                let limit = budget.limit(used.devices);
                (used.at_work >= limit).then(|| Full {
                    label: budget.per.clone(),
                    value: value.into(),
                    at_work: used.at_work,
                    limit,
                })
            })
    }
}

impl Budget {
    /// Returns how many of so many devices may be at work at once: by a share at least one, or nothing would ever move.
    pub fn limit(&self, devices: u32) -> u32 {
        let by_share = self.share.map(|share| share.at_most(devices).max(1));
        by_share
            .into_iter()
            .chain(self.count)
            .min()
            .unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_protocol::measure::Share;

    fn budget(count: Option<u32>, share: Option<u32>) -> Budget {
        Budget {
            per: "tag.site".into(),
            count,
            share: share.map(Share::percent),
        }
    }

    #[test]
    fn one_gateway_per_site() {
        let mut ledger = Ledger::new(&[budget(Some(1), None)]);
        ledger.count([Some("a")], true);
        ledger.count([Some("b")], false);
        let full = ledger.full([Some("a")]).unwrap();
        assert_eq!((full.value.as_str(), full.at_work, full.limit), ("a", 1, 1));
        assert_eq!(ledger.full([Some("b")]), None);
        ledger.take([Some("b")]);
        assert!(ledger.full([Some("b")]).is_some());
    }

    #[test]
    fn the_smaller_limit_holds_and_a_share_permits_one() {
        for (count, share, devices, limit) in [
            (None, Some(10), 5, 1),
            (None, Some(10), 50, 5),
            (Some(3), Some(10), 50, 3),
            (Some(0), None, 50, 0),
        ] {
            assert_eq!(budget(count, share).limit(devices), limit);
        }
    }

    #[test]
    fn devices_without_the_label_are_one_group() {
        let mut ledger = Ledger::new(&[budget(Some(1), None)]);
        ledger.count([None], true);
        assert!(ledger.full([None]).is_some());
    }
}
