//! A delta comes: is it begun, does it wait, or was it done already?

use super::Turn;
use super::effect::{Effect, Progress};
use super::state::{Download, Going, Link, Phase, Run, Trial};
use crate::job::{Command, Delta, Grant, Outcome, Release, Wanted};
use refit_protocol::job::JobId;

impl Turn {
    pub(super) fn delta(&mut self, delta: Delta) {
        let Link::Up { newest, .. } = &mut self.state.link else {
            return; // from a connection that is gone
        };
        if delta.version < *newest {
            return; // overtaken by a newer one
        }
        *newest = delta.version;
        if let Some(other) = &delta.other
            && self.state.applied.as_ref() != Some(other)
        {
            self.state.applied = Some(other.clone());
            self.out.push(Effect::ApplyState(other.clone()));
        }
        if delta.command.is_some() {
            self.command(delta);
        }
    }

    /// Gives a command to the phase that it meets.
    pub(super) fn command(&mut self, delta: Delta) {
        let Some(command) = delta.command.clone() else {
            return;
        };
        match self.phase() {
            Phase::Idle => self.begin(command),
            Phase::Fetching(run, wanted, download) if run.job == command.job => {
                self.state.phase = Phase::Fetching(run, wanted, download);
                self.granted(command.grant);
            }
            Phase::Fetching(..) => {
                self.out.push(Effect::StopFetch);
                self.begin(command);
            }
            Phase::Fenced(run, release) if run.job == command.job => {
                self.state.phase = Phase::Fenced(run, release);
            }
            Phase::Fenced(..) => self.begin(command),
            Phase::Reporting(letter) if letter.ends(&command.job) => {
                self.state.phase = Phase::Reporting(letter);
                self.repeat_end(); // the server has not heard the end
            }
            busy @ (Phase::Writing(..)
            | Phase::Switching(..)
            | Phase::Checking(..)
            | Phase::Confirming(..)
            | Phase::GoingBack(..)
            | Phase::Reporting(..)) => self.wait(busy, delta, &command.job),
        }
    }

    fn wait(&mut self, busy: Phase, delta: Delta, job: &JobId) {
        let same = match &busy {
            Phase::Writing(run, ..)
            | Phase::Switching(run, _)
            | Phase::Checking(run, _)
            | Phase::Confirming(run, _)
            | Phase::GoingBack(run, ..) => run.job == *job,
            Phase::Reporting(_) | Phase::Idle | Phase::Fetching(..) | Phase::Fenced(..) => false,
        };
        self.state.phase = busy;
        // The same job again takes back a delta that came between.
        self.state.waiting = (!same).then_some(delta);
    }

    fn begin(&mut self, command: Command) {
        let Command { job, grant, wanted } = command;
        if self
            .state
            .memory
            .last
            .as_ref()
            .is_some_and(|last| last.job == job)
        {
            return self.report(false); // done before: the same answer again, and nothing else
        }
        let wanted = match wanted.and_then(|wanted| self.permitted(wanted)) {
            Ok(wanted) => wanted,
            Err(reason) => return self.end(job, Outcome::Rejected(reason)),
        };
        match wanted.release().filter(|release| self.runs(release)) {
            Some(release) => self.already_there(job, release.clone()),
            None => self.fetch_first(job, grant, wanted),
        }
    }

    fn permitted(&self, wanted: Wanted) -> Result<Wanted, String> {
        let policy = &self.state.policy;
        match &wanted {
            Wanted::Foreign { url: _ } if !policy.allow_unverified => Err(
                "nothing says which bytes are right: the delta has no digest, and this agent's configuration \
                 does not allow unverified software"
                    .into(),
            ),
            Wanted::Known(release) if release.software.length > policy.length_max => Err(format!(
                "the artifact has {} bytes; this device takes at most {}",
                release.software.length, policy.length_max
            )),
            Wanted::Foreign { url: _ } | Wanted::Known(_) => Ok(wanted),
        }
    }

    fn runs(&self, release: &Release) -> bool {
        self.state.running.as_ref() == Some(release.digest())
    }

    /// The device runs these bytes: nothing is fetched. If nobody confirmed them, their health is checked first.
    fn already_there(&mut self, job: JobId, release: Release) {
        let installed = self.state.memory.installed.as_ref();
        if installed.is_some_and(|installed| installed.digest() == release.digest()) {
            return self.end(job, Outcome::Success(release));
        }
        let trial = Trial {
            former: Some(*release.digest()),
            release: release.clone(),
            tries: 0,
        };
        let run = Run::new(job.clone(), CHECK);
        self.enter(Phase::Checking(run, trial));
        self.speak();
        self.out.push(Effect::Check(job, release));
    }

    fn fetch_first(&mut self, job: JobId, grant: Grant, wanted: Wanted) {
        let run = Run::new(job, DOWNLOAD);
        let download = Download {
            grant: Some(grant),
            going: Going::On,
            barren: 0,
            wrong: 0,
            asked: 0,
        };
        self.enter(Phase::Fetching(run, wanted, download));
        self.speak();
        self.fetch();
    }

    /// A fresh grant for the download that is under way, or waits for one.
    fn granted(&mut self, fresh: Grant) {
        if let Phase::Fetching(_, _, download) = &mut self.state.phase {
            download.grant = Some(fresh);
            match download.going {
                Going::Asking(_) | Going::Hoping => self.fetch(),
                Going::On | Going::Again(_) => {}
            }
        }
    }

    /// Starts the download if there is a grant; else asks for one.
    pub(super) fn fetch(&mut self) {
        let Phase::Fetching(run, wanted, download) = &mut self.state.phase else {
            return;
        };
        match download.grant.clone() {
            Some(grant) => {
                download.going = Going::On;
                self.out.push(Effect::Fetch {
                    job: run.job.clone(),
                    grant,
                    wanted: wanted.clone(),
                });
            }
            None => self.ask(),
        }
    }
}

pub(super) const DOWNLOAD: Progress = stage("download");
pub(super) const WRITE: Progress = stage("write");
pub(super) const SWITCH: Progress = stage("switch");
pub(super) const CHECK: Progress = stage("check");
pub(super) const GO_BACK: Progress = stage("go-back");

const fn stage(stage: &'static str) -> Progress {
    Progress {
        stage,
        percent: None,
    }
}
