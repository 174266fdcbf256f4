//! A rollout's figures, from the store's counts: what the API shows, and what operators' acts are judged by.

use refit_protocol::rollout::RolloutId;
use refit_rollout::state::RolloutState;
use refit_rollout::step::WaveView;
use refit_rollout::tally::{Kind, Tally};
use refit_store::reader::Reader;
use refit_store::rollout::{JobKind, KindCounts};
use refit_store::store::Failure;

/// Returns as what the planner counts a job; a job that was retried is not counted, since its device has another.
pub(crate) const fn kind(kind: JobKind) -> Option<Kind> {
    Some(match kind {
        JobKind::In(status) => Kind::of(status, false),
        JobKind::LateSuccess => Kind::LateSuccess,
        JobKind::Reverted => Kind::Reverted,
        JobKind::AlreadyThere => Kind::AlreadyThere,
        JobKind::GoneDark => Kind::GoneDark,
        JobKind::Retried => return None,
    })
}

/// Returns counts of the store as the planner's.
pub fn tally(counts: &KindCounts) -> Tally {
    let mut tally = Tally::default();
    for stored in JobKind::all() {
        if let Some(kind) = kind(stored) {
            tally.add(kind, narrow(counts.of(stored)));
        }
    }
    tally
}

/// Reads counts through the mark of an abort: what was not begun is cancelled, also before it is folded in.
fn through(mut tally: Tally) -> Tally {
    for open in [Kind::Queued, Kind::Sent] {
        for _ in 0..tally.get(open) {
            tally.turn(open, Kind::Cancelled);
        }
    }
    tally
}

/// Returns how the waves of a rollout stand, as far as counts tell it: who is ready or away, only the conductor knows.
pub fn views(
    reader: &mut dyn Reader,
    id: RolloutId,
    state: &RolloutState,
) -> Result<Vec<WaveView>, Failure> {
    let aborted = matches!(state.status, refit_rollout::state::Status::Aborted { .. });
    let counts = reader.rollout_counts(id)?;
    let view = |wave: refit_store::rollout::Wave| {
        let counted = counts.iter().find(|counted| counted.wave == wave.wave);
        let counts = counted.map(|counted| counted.counts).unwrap_or_default();
        let all = tally(&counts);
        let all = if aborted { through(all) } else { all };
        WaveView {
            members: narrow(wave.size),
            opened: narrow(counts.devices()),
            tally: all,
            settled: all.sum(|kind| kind.cause().is_some()),
            left: all.sum(|kind| matches!(kind, Kind::Cancelled | Kind::Superseded)),
            ..WaveView::default()
        }
    };
    Ok(reader.waves(id)?.into_iter().map(view).collect())
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
