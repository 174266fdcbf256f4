//! The answer of one device. An index over many asks the same tests ([`Test::of_text`], [`Test::of_moment`]) of each distinct
//! value once, and must come to the same answers.

use crate::facts::{Certificate, Facts, Scene};
use crate::field::Field;
use crate::number;
use crate::sample::{Draw, Place};
use crate::time::Second;
use crate::tree::{Bound, Selector, Term, Test, Tree, Value};
use crate::version;
use core::cmp::Ordering;
use refit_protocol::job::Status;

impl Selector {
    /// Tells whether this device is meant.
    pub fn matches<F: Facts + ?Sized>(&self, device: &F, scene: &Scene<'_>) -> bool {
        self.tree.holds(device, scene)
    }
}

impl Tree {
    /// Tells whether this part holds for a device.
    pub fn holds<F: Facts + ?Sized>(&self, device: &F, scene: &Scene<'_>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(device, scene)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(device, scene)),
            Self::Not(part) => !part.holds(device, scene),
            Self::Term(term) => term.holds(device, scene),
        }
    }
}

impl Term {
    /// Tells whether this term holds for a device.
    pub fn holds<F: Facts + ?Sized>(&self, device: &F, scene: &Scene<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Online => device.is_online(),
            Self::Drifting => device.is_drifting(),
            Self::Sample(share) => Draw::new(*share, scene.salt).has(Place::of(device.id())),
            Self::InList(name) => scene.lists.has(name, device.id()),
            Self::Has(field) => {
                text(field, device).is_some() || moment(field, device, scene).is_some()
            }
            Self::Compare(field, test) => {
                text(field, device).is_some_and(|fact| test.of_text(fact))
                    || moment(field, device, scene)
                        .is_some_and(|fact| test.of_moment(fact, Second::of(scene.now)))
            }
        }
    }
}

/// Returns a fact that is a text.
fn text<'d, F: Facts + ?Sized>(field: &Field, device: &'d F) -> Option<&'d str> {
    match field {
        Field::Id => Some(device.id()),
        Field::Model => device.model(),
        Field::Software => device.software(),
        Field::Version => device.version(),
        Field::JobStatus => device.job_status().map(Status::as_str),
        Field::JobReason => device.job_reason(),
        Field::Certificate => device.certificate().map(Certificate::as_str),
        Field::Token => device.token(),
        Field::Tag(name) => device.tag(name),
        Field::Attribute(name) => device.attribute(name),
        Field::Seen | Field::Created => None,
    }
}

/// Returns a fact that is a moment.
fn moment<F: Facts + ?Sized>(field: &Field, device: &F, scene: &Scene<'_>) -> Option<Second> {
    match field {
        Field::Seen if device.is_online() => Some(Second::of(scene.now)),
        Field::Seen => device.seen().map(Second::of),
        Field::Created => device.created().map(Second::of),
        _ => None,
    }
}

impl Test {
    /// Tells whether a fact that is a text passes.
    pub fn of_text(&self, fact: &str) -> bool {
        match self {
            Self::Is(values) => values.iter().any(|value| value.is(fact)),
            Self::IsNot(values) => !values.iter().any(|value| value.is(fact)),
            Self::Like(glob) => glob.matches(fact),
            Self::Order(bound, value) => value.order_of(fact).is_some_and(|order| bound.has(order)),
            Self::Within(_) => false,
        }
    }

    /// Tells whether a fact that is a moment passes.
    pub fn of_moment(&self, fact: Second, now: Second) -> bool {
        match self {
            Self::Order(bound, Value::Time(than)) => bound.has(fact.cmp(than)),
            Self::Within(span) => fact >= now.before(*span),
            Self::Is(_) | Self::IsNot(_) | Self::Like(_) | Self::Order(..) => false,
        }
    }
}

impl Value {
    fn is(&self, fact: &str) -> bool {
        match self {
            Self::Text(text) => text == fact,
            Self::Number(number) => number::parse(fact) == Some(*number),
            Self::Version(_) | Self::Time(_) => false,
        }
    }

    /// Returns how a fact stands to this value; `None` if it is not of the same kind.
    fn order_of(&self, fact: &str) -> Option<Ordering> {
        match self {
            Self::Number(number) => number::parse(fact)?.partial_cmp(number),
            Self::Version(version) => version::order(fact, version),
            Self::Time(moment) => Second::parse(fact).map(|fact| fact.cmp(moment)),
            Self::Text(_) => None,
        }
    }
}

impl Bound {
    const fn has(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}
