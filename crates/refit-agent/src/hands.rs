//! Does what the machine decided, one thing at a time, and says how it went. No decisions.

use crate::fetch::{Ended, Fetch, Http, part};
use crate::files::Files;
use crate::health::Health;
use crate::installer::Installer;
use crate::job::{Grant, Wanted};
use crate::machine::effect::Effect;
use crate::machine::input::{Input, Work};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// All that the work needs.
#[derive(Clone)]
pub struct Hands {
    /// The files of the device.
    pub files: Arc<dyn Files>,
    /// How software gets onto it.
    pub installer: Arc<dyn Installer>,
    /// Where bytes come from.
    pub http: Arc<dyn Http>,
    /// Whether a release is well.
    pub health: Arc<dyn Health>,
    /// The agent's root.
    pub root: PathBuf,
    /// The longest artifact that is taken, in bytes.
    pub length_max: u64,
}

impl Hands {
    /// Does what takes its time, and says how it went, and meanwhile how it goes. Says nothing of a download that was
    /// stopped, nor of effects that are not work.
    pub fn work(&self, effect: Effect, stop: &AtomicBool, say: &mut dyn FnMut(Input)) {
        let (job, work) = match effect {
            Effect::Fetch { job, grant, wanted } => {
                return self.fetch(job, &grant, &wanted, stop, say);
            }
            Effect::Write(job, release) => {
                let bytes = part(&self.parts(), release.digest());
                (
                    job,
                    Work::Written(told(self.installer.write(&release, &bytes))),
                )
            }
            Effect::Switch(job, release) => (
                job,
                Work::Switched(told(self.installer.switch(release.digest()))),
            ),
            Effect::Check(job, release) => {
                let folder = self.root.join("versions").join(release.digest().to_hex());
                (job, Work::Checked(self.health.check(&release, &folder)))
            }
            Effect::Confirm { job, to, former } => {
                (job, Work::Confirmed(self.confirm(&to, former)))
            }
            Effect::GoBack { job, from, to } => {
                let back = told(self.installer.roll_back(&from, to.as_ref()));
                (job, Work::WentBack(back.inspect(|()| self.clear_parts())))
            }
            Effect::Journal(_)
            | Effect::StopFetch
            | Effect::Publish(_)
            | Effect::Ask
            | Effect::ApplyState(_) => return,
        };
        say(Input::Work(job, work));
    }

    fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    fn fetch(
        &self,
        job: JobId,
        grant: &Grant,
        wanted: &Wanted,
        stop: &AtomicBool,
        say: &mut dyn FnMut(Input),
    ) {
        let fetch = Fetch {
            files: &*self.files,
            parts: &self.parts(),
            http: &*self.http,
            stop,
            length_max: self.length_max,
        };
        let mut progress = |percent| say(Input::Work(job.clone(), Work::Progress(percent)));
        let fetched = match fetch.run(&job, grant, wanted, &mut progress) {
            Ok(release) => Ok(release),
            Err(Ended::Failed(failure)) => Err(failure),
            Err(Ended::Stopped) => return,
        };
        say(Input::Work(job, Work::Fetched(fetched)));
    }

    fn confirm(&self, to: &Digest, former: Option<Digest>) -> Result<(), String> {
        told(self.installer.confirm(to, former.as_ref())).inspect(|()| self.clear_parts())
    }

    /// The bytes were unpacked long ago. If they stay, the next download removes them.
    fn clear_parts(&self) {
        drop(self.files.remove(&self.parts()));
    }
}

fn told<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|e| e.to_string())
}
