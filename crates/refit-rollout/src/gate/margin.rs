//! The bet that the updated devices are *not* worse by the margin: evidence to go on.
//!
//! For a difference δ the hypothesis is λ₁ ≥ λ₀ + δ in every hour. Each hour's e-value is the likelihood (Poisson) of
//! the rates that the hours before suggest, over that of the nearest pair of rates within the hypothesis; nearest in
//! the Kullback–Leibler sense, since then its expectation is at most 1 at every other pair of that convex set
//! (Turner, Grünwald, "Exact anytime-valid confidence intervals for contingency tables and beyond", 2023). At most
//! one event a device and hour makes counts less variable than Poisson's, which is the safe side.
//!
//! The bet is made for a few δ at once; the smallest that is refuted is the anytime-valid upper bound.

use serde::{Deserialize, Serialize};

use super::{Hour, Tally, nanos, nats};

/// The differences that are tried, in margins.
const TRIED: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];

/// Which of them is the margin itself.
const MARGIN: usize = 1;

/// What is believed before the first event: a tenth of the margin, as if seen in one device-hour per 1/margin. Low,
/// since a bet on too few events loses little when the first one comes, and one on too many all that patience gains.
const PRIOR_EVENTS: f64 = 0.1;

/// ln e against each difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Margin {
    ln_nanos: [i64; TRIED.len()],
}

impl Margin {
    /// Takes in an hour, with what was seen before it; the margin is in events per device-hour.
    pub(super) fn bet(&mut self, before: Hour, seen: Hour, margin: f64) {
        let believed = |tally: Tally| {
            (tally.events as f64 + PRIOR_EVENTS) / (tally.device_hours as f64 + 1.0 / margin)
        };
        let (q1, q0) = (believed(before.updated), believed(before.baseline));
        for (ln, tried) in self.ln_nanos.iter_mut().zip(TRIED) {
            let gain = gain_ln(q1, q0, seen, tried * margin);
            *ln = ln.saturating_add(nanos(gain));
        }
    }

    /// Returns ln e against the margin.
    pub(super) fn ln_e(&self) -> f64 {
        nats(self.ln_nanos[MARGIN])
    }

    /// Returns the upper bound of the difference, in margins.
    pub(super) fn bound(&self, threshold_ln: f64) -> Option<f64> {
        let refuted = self.ln_nanos.iter().zip(TRIED);
        refuted
            .filter(|(ln, _)| nats(**ln) >= threshold_ln)
            .map(|(_, tried)| tried)
            .next()
    }
}

/// Returns ln of one hour's e-value: rates q₁, q₀ against the nearest p₁ = p₀ + δ.
fn gain_ln(q1: f64, q0: f64, seen: Hour, delta: f64) -> f64 {
    if q1 >= q0 + delta {
        // What is believed lies within the hypothesis: there is nothing to bet on.
        return 0.0;
    }
    let (n1, n0) = (
        seen.updated.device_hours as f64,
        seen.baseline.device_hours as f64,
    );
    if n1 == 0.0 {
        return 0.0;
    }
    let p0 = nearest(q1, q0, n1, n0, delta);
    let p1 = p0 + delta;
    weigh(seen.updated.events, n1, q1, p1) + weigh(seen.baseline.events, n0, q0, p0)
}

/// Returns ln of the likelihood ratio of the rates q and p for this many events.
fn weigh(events: u64, hours: f64, q: f64, p: f64) -> f64 {
    let surprise = if events == 0 {
        0.0
    } else {
        events as f64 * libm::log(q / p)
    };
    surprise - hours * (q - p)
}

/// Returns the p₀ that minimises n₁·KL(q₁, p₀ + δ) + n₀·KL(q₀, p₀): the positive root of
/// (n₁ + n₀)·p₀² + ((n₁ + n₀)·δ − n₁·q₁ − n₀·q₀)·p₀ − n₀·q₀·δ.
fn nearest(q1: f64, q0: f64, n1: f64, n0: f64, delta: f64) -> f64 {
    let all = n1 + n0;
    let linear = all * delta - n1 * q1 - n0 * q0;
    let constant = n0 * q0 * delta;
    let root = libm::sqrt(linear * linear + 4.0 * all * constant);
    // Of the two forms of the root, the one that does not subtract like from like.
    if linear > 0.0 {
        2.0 * constant / (linear + root)
    } else {
        (root - linear) / (2.0 * all)
    }
}
