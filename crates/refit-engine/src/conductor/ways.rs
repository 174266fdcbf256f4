//! Where the releases of a plan are, and which is next for a device by what it runs.
//!
//! Releases say nothing yet of "from at least" and "must pass": the way is one step.

use refit_protocol::digest::Digest;
use refit_rollout::check::{Complaint, Severity};
use refit_rollout::path::{self, Next};
use refit_rollout::plan::Plan;
use refit_store::facts::SoftwareRef;
use refit_store::release::Release;

/// The releases that a plan sends devices to, and those on their way.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    targets: Vec<Target>,
    /// All releases, to tell what a device runs.
    known: Vec<Known>,
    downgrade: bool,
}

#[derive(Debug)]
struct Target {
    name: String,
    order: u64,
    releases: Vec<path::Release>,
}

#[derive(Debug)]
struct Known {
    name: String,
    version: String,
    order: u64,
    digest: Digest,
    length: u64,
}

/// What a device runs, and where it goes from there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Way {
    /// The version that it runs, if that is known.
    pub(crate) from: Option<String>,
    /// Which release is next; `None`: what it runs is not known.
    pub(crate) next: Option<Next>,
    /// The artifact of that, and its length.
    pub(crate) to: Option<(Digest, u64)>,
    /// Why no release of the plan is for it.
    pub(crate) unfit: Option<String>,
}

impl Ways {
    /// Finds the releases of a plan; complains of those that there are not.
    pub(crate) fn find(plan: &Plan, releases: &[Release]) -> (Self, Vec<Complaint>) {
        let known: Vec<Known> = releases.iter().map(Known::of).collect();
        let (mut targets, mut complaints) = (Vec::new(), Vec::new());
        for (at, text) in plan.releases.iter().enumerate() {
            let (name, version) = text.split_once('@').unwrap_or((text, ""));
            let found = known
                .iter()
                .find(|known| known.name == name && known.version == version);
            let Some(found) = found else {
                complaints.push(Complaint {
                    path: format!("releases[{at}]"),
                    severity: Severity::Error,
                    message: format!("there is no release {text}"),
                    hint: "`refit release list` lists those that there are".into(),
                });
                continue;
            };
            let all = known.iter().filter(|known| known.name == name);
            targets.push(Target {
                name: name.into(),
                order: found.order,
                releases: all.map(Known::on_the_way).collect(),
            });
        }
        let ways = Self {
            targets,
            known,
            downgrade: plan.downgrade,
        };
        (ways, complaints)
    }

    /// Returns the name and version of a software, if it is a release here.
    pub(crate) fn name(&self, software: &SoftwareRef) -> Option<(&str, &str)> {
        let known = self.of(software)?;
        Some((&known.name, &known.version))
    }

    fn of(&self, software: &SoftwareRef) -> Option<&Known> {
        match software {
            SoftwareRef::Depot(digest) => self.known.iter().find(|known| known.digest == *digest),
            SoftwareRef::Other(_) => None,
        }
    }

    /// Returns the way of a device that reports this software.
    pub(crate) fn from(&self, reported: Option<&SoftwareRef>) -> Way {
        let Some(SoftwareRef::Depot(digest)) = reported else {
            return Way::default();
        };
        // One artifact may be a release of several names.
        let runs = self.known.iter().filter(|known| known.digest == *digest);
        let runs: Vec<&Known> = runs.collect();
        let Some(first) = runs.first() else {
            return Way::default();
        };
        let found = self.targets.iter().find_map(|target| {
            let from = runs.iter().find(|known| known.name == target.name)?;
            Some((target, *from))
        });
        let Some((target, from)) = found else {
            return Way {
                from: Some(first.version.clone()),
                unfit: Some(format!(
                    "it runs {}, and the plan has no release of that",
                    first.name
                )),
                ..Way::default()
            };
        };
        let next = path::next(from.order, target.order, &target.releases, self.downgrade);
        let order = match next {
            Next::There => Some(target.order),
            Next::To(order) => Some(order),
            Next::Downgrade | Next::NoWay | Next::NoTarget => None,
        };
        let to = self
            .known
            .iter()
            .find(|known| known.name == target.name && Some(known.order) == order);
        Way {
            from: Some(from.version.clone()),
            next: Some(next),
            to: to.map(|to| (to.digest, to.length)),
            unfit: None,
        }
    }
}

impl Known {
    fn of(release: &Release) -> Self {
        let software = &release.software;
        Self {
            name: software.name.clone(),
            version: software.version.clone(),
            // In the same order, from 0.
            order: release.place.cast_unsigned() ^ (1 << 63),
            digest: software.digest,
            length: software.length,
        }
    }

    fn on_the_way(&self) -> path::Release {
        path::Release {
            order: self.order,
            version: self.version.clone(),
            from_at_least: None,
            must_pass: false,
            withdrawn: false,
        }
    }
}
