//! Which release comes next for a device: the target, or one that must be passed on the way. Decided when its job opens.
//!
//! A release may say from which it can be installed at the earliest, and that nobody may skip it. Since a later release is
//! never farther from the target, taking the farthest one that is permitted is the shortest path, and finds one if there is.

use alloc::string::String;

/// A release of a software, by its place in the order of all its releases (semantics 31).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its place; a later one is higher.
    pub order: u64,
    /// Its version, for people.
    pub version: String,
    /// The earliest from which it can be installed.
    pub from_at_least: Option<u64>,
    /// Whether nobody may skip it.
    pub must_pass: bool,
    /// Whether it was withdrawn: nobody is sent there any more.
    pub withdrawn: bool,
}

/// Where a device goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is there.
    There,
    /// To the release of this order.
    To(u64),
    /// It has a later one, and the plan does not permit to go back.
    Downgrade,
    /// No release that it can install leads on.
    NoWay,
    /// The target is not among the releases, or was withdrawn.
    NoTarget,
}

/// Returns where a device that runs `from` goes next, on its way to `target`. `releases` are those of that software, in
/// any order.
pub fn next(from: u64, target: u64, releases: &[Release], downgrade: bool) -> Next {
    if from == target {
        return Next::There;
    }
    if !releases.iter().any(|r| r.order == target && !r.withdrawn) {
        return Next::NoTarget;
    }
    if target < from {
        // Paths lead upwards; going back is one step, and its permission is the operator's judgement.
        return if downgrade {
            Next::To(target)
        } else {
            Next::Downgrade
        };
    }
    let on_the_way = || {
        releases
            .iter()
            .filter(|r| r.order > from && r.order <= target && !r.withdrawn)
    };
    let limit = on_the_way()
        .filter(|r| r.must_pass)
        .map(|r| r.order)
        .min()
        .unwrap_or(target);
    on_the_way()
        .filter(|r| r.order <= limit && r.from_at_least.is_none_or(|least| least <= from))
        .map(|r| r.order)
        .max()
        .map_or(Next::NoWay, Next::To)
}

/// Returns how many steps a device has to go; `None`: it cannot get there.
pub fn steps(mut from: u64, target: u64, releases: &[Release], downgrade: bool) -> Option<u32> {
    for steps in 0..=releases.len() as u32 {
        match next(from, target, releases, downgrade) {
            Next::There => return Some(steps),
            Next::To(order) => from = order,
            Next::Downgrade | Next::NoWay | Next::NoTarget => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// `3!` must be passed, `4>2` needs 2 at least, `5x` was withdrawn.
    fn releases(text: &str) -> Vec<Release> {
        let release = |word: &str| {
            let digits = |text: &str| {
                text.trim_matches(|c: char| !c.is_ascii_digit())
                    .parse()
                    .ok()
            };
            let (own, least) = word.split_once('>').unwrap_or((word, ""));
            Release {
                order: digits(own).unwrap(),
                version: word.into(),
                from_at_least: digits(least),
                must_pass: word.contains('!'),
                withdrawn: word.contains('x'),
            }
        };
        text.split(' ').map(release).collect()
    }

    #[test]
    fn the_next_release_is_the_farthest_that_may_be_installed() {
        for (all, from, target, expected) in [
            ("1 2 3", 1, 3, Next::To(3)),
            ("1 2! 3", 1, 3, Next::To(2)),
            ("1 2! 3", 2, 3, Next::To(3)),
            ("1 2 3>2", 1, 3, Next::To(2)),
            ("1 2 3!>2 4", 1, 4, Next::To(2)),
            ("1 3>2", 1, 3, Next::NoWay),
            ("1 2x 3>2", 1, 3, Next::NoWay),
            ("1 2!x 3", 1, 3, Next::To(3)),
            ("1 2 3x", 1, 3, Next::NoTarget),
            ("1 2", 2, 1, Next::Downgrade),
            ("1 2", 2, 2, Next::There),
            ("1 3", 0, 3, Next::To(3)),
        ] {
            assert_eq!(
                next(from, target, &releases(all), false),
                expected,
                "{all}: {from} to {target}"
            );
        }
        assert_eq!(next(2, 1, &releases("1 2"), true), Next::To(1));
    }

    #[test]
    fn a_chain_is_walked_to_its_end() {
        let all = releases("1 2! 3 4!>3 5");
        assert_eq!(steps(1, 5, &all, false), Some(4));
        assert_eq!(steps(3, 5, &all, false), Some(2));
        assert_eq!(steps(1, 4, &releases("1 4>3"), false), None);
    }
}
