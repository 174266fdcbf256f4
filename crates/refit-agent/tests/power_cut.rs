//! The power is cut at every change of the disk, in every stage of an update, on a disk that is less kind than any
//! real one: whatever is cut, `current` names a whole release, the journal is readable, the update converges, and
//! the server is told the truth.

use refit_agent::fetch::{Answer, Http};
use refit_agent::files::Files;
use refit_agent::files::fragile::{Fate, Fragile};
use refit_agent::hands::Hands;
use refit_agent::health::Health;
use refit_agent::installer::{Installer, Tree};
use refit_agent::job::{Command, Delta, Grant, Outcome, Release, Wanted};
use refit_agent::journal::Journal;
use refit_agent::machine::effect::{Effect, Facts, Saying, Update};
use refit_agent::machine::input::{Answer as ServerAnswer, Input};
use refit_agent::machine::state::Policy;
use refit_agent::machine::{Waking, next_due, step, wake};
use refit_agent::unpack::Limits;
use refit_protocol::delta::{Format, Software};
use refit_protocol::digest::Digest;
use refit_protocol::job::JobId;
use refit_protocol::time::{Monotonic, Now, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The bytes of a release: a file, or a tree of two files and a link.
fn bytes(version: &str) -> Vec<u8> {
    if version.starts_with("file") {
        return version.repeat(1_500).into_bytes();
    }
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["bin/run", "data/text"] {
        let content = format!("{name} of {version}");
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "link", "bin/run").unwrap();
    let tar = builder.into_inner().unwrap();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    frame.extend_from_slice(&((tar.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    frame.extend_from_slice(&tar);
    frame
}

fn release(version: &str) -> Release {
    let bytes = bytes(version);
    let digest = Digest::from_bytes(Sha256::digest(&bytes).into());
    Release {
        url: format!("http://h/depot/sha256/{digest}"),
        software: Software {
            name: "firmware".into(),
            version: version.into(),
            digest,
            length: bytes.len() as u64,
            format: if version.starts_with("file") {
                Format::File
            } else {
                Format::Tree
            },
        },
    }
}

/// Gives a little at a time, as a network does.
struct Slow(Cursor<Vec<u8>>);

impl Read for Slow {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(4096);
        self.0.read(&mut into[..most])
    }
}

/// The depot: serves ranges.
struct Depot(BTreeMap<String, Vec<u8>>);

impl Http for Depot {
    fn get(&self, _: &JobId, grant: &Grant, from: u64, _: Option<&str>) -> Result<Answer, String> {
        let bytes = self.0[grant.url().split('?').next().unwrap()].clone();
        let rest = bytes[from as usize..].to_vec();
        Ok(Answer {
            status: if from > 0 { 206 } else { 200 },
            retry_after: None,
            entity_tag: Some("\"tag\"".into()),
            range: Some((from, Some(bytes.len() as u64))),
            length: Some(rest.len() as u64),
            body: Box::new(Slow(Cursor::new(rest))),
        })
    }
}

/// Versions whose name says so are sick.
struct Doctor;

impl Health for Doctor {
    fn check(&self, release: &Release, _: &Path) -> Result<(), String> {
        if release.software.version.contains("sick") {
            Err("it is sick".into())
        } else {
            Ok(())
        }
    }
}

/// A device and what the server heard of it.
struct Device {
    disk: Fragile,
    wanted: &'static str,
    job: &'static str,
    starts: u64,
    ended: Option<Outcome>,
}

/// The power went, or the agent gave up because of it.
struct Off;

impl Device {
    /// Runs the agent until the job is answered and nothing is left to do.
    fn run(&mut self) -> Result<(), Off> {
        self.starts += 1;
        let files: Arc<dyn Files> = Arc::new(self.disk.clone());
        let root = Path::new("/");
        let (mut journal, entry) = Journal::open(&*files, root).map_err(|_| Off)?;
        let tree = Tree::open(Arc::clone(&files), root, Limits::default()).map_err(|_| Off)?;
        let wanted = release(self.wanted);
        let hands = Hands {
            files: Arc::clone(&files),
            installer: Arc::new(tree.clone()),
            http: Arc::new(Depot(BTreeMap::from([(
                wanted.url.clone(),
                bytes(self.wanted),
            )]))),
            health: Arc::new(Doctor),
            root: root.into(),
            length_max: u64::MAX,
        };
        let waking = Waking {
            entry,
            running: tree.running().map_err(|_| Off)?,
            policy: Policy {
                allow_unverified: false,
                length_max: u64::MAX,
            },
            facts: Facts::default(),
            seed: self.starts,
        };
        let mut now = 1;
        let (mut state, effects) = wake(waking, at(now));
        let mut effects: VecDeque<Effect> = effects.into();
        let mut inputs = VecDeque::from([Input::Connected, self.delta(wanted)]);
        loop {
            while let Some(effect) = effects.pop_front() {
                match effect {
                    Effect::Journal(entry) => journal.write(&*files, &entry).map_err(|_| Off)?,
                    Effect::Publish(update) => inputs.push_back(self.hear(update)),
                    work => {
                        let mut say = |input| inputs.push_back(input);
                        hands.work(work, &AtomicBool::new(false), &mut say);
                    }
                }
                if self.disk.is_cut() {
                    return Err(Off);
                }
            }
            let input = match (inputs.pop_front(), next_due(&state)) {
                (Some(input), _) => input,
                (None, Some(due)) => {
                    now = now.max(due.0);
                    Input::Tick
                }
                (None, None) => return Ok(()),
            };
            let (next, did) = step(state, input, at(now));
            state = next;
            effects.extend(did);
        }
    }

    fn delta(&self, wanted: Release) -> Input {
        Input::Delta(Delta {
            version: 1,
            command: Some(Command {
                job: JobId::parse(self.job).unwrap(),
                grant: Grant::Presigned(format!("{}?sig=1", wanted.url)),
                wanted: Ok(Wanted::Known(wanted)),
            }),
            other: None,
        })
    }

    /// The server: takes the first end of the job, and any repetition must say the same.
    fn hear(&mut self, update: Update) -> Input {
        if let Saying::Ended(job, outcome) = update.saying {
            assert_eq!(job.as_str(), self.job);
            if let Some(before) = &self.ended {
                assert_eq!(*before, outcome, "the end is always told in the same way");
            }
            self.ended = Some(outcome);
        }
        Input::Accepted(ServerAnswer {
            token: Some(update.token),
        })
    }
}

fn at(millis: u64) -> Now {
    Now {
        wall: Timestamp(millis),
        mono: Monotonic(millis),
    }
}

/// Whether what `current` names is whole, byte for byte; and which version it is.
fn runs(disk: &Fragile, known: &[&'static str], story: &str) -> Option<&'static str> {
    let target = disk.read_link(Path::new("/current")).unwrap()?;
    let version = known
        .iter()
        .find(|version| target.ends_with(release(version).digest().to_hex()))
        .expect("current names a version that was wanted");
    let folder = Path::new("/").join(target);
    if version.starts_with("file") {
        let artifact = disk.read(&folder.join("artifact"), usize::MAX).unwrap();
        assert!(
            artifact == Some(bytes(version)),
            "{story}: {version} is not whole"
        );
    } else {
        for name in ["bin/run", "data/text"] {
            let content = disk.read(&folder.join(name), usize::MAX).unwrap();
            let expected = format!("{name} of {version}").into_bytes();
            assert!(content == Some(expected), "{story}: {version} is not whole");
        }
        assert_eq!(
            disk.read_link(&folder.join("link")).unwrap().as_deref(),
            Some(Path::new("bin/run"))
        );
    }
    Some(version)
}

/// A device that runs `old`, and is to run `wanted`.
fn device(old: Option<&'static str>, wanted: &'static str) -> Device {
    let mut device = Device {
        disk: Fragile::default(),
        wanted: old.unwrap_or(wanted),
        job: "j0",
        starts: 0,
        ended: None,
    };
    if old.is_some() {
        assert!(device.run().is_ok());
        assert!(matches!(device.ended, Some(Outcome::Success(_))));
    }
    Device {
        disk: device.disk.after_cut(Fate::Lost), // what an update leaves is durable
        wanted,
        job: "j1",
        starts: 10,
        ended: None,
    }
}

/// The fates that each cut is tried with.
fn fates() -> impl Iterator<Item = Fate> {
    [Fate::Lost, Fate::Kept]
        .into_iter()
        .chain((0..4).map(Fate::Mixed))
}

/// Starts again after a cut, and looks at everything.
fn recover(mut after: Device, old: Option<&'static str>, story: &str) {
    let known: Vec<&'static str> = old.into_iter().chain([after.wanted]).collect();
    let now = runs(&after.disk, &known, story);
    assert!(
        now == old || now == Some(after.wanted),
        "{story}: runs {now:?}"
    );
    assert!(after.run().is_ok(), "{story}");
    let sick = after.wanted.contains("sick");
    let expected = if sick { old } else { Some(after.wanted) };
    assert_eq!(runs(&after.disk, &known, story), expected, "{story}");
    match after.ended {
        Some(Outcome::Success(_)) => assert!(!sick, "{story}"),
        Some(Outcome::Failure(reason)) => {
            assert!(sick && reason == "it is sick", "{story}: {reason}")
        }
        other => panic!("{story}: the job ended with {other:?}"),
    }
    let left = after.disk.after_cut(Fate::Lost);
    assert_eq!(
        runs(&left, &known, story),
        expected,
        "{story}: the end is durable"
    );
    let half = after.disk.names(Path::new("/versions")).unwrap();
    assert!(
        half.iter().all(|name| Digest::parse(name).is_some()),
        "{story}: {half:?} is left"
    );
}

const UPDATES: [(Option<&str>, &str); 6] = [
    (None, "file-1"),
    (Some("file-1"), "file-2"),
    (Some("tree-1"), "tree-2"),
    (Some("file-1"), "tree-2"),
    (Some("tree-1"), "tree-sick"),
    (None, "tree-sick"),
];

#[test]
fn the_power_is_cut_at_every_change() {
    let mut cuts = 0;
    for (old, wanted) in UPDATES {
        for cut in 0.. {
            let mut device = device(old, wanted);
            device.disk.cut_at(cut);
            if device.run().is_ok() {
                break;
            }
            for fate in fates() {
                cuts += 1;
                let story = format!("{old:?} to {wanted}, cut at change {cut}, {fate:?}");
                let after = Device {
                    disk: device.disk.after_cut(fate),
                    ended: device.ended.clone(),
                    ..device
                };
                recover(after, old, &story);
            }
        }
    }
    assert!(
        cuts > 1000,
        "only {cuts} cuts: is the update still written step by step?"
    );
}

#[test]
fn it_is_killed_and_then_the_power_is_cut_while_it_recovers() {
    for (old, wanted) in UPDATES {
        for first in 0.. {
            let mut device = device(old, wanted);
            device.disk.cut_at(first);
            if device.run().is_ok() {
                break;
            }
            device.disk.revive(); // killed: what was not synced is still there, and may be lost later
            // Every change of the recovery would be many; one in three, another one each time.
            for second in (first % 3..).step_by(3) {
                let mut again = Device {
                    disk: device.disk.copy(),
                    ended: device.ended.clone(),
                    ..device
                };
                again.disk.cut_at(second);
                let over = again.run().is_ok();
                for fate in [Fate::Lost, Fate::Mixed(second as u64)] {
                    let story = format!(
                        "{old:?} to {wanted}, killed at {first}, cut at {second}, {fate:?}"
                    );
                    let after = Device {
                        disk: again.disk.after_cut(fate),
                        ended: again.ended.clone(),
                        ..again
                    };
                    recover(after, old, &story);
                }
                if over {
                    break;
                }
            }
        }
    }
}
