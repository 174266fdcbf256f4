//! Work for a job went on or ended: what comes next?

use super::Turn;
use super::begin::{CHECK, GO_BACK, SWITCH, WRITE};
use super::effect::Effect;
use super::input::{FetchFailure, Work};
use super::state::{Download, Fence, Going, Phase, Retreat, Run, Trial};
use crate::job::{Outcome, Release, Wanted};
use refit_protocol::job::JobId;

/// Downloads in a row that bring nothing before the job fails: with the back-off, about three hours.
const BARREN_MAX: u8 = 40;

/// Downloads with wrong bytes before the job fails. One is forgiven: a power cut may have spoilt the part that an
/// earlier try left.
const WRONG_MAX: u8 = 2;

/// The longest wait that a store can ask for, in milliseconds.
const ASKED_MS_MAX: u64 = 60 * 60 * 1000;

/// Tries to go back before the job fails with the new release still in place.
const RETREATS_MAX: u8 = 5;

/// The wait before going back is tried again, in milliseconds.
const RETREAT_WAIT_MS: u64 = 5_000;

impl Turn {
    pub(super) fn worked(&mut self, job: &JobId, work: Work) {
        match (self.phase(), work) {
            (Phase::Fetching(run, wanted, download), Work::Progress(percent))
                if run.job == *job =>
            {
                self.gained(run, wanted, download, percent);
            }
            (Phase::Fetching(run, wanted, download), Work::Fetched(result)) if run.job == *job => {
                self.fetched(run, wanted, download, result);
            }
            (Phase::Writing(run, release, _), Work::Written(result)) if run.job == *job => {
                self.written(run, release, result);
            }
            (Phase::Switching(run, trial), Work::Switched(result)) if run.job == *job => {
                self.switched(run, trial, result);
            }
            (Phase::Checking(run, trial), Work::Checked(result)) if run.job == *job => {
                self.checked(run, trial, result);
            }
            (Phase::Confirming(run, trial), Work::Confirmed(result)) if run.job == *job => {
                self.confirmed(run, trial, result);
            }
            (Phase::GoingBack(run, trial, retreat), Work::WentBack(result)) if run.job == *job => {
                self.went_back(run, trial, retreat, result);
            }
            // Work of a job that was abandoned meanwhile, or news that came late.
            (
                phase @ (Phase::Idle
                | Phase::Fetching(..)
                | Phase::Writing(..)
                | Phase::Fenced(..)
                | Phase::Switching(..)
                | Phase::Checking(..)
                | Phase::Confirming(..)
                | Phase::GoingBack(..)
                | Phase::Reporting(_)),
                Work::Progress(_)
                | Work::Fetched(_)
                | Work::Written(_)
                | Work::Switched(_)
                | Work::Checked(_)
                | Work::Confirmed(_)
                | Work::WentBack(_),
            ) => self.state.phase = phase,
        }
    }

    fn gained(&mut self, mut run: Run, wanted: Wanted, mut download: Download, percent: u8) {
        run.progress.percent = Some(percent);
        (download.barren, download.asked) = (0, 0);
        self.state.phase = Phase::Fetching(run, wanted, download);
        self.speak();
    }

    fn fetched(
        &mut self,
        mut run: Run,
        wanted: Wanted,
        mut download: Download,
        result: Result<Release, FetchFailure>,
    ) {
        let failure = match result {
            Ok(release) => {
                run.progress = WRITE;
                let job = run.job.clone();
                self.enter(Phase::Writing(run, release.clone(), 0));
                self.speak();
                return self.out.push(Effect::Write(job, release));
            }
            Err(failure) => failure,
        };
        match failure {
            FetchFailure::Refused => {
                download.grant = None;
                self.state.phase = Phase::Fetching(run, wanted, download);
                self.ask();
            }
            FetchFailure::Broken {
                gained,
                wait,
                reason,
            } => {
                download.barren = if gained { 0 } else { download.barren + 1 };
                let over = download.barren >= BARREN_MAX;
                self.again_unless(over, run, wanted, download, wait, reason);
            }
            FetchFailure::Wrong(reason) => {
                download.wrong += 1;
                let over = download.wrong >= WRONG_MAX;
                self.again_unless(over, run, wanted, download, 0, reason);
            }
            FetchFailure::Disk(reason) => self.fail(run, reason),
        }
    }

    fn again_unless(
        &mut self,
        enough: bool,
        run: Run,
        wanted: Wanted,
        mut download: Download,
        asked: u64,
        reason: String,
    ) {
        if enough {
            return self.fail(run, reason);
        }
        // What the store asked for, and then not all of those whom it told the same at once.
        let wait = asked.min(ASKED_MS_MAX) + self.back_off(download.barren);
        download.going = Going::Again(self.now.after(wait));
        self.state.phase = Phase::Fetching(run, wanted, download);
    }

    fn written(&mut self, mut run: Run, release: Release, result: Result<(), String>) {
        if let Err(reason) = result {
            return self.fail(run, reason);
        }
        if run.fence == Fence::Withdrawn || self.state.waiting.is_some() {
            return self.rest(); // abandoned; what was written is cleared away later
        }
        run.progress = SWITCH;
        self.enter(Phase::Fenced(run, release));
        self.pass();
    }

    /// Passes the point of no return, if the server agreed lately; else asks it (semantics 38).
    pub(super) fn pass(&mut self) {
        let Phase::Fenced(run, _) = &self.state.phase else {
            return;
        };
        if !self.agreed(run) {
            return self.speak();
        }
        if let Phase::Fenced(run, release) = self.phase() {
            let (job, former) = (run.job.clone(), self.state.running);
            let trial = Trial {
                release: release.clone(),
                former,
                tries: 0,
            };
            self.enter(Phase::Switching(run, trial));
            self.out.push(Effect::Switch(job, release));
        }
    }

    fn switched(&mut self, mut run: Run, trial: Trial, result: Result<(), String>) {
        if let Err(reason) = result {
            return self.retreat(run, trial, reason);
        }
        self.state.running = Some(*trial.release.digest());
        run.progress = CHECK;
        let (job, release) = (run.job.clone(), trial.release.clone());
        self.enter(Phase::Checking(run, trial));
        self.speak();
        self.out.push(Effect::Check(job, release));
    }

    fn checked(&mut self, run: Run, trial: Trial, result: Result<(), String>) {
        if let Err(reason) = result {
            return self.retreat(run, trial, reason);
        }
        let effect = Effect::Confirm {
            job: run.job.clone(),
            to: *trial.release.digest(),
            former: trial.former,
        };
        self.enter(Phase::Confirming(run, trial));
        self.out.push(effect);
    }

    fn confirmed(&mut self, run: Run, trial: Trial, result: Result<(), String>) {
        match result {
            Ok(()) => self.end(run.job, Outcome::Success(trial.release)),
            Err(reason) => self.retreat(run, trial, reason),
        }
    }

    pub(super) fn retreat(&mut self, mut run: Run, mut trial: Trial, reason: String) {
        run.progress = GO_BACK;
        trial.tries = 0;
        let effect = go_back(&run, &trial);
        let retreat = Retreat {
            reason,
            again: None,
        };
        self.enter(Phase::GoingBack(run, trial, retreat));
        self.out.push(effect);
    }

    fn went_back(
        &mut self,
        run: Run,
        mut trial: Trial,
        mut retreat: Retreat,
        result: Result<(), String>,
    ) {
        let Err(why) = result else {
            self.state.running = trial.former;
            return self.fail(run, retreat.reason);
        };
        trial.tries += 1;
        if trial.tries >= RETREATS_MAX {
            let reason = format!("{}; going back failed too: {why}", retreat.reason);
            return self.fail(run, reason);
        }
        retreat.again = Some(self.now.after(RETREAT_WAIT_MS));
        self.state.phase = Phase::GoingBack(run, trial, retreat);
    }

    pub(super) fn fail(&mut self, run: Run, reason: String) {
        self.end(
            run.job,
            Outcome::Failure(refit_protocol::job::cut_reason(reason)),
        );
    }
}

pub(super) fn go_back(run: &Run, trial: &Trial) -> Effect {
    Effect::GoBack {
        job: run.job.clone(),
        from: *trial.release.digest(),
        to: trial.former,
    }
}
