//! The bet that the updated devices are worse: a beta-binomial e-process on *whose* event the next one is.
//!
//! If the release changes nothing, an event is an updated device's with probability n₁ ÷ (n₁ + n₀), the share of the
//! device-hours at risk; if it multiplies the rate by r, with r·n₁ ÷ (r·n₁ + n₀). The likelihood ratio of the two,
//! multiplied over the hours, has an expectation of at most 1 for every r ≤ 1 and however the common rate changes from
//! hour to hour; so has its mixture over r. By Ville's inequality it ever reaches 1/α with probability α at most.
//! (Robbins 1970; Ramdas, Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference", 2023.)
//!
//! The mixture is Jeffreys' Beta(½, ½) on r ÷ (1 + r), above ½ and on a grid: with arms of equal size this *is* the
//! beta-binomial; the grid permits arms whose sizes change by the hour, and needs no gamma function. Devices are drawn
//! without replacement, which only makes the ratio's expectation smaller (Hoeffding 1963, theorem 4).

use serde::{Deserialize, Serialize};

use super::{Hour, nanos, nats};

/// r = 2^(j/2) for j = 1 to 12: from 1.4 to 64 times as many.
const RATIOS: usize = 12;

/// ln of the likelihood ratio for each r, and where ln e stood when it was enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Excess {
    ln_nanos: [i64; RATIOS],
    /// At the moment it reached the threshold: from then on it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reached_nanos: Option<i64>,
}

impl Excess {
    /// Takes in an hour. One without an event, or with one arm alone, says nothing of whose events they are.
    pub(super) fn bet(&mut self, seen: Hour, threshold_ln: f64) {
        let events = (seen.updated.events + seen.baseline.events) as f64;
        let of_updated = seen.updated.events as f64;
        let (n1, n0) = (
            seen.updated.device_hours as f64,
            seen.baseline.device_hours as f64,
        );
        if events == 0.0 || n1 == 0.0 || n0 == 0.0 || self.reached_nanos.is_some() {
            return;
        }
        let share = n1 / (n1 + n0);
        let (mut ratio, mut ratio_ln) = (1.0, 0.0);
        for ln in &mut self.ln_nanos {
            ratio *= core::f64::consts::SQRT_2;
            ratio_ln += core::f64::consts::LN_2 / 2.0;
            let gain = of_updated * ratio_ln - events * libm::log(share * (ratio - 1.0) + 1.0);
            *ln = ln.saturating_add(nanos(gain));
        }
        let ln_e = self.mixed();
        self.reached_nanos = (ln_e >= threshold_ln).then(|| nanos(ln_e));
    }

    /// Tells whether it ever was enough.
    pub(super) fn reached(&self) -> bool {
        self.reached_nanos.is_some()
    }

    /// Returns ln e.
    pub(super) fn ln_e(&self) -> f64 {
        self.reached_nanos.map_or_else(|| self.mixed(), nats)
    }

    /// Returns ln Σ weight × exp(ln), where the largest is taken out so that nothing overflows.
    fn mixed(&self) -> f64 {
        let largest = nats(self.ln_nanos.iter().copied().max().unwrap_or_default());
        let (mut ratio_root, mut sum, mut weights) = (1.0, 0.0, 0.0);
        for ln in self.ln_nanos {
            ratio_root *= FOURTH_ROOT_OF_2;
            // Beta(½, ½) has the density √r ÷ (1 + r) on a scale of ln r, on which the grid is even.
            let weight = ratio_root / (1.0 + ratio_root * ratio_root);
            weights += weight;
            sum += weight * libm::exp(nats(ln) - largest);
        }
        largest + libm::log(sum / weights)
    }
}

const FOURTH_ROOT_OF_2: f64 = 1.189_207_115_002_721;
