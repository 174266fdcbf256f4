//! How a selector is answered: its tree in the order in which it is done, where each part looks, and how many devices it finds.

use crate::codes::Matching;
use crate::index::{Ask, Index};
use crate::list::UnknownList;
use crate::plan::{Node, Plan, Scan};
use refit_selector::Selector;
use std::fmt;

/// What [`Index::explain`] tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The selector as it is stored.
    pub selector: String,
    /// The parts, each below the one that it is part of.
    pub steps: Vec<Step>,
    /// The terms that rest on what devices say of themselves.
    pub claimed_by_devices: Vec<String>,
    /// How many devices are meant.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

/// One part of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// How deep it stands.
    pub depth: usize,
    /// `and`, `or`, `not`, or a term.
    pub part: String,
    /// Where a term looks.
    pub by: Option<&'static str>,
    /// What it is thought to cost, in scans of one byte a device.
    pub cost: f64,
    /// How many devices it is thought to find by itself.
    pub expected: u64,
}

impl Index {
    /// Answers a selector and tells how.
    pub fn explain(&self, selector: &Selector, ask: &Ask<'_>) -> Result<Explanation, UnknownList> {
        let plan = Plan::new(self, selector.tree(), ask)?;
        let mut steps = Vec::new();
        plan.describe(0, self.len(), &mut steps);
        Ok(Explanation {
            selector: selector.to_string(),
            steps,
            claimed_by_devices: selector
                .claimed_by_devices()
                .into_iter()
                .map(ToString::to_string)
                .collect(),
            count: self.count(selector, ask)?,
            of: self.len(),
        })
    }
}

impl Plan<'_> {
    fn describe(&self, depth: usize, of: u64, steps: &mut Vec<Step>) {
        let (part, by, parts): (_, _, &[Self]) = match &self.node {
            Node::And(parts) => ("and".to_owned(), None, parts),
            Node::Or(parts) => ("or".to_owned(), None, parts),
            Node::Not(part) => ("not".to_owned(), None, std::slice::from_ref(&**part)),
            Node::Scan(scan, term) => (term.to_string(), Some(scan.by()), &[]),
        };
        let expected = (self.share * of as f64).round() as u64;
        steps.push(Step {
            depth,
            part,
            by,
            cost: self.cost,
            expected,
        });
        parts
            .iter()
            .for_each(|part| part.describe(depth + 1, of, steps));
    }
}

impl Scan<'_> {
    const fn by(&self) -> &'static str {
        match self {
            Self::Known(true) => "every device",
            Self::Known(false) => "no device has such a value",
            Self::Drifting => "bitmap of those that drift",
            Self::Flags(_) => "the byte of states",
            Self::Codes(_, Matching::Known) => "column, any value",
            Self::Codes(_, Matching::One(_)) => "column, one value",
            Self::Codes(_, Matching::Table(_)) => "column, some values",
            Self::Moments { created: true, .. } => "column of first times",
            Self::Moments { .. } => "column of last times, and who is online",
            Self::Draw(_) => "column of places",
            Self::Ids { .. } => "column of places, then IDs",
            Self::EachId(_) => "every ID that is left",
            Self::List(_) => "bitmap of the list",
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.selector)?;
        for step in &self.steps {
            write!(
                f,
                "{:indent$}{}",
                "",
                step.part,
                indent = 2 + 2 * step.depth
            )?;
            if let Some(by) = step.by {
                write!(f, "  [{by}; cost {}; about {}]", step.cost, step.expected)?;
            }
            writeln!(f)?;
        }
        if !self.claimed_by_devices.is_empty() {
            writeln!(
                f,
                "claimed by devices: {}",
                self.claimed_by_devices.join(", ")
            )?;
        }
        write!(f, "{} of {} devices", self.count, self.of)
    }
}
