//! What the demo promises, and whether it held.

use super::grouped;

/// One promise, held against what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// The promise, as a sentence.
    pub(super) promise: &'static str,
    /// For how many it was kept.
    pub(super) kept: usize,
    /// For how many it was to be kept.
    pub(super) of: usize,
    /// What was found that is worth saying, or what is wrong.
    pub(super) found: Vec<String>,
}

/// How many of the things that are wrong are named.
const NAMED: usize = 5;

impl Check {
    /// Makes a check whose faults are listed: it holds if there are none, and there was something to look at.
    pub(super) fn of_all(promise: &'static str, of: usize, mut faults: Vec<String>) -> Self {
        let kept = of.saturating_sub(faults.len());
        let more = faults.len().saturating_sub(NAMED);
        faults.truncate(NAMED);
        if more > 0 {
            faults.push(format!("and {} more", grouped(more)));
        }
        Self {
            promise,
            kept,
            of,
            found: faults,
        }
    }

    /// Makes a check of one thing.
    pub(super) fn of_one(promise: &'static str, held: bool, found: String) -> Self {
        Self {
            promise,
            kept: usize::from(held),
            of: 1,
            found: vec![found],
        }
    }

    /// Tells whether it held. A promise about nothing was not kept.
    pub(super) fn held(&self) -> bool {
        self.kept == self.of && self.of > 0
    }

    /// The line that a person reads, without its mark.
    pub(super) fn line(&self) -> String {
        match (self.of, self.held()) {
            (1, true) => self.promise.to_owned(),
            _ => format!(
                "{}: {} of {}",
                self.promise,
                grouped(self.kept),
                grouped(self.of)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_holds_only_if_all_of_something_is_well() {
        assert!(Check::of_all("p", 1024, vec![]).held());
        assert_eq!(Check::of_all("p", 1024, vec![]).line(), "p: 1,024 of 1,024");
        assert!(!Check::of_all("p", 0, vec![]).held());
        let bad = Check::of_all("p", 9, (0..7).map(|i| i.to_string()).collect());
        assert_eq!((bad.held(), bad.line().as_str()), (false, "p: 2 of 9"));
        assert_eq!(bad.found.last().unwrap(), "and 2 more");
        assert_eq!(Check::of_one("p", true, String::new()).line(), "p");
    }
}
