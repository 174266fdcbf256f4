//! How long a list is, for whoever asks: `count=estimate` or `count=exact`. Neither costs more than a page of a large
//! list: what is not counted by the way is looked at up to a bound, and the answer says how far it is to be trusted.

use serde::Serialize;
use utoipa::ToSchema;

use super::error::{FieldCode, Problem};

/// Up to how many rows of an index are counted.
pub(super) const COUNTED_MAX: usize = 100_000;

/// Among how many of the newest lines of the audit log those that fit are counted: they have to be read.
pub(super) const LINES_MAX: usize = 10_000;

/// How exactly a list is to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Estimate,
    Exact,
}

impl Asked {
    /// Reads the parameter.
    pub(super) fn read(text: Option<&str>) -> Result<Option<Self>, Problem> {
        match text {
            None => Ok(None),
            Some("estimate") => Ok(Some(Self::Estimate)),
            Some("exact") => Ok(Some(Self::Exact)),
            Some(_) => {
                let detail = "count is estimate or exact";
                Err(Problem::of_parameter("count", FieldCode::NotOneOf, detail))
            }
        }
    }
}

/// How long the whole list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Count {
    /// How many items.
    value: u64,
    /// `exact`; `estimate`: about so many; `atLeast`: so many were counted, then counting ended.
    #[schema(pattern = "^(exact|estimate|atLeast)$")]
    relation: &'static str,
}

impl Count {
    pub(super) const fn exact(value: u64) -> Self {
        Self {
            value,
            relation: "exact",
        }
    }

    pub(super) const fn estimate(value: u64) -> Self {
        Self {
            value,
            relation: "estimate",
        }
    }

    pub(super) const fn at_least(value: u64) -> Self {
        Self {
            value,
            relation: "atLeast",
        }
    }

    /// What was counted up to one beyond the bound.
    pub(super) const fn up_to(bound: usize, counted: u64) -> Self {
        if counted > bound as u64 {
            Self::at_least(bound as u64)
        } else {
            Self::exact(counted)
        }
    }

    /// What was counted of so many of a whole: if they are not all, as many in proportion.
    pub(super) fn of_sample(counted: u64, looked: u64, whole: u64) -> Self {
        if looked >= whole {
            return Self::exact(counted);
        }
        let whole = u128::from(counted) * u128::from(whole) / u128::from(looked.max(1));
        Self::estimate(u64::try_from(whole).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_says_how_far_it_is_to_be_trusted() {
        assert_eq!(Count::up_to(10, 10), Count::exact(10));
        assert_eq!(Count::up_to(10, 11), Count::at_least(10));
        assert_eq!(Count::of_sample(3, 10, 10), Count::exact(3));
        assert_eq!(Count::of_sample(3, 10, 1000), Count::estimate(300));
        assert_eq!(Count::of_sample(0, 0, 5), Count::estimate(0));
    }
}
