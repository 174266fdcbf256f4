//! What a selector is: a tree of `and`, `or`, `not` over terms, each of which asks one thing of a device.

use crate::field::{Field, Source};
use crate::glob::Glob;
use crate::time::Second;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use refit_protocol::measure::{Share, Span};
use semver::Version;

/// A selector: a question that each device answers with yes or no. It is made by reading a text ([`Selector::parse`]), so it is
/// typed and within the limits; printed it is that text in its one canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub(crate) tree: Tree,
}

/// The tree. The parts of an `and` are never an `and` themselves, nor those of an `or` an `or`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// All of these hold; at least two.
    And(Vec<Self>),
    /// One of these holds; at least two.
    Or(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// One question.
    Term(Term),
}

/// One question to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// `all`: yes.
    All,
    /// `online`
    Online,
    /// `drifting`
    Drifting,
    /// `sample 5%`
    Sample(Share),
    /// `in list NAME`
    InList(String),
    /// `has FIELD`, and for a tag its name alone.
    Has(Field),
    /// A field compared. Without a value no comparison holds, not even `!=`.
    Compare(Field, Test),
}

/// What a field is compared with. Which of them a field takes is checked when the text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `= VALUE`, `in (VALUE, …)`: one of these; at least one, none twice.
    Is(Vec<Value>),
    /// `!= VALUE`, `not in (VALUE, …)`: none of these.
    IsNot(Vec<Value>),
    /// `~ PATTERN`
    Like(Glob),
    /// `< VALUE` and the like; never a text.
    Order(Bound, Value),
    /// `within SPAN`: no longer ago than this. A moment that is still to come is not long ago.
    Within(Span),
}

/// On which side of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// What something is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text, compared byte by byte.
    Text(String),
    /// A number; never NaN.
    Number(f64),
    /// A version, only in an order.
    Version(Version),
    /// A moment, only in an order.
    Time(Second),
}

/// A number is never NaN, so each value equals itself.
impl Eq for Value {}

impl Selector {
    /// Returns the tree.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns its terms, in their order.
    pub fn terms(&self) -> Vec<&Term> {
        let mut terms = Vec::new();
        self.tree.gather(&mut terms);
        terms
    }

    /// Returns the terms that rest on what devices say of themselves (semantics 15): a device can lie its way in or out.
    pub fn claimed_by_devices(&self) -> Vec<&Term> {
        let mut terms = self.terms();
        terms.retain(|term| term.source() == Source::Device);
        terms
    }

    /// Returns the lists that it names, to be compared with those that exist.
    pub fn lists(&self) -> Vec<&str> {
        let names = self.terms().into_iter().filter_map(|term| match term {
            Term::InList(name) => Some(name.as_str()),
            _ => None,
        });
        names.collect()
    }
}

impl Tree {
    fn gather<'a>(&'a self, terms: &mut Vec<&'a Term>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.gather(terms)),
            Self::Not(part) => part.gather(terms),
            Self::Term(term) => terms.push(term),
        }
    }

    /// Joins parts with `and`, or with `or`. One part stays alone; parts of the same kind lose their parentheses.
    pub(crate) fn joined(parts: Vec<Self>, with_or: bool) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::And(inner) if !with_or => flat.extend(inner),
                Self::Or(inner) if with_or => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match (flat.len(), with_or) {
            (1, _) => flat.swap_remove(0),
            (_, true) => Self::Or(flat),
            (_, false) => Self::And(flat),
        }
    }
}

impl Term {
    /// Returns who says what this term asks.
    pub const fn source(&self) -> Source {
        match self {
            Self::All | Self::Online => Source::Server,
            // What it runs is the device's word.
            Self::Drifting => Source::Device,
            Self::Sample(_) => Source::Certificate,
            Self::InList(_) => Source::Operator,
            Self::Has(field) | Self::Compare(field, _) => field.source(),
        }
    }
}
