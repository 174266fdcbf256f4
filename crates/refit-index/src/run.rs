//! A plan on one chunk.

use crate::bits::{Bits, DEVICES};
use crate::chunk::{Chunk, ONLINE};
use crate::plan::{Node, Plan, Scan};
use refit_selector::sample::Place;

/// Up to this many devices of a chunk each is asked by itself; a scan of all is quicker for more.
const FEW_MAX: usize = 256;

impl Plan<'_> {
    /// Returns those of `within` that are meant.
    pub(crate) fn run(&self, number: u64, chunk: &Chunk, within: &Bits) -> Bits {
        match &self.node {
            Node::And(parts) => {
                let mut left = *within;
                for part in parts {
                    if left.is_empty() {
                        break;
                    }
                    left = part.run(number, chunk, &left);
                }
                left
            }
            Node::Or(parts) => {
                let mut found = Bits::NONE;
                for part in parts {
                    let open = within.and_not(&found);
                    if open.is_empty() {
                        break;
                    }
                    found = found.or(&part.run(number, chunk, &open));
                }
                found
            }
            Node::Not(part) => within.and_not(&part.run(number, chunk, within)),
            Node::Scan(scan, _) => scan.run(number, chunk, within),
        }
    }
}

impl Scan<'_> {
    fn run(&self, number: u64, chunk: &Chunk, within: &Bits) -> Bits {
        match self {
            Self::Known(true) => *within,
            Self::Known(false) => Bits::NONE,
            Self::Drifting => chunk.drifting.and(within),
            Self::List(list) => list.of(number).and(within),
            Self::Flags(table) => {
                Bits::by(&chunk.flags, |flags| table[usize::from(flags)] == 1).and(within)
            }
            Self::Codes(column, matching) => chunk.column(*column).select(matching).and(within),
            Self::Moments {
                created: true,
                from,
                to,
                ..
            } => Bits::by(&chunk.created, |at| *from <= at && at <= *to).and(within),
            Self::Moments {
                from,
                to,
                if_online,
                ..
            } => {
                let noted = Bits::by(&chunk.seen, |at| *from <= at && at <= *to);
                let online = Bits::by(&chunk.flags, |flags| flags & ONLINE != 0);
                let found = if *if_online {
                    noted.or(&online)
                } else {
                    noted.and_not(&online)
                };
                found.and(within)
            }
            Self::Draw(draw) if within.count() <= FEW_MAX => {
                within.filter(|slot| draw.has(Place(chunk.places[slot % DEVICES])))
            }
            Self::Draw(draw) => Bits::by(&chunk.places, |place| draw.has(Place(place))).and(within),
            Self::Ids {
                ids,
                places,
                negated,
            } => {
                let maybe = Bits::by(&chunk.places, |place| {
                    places.get(usize::from(place as u16)) == Some(&true)
                });
                let found = maybe
                    .and(within)
                    .filter(|slot| ids.contains(chunk.ids.get(slot)));
                if *negated {
                    within.and_not(&found)
                } else {
                    found
                }
            }
            Self::EachId(test) => within.filter(|slot| test.of_text(chunk.ids.get(slot))),
        }
    }
}
