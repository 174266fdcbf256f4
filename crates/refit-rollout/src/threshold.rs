//! When has a release failed often enough? Of which jobs, out of how many, and the table that says it beforehand.
//!
//! The denominator (semantics 11): jobs that have ended, or that are at work for longer than the median job took. The
//! second part keeps quick failures from being judged against the few that were as quick. It is looked at over each wave
//! and over all of them.

use alloc::vec::Vec;
use refit_protocol::measure::Share;
use serde::{Deserialize, Serialize};

use crate::plan::{Then, Threshold};
use crate::tally::Tally;

/// The figures of one wave, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Its jobs.
    pub tally: Tally,
    /// How many open jobs started longer ago than the median job took.
    pub overdue: u32,
}

/// A line that was crossed, with all that a person needs to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Crossed {
    /// The line.
    pub threshold: Threshold,
    /// The wave; `None`: over all waves.
    pub wave: Option<u16>,
    /// How many ended so,
    pub count: u32,
    /// of so many.
    pub of: u32,
}

/// Where a line and the value stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many ended so.
    pub count: u32,
    /// Of so many.
    pub of: u32,
    /// At how many it stops, with this many ended; `None`: not yet, whatever happens.
    pub stops_at: Option<u32>,
}

impl Threshold {
    /// Returns at how many of `of` it stops; `None`: with so few it does not.
    pub fn stops_at(&self, of: u32) -> Option<u32> {
        let by_share = self
            .share
            .filter(|_| of >= self.after.unwrap_or(Self::AFTER))
            .map(|share| share.at_most(of).saturating_add(1));
        let by_count = self.count.map(|count| match self.first {
            // Figures come in batches: 9 of 30 say no less than 5 of 20, though nobody saw the twentieth alone.
            Some(first) if of > first => {
                (u64::from(count) * u64::from(of)).div_ceil(u64::from(first.max(1))) as u32
            }
            _ => count,
        });
        by_share.into_iter().chain(by_count).min()
    }

    /// Returns where it stands.
    pub fn standing(&self, figures: &Figures) -> Standing {
        let of = figures.tally.ended().saturating_add(figures.overdue);
        Standing {
            count: figures.tally.ended_by(&self.of),
            of,
            stops_at: self.stops_at(of),
        }
    }

    fn crossed(&self, wave: Option<u16>, figures: &Figures) -> Option<Crossed> {
        let Standing {
            count,
            of,
            stops_at,
        } = self.standing(figures);
        (count > 0 && count >= stops_at?).then(|| Crossed {
            threshold: self.clone(),
            wave,
            count,
            of,
        })
    }
}

/// Returns the line that was crossed, one that aborts before one that pauses, over all before within a wave.
pub fn crossed(thresholds: &[Threshold], all: &Figures, waves: &[Figures]) -> Option<Crossed> {
    let within = (0_u16..).map(Some).zip(waves);
    let scopes: Vec<_> = core::iter::once((None, all)).chain(within).collect();
    [Then::Abort, Then::Pause].into_iter().find_map(|then| {
        let lines = thresholds.iter().filter(|line| line.then == then);
        lines
            .flat_map(|line| {
                scopes
                    .iter()
                    .map(move |(wave, figures)| (line, *wave, figures))
            })
            .find_map(|(line, wave, figures)| line.crossed(wave, figures))
    })
}

/// One row of the k-of-n table: of `of` ended jobs, `stops_at` stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// So many have ended.
    pub of: u32,
    /// So many of them stop it; `None`: none do.
    pub stops_at: Option<u32>,
    /// That as a share.
    pub share: Option<Share>,
}

/// Returns what a line means at the sizes that matter, up to the number of eligible devices.
pub fn table(threshold: &Threshold, eligible: u32) -> Vec<Row> {
    const SIZES: [u32; 14] = [
        5, 10, 20, 50, 100, 200, 300, 500, 1_000, 2_000, 5_000, 10_000, 100_000, 1_000_000,
    ];
    let sizes = SIZES.into_iter().filter(|of| *of < eligible);
    sizes
        .chain((eligible > 0).then_some(eligible))
        .map(|of| {
            let stops_at = threshold.stops_at(of).filter(|k| *k <= of);
            Row {
                of,
                stops_at,
                share: stops_at.map(|k| Share::of(k, of)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Cause, default_thresholds};
    use crate::tally::Kind;

    fn figures(succeeded: u32, failed: u32, overdue: u32) -> Figures {
        let mut tally = Tally::default();
        tally.add(Kind::Succeeded, succeeded);
        tally.add(Kind::Failed, failed);
        Figures { tally, overdue }
    }

    #[test]
    fn a_share_counts_from_its_minimum_on_and_stops_above_it() {
        let line = Threshold::share(&[Cause::Failed], Share::percent(5));
        let at = |figures| {
            line.crossed(None, &figures)
                .map(|crossed| (crossed.count, crossed.of))
        };
        assert_eq!(at(figures(0, 99, 0)), None);
        assert_eq!(at(figures(95, 5, 0)), None);
        assert_eq!(at(figures(94, 6, 0)), Some((6, 100)));
        // Those that take long are no failures, and no reason to judge by the quick ones alone.
        assert_eq!(at(figures(94, 6, 20)), None);
        assert_eq!(at(figures(74, 6, 20)), Some((6, 100)));
    }

    #[test]
    fn a_fast_stop_is_not_missed_by_figures_that_come_in_batches() {
        let line = Threshold::early(&Cause::ALL, 5, 20);
        let stops = |ended| line.stops_at(ended);
        assert_eq!([5, 20, 21, 30, 40].map(stops), [5, 5, 6, 8, 10].map(Some));
    }

    #[test]
    fn a_wave_can_cross_what_all_together_do_not() {
        let lines = default_thresholds();
        let waves = [figures(1_000, 0, 0), figures(100, 10, 0)];
        let all = figures(1_100, 10, 0);
        let crossed = crossed(&lines, &all, &waves).unwrap();
        assert_eq!(
            (crossed.wave, crossed.count, crossed.of),
            (Some(1), 10, 110)
        );
    }

    #[test]
    fn a_line_that_aborts_goes_before_one_that_pauses() {
        let mut lines = default_thresholds();
        lines.push(Threshold {
            then: Then::Abort,
            ..Threshold::share(&[Cause::Failed], Share::percent(20))
        });
        let crossed = crossed(&lines, &figures(70, 30, 0), &[]).unwrap();
        assert_eq!(crossed.threshold.then, Then::Abort);
    }

    #[test]
    fn the_table_says_what_stops_it() {
        let [early, share] = default_thresholds().try_into().unwrap();
        let stops = |line: &Threshold, of| {
            table(line, of)
                .iter()
                .map(|row| (row.of, row.stops_at))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            stops(&share, 100),
            [
                (5, None),
                (10, None),
                (20, None),
                (50, None),
                (100, Some(6))
            ]
        );
        assert_eq!(
            stops(&early, 12),
            [(5, Some(5)), (10, Some(5)), (12, Some(5))]
        );
        assert_eq!(stops(&early, 0), []);
    }
}
