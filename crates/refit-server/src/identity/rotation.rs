//! Where the fleet is between two CAs, from the trust bundles that there were and what devices report.
//!
//! A rotation is three bundles: one root more, which devices learn (*rotate*); the same roots with the new one in front,
//! which signs (*switch*); the new root alone (*finish*). So a root that was never in front since it came is the next.

use refit_identity::validity::DAY_MS;
use refit_identity::{Bundle, pem};
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use refit_store::identity::{IssuerCount, TrustCount, TrustRow};
use refit_store::reader::Reader;
use refit_store::store::Failure;

use super::authority::trusted::Trusted;

/// A device that was not heard for so long, in milliseconds, is not counted among those that have to move.
pub(crate) const SEEN_MS: u64 = 90 * DAY_MS;

/// How many bundles are looked back: one that is older is held by no device that was heard in 90 days.
const HISTORY: usize = 1000;

/// How far the fleet's change of its CA is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is one CA.
    Steady,
    /// Devices learn the next root; the CA before it still signs.
    Learning,
    /// The new CA signs; devices renew.
    Moving,
}

impl Stage {
    /// Returns the word for it in the API.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Learning => "learning",
            Self::Moving => "moving",
        }
    }
}

/// The trust bundles that there were, the newest first.
pub(crate) struct History(Vec<(u64, Vec<Vec<u8>>)>);

impl History {
    pub(crate) fn read(reader: &mut dyn Reader) -> Result<Self, Failure> {
        Ok(Self::of(reader.trust(HISTORY)?))
    }

    fn of(rows: Vec<TrustRow>) -> Self {
        let roots = |row: TrustRow| {
            let roots = pem::certificates(&row.roots).unwrap_or_default();
            (row.number, roots)
        };
        Self(rows.into_iter().map(roots).collect())
    }

    /// The bundles that have had this root without a break until now.
    fn with<'a>(&'a self, root: &'a [u8]) -> impl Iterator<Item = &'a (u64, Vec<Vec<u8>>)> {
        let has = move |(_, roots): &&(u64, Vec<Vec<u8>>)| roots.iter().any(|one| one == root);
        self.0.iter().take_while(has)
    }

    /// Returns the roots that devices are to learn: they have never signed since they came.
    pub(crate) fn next<'a>(&self, bundle: &'a Bundle) -> Option<&'a [u8]> {
        let has_signed = |root: &[u8]| {
            self.with(root)
                .any(|(_, roots)| roots.first().is_some_and(|first| first == root))
        };
        let mut roots = bundle.roots().iter().map(Vec::as_slice);
        roots.find(|root| !has_signed(root))
    }

    /// Tells whether devices were ever told to trust this root.
    pub(crate) fn knew(&self, root: &[u8]) -> bool {
        self.0
            .iter()
            .any(|(_, roots)| roots.iter().any(|one| one == root))
    }

    /// Tells how far the change is.
    pub(crate) fn stage(&self, trusted: &Trusted) -> Stage {
        if self.next(&trusted.bundle).is_some() {
            Stage::Learning
        } else if trusted.bundle.roots().len() > 1 || trusted.issuers.len() > 1 {
            Stage::Moving
        } else {
            Stage::Steady
        }
    }

    /// Counts the devices that do not trust this root: what they hold is of before it came, or no bundle of this store.
    pub(crate) fn lacking(&self, root: &[u8], holds: &[TrustCount]) -> u64 {
        let mut numbers = self.with(root).map(|(number, _)| *number);
        let newest = numbers.next();
        let span = newest.map(|newest| numbers.last().unwrap_or(newest)..=newest);
        let lacks = |held: &&TrustCount| {
            !span
                .as_ref()
                .is_some_and(|span| span.contains(&held.number))
        };
        holds.iter().filter(lacks).map(|held| held.devices).sum()
    }
}

/// Who has moved, counted just now.
pub(crate) struct Count {
    pub(crate) history: History,
    /// Devices heard in 90 days, by the bundle that they reported.
    pub(crate) holds: Vec<TrustCount>,
    /// Certificates in use, by issuer.
    pub(crate) issuers: Vec<IssuerCount>,
    /// The same, with those that have expired and can still be renewed.
    pub(crate) renewable: Vec<IssuerCount>,
}

impl Count {
    /// Counts. It reads every device.
    pub(crate) fn read(
        reader: &mut dyn Reader,
        grace_ms: u64,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let before = |millis| Timestamp(now.as_millis().saturating_sub(millis));
        Ok(Self {
            history: History::read(reader)?,
            holds: reader.trust_counts(before(SEEN_MS))?,
            issuers: reader.issuers(now)?,
            renewable: reader.issuers(before(grace_ms))?,
        })
    }

    /// Returns how many devices were heard in 90 days.
    pub(crate) fn seen(&self) -> u64 {
        self.holds.iter().map(|held| held.devices).sum()
    }

    /// Returns how many certificates in use are of another issuer.
    pub(crate) fn left(&self, issuer: Digest) -> u64 {
        others(&self.issuers, issuer)
    }

    /// Returns how many more have expired, and could still be renewed.
    pub(crate) fn left_expired(&self, issuer: Digest) -> u64 {
        others(&self.renewable, issuer).saturating_sub(self.left(issuer))
    }
}

/// Adds up the certificates of all issuers but one.
pub(crate) fn others(counts: &[IssuerCount], issuer: Digest) -> u64 {
    let others = counts.iter().filter(|count| count.issuer != issuer);
    others.map(|count| count.certificates).sum()
}

/// Tells whether so many of so many are more than a share allows.
pub(crate) fn is_too_many(lacking: u64, seen: u64, percent: f64) -> bool {
    lacking as f64 * 100.0 > percent * seen as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_identity::Serial;
    use refit_identity::ca::create;

    /// 2026-11-24.
    const NOW: Timestamp = Timestamp(1_795_478_400_000);

    fn root(seed: u8) -> String {
        let serial = |n| Serial::random([seed.wrapping_add(n); 16]);
        create(NOW, &serial(0), &serial(100)).unwrap().root
    }

    fn der(root: &str) -> Vec<u8> {
        pem::certificate(root).unwrap()
    }

    /// Bundles from number 1 on; each is a list of roots.
    fn history(bundles: &[&[&String]]) -> (History, Bundle) {
        let rows = (1..).zip(bundles).map(|(number, roots)| TrustRow {
            number,
            roots: roots.iter().map(|root| root.as_str()).collect(),
            issuers: String::new(),
            made: NOW,
        });
        let mut rows: Vec<_> = rows.collect();
        rows.reverse();
        let newest = Bundle::read(rows[0].number, &rows[0].roots).unwrap();
        (History::of(rows), newest)
    }

    #[test]
    fn the_next_root_is_the_one_that_has_never_signed_since_it_came() {
        let (a, b) = (root(1), root(2));
        let next = |bundles: &[&[&String]]| {
            let (history, newest) = history(bundles);
            history.next(&newest).map(<[u8]>::to_vec)
        };
        assert_eq!(next(&[&[&a]]), None);
        assert_eq!(next(&[&[&a], &[&a, &b]]), Some(der(&b)));
        assert_eq!(next(&[&[&a], &[&a, &b], &[&b, &a]]), None);
        assert_eq!(next(&[&[&a], &[&a, &b], &[&b, &a], &[&b]]), None);
        // The first comes back: it was gone meanwhile, and devices have to learn it again.
        let back: [&[&String]; 5] = [&[&a], &[&a, &b], &[&b, &a], &[&b], &[&b, &a]];
        assert_eq!(next(&back), Some(der(&a)));
    }

    #[test]
    fn who_holds_a_bundle_from_before_the_root_came_or_none_lacks_it() {
        let (a, b) = (root(1), root(2));
        let (history, _) = history(&[&[&a], &[&a, &b], &[&b, &a]]);
        // None, the first, the second, the third, and one that was never made.
        let holds: Vec<_> = [(0, 1), (1, 10), (2, 100), (3, 1000), (4, 10_000)]
            .map(|(number, devices)| TrustCount { number, devices })
            .into();
        assert_eq!(history.lacking(&der(&b), &holds), 10_011);
        assert_eq!(history.lacking(&der(&a), &holds), 10_001);
        assert_eq!(history.lacking(b"unknown", &holds), 11_111);
    }

    #[test]
    fn a_share_is_of_those_that_were_heard() {
        assert!(!is_too_many(1, 100, 1.0));
        assert!(is_too_many(2, 100, 1.0));
        assert!(is_too_many(1, 1, 99.9));
        assert!(!is_too_many(1, 1, 100.0));
        assert!(!is_too_many(0, 0, 0.0));
    }
}
