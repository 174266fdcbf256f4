//! Which grants devices get unless a wish chooses another, and how long they are good.

use std::time::Duration;

use refit_protocol::grant::GrantPolicy;

use super::given::Given;
use super::{Error, Key};

/// How slow a link is taken to be: 128 kbit/s, in bytes a second.
const SLOWEST_LINK: u64 = 16_000;

/// The shortest and the longest that a grant is good by itself. A device whose grant ends while it downloads asks
/// again and goes on from where it was.
const LIFETIME_MIN: Duration = Duration::from_secs(3600);
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// What `[grant]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The server's default; its minimum strength counts for every wish.
    pub policy: GrantPolicy,
    /// How many bytes a second the slowest device gets.
    pub slowest_link: u64,
    /// The shortest that a grant is good whose policy does not say.
    pub lifetime_min: Duration,
    /// The longest.
    pub lifetime_max: Duration,
}

impl Default for Grant {
    fn default() -> Self {
        Self {
            policy: GrantPolicy::default(),
            slowest_link: SLOWEST_LINK,
            lifetime_min: LIFETIME_MIN,
            lifetime_max: LIFETIME_MAX,
        }
    }
}

impl Grant {
    pub(super) fn resolve(find: &impl Fn(Key) -> Option<Given>) -> Result<Self, Error> {
        let default = Self::default();
        let lifetime = find(Key::GrantLifetime).map(|given| given.duration());
        let lifetime = lifetime.transpose()?;
        let seconds =
            lifetime.map(|lifetime| u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX));
        let policy = GrantPolicy {
            kind: find(Key::GrantKind).map_or(Ok(default.policy.kind), |g| g.grant_kind())?,
            strength: find(Key::GrantStrength)
                .map_or(Ok(default.policy.strength), |g| g.strength())?,
            lifetime: seconds,
            network: find(Key::GrantNetwork).map_or(Ok(default.policy.network), |g| g.network())?,
            fallback: find(Key::GrantFallback)
                .map_or(Ok(default.policy.fallback), |g| g.fallback())?,
            min_strength: find(Key::GrantMinStrength)
                .map_or(Ok(default.policy.min_strength), |g| g.strength())?,
        };
        let policy = policy.checked().map_err(|what| Error {
            what,
            hint: "lower grant-min-strength, or choose a stronger grant".into(),
        })?;
        let min = find(Key::GrantLifetimeMin).map_or(Ok(default.lifetime_min), |g| g.duration())?;
        let max = find(Key::GrantLifetimeMax)
            .map_or_else(|| Ok(default.lifetime_max.max(min)), |g| g.duration())?;
        if max < min {
            return Err(Error {
                what: "grant-lifetime-max is shorter than grant-lifetime-min".into(),
                hint: "raise the one, or lower the other".into(),
            });
        }
        Ok(Self {
            policy,
            slowest_link: find(Key::GrantSlowestLink)
                .map_or(Ok(default.slowest_link), |g| g.bytes_per_second())?,
            lifetime_min: min,
            lifetime_max: max,
        })
    }

    /// Returns how long a grant is good: what its policy says, else twice what the artifact takes on the slowest
    /// link, within the bounds. Of an unknown length the shortest.
    pub fn lifetime(&self, policy: &GrantPolicy, length: Option<u64>) -> Duration {
        if let Some(seconds) = policy.lifetime.or(self.policy.lifetime) {
            return Duration::from_secs(seconds.into());
        }
        let seconds = length.map_or(0, |length| 2 * (length / self.slowest_link.max(1)));
        Duration::from_secs(seconds).clamp(self.lifetime_min, self.lifetime_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_good_for_as_long_as_the_slowest_link_needs_within_bounds() {
        let grant = Grant::default();
        let lifetime = |length| grant.lifetime(&GrantPolicy::default(), length).as_secs();
        assert_eq!(lifetime(None), 3600);
        assert_eq!(lifetime(Some(1)), 3600);
        assert_eq!(lifetime(Some(100_000_000)), 12_500);
        assert_eq!(lifetime(Some(u64::MAX)), 86_400);
        let own = GrantPolicy {
            lifetime: Some(7),
            ..GrantPolicy::default()
        };
        assert_eq!(grant.lifetime(&own, Some(u64::MAX)).as_secs(), 7);
    }
}
