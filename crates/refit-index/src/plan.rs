//! From a selector to scans, the cheap and sharp ones first.
//!
//! A test is asked of each distinct value once, here; what is left for the devices is a look-up of a small number.

use crate::chunk::{CERTIFICATE, ONLINE, STATUS, words};
use crate::codes::Matching;
use crate::index::{Ask, Index};
use crate::list::{List, UnknownList};
use hashbrown::HashSet;
use refit_selector::field::Field;
use refit_selector::sample::{Draw, Place};
use refit_selector::time::Second;
use refit_selector::tree::{Bound, Term, Test, Tree, Value};

/// A part of a plan, with what it is thought to cost and to find.
pub(crate) struct Plan<'a> {
    pub(crate) node: Node<'a>,
    /// In scans of one byte for each device.
    pub(crate) cost: f64,
    /// Of all devices, 0 to 1.
    pub(crate) share: f64,
}

pub(crate) enum Node<'a> {
    And(Vec<Plan<'a>>),
    Or(Vec<Plan<'a>>),
    Not(Box<Plan<'a>>),
    Scan(Scan<'a>, &'a Term),
}

/// One look at something of each device.
pub(crate) enum Scan<'a> {
    /// It is known already, for all devices alike.
    Known(bool),
    Drifting,
    /// The byte of states at which this table has a 1.
    Flags(Box<[u8; 256]>),
    /// The numbers of a column.
    Codes(usize, Matching),
    Moments {
        created: bool,
        from: u32,
        to: u32,
        if_online: bool,
    },
    Draw(Draw),
    /// One of these IDs, or, if `negated`, none. `places` has a bit for the low 16 of each one's place.
    Ids {
        ids: HashSet<&'a str>,
        places: Vec<bool>,
        negated: bool,
    },
    /// The text of each ID.
    EachId(&'a Test),
    List(&'a List),
}

impl<'a> Plan<'a> {
    /// Makes the plan of a tree.
    pub(crate) fn new(
        index: &'a Index,
        tree: &'a Tree,
        ask: &Ask<'_>,
    ) -> Result<Self, UnknownList> {
        Ok(match tree {
            Tree::And(parts) => {
                // The rank of a filter: what it costs for each device that it takes away.
                let parts = sorted(index, parts, ask, |part| part.cost / (1.001 - part.share))?;
                let share = parts.iter().map(|part| part.share).product();
                Self {
                    cost: cost(&parts),
                    share,
                    node: Node::And(parts),
                }
            }
            Tree::Or(parts) => {
                let parts = sorted(index, parts, ask, |part| part.cost / (0.001 + part.share))?;
                let share = 1.0 - parts.iter().map(|part| 1.0 - part.share).product::<f64>();
                Self {
                    cost: cost(&parts),
                    share,
                    node: Node::Or(parts),
                }
            }
            Tree::Not(part) => {
                let part = Self::new(index, part, ask)?;
                Self {
                    cost: part.cost,
                    share: 1.0 - part.share,
                    node: Node::Not(Box::new(part)),
                }
            }
            Tree::Term(term) => {
                let (scan, share) = scan(index, term, ask)?;
                Self {
                    cost: scan.cost(),
                    share,
                    node: Node::Scan(scan, term),
                }
            }
        })
    }
}

fn sorted<'a>(
    index: &'a Index,
    parts: &'a [Tree],
    ask: &Ask<'_>,
    rank: impl Fn(&Plan<'a>) -> f64,
) -> Result<Vec<Plan<'a>>, UnknownList> {
    let plans: Result<Vec<_>, _> = parts
        .iter()
        .map(|part| Plan::new(index, part, ask))
        .collect();
    let mut plans = plans?;
    plans.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    Ok(plans)
}

fn cost(parts: &[Plan<'_>]) -> f64 {
    parts.iter().map(|part| part.cost).sum()
}

impl Scan<'_> {
    /// Returns what it costs; the figures were measured, and only their order of magnitude matters.
    const fn cost(&self) -> f64 {
        match self {
            Self::Known(_) | Self::List(_) | Self::Drifting => 0.1,
            Self::Codes(_, Matching::Known | Matching::One(_)) | Self::Moments { .. } => 1.0,
            Self::Flags(_) | Self::Codes(_, Matching::Table(_)) => 4.0,
            Self::Ids { .. } => 6.0,
            Self::Draw(_) => 10.0,
            Self::EachId(_) => 60.0,
        }
    }
}

/// Returns the scan of a term and the share that it is thought to find.
fn scan<'a>(
    index: &'a Index,
    term: &'a Term,
    ask: &Ask<'_>,
) -> Result<(Scan<'a>, f64), UnknownList> {
    let all = index.len().max(1) as f64;
    let share_of = |count: u64| count as f64 / all;
    Ok(match term {
        Term::All | Term::Has(Field::Id) => (Scan::Known(true), 1.0),
        Term::Online => (flags(|flags| flags & ONLINE != 0), 0.5),
        Term::Drifting => (Scan::Drifting, 0.1),
        Term::Sample(share) => (
            Scan::Draw(Draw::new(*share, ask.salt)),
            f64::from(share.millionths()) / 1e6,
        ),
        Term::InList(name) => {
            let list = index
                .lists
                .get(name)
                .ok_or_else(|| UnknownList(name.clone()))?;
            (Scan::List(list), share_of(list.count() as u64))
        }
        Term::Has(Field::JobStatus) => (flags(|flags| flags & STATUS != 0), 0.9),
        Term::Has(Field::Certificate) => (flags(|flags| flags & CERTIFICATE != 0), 0.9),
        Term::Has(field @ (Field::Seen | Field::Created)) => {
            let created = *field == Field::Created;
            (
                Scan::Moments {
                    created,
                    from: 0,
                    to: Second::MAX.as_u32(),
                    if_online: true,
                },
                0.9,
            )
        }
        Term::Has(field) => match index.column_of(field) {
            Some(column) => {
                let count = index.columns.get(column).map_or(0, |of| {
                    of.dictionary
                        .iter()
                        .map(|(_, _, count)| u64::from(count))
                        .sum()
                });
                (Scan::Codes(column, Matching::Known), share_of(count))
            }
            None => (Scan::Known(false), 0.0),
        },
        Term::Compare(field, test) => match field {
            Field::Id => (
                ids(test),
                if matches!(test, Test::Is(_)) {
                    0.0
                } else {
                    0.5
                },
            ),
            Field::JobStatus => (
                flags(|flags| words(flags).0.is_some_and(|word| test.of_text(word))),
                0.3,
            ),
            Field::Certificate => (
                flags(|flags| words(flags).1.is_some_and(|word| test.of_text(word))),
                0.3,
            ),
            Field::Seen | Field::Created => (
                moments(*field == Field::Created, test, Second::of(ask.now)),
                0.5,
            ),
            _ => match index.column_of(field) {
                Some(column) => {
                    let (matching, count) = codes(index, column, test);
                    (
                        matching
                            .map_or(Scan::Known(false), |matching| Scan::Codes(column, matching)),
                        share_of(count),
                    )
                }
                None => (Scan::Known(false), 0.0),
            },
        },
    })
}

fn flags<'a>(test: impl Fn(u8) -> bool) -> Scan<'a> {
    let mut table = Box::new([0; 256]);
    for (flags, place) in (0..=u8::MAX).zip(table.iter_mut()) {
        *place = u8::from(test(flags));
    }
    Scan::Flags(table)
}

fn ids(test: &Test) -> Scan<'_> {
    let (values, negated) = match test {
        Test::Is(values) => (values, false),
        Test::IsNot(values) => (values, true),
        Test::Like(_) | Test::Order(..) | Test::Within(_) => return Scan::EachId(test),
    };
    let texts = values.iter().filter_map(|value| match value {
        Value::Text(text) => Some(text.as_str()),
        Value::Number(_) | Value::Version(_) | Value::Time(_) => None,
    });
    let ids: HashSet<&str> = texts.collect();
    let mut places = vec![false; 1 << 16];
    for id in &ids {
        if let Some(place) = places.get_mut(usize::from(Place::of(id).0 as u16)) {
            *place = true;
        }
    }
    Scan::Ids {
        ids,
        places,
        negated,
    }
}

/// Turns a comparison into the moments between two, both included.
fn moments<'a>(created: bool, test: &Test, now: Second) -> Scan<'a> {
    let last = Second::MAX.as_u32();
    let (from, to) = match test {
        Test::Order(bound, Value::Time(than)) => {
            let than = than.as_u32();
            match bound {
                Bound::Less if than == 0 => {
                    return if created {
                        Scan::Known(false)
                    } else {
                        nothing_but_now(test, now)
                    };
                }
                Bound::Less => (0, than - 1),
                Bound::AtMost => (0, than),
                Bound::Greater => (than + 1, last),
                Bound::AtLeast => (than, last),
            }
        }
        Test::Within(span) => (now.before(*span).as_u32(), last),
        Test::Order(..) | Test::Is(_) | Test::IsNot(_) | Test::Like(_) => {
            return Scan::Known(false);
        }
    };
    Scan::Moments {
        created,
        from,
        to,
        if_online: test.of_moment(now, now),
    }
}

/// No moment that was noted passes; one who is online is heard now.
fn nothing_but_now<'a>(test: &Test, now: Second) -> Scan<'a> {
    Scan::Moments {
        created: false,
        from: 1,
        to: 0,
        if_online: test.of_moment(now, now),
    }
}

/// Asks the test of each distinct value; returns the numbers of those that pass, and how many devices have them.
fn codes(index: &Index, column: usize, test: &Test) -> (Option<Matching>, u64) {
    let Some(of) = index.columns.get(column) else {
        return (None, 0);
    };
    let dictionary = &of.dictionary;
    let mut table = vec![0; dictionary.codes()];
    let (mut count, mut passed, mut last) = (0, 0, 0);
    let mut pass = |code: u32, devices: u32| {
        if let Some(place) = table.get_mut(code as usize) {
            *place = 1;
        }
        (count, passed, last) = (count + u64::from(devices), passed + 1, code);
    };
    for (code, text, devices) in dictionary.iter() {
        if test.of_text(text) {
            pass(code, devices);
        }
    }
    let matching = match passed {
        0 => None,
        1 => Some(Matching::One(last)),
        _ => Some(Matching::Table(table)),
    };
    (matching, count)
}
